#include "learn/exam.h"

#include "base/mem.h"
#include "clinical/guard.h"
#include "learn/rouge.h"
#include "learn/windows.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_ARENA_SIZE = 4 << 20 };

static const char *const row_names[ROW_COUNT] = { "facts", "critical", "numbers" };
static const char *const slice_names[SLICE_ALERT] = { "all", "stable", "missing", "artefact", "long", "several",
                                                      "edited" };

const char *exam_row_name(enum exam_row row)
{
    return row_names[row];
}

const char *exam_slice_name(enum exam_slice slice)
{
    return slice < SLICE_ALERT ? slice_names[slice] : alert_type_name((enum alert_type)(slice - SLICE_ALERT));
}

/* ---- the set ---- */

static uint32_t alert_slices(const struct facts *facts, int *out_physiological)
{
    uint32_t slices = 0;
    for (int i = 0; i < facts->alert_count; i++)
        slices |= 1u << (SLICE_ALERT + facts->alert[i].type);
    *out_physiological = 0;
    for (int type = 0; type < ALERT_TYPE_COUNT; type++)
        *out_physiological += type != ALERT_SENSOR && (slices >> (SLICE_ALERT + type) & 1);
    return slices;
}

static uint32_t slices_of(const struct facts *facts, bool edited)
{
    int physiological;
    uint32_t slices = 1u << SLICE_ALL | alert_slices(facts, &physiological);
    bool missing = false, artefact = false;
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        missing = missing || !facts->vital[vital].count;
        artefact = artefact || facts->vital[vital].implausible;
    }
    slices |= (uint32_t)facts_patient_stable(facts) << SLICE_STABLE;
    slices |= (uint32_t)missing << SLICE_MISSING | (uint32_t)artefact << SLICE_ARTEFACT;
    slices |= (uint32_t)(facts->window->reading_count >= EXAM_LONG_READINGS) << SLICE_LONG;
    slices |= (uint32_t)(physiological > 1) << SLICE_SEVERAL | (uint32_t)edited << SLICE_EDITED;
    return slices;
}

static void *copy(struct arena *arena, const void *data, size_t size)
{
    void *out = arena_try_alloc(arena, size ? size : 1);
    return out && size ? memcpy(out, data, size) : out;
}

static const struct window *copy_window(struct arena *arena, const struct window *window)
{
    struct window *out = copy(arena, window, sizeof *window);
    if (!out)
        return NULL;
    out->readings = copy(arena, window->readings, window->reading_count * sizeof *window->readings);
    out->alerts = copy(arena, window->alerts, window->alert_count * sizeof *window->alerts);
    return out->readings && out->alerts ? out : NULL;
}

/* The old array stays in the arena: doubling wastes no more than it holds. */
static bool reserve(struct exam_set *set, size_t count, struct err *err)
{
    if (count <= set->capacity)
        return true;
    if (count > EXAM_WINDOWS_MAX)
        return err_set(err, ERR_TOO_LARGE, "exam: at most %d windows", EXAM_WINDOWS_MAX);
    size_t capacity = count > 2 * set->capacity ? count : 2 * set->capacity;
    struct exam_item *items = arena_try_alloc(set->arena, capacity * sizeof *items);
    if (!items)
        return err_set(err, ERR_TOO_LARGE, "exam: no memory for %zu windows", capacity);
    if (set->count)
        memcpy(items, set->items, set->count * sizeof *items);
    set->items = items;
    set->capacity = capacity;
    return true;
}

static const char *written(const struct facts *facts, struct arena *arena)
{
    struct summary_text *text = arena_try_alloc(arena, sizeof *text);
    if (!text)
        return NULL;
    writer_write(facts, WRITER_HOUSE, arena, text);
    return summary_join(text, arena);
}

