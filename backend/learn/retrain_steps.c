/* retrain_steps.c - the steps of a retraining; retrain.c runs them in turn. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "learn/dataset.h"
#include "learn/exam_page.h"
#include "learn/examine.h"
#include "learn/model_files.h"
#include "learn/retrain_internal.h"
#include "t5/train/trainer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { DOCUMENT_MAX = 16 << 20, TRAIN_BATCH = 16, TRAIN_WARMUP = 20, TARGET_TOKENS_MAX = 384, INPUT_TOKENS_MAX = 512,
       SAVE_EVERY = 100 };

/* ---- collect ---- */

static void collect_progress(void *context, size_t summaries)
{
    retrain_progress(context, RETRAIN_COLLECT, (int64_t)summaries, 0, NULL);
}

bool retrain_collect(struct retrain_run *run, struct err *err)
{
    char path[PATH_MAX], beside[PATH_MAX];
    struct collected collected;
    struct collect_options options = { .from = run->options->from, .from_us = run->from_us, .to_us = run->to_us,
                                       .authorization = run->options->authorization, .progress = collect_progress,
                                       .progress_context = run };
    if (!options.from)
        return err_set(err, ERR_USAGE, "--from is needed: a data directory, or the URL of a search server");
    if (!collect(&options, retrain_path(run, "samples.jsonl.tmp", beside), &collected, err))
        return false;
    (void)snprintf(run->note, sizeof run->note,
                   "%zu summaries, %zu edits, %zu ratings; %zu summaries whose readings are gone", collected.summaries,
                   collected.edits, collected.ratings, collected.without_readings);
    return rename(beside, retrain_path(run, "samples.jsonl", path)) == 0 ||
           err_set_errno(err, ERR_IO, errno, "%s", path);
}

/* ---- prepare ---- */

static bool read_baseline(const struct retrain_run *run, struct profile *out)
{
    char path[PATH_MAX];
    struct buf text;
    (void)snprintf(path, sizeof path, "%s/profile.json", run->champion_dir);
    if (!file_read(path, DOCUMENT_MAX, &text, NULL))
        return false;
    bool ok = profile_read(text.data, text.length, out, NULL);
    buf_free(&text);
    return ok;
}

static bool write_drift(struct retrain_run *run, const struct profile *baseline, const struct dataset *set,
                        bool *out_changed, struct err *err)
{
    struct drift drift;
    struct buf text;
    profile_compare(baseline, &set->profile, &drift);
    *out_changed = drift.changed;
    buf_init(&text, 1 << 16);
    struct json_writer w = json_write(&text);
    drift_write(&drift, &w, NULL);
    size_t used = strlen(run->note);
    (void)snprintf(run->note + used, sizeof run->note - used, "; drift: %s, most in %s (PSI %.3f)",
                   drift.changed ? "yes" : "no", profile_row_name(drift.worst), drift.psi[drift.worst]);
    bool ok = retrain_write(run, "drift.json", &text, err);
    buf_free(&text);
    return ok;
}

bool retrain_prepare(struct retrain_run *run, struct err *err)
{
    char dir[PATH_MAX], samples[PATH_MAX];
    struct dataset *set = arena_alloc(&run->arena, sizeof *set);
    struct profile *baseline = arena_alloc(&run->arena, sizeof *baseline);
    bool known = read_baseline(run, baseline), changed = true;
    struct dataset_options options = { .format = run->format, .rehearsal = run->options->rehearsal,
                                       .seed = run->options->seed, .known = known ? baseline : NULL };
    if (mkdir(retrain_path(run, "data", dir), 0755) != 0 && errno != EEXIST)
        return err_set_errno(err, ERR_IO, errno, "%s", dir);
    if (!dataset_make(retrain_path(run, "samples.jsonl", samples), dir, &options, set, err))
        return false;
    (void)snprintf(run->note, sizeof run->note,
                   "%zu samples: %zu gold (%zu to learn, times %d; %zu held back), %zu silver, %zu rehearsed; left "
                   "out: %zu unproven, %zu that omit a critical alarm, %zu copies, %zu over one person's share",
                   set->samples, set->counts[VERDICT_GOLD], set->gold_train, set->gold_weight, set->gold_exam,
                   set->silver, set->rehearsal, set->counts[VERDICT_UNPROVEN], set->counts[VERDICT_OMITS],
                   set->counts[VERDICT_DUPLICATE], set->counts[VERDICT_OVER_CAP]);
    if (known && !write_drift(run, baseline, set, &changed, err))
        return false;
    return changed || set->gold_train ||
           err_set(err, ERR_REFUSED, "nothing to learn: no edits, and no drift since the last model%s", "");
}

