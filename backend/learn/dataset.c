#include "learn/dataset.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "clinical/guard.h"
#include "learn/habit.h"
#include "learn/model_files.h"
#include "learn/named.h"
#include "learn/prepare.h"
#include "learn/wording.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const verdict_names[VERDICT_COUNT] = {
    "gold", "silver", "unproven", "omits_critical_alert", "was_cut", "rated_low", "duplicate", "superseded",
    "over_user_cap",
};

const char *sample_verdict_name(enum sample_verdict verdict)
{
    return verdict_names[verdict];
}

/* What is remembered of a sample between the two passes over the file. */
struct entry {
    uint64_t patient, user, summary, content;
    int64_t time_us;
    uint32_t index;
    uint8_t verdict;
    bool edit, held_back, taken;         /* taken: learnt from */
};

struct builder {
    const struct dataset_options *options;
    struct dataset *out;
    struct entry *entries;
    size_t count, capacity, at;
    struct arena arena;
    struct buf input, target;
    FILE *pairs, *edits;
    struct habits {                      /* of the edits that are learnt from, and of the model in service */
        struct habit order;
        struct wording wording;
    } *edits_habits, *model_habits;
    size_t silver_wanted;
};

static uint64_t hash_text(const char *text)
{
    return str_hash64(text, strlen(text), 0);
}

/* ---- first pass: what is each sample worth? ---- */

static enum sample_verdict verdict_of(const struct sample *sample, const struct guard_result *result)
{
    bool edit = sample->kind == SAMPLE_EDIT;
    if (result->cut_count || !result->sentence_count)
        return edit ? VERDICT_UNPROVEN : VERDICT_WAS_CUT;
    if (result->added)
        return VERDICT_OMITS;
    if (!edit && sample->cut_count)
        return VERDICT_WAS_CUT;
    if (!edit && sample->rating && sample->rating < 4)
        return VERDICT_RATED_LOW;
    return edit ? VERDICT_GOLD : VERDICT_SILVER;
}