bool exam_set_add(struct exam_set *set, const struct window *window, const struct alarm_limits *limits,
                  const char *edit, struct err *err)
{
    if (!reserve(set, set->count + 1, err))
        return false;
    struct exam_item *item = &set->items[set->count];
    const struct window *kept = copy_window(set->arena, window);
    const struct alarm_limits *own = copy(set->arena, limits, sizeof *limits);
    if (!kept || !own)
        return err_set(err, ERR_TOO_LARGE, "exam: no memory for window %zu", set->count);
    facts_make(kept, own, &item->facts);
    item->edited = edit != NULL;
    item->reference = edit ? copy(set->arena, edit, strlen(edit) + 1) : written(&item->facts, set->arena);
    if (!item->reference)
        return err_set(err, ERR_TOO_LARGE, "exam: no memory for text %zu", set->count);
    item->slices = slices_of(&item->facts, item->edited);
    set->edited_count += item->edited;
    set->count++;
    return true;
}

static bool add_visited(void *context, const struct window *window, const struct alarm_limits *limits, struct err *err)
{
    return exam_set_add(context, window, limits, NULL, err);
}

bool exam_set_simulated(struct arena *arena, size_t count, struct exam_set *out, struct err *err)
{
    *out = (struct exam_set){ .arena = arena };
    return reserve(out, count, err) && windows_simulated(EXAM_SEED, count, add_visited, out, err);
}

/* ---- judging one text ---- */

static int count_numbers(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += isdigit((unsigned char)*text) && !isdigit((unsigned char)text[1]) &&
                 !(strchr(".:/", text[1]) && text[1] && isdigit((unsigned char)text[2]));
    return count;
}

static int count_words(const char *text)
{
    int count = 0;
    for (bool in = false; *text; text++) {
        bool word = !isspace((unsigned char)*text);
        count += word && !in;
        in = word;
    }
    return count;
}

/* The evidence of kept sentences as a set of hashes. */
struct evidence_set {
    uint64_t item[SENTENCES_MAX * EVIDENCE_MAX];
    int count;
};

static void collect_evidence(const struct guard_result *result, struct evidence_set *out)
{
    out->count = 0;
    for (int s = result->added; s < result->kept.count; s++)
        for (int e = 0; e < result->kept.sentences[s].evidence_count; e++) {
            const struct evidence *evidence = &result->kept.sentences[s].evidence[e];
            int64_t key[4] = { evidence->is_alert, evidence->time_us, evidence->source,
                               evidence->is_alert ? evidence->alert_type : 0 };
            uint64_t hash = str_hash64(key, sizeof key, 0);
            int i = 0;
            while (i < out->count && out->item[i] != hash)
                i++;
            if (i == out->count)
                out->item[out->count++] = hash;
        }
}

static double fact_f1(const struct guard_result *text, const struct guard_result *reference)
{
    struct evidence_set a, b;
    int both = 0;
    collect_evidence(text, &a);
    collect_evidence(reference, &b);
    for (int i = 0; i < a.count; i++)
        for (int j = 0; j < b.count; j++)
            both += a.item[i] == b.item[j];
    return a.count + b.count ? 2.0 * both / (a.count + b.count) : 1;
}

static int open_critical(const struct facts *facts)
{
    int count = 0;
    for (int i = 0; i < facts->alert_count; i++)
        count += facts->alert[i].severity == SEVERITY_CRITICAL && facts->alert[i].state != ALERT_CLOSED;
    return count;
}

static void judge(const struct exam_item *item, const char *text, struct arena *arena, struct exam_verdict *out)
{
    static const struct guard_options options = { .alias = true };
    struct guard_result *result = arena_alloc(arena, sizeof *result),
                        *reference = arena_alloc(arena, sizeof *reference);
    int cut_numbers = 0, numbers = count_numbers(text), critical = open_critical(&item->facts);
    guard_check(&item->facts, text, &options, arena, result);
    guard_check(&item->facts, item->reference, &options, arena, reference);
    for (int i = 0; i < result->cut_count; i++)
        cut_numbers += count_numbers(result->cuts[i].text);
    int told = critical > result->added ? critical - result->added : 0;
    *out = (struct exam_verdict){
        .slices = item->slices, .sentences = (uint16_t)result->sentence_count, .cuts = (uint16_t)result->cut_count,
        .numbers = (uint16_t)numbers, .numbers_proven = (uint16_t)(numbers > cut_numbers ? numbers - cut_numbers : 0),
        .critical = (uint16_t)critical, .critical_told = (uint16_t)told, .words = (uint16_t)count_words(text),
        .rouge = (float)rouge_l(text, item->reference), .fact_f1 = (float)fact_f1(result, reference),
    };
    out->right = (uint8_t)((result->cut_count == 0 && result->sentence_count > 0) << ROW_FACTS |
                           (result->added == 0) << ROW_CRITICAL | (cut_numbers == 0) << ROW_NUMBERS);
}