/* ---- train ---- */

/* The card: what the folder is, and the input that it reads (learn/served.h). */
static bool write_card(const struct retrain_run *run, const char *dir, struct err *err)
{
    char path[PATH_MAX + 16], stamp[TIME_TEXT_SIZE];
    struct buf card;
    (void)snprintf(path, sizeof path, "%s/README.md", dir);
    buf_init(&card, 8192);
    buf_printf(&card,
               "---\nwardscribe_input: %s\nwardscribe_description: Retrained from %s on what readers "
               "corrected\nlicense: mit\n---\n\n"
               "# A summary model, retrained\n\nMade by `wardscribe retrain` on %s from version `%s`. %s\n\nNot a "
               "medical device: the guard proves each sentence that this model writes before anyone reads it.\n",
               model_format_name(run->format), run->champion[0] ? run->champion : "a folder",
               time_format(clock_now_us(clock_system()), stamp), run->champion,
               "The exam and the gate stand in `version.json`.");
    bool ok = file_write(path, card.data, card.length, err);
    buf_free(&card);
    return ok;
}

static bool copy_profile(const struct retrain_run *run, const char *dir, struct err *err)
{
    char path[PATH_MAX + 16];
    struct buf text;
    (void)snprintf(path, sizeof path, "%s/profile.json", dir);
    if (!retrain_read(run, "data/profile.json", &text, err))
        return false;
    bool ok = file_write(path, text.data, text.length, err);
    buf_free(&text);
    return ok;
}

static bool run_trainer(struct retrain_run *run, struct trainer *trainer, struct err *err)
{
    struct trainer_figures figures;
    struct trainer_step step = { .last = false };
    double first = 0;
    trainer_figures(trainer, &figures);
    for (bool begun = false; trainer_done(trainer) < figures.steps;) {
        char note[64];
        if (retrain_cancelled(run, err)) {
            struct err unsaved = { 0 };
            if (!trainer_save_state(trainer, &unsaved))
                err_context(err, "the state was not saved (%s)", unsaved.text);
            return false;
        }
        if (!trainer_step(trainer, &step, err))
            return false;
        first = begun ? first : step.loss;
        begun = true;
        (void)snprintf(note, sizeof note, "loss %.3f", step.loss);
        retrain_progress(run, RETRAIN_TRAIN, step.step, figures.steps, note);
    }
    (void)snprintf(run->note, sizeof run->note, "%lld steps on %zu pairs, loss %.3f to %.3f", (long long)figures.steps,
                   figures.pair_count, first, step.loss);
    return trainer_finish(trainer, err);
}

bool retrain_train(struct retrain_run *run, struct err *err)
{
    char data[PATH_MAX], model[PATH_MAX];
    struct trainer *trainer = NULL;
    struct trainer_options options = trainer_defaults();
    options.model_dir = run->champion_dir;
    options.data_path = retrain_path(run, "data/pairs.jsonl", data);
    options.out_dir = retrain_path(run, "model", model);
    options.epochs = run->options->epochs;
    options.batch = TRAIN_BATCH;
    options.input_max = INPUT_TOKENS_MAX;
    options.target_max = TARGET_TOKENS_MAX;
    options.optimizer.lr = run->options->learning_rate;
    options.optimizer.warmup_steps = TRAIN_WARMUP;
    options.threads = run->options->threads;
    options.seed = run->options->seed;
    options.resume = true;
    options.save_every = SAVE_EVERY;
    options.save_type = TENSOR_BF16;
    bool ok = trainer_open(&options, &trainer, err) && run_trainer(run, trainer, err);
    trainer_close(trainer);
    return ok && write_card(run, model, err) && copy_profile(run, model, err);
}

/* ---- exam ---- */