static bool grow(struct builder *b, struct err *err)
{
    if (b->count < b->capacity)
        return true;
    if (b->count == SAMPLES_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d samples; ask for fewer days", SAMPLES_MAX);
    size_t capacity = b->capacity ? 2 * b->capacity : 1024;
    struct entry *entries = mem_try_resize(b->entries, capacity, sizeof *entries);
    if (!entries)
        return err_set(err, ERR_TOO_LARGE, "no memory for %zu samples", capacity);
    b->entries = entries;
    b->capacity = capacity;
    return true;
}

static void make_input(struct builder *b, const struct facts *facts)
{
    buf_reset(&b->input);
    model_input(facts, b->options->format, NULL, &b->input);
}

static bool judge_sample(void *context, const struct sample *sample, struct err *err)
{
    struct builder *b = context;
    static const struct guard_options guard = { .alias = true };
    arena_reset(&b->arena);
    struct facts *facts = arena_alloc(&b->arena, sizeof *facts);
    struct guard_result *result = arena_alloc(&b->arena, sizeof *result);
    if (!grow(b, err))
        return false;
    facts_make(&sample->window, &sample->limits, facts);
    guard_check(facts, sample->text, &guard, &b->arena, result);
    make_input(b, facts);
    struct entry *entry = &b->entries[b->count];
    *entry = (struct entry){
        .patient = hash_text(sample->patient), .user = hash_text(sample->user),
        .summary = hash_text(sample->summary_id),
        .content = str_hash64(b->input.data, b->input.length, hash_text(sample->text)), .time_us = sample->time_us,
        .index = (uint32_t)b->count++, .edit = sample->kind == SAMPLE_EDIT,
        .verdict = (uint8_t)verdict_of(sample, result),
    };
    b->out->edits += entry->edit;
    /* What was read in and what people make of it is what drifts; a text that was superseded too. */
    profile_add(&b->out->profile, facts, sample->text, result->cut_count + sample->cut_count, b->options->known);
    return true;
}

/* ---- between the passes: twins, older edits, one person's flood, who is held back ---- */

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_content(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = compare_u64(x->content, y->content);
    return order ? order : compare_u64(x->index, y->index);
}

/* Edits of one summary next to each other, the newest first. */
static int by_summary(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = (int)y->edit - (int)x->edit;
    order = order ? order : compare_u64(x->summary, y->summary);
    order = order ? order : (y->time_us > x->time_us) - (y->time_us < x->time_us);
    return order ? order : compare_u64(y->index, x->index);
}

static int by_user(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = compare_u64(x->user, y->user);
    order = order ? order : (y->time_us > x->time_us) - (y->time_us < x->time_us);
    return order ? order : compare_u64(y->index, x->index);
}

static int by_patient(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = compare_u64(x->patient, y->patient);
    return order ? order : compare_u64(x->index, y->index);
}

static int by_index(const void *a, const void *b)
{
    return compare_u64(((const struct entry *)a)->index, ((const struct entry *)b)->index);
}

static void sort(struct builder *b, int (*order)(const void *, const void *))
{
    if (b->count)
        qsort(b->entries, b->count, sizeof *b->entries, order);
}

static void drop_twins(struct builder *b)
{
    sort(b, by_content);
    for (size_t i = 1; i < b->count; i++)
        if (b->entries[i].content == b->entries[i - 1].content)
            b->entries[i].verdict = VERDICT_DUPLICATE;
}

/* An edit also takes the place of the text that it corrects. */
static void drop_superseded(struct builder *b)
{
    sort(b, by_summary);
    for (size_t i = 1; i < b->count; i++) {
        struct entry *entry = &b->entries[i];
        if (entry->verdict == VERDICT_GOLD && b->entries[i - 1].edit && entry->summary == b->entries[i - 1].summary)
            entry->verdict = VERDICT_SUPERSEDED;
    }
    size_t edits = 0;
    while (edits < b->count && b->entries[edits].edit)
        edits++;
    for (size_t i = edits, e = 0; i < b->count; i++) { /* both halves are in order of summary */
        while (e < edits && b->entries[e].summary < b->entries[i].summary)
            e++;
        if (e < edits && b->entries[e].summary == b->entries[i].summary && b->entries[i].verdict == VERDICT_SILVER)
            b->entries[i].verdict = VERDICT_SUPERSEDED;
    }
}

static void cap_users(struct builder *b)
{
    size_t taken = 0;
    sort(b, by_user);
    for (size_t i = 0; i < b->count; i++) {
        taken = i && b->entries[i].user == b->entries[i - 1].user ? taken : 0;
        if (b->entries[i].verdict == VERDICT_GOLD && taken++ >= EDITS_PER_USER_MAX)
            b->entries[i].verdict = VERDICT_OVER_CAP;
    }
}

static bool gold_patient(const struct builder *b, size_t from, size_t *out_to)
{
    bool gold = false;
    size_t i = from;
    for (; i < b->count && b->entries[i].patient == b->entries[from].patient; i++)
        gold = gold || b->entries[i].verdict == VERDICT_GOLD;
    *out_to = i;
    return gold;
}

static void hold_back(struct builder *b)
{
    size_t gold = 0, to, wanted, held = 0;
    sort(b, by_patient);
    for (size_t i = 0; i < b->count; i = to) {
        gold += gold_patient(b, i, &to);
        b->out->patients++;
    }
    wanted = gold < 2 ? 0 : gold / 5 ? gold / 5 : 1;
    for (size_t i = 0; i < b->count && held < wanted; i = to) {
        if (!gold_patient(b, i, &to))
            continue;
        for (size_t k = i; k < to; k++)
            b->entries[k].held_back = true;
        held++;
    }
    b->out->patients_exam = held;
}

static void count_verdicts(struct builder *b)
{
    struct dataset *out = b->out;
    for (size_t i = 0; i < b->count; i++) {
        const struct entry *entry = &b->entries[i];
        out->counts[entry->verdict]++;
        if (entry->verdict == VERDICT_GOLD)
            *(entry->held_back ? &out->gold_exam : &out->gold_train) += 1;
        if (entry->verdict == VERDICT_SILVER && !entry->held_back)
            out->silver++;
    }
    out->samples = b->count;
    b->silver_wanted = out->silver < SILVER_MAX ? out->silver : SILVER_MAX;
}

/* All gold, and silver evenly over the file: the k-th of n is taken when it passes the next of `wanted` steps. */
static void choose(struct builder *b)
{
    size_t silver = 0, wanted = b->silver_wanted, all = b->out->silver;
    for (size_t i = 0; i < b->count; i++) {
        struct entry *entry = &b->entries[i];
        if (entry->held_back)
            continue;
        entry->taken = entry->verdict == VERDICT_GOLD;
        if (entry->verdict == VERDICT_SILVER) {
            entry->taken = (silver + 1) * wanted / all != silver * wanted / all;
            silver++;
        }
    }
}

static bool check(const struct dataset *set, struct err *err)
{
    size_t usable = set->counts[VERDICT_GOLD] + set->counts[VERDICT_SILVER];
    size_t bad = set->counts[VERDICT_UNPROVEN];
    if (!set->samples)
        return err_set(err, ERR_REFUSED, "no samples: nothing was summarised or edited in this time");
    if ((double)set->counts[VERDICT_DUPLICATE] > DUPLICATE_SHARE * (double)set->samples)
        return err_set(err, ERR_REFUSED, "duplicated data: %zu of %zu samples are copies of others",
                       set->counts[VERDICT_DUPLICATE], set->samples);
    if (bad >= 3 && (double)bad > POISONED_SHARE * (double)set->edits)
        return err_set(err, ERR_REFUSED, "poisoned data: %zu of %zu edits claim what their readings do not show", bad,
                       set->edits);
    if (usable < SAMPLES_MIN)
        return err_set(err, ERR_REFUSED, "%zu usable samples are too few to learn from; at least %d are needed", usable,
                       SAMPLES_MIN);
    if (set->counts[VERDICT_GOLD] && !set->gold_exam)
        return err_set(err, ERR_REFUSED,
                       "the edits are all about one patient: there is nobody else to examine what was learnt");
    return true;
}

/* ---- second pass: the files ---- */

static void put_pair(FILE *file, const char *input, const char *summary, int weight)
{
    struct buf line;
    buf_init(&line, 1 << 20);
    struct json_writer w = json_write(&line);
    json_put_object(&w, NULL);
    json_put_text(&w, "input", input);
    json_put_text(&w, "summary", summary);
    if (weight > 1)
        json_put_int(&w, "weight", weight);
    json_put_end(&w);
    buf_add_char(&line, '\n');
    (void)fwrite(line.data, 1, line.length, file);
    buf_free(&line);
}

/* The sample's facts, the model's input and the text in its format; they live until the next sample. */
static void retell(struct builder *b, const struct sample *sample, struct facts **out)
{
    arena_reset(&b->arena);
    struct facts *facts = *out = arena_alloc(&b->arena, sizeof *facts);
    facts_make(&sample->window, &sample->limits, facts);
    make_input(b, facts);
    buf_reset(&b->target);
    if (b->options->format == MODEL_FORMAT_SLOTS)
        named_text(facts, sample->text, &b->arena, &b->target);
    else
        buf_add_text(&b->target, sample->text);
}

/* Before anything is written, since what is not an edit is told as readers want it too.  The habits that the model in
 * service learnt from earlier edits are in its texts: they stay until other edits say otherwise. */
static bool note_habit(void *context, const struct sample *sample, struct err *err)
{
    struct builder *b = context;
    const struct entry *entry = &b->entries[b->at++];
    struct facts *facts;
    (void)err;
    bool gold = entry->verdict == VERDICT_GOLD;
    if (b->options->format != MODEL_FORMAT_SLOTS || !entry->taken || !(gold || sample->kind == SAMPLE_MODEL))
        return true;
    struct habits *habits = gold ? b->edits_habits : b->model_habits;
    retell(b, sample, &facts);
    struct summary_text *usual = arena_alloc(&b->arena, sizeof *usual);
    writer_write_named(facts, WRITER_HOUSE, &b->arena, usual);
    const char *edited = b->target.data ? b->target.data : "", *usually = summary_join(usual, &b->arena);
    habit_note(&habits->order, edited, usually);
    wording_note(&habits->wording, edited, usually);
    return true;
}

static bool is_proven(struct builder *b, const struct facts *facts, const char *named)
{
    struct slots slots;
    struct buf text;
    struct guard_result *result = arena_alloc(&b->arena, sizeof *result);
    buf_init(&text, SAMPLE_LINE_MAX);
    slots_make(facts, &slots);
    slots_fill(&slots, named, &text);
    guard_check(facts, text.data ? text.data : "", &(struct guard_options){ .alias = true }, &b->arena, result);
    buf_free(&text);
    return !result->cut_count && !result->added;
}

/* In the readers' order, and in their words where these are still proven. */
static const char *as_readers_say(struct builder *b, const struct facts *facts, const char *named)
{
    buf_reset(&b->target);
    habit_apply(&b->edits_habits->order, named, &b->target);
    const char *ordered = arena_copy(&b->arena, b->target.data ? b->target.data : "", b->target.length);
    buf_reset(&b->target);
    wording_apply(&b->edits_habits->wording, ordered, &b->target);
    if (!b->target.data || strcmp(b->target.data, ordered) == 0 || !is_proven(b, facts, b->target.data))
        return ordered;
    return b->target.data;
}

static void put_edit(struct builder *b, const struct sample *sample)
{
    struct buf line;
    buf_init(&line, SAMPLE_LINE_MAX);
    sample_write(sample, &line);
    (void)fwrite(line.data, 1, line.length, b->edits);
    buf_free(&line);
}

static bool write_sample(void *context, const struct sample *sample, struct err *err)
{
    struct builder *b = context;
    const struct entry *entry = &b->entries[b->at++];
    bool gold = entry->verdict == VERDICT_GOLD;
    struct facts *facts;
    (void)err;
    if (gold && entry->held_back)
        put_edit(b, sample);
    if (!entry->taken)
        return true;
    retell(b, sample, &facts);
    const char *text = b->target.data ? arena_copy(&b->arena, b->target.data, b->target.length) : "";
    put_pair(b->pairs, b->input.data, gold ? text : as_readers_say(b, facts, text), gold ? b->out->gold_weight : 1);
    return true;
}

static bool write_rehearsal(void *context, const struct prepare_pair *pair, struct err *err)
{
    struct builder *b = context;
    (void)err;
    arena_reset(&b->arena);
    put_pair(b->pairs, pair->input, as_readers_say(b, pair->facts, pair->summary), 1);
    return true;
}

static int gold_weight(const struct dataset *set, size_t others)
{
    double weight = GOLD_SHARE / (1 - GOLD_SHARE) * (double)others / (set->gold_train ? (double)set->gold_train : 1);
    return weight < 3 ? 3 : weight > 100 ? 100 : (int)ceil(weight);
}

static FILE *open_in(const char *dir, const char *name, char path[PATH_MAX], struct err *err)
{
    (void)snprintf(path, PATH_MAX, "%s/%s", dir, name);
    FILE *file = fopen(path, "wb");
    if (!file)
        err_set(err, ERR_IO, "%s: cannot be written", path);
    return file;
}

static bool close_file(FILE *file, const char *path, struct err *err)
{
    bool ok = !ferror(file);
    return (fclose(file) == 0 && ok) || err_set(err, ERR_IO, "%s: cannot be written; is the disk full?", path);
}

/* As the default model was trained: half of the windows as the simulator makes them, half with vitals of their own
 * ways. */
static bool rehearse(struct builder *b, struct err *err)
{
    size_t varied = b->options->rehearsal / 2;
    struct prepare_options options = { .seed = b->options->seed, .count = b->options->rehearsal - varied,
                                       .format = b->options->format, .house = true };
    if (options.count && !prepare_pairs(&options, write_rehearsal, b, err))
        return false;
    options.count = varied;
    options.varied = true;
    return !varied || prepare_pairs(&options, write_rehearsal, b, err);
}

static bool read_again(struct builder *b, const char *samples_path, sample_visitor *visit, struct err *err)
{
    b->at = 0;
    return samples_read(samples_path, visit, b, err);
}

static bool write_files(struct builder *b, const char *samples_path, const char *dir, struct err *err)
{
    char pairs_path[PATH_MAX], edits_path[PATH_MAX];
    b->out->gold_weight = gold_weight(b->out, b->silver_wanted + b->options->rehearsal);
    b->pairs = open_in(dir, "pairs.jsonl", pairs_path, err);
    b->edits = b->pairs ? open_in(dir, "edits.jsonl", edits_path, err) : NULL;
    bool ok = b->edits && read_again(b, samples_path, note_habit, err) &&
              read_again(b, samples_path, write_sample, err) && rehearse(b, err);
    if (b->pairs && !close_file(b->pairs, pairs_path, ok ? err : NULL))
        ok = false;
    if (b->edits && !close_file(b->edits, edits_path, ok ? err : NULL))
        ok = false;
    b->out->silver = b->silver_wanted;
    b->out->rehearsal = b->options->rehearsal;
    return ok && digest_file(pairs_path, DIGEST_SHA256, b->out->hash, NULL, err);
}

static void report_wording(struct json_writer *w, const char *name, const struct wording *wording)
{
    json_put_array(w, name);
    for (int i = 0; i < wording->count; i++) {
        const struct wording_rule *rule = &wording->rules[i];
        if (!wording_holds(rule))
            continue;
        json_put_object(w, NULL);
        json_put_text(w, "instead_of", rule->from);
        json_put_text(w, "say", rule->to);
        json_put_int(w, "edited", rule->edited);
        json_put_int(w, "seen", rule->seen);
        json_put_end(w);
    }
    json_put_end(w);
}

static bool write_report(const struct builder *b, const char *dir, const struct err *refused, struct err *err)
{
    const struct dataset *set = b->out;
    char path[PATH_MAX];
    struct buf text;
    buf_init(&text, 1 << 20);
    struct json_writer w = json_write(&text);
    json_put_object(&w, NULL);
    json_put_text(&w, "status", refused ? "refused" : "ready");
    json_put_text(&w, "reason", refused ? refused->text : NULL);
    json_put_int(&w, "samples", (int64_t)set->samples);
    json_put_int(&w, "edits", (int64_t)set->edits);
    json_put_object(&w, "verdicts");
    for (int i = 0; i < VERDICT_COUNT; i++)
        json_put_int(&w, verdict_names[i], (int64_t)set->counts[i]);
    json_put_end(&w);
    json_put_int(&w, "gold_train", (int64_t)set->gold_train);
    json_put_int(&w, "gold_exam", (int64_t)set->gold_exam);
    json_put_int(&w, "gold_weight", set->gold_weight);
    json_put_int(&w, "silver", (int64_t)set->silver);
    json_put_int(&w, "rehearsal", (int64_t)set->rehearsal);
    json_put_int(&w, "patients", (int64_t)set->patients);
    json_put_int(&w, "patients_held_back", (int64_t)set->patients_exam);
    report_wording(&w, "wording", &b->edits_habits->wording);
    report_wording(&w, "wording_before", &b->model_habits->wording);
    json_put_text(&w, "hash", set->hash);
    json_put_end(&w);
    buf_add_char(&text, '\n');
    (void)snprintf(path, sizeof path, "%s/dataset.json", dir);
    bool ok = file_write(path, text.data, text.length, err);
    buf_reset(&text);
    profile_write(&set->profile, &text);
    (void)snprintf(path, sizeof path, "%s/profile.json", dir);
    ok = ok && file_write(path, text.data, text.length, err);
    buf_free(&text);
    return ok;
}

static bool build(struct builder *b, const char *samples_path, const char *dir, struct err *err)
{
    if (!samples_read(samples_path, judge_sample, b, err))
        return false;
    drop_twins(b);
    drop_superseded(b);
    cap_users(b);
    hold_back(b);
    sort(b, by_index);
    count_verdicts(b);
    choose(b);
    return check(b->out, err) && write_files(b, samples_path, dir, err);
}

bool dataset_make(const char *samples_path, const char *dir, const struct dataset_options *options, struct dataset *out,
                  struct err *err)
{
    struct builder b = { .options = options, .out = out };
    struct err refused = { 0 };
    *out = (struct dataset){ 0 };
    b.edits_habits = mem_new(1, sizeof *b.edits_habits);
    b.model_habits = mem_new(1, sizeof *b.model_habits);
    b.edits_habits->order.older = &b.model_habits->order;
    b.edits_habits->wording.older = &b.model_habits->wording;
    profile_init(&out->profile);
    arena_init(&b.arena, 64 << 20);
    buf_init(&b.input, MODEL_INPUT_SIZE_MAX);
    buf_init(&b.target, SAMPLE_LINE_MAX);
    bool ok = build(&b, samples_path, dir, &refused);
    if (ok || refused.kind == ERR_REFUSED)
        ok = write_report(&b, dir, ok ? NULL : &refused, err) && ok;
    if (!ok && refused.kind)
        err_set(err, refused.kind, "%s", refused.text);
    mem_free(b.entries);
    mem_free(b.edits_habits);
    mem_free(b.model_habits);
    buf_free(&b.input);
    buf_free(&b.target);
    arena_free(&b.arena);
    return ok;
}