/* ---- sums ---- */

static void add_verdict(struct exam_slice_sum *sum, const struct exam_verdict *verdict)
{
    sum->windows++;
    for (int row = 0; row < ROW_COUNT; row++)
        sum->right[row] += verdict->right >> row & 1;
    sum->sentences += verdict->sentences;
    sum->cuts += verdict->cuts;
    sum->numbers += verdict->numbers;
    sum->numbers_proven += verdict->numbers_proven;
    sum->critical += verdict->critical;
    sum->critical_told += verdict->critical_told;
    sum->words += verdict->words;
    sum->rouge += (double)verdict->rouge;
    sum->fact_f1 += (double)verdict->fact_f1;
}

static double share(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : 1;
}

static void sum_up(struct exam *exam)
{
    memset(exam->sums, 0, sizeof exam->sums);
    for (size_t i = 0; i < exam->count; i++)
        for (int slice = 0; slice < SLICE_COUNT; slice++)
            if (exam->verdicts[i].slices >> slice & 1)
                add_verdict(&exam->sums[slice], &exam->verdicts[i]);
    for (int slice = 0; slice < SLICE_COUNT; slice++) {
        struct exam_slice_sum *sum = &exam->sums[slice];
        double windows = sum->windows ? (double)sum->windows : 1;
        sum->rouge /= windows;
        sum->fact_f1 /= windows;
    }
    const struct exam_slice_sum *all = &exam->sums[SLICE_ALL];
    const struct exam_slice_sum *agree = exam->sums[SLICE_EDITED].windows ? &exam->sums[SLICE_EDITED] : all;
    exam->total = 0.30 * (agree->rouge + agree->fact_f1) / 2 +
                  0.25 * share(all->sentences - all->cuts, all->sentences) +
                  0.25 * share(all->critical_told, all->critical) + 0.20 * share(all->numbers_proven, all->numbers);
}

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void exam_set_latency(struct exam *exam, const int64_t *latency_us, size_t count)
{
    if (!count)
        return;
    int64_t *sorted = mem_new(count, sizeof *sorted);
    memcpy(sorted, latency_us, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_value);
    exam->latency_ms_median = (double)sorted[count / 2] / 1000;
    exam->latency_ms_p95 = (double)sorted[count * 95 / 100] / 1000;
    mem_free(sorted);
}