struct sitting {
    struct exam_set set;
    struct exam champion, challenger;
    const char **champion_texts, **challenger_texts;
    struct gate *gate;
};

static bool add_edit(void *context, const struct sample *sample, struct err *err)
{
    struct exam_set *set = context;
    return exam_set_add(set, &sample->window, &sample->limits, sample->text, err);
}

static bool make_set(struct retrain_run *run, struct exam_set *out, struct err *err)
{
    char path[PATH_MAX];
    return exam_set_simulated(&run->arena, run->options->exam_windows, out, err) &&
           samples_read(retrain_path(run, "data/edits.jsonl", path), add_edit, out, err);
}

static void exam_progress(void *context, int64_t done, int64_t total)
{
    retrain_progress(context, RETRAIN_EXAM, done, total, NULL);
}

static bool sit(struct retrain_run *run, const struct exam_set *set, const char *dir, const char *name,
                const char *file, const char **texts, struct exam *out, struct err *err)
{
    struct buf text;
    struct examine_options options = { .dir = dir, .name = name, .threads = run->options->threads,
                                       .cancel = run->options->cancel, .on_progress = exam_progress, .context = run };
    if (!examine(&options, set, &run->arena, texts, out, err))
        return false;
    buf_init(&text, DOCUMENT_MAX);
    exam_write(out, &text);
    bool ok = retrain_write(run, file, &text, err);
    buf_free(&text);
    return ok;
}

/* One window of each slice in which the two wrote differently, edits first. */
static int choose_examples(const struct sitting *s, struct exam_example *out)
{
    static const int order[] = { SLICE_EDITED, SLICE_SEVERAL, SLICE_STABLE, SLICE_MISSING, SLICE_ARTEFACT, SLICE_LONG };
    int count = 0;
    for (size_t k = 0; k < sizeof order / sizeof *order && count < EXAM_EXAMPLES_MAX; k++) {
        int here = 0;
        for (size_t i = 0; i < s->set.count && here < 2 && count < EXAM_EXAMPLES_MAX; i++) {
            if (!(s->set.items[i].slices >> order[k] & 1) || strcmp(s->champion_texts[i], s->challenger_texts[i]) == 0)
                continue;
            out[count++] = (struct exam_example){ exam_slice_name((enum exam_slice)order[k]), s->champion_texts[i],
                                                  s->challenger_texts[i], s->set.items[i].reference };
            here++;
        }
    }
    return count;
}

static bool write_page(struct retrain_run *run, const struct sitting *s, struct err *err)
{
    struct exam_example examples[EXAM_EXAMPLES_MAX];
    struct buf html;
    struct exam_page page = {
        &s->champion, &s->challenger, s->gate, examples, choose_examples(s, examples), clock_now_us(clock_system())
    };
    buf_init(&html, DOCUMENT_MAX);
    exam_page_write(&page, &html);
    bool ok = retrain_write(run, "exam.html", &html, err);
    buf_free(&html);
    return ok;
}

bool retrain_exam(struct retrain_run *run, struct err *err)
{
    char model[PATH_MAX];
    struct sitting s = { .gate = arena_alloc(&run->arena, sizeof(struct gate)) };
    if (!make_set(run, &s.set, err))
        return false;
    s.champion_texts = arena_alloc(&run->arena, (s.set.count + 1) * sizeof *s.champion_texts);
    s.challenger_texts = arena_alloc(&run->arena, (s.set.count + 1) * sizeof *s.challenger_texts);
    if (!sit(run, &s.set, run->champion_dir, run->champion[0] ? run->champion : "champion", "exam.champion.json",
             s.champion_texts, &s.champion, err) ||
        !sit(run, &s.set, retrain_path(run, "model", model), "challenger", "exam.challenger.json", s.challenger_texts,
             &s.challenger, err) ||
        !gate_judge(&s.champion, &s.challenger, s.gate, err))
        return false;
    (void)snprintf(run->note, sizeof run->note, "%zu windows, %zu of them edited: total %.4f, in service %.4f",
                   s.set.count, s.set.edited_count, s.challenger.total, s.champion.total);
    return write_page(run, &s, err);
}

/* ---- gate ---- */

