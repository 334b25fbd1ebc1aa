#include "learn/gate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* z of one in a hundred, one-sided normal. */
#define Z_ONE_IN_A_HUNDRED 2.33

/* What a first model must reach: of its windows right, per row, in all windows together.  Source: the bar for the
 * default model is 98 % of sentences proven; a window has about eight sentences, 0.98^8 = 0.85. */
static const double floors[ROW_COUNT] = { [ROW_FACTS] = 0.85, [ROW_CRITICAL] = 0.90, [ROW_NUMBERS] = 0.85 };

static struct gate_row compare(const struct exam *champion, const struct exam *challenger, int slice, int row)
{
    struct gate_row out = { .slice = (enum exam_slice)slice, .row = (enum exam_row)row };
    for (size_t i = 0; i < challenger->count; i++) {
        if (!(challenger->verdicts[i].slices >> slice & 1))
            continue;
        bool before = champion->verdicts[i].right >> row & 1, now = challenger->verdicts[i].right >> row & 1;
        out.windows++;
        out.champion += before;
        out.challenger += now;
        out.lost += before && !now;
        out.won += now && !before;
    }
    double z = out.lost > out.won ? (double)(out.lost - out.won) / sqrt((double)(out.lost + out.won)) : 0;
    bool a_point = 100 * (out.champion - out.challenger) > out.windows;
    out.worse = z > Z_ONE_IN_A_HUNDRED || (a_point && out.lost - out.won >= GATE_LOST_MIN);
    return out;
}

static bool same_exam(const struct exam *a, const struct exam *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->verdicts[i].slices != b->verdicts[i].slices)
            return false;
    return true;
}

static void say_worse(struct gate *gate)
{
    size_t used = (size_t)snprintf(gate->reason, sizeof gate->reason, "worse in");
    for (int i = 0; i < gate->row_count && used < sizeof gate->reason; i++) {
        const struct gate_row *row = &gate->rows[i];
        if (row->worse)
            used += (size_t)snprintf(gate->reason + used, sizeof gate->reason - used,
                                     "%s %s of %s (%lld of %lld, was %lld)", used > 8 ? ";" : "",
                                     exam_row_name(row->row), exam_slice_name(row->slice), (long long)row->challenger,
                                     (long long)row->windows, (long long)row->champion);
    }
}

static void judge_first(const struct exam *challenger, struct gate *out)
{
    const struct exam_slice_sum *all = &challenger->sums[SLICE_ALL];
    out->passed = true;
    (void)snprintf(out->reason, sizeof out->reason, "first model: over every floor");
    for (int row = 0; row < ROW_COUNT && out->passed; row++)
        if (!all->windows || (double)all->right[row] < floors[row] * (double)all->windows) {
            out->passed = false;
            (void)snprintf(out->reason, sizeof out->reason,
                           "first model: %s right in %lld of %lld windows, the floor is %.0f %%",
                           exam_row_name((enum exam_row)row), (long long)all->right[row], (long long)all->windows,
                           100 * floors[row]);
        }
}

static void judge_against(const struct exam *champion, const struct exam *challenger, struct gate *out)
{
    bool worse = false;
    for (int slice = 0; slice < SLICE_COUNT; slice++)
        for (int row = 0; row < ROW_COUNT; row++) {
            struct gate_row compared = compare(champion, challenger, slice, row);
            worse = worse || compared.worse;
            if (compared.windows)
                out->rows[out->row_count++] = compared;
        }
    double gain = challenger->total - champion->total;
    out->passed = !worse && gain >= GATE_GAIN;
    if (worse)
        say_worse(out);
    else
        (void)snprintf(out->reason, sizeof out->reason, "total %.4f, was %.4f: %s", challenger->total, champion->total,
                       out->passed ? "better, and worse in no safety row" : "no gain worth a change (0.002)");
}

bool gate_judge(const struct exam *champion, const struct exam *challenger, struct gate *out, struct err *err)
{
    *out = (struct gate){ .has_champion = champion != NULL, .challenger_total = challenger->total,
                          .champion_total = champion ? champion->total : 0 };
    if (champion && !same_exam(champion, challenger))
        return err_set(err, ERR_CONFLICT, "gate: champion and challenger sat different exams (%zu and %zu windows)",
                       champion->count, challenger->count);
    if (champion)
        judge_against(champion, challenger, out);
    else
        judge_first(challenger, out);
    return true;
}

void gate_write(const struct gate *gate, struct buf *out)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_bool(&w, "passed", gate->passed);
    json_put_text(&w, "reason", gate->reason);
    if (gate->has_champion)
        json_put_decimal(&w, "champion_total", llround(gate->champion_total * 100000), 5);
    json_put_decimal(&w, "challenger_total", llround(gate->challenger_total * 100000), 5);
    json_put_array(&w, "rows");
    for (int i = 0; i < gate->row_count; i++) {
        const struct gate_row *row = &gate->rows[i];
        json_put_object(&w, NULL);
        json_put_text(&w, "slice", exam_slice_name(row->slice));
        json_put_text(&w, "row", exam_row_name(row->row));
        json_put_int(&w, "windows", row->windows);
        json_put_int(&w, "champion", row->champion);
        json_put_int(&w, "challenger", row->challenger);
        json_put_int(&w, "lost", row->lost);
        json_put_int(&w, "won", row->won);
        json_put_bool(&w, "worse", row->worse);
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_end(&w);
    buf_add_char(out, '\n');
}

bool gate_read(const char *text, size_t length, bool *out_passed, struct buf *out_reason, struct err *err)
{
    struct json *root = NULL;
    const char *reason = "";
    bool ok = json_parse_object(text, length, 1 << 20, &root, err) &&
              json_get_bool(root, "passed", JSON_REQUIRED, out_passed, err) &&
              json_get_text(root, "reason", JSON_REQUIRED, 0, GATE_REASON_SIZE, &reason, err);
    if (ok)
        buf_add_text(out_reason, reason);
    json_free(root);
    return ok || err_context(err, "gate");
}