void exam_judge(const struct exam_set *set, const char *const *texts, const char *model, struct arena *arena,
                struct exam *out)
{
    struct arena scratch;
    *out = (struct exam){ .count = set->count, .verdicts = arena_alloc(arena, set->count * sizeof *out->verdicts + 1) };
    (void)str_copy(out->model, sizeof out->model, model);
    arena_init(&scratch, TEXT_ARENA_SIZE);
    for (size_t i = 0; i < set->count; i++) {
        judge(&set->items[i], texts[i], &scratch, &out->verdicts[i]);
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    sum_up(out);
}

/* ---- the document ---- */

static void put_rate(struct json_writer *w, const char *key, double value)
{
    json_put_decimal(w, key, llround(value * 100000), 5);
}

static void write_slice(struct json_writer *w, enum exam_slice slice, const struct exam_slice_sum *sum)
{
    json_put_object(w, exam_slice_name(slice));
    json_put_int(w, "windows", sum->windows);
    for (int row = 0; row < ROW_COUNT; row++)
        json_put_int(w, row_names[row], sum->right[row]);
    json_put_int(w, "sentences", sum->sentences);
    json_put_int(w, "cuts", sum->cuts);
    json_put_int(w, "numbers_written", sum->numbers);
    json_put_int(w, "numbers_proven", sum->numbers_proven);
    json_put_int(w, "critical_alerts", sum->critical);
    json_put_int(w, "critical_told", sum->critical_told);
    put_rate(w, "words_mean", (double)sum->words / (sum->windows ? (double)sum->windows : 1));
    put_rate(w, "rouge_l", sum->rouge);
    put_rate(w, "fact_f1", sum->fact_f1);
    json_put_end(w);
}

/* A verdict is a row of numbers, in this order. */
static const size_t verdict_fields = 11;

static void write_verdict(struct json_writer *w, const struct exam_verdict *v)
{
    const int64_t fields[] = { v->slices, v->right, v->sentences, v->cuts, v->numbers, v->numbers_proven, v->critical,
                               v->critical_told, v->words, lroundf(v->rouge * 10000), lroundf(v->fact_f1 * 10000) };
    json_put_array(w, NULL);
    for (size_t i = 0; i < verdict_fields; i++)
        json_put_int(w, NULL, fields[i]);
    json_put_end(w);
}

void exam_write(const struct exam *exam, struct buf *out)
{
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_text(&w, "model", exam->model);
    put_rate(&w, "total", exam->total);
    json_put_decimal(&w, "latency_ms_median", llround(exam->latency_ms_median * 1000), 3);
    json_put_decimal(&w, "latency_ms_p95", llround(exam->latency_ms_p95 * 1000), 3);
    json_put_object(&w, "slices");
    for (int slice = 0; slice < SLICE_COUNT; slice++)
        write_slice(&w, (enum exam_slice)slice, &exam->sums[slice]);
    json_put_end(&w);
    json_put_array(&w, "verdicts");
    for (size_t i = 0; i < exam->count; i++)
        write_verdict(&w, &exam->verdicts[i]);
    json_put_end(&w);
    json_put_end(&w);
    buf_add_char(out, '\n');
}

static bool read_verdict(const struct json *row, struct exam_verdict *out, struct err *err)
{
    int64_t f[11];
    for (size_t i = 0; i < verdict_fields; i++) {
        const struct json *item = row ? json_item(row, i) : NULL;
        if (!item || !json_int_of(item, &f[i]) || f[i] < 0 || f[i] > (i == 0 ? UINT32_MAX : UINT16_MAX))
            return err_set(err, ERR_INPUT, "verdicts: a row is %zu counts", verdict_fields);
    }
    *out = (struct exam_verdict){
        .slices = (uint32_t)f[0], .right = (uint8_t)f[1], .sentences = (uint16_t)f[2], .cuts = (uint16_t)f[3],
        .numbers = (uint16_t)f[4], .numbers_proven = (uint16_t)f[5], .critical = (uint16_t)f[6],
        .critical_told = (uint16_t)f[7], .words = (uint16_t)f[8], .rouge = (float)f[9] / 10000,
        .fact_f1 = (float)f[10] / 10000,
    };
    return true;
}

bool exam_read(const char *text, size_t length, struct arena *arena, struct exam *out, struct err *err)
{
    struct json *root = NULL;
    const struct json *rows = NULL;
    const char *model = "";
    *out = (struct exam){ 0 };
    bool ok = json_parse_object(text, length, 64 << 20, &root, err) &&
              json_get_text(root, "model", JSON_REQUIRED, 0, sizeof out->model - 1, &model, err) &&
              json_get_double(root, "latency_ms_median", 0, 0, 1e9, &out->latency_ms_median, err) &&
              json_get_double(root, "latency_ms_p95", 0, 0, 1e9, &out->latency_ms_p95, err) &&
              json_get_array(root, "verdicts", JSON_REQUIRED, EXAM_WINDOWS_MAX, &rows, err);
    if (ok) {
        (void)str_copy(out->model, sizeof out->model, model);
        out->count = json_count(rows);
        out->verdicts = arena_alloc(arena, out->count * sizeof *out->verdicts + 1);
        for (size_t i = 0; i < out->count && ok; i++)
            ok = read_verdict(json_item(rows, i), &out->verdicts[i], err);
    }
    json_free(root);
    if (ok)
        sum_up(out);
    return ok || err_context(err, "exam");
}