static bool load_exam(struct retrain_run *run, const char *file, struct exam *out, struct err *err)
{
    struct buf text;
    if (!retrain_read(run, file, &text, err))
        return false;
    bool ok = exam_read(text.data, text.length, &run->arena, out, err);
    buf_free(&text);
    return ok;
}

bool retrain_gate(struct retrain_run *run, struct err *err)
{
    struct exam champion, challenger;
    struct gate *gate = arena_alloc(&run->arena, sizeof *gate);
    struct buf text;
    if (!load_exam(run, "exam.champion.json", &champion, err) ||
        !load_exam(run, "exam.challenger.json", &challenger, err) || !gate_judge(&champion, &challenger, gate, err))
        return false;
    buf_init(&text, DOCUMENT_MAX);
    gate_write(gate, &text);
    (void)snprintf(run->note, sizeof run->note, "%s: %s", gate->passed ? "passed" : "kept out", gate->reason);
    bool ok = retrain_write(run, "gate.json", &text, err);
    buf_free(&text);
    return ok;
}

/* ---- register, promote ---- */

static bool read_gate(struct retrain_run *run, bool *out_passed, const char **out_reason, struct buf *out_text,
                      struct err *err)
{
    struct buf reason;
    buf_init(&reason, GATE_REASON_SIZE);
    bool ok = retrain_read(run, "gate.json", out_text, err) &&
              gate_read(out_text->data, out_text->length, out_passed, &reason, err);
    *out_reason = ok ? arena_copy(&run->arena, reason.data, reason.length) : "";
    buf_free(&reason);
    return ok;
}

bool retrain_register(struct retrain_run *run, struct err *err)
{
    char model[PATH_MAX], pairs[PATH_MAX];
    struct model_version about = { .created_us = 0 };
    struct buf gate = { 0 }, exam = { 0 }, version;
    const char *reason;
    bool known;
    buf_init(&version, 64);
    bool ok = read_gate(run, &about.gate_passed, &reason, &gate, err) &&
              retrain_read(run, "exam.challenger.json", &exam, err) &&
              digest_file(retrain_path(run, "data/pairs.jsonl", pairs), DIGEST_SHA256, about.data_hash, NULL, err);
    if (ok) {
        (void)str_copy(about.parent, sizeof about.parent, run->champion);
        (void)str_copy(about.by, sizeof about.by, run->options->by);
        (void)snprintf(about.description, sizeof about.description, "retrained from %s",
                       run->champion[0] ? run->champion : "a folder");
        about.exam = exam.data;
        about.gate = gate.data;
        ok = model_registry_add(run->registry, retrain_path(run, "model", model), &about, &known, err);
    }
    if (ok) {
        (void)str_copy(run->outcome->version, sizeof run->outcome->version, about.version);
        buf_add_text(&version, about.version);
        (void)snprintf(run->note, sizeof run->note, "version %s%s", about.version,
                       known ? ", which was registered before" : "");
        ok = retrain_write(run, "version.txt", &version, err);
    }
    buf_free(&version);
    buf_free(&gate);
    buf_free(&exam);
    return ok;
}

bool retrain_promote(struct retrain_run *run, struct err *err)
{
    struct retrain_outcome *out = run->outcome;
    struct buf gate;
    const char *reason;
    bool passed;
    bool ok = read_gate(run, &passed, &reason, &gate, err);
    buf_free(&gate);
    if (!ok)
        return false;
    run->over = true;
    (void)snprintf(out->reason, sizeof out->reason, "%s", reason);
    if (!passed) {
        (void)snprintf(run->note, sizeof run->note, "the model in service stays: %s", reason);
        return model_registry_refuse(run->registry, out->version, run->options->by, reason, err);
    }
    if (!run->options->promote) {
        (void)snprintf(run->note, sizeof run->note, "version %s waits for a person: wardscribe retrain promote %s",
                       out->version, out->version);
        return true;
    }
    out->promoted = model_registry_promote(run->registry, out->version, run->options->by, reason, err) ||
                    (err->kind == ERR_CONFLICT && strcmp(model_registry_current(run->registry), out->version) == 0);
    (void)snprintf(run->note, sizeof run->note, "version %s serves: %s", out->version, reason);
    return out->promoted;
}
