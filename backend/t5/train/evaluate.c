#include "t5/train/evaluate.h"
#include "t5/train/folder.h"
#include "t5/train/pairs.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 2048 };               /* of one text, for ROUGE; what is behind is not looked at */

/* ---- ROUGE-L ---- */

struct word {
    const char *text;
    size_t length;
};

static size_t split_words(const char *text, struct word *words)
{
    size_t count = 0;
    while (*text && count < WORDS_MAX) {
        text += strspn(text, " \t\r\n");
        size_t length = strcspn(text, " \t\r\n");
        if (length)
            words[count++] = (struct word){ text, length };
        text += length;
    }
    return count;
}

static bool same_word(const struct word *a, const struct word *b)
{
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* Length of the longest common subsequence, one row of the table at a time. */
static size_t common_words(const struct word *a, size_t a_count, const struct word *b, size_t b_count)
{
    uint16_t row[WORDS_MAX + 1] = { 0 };
    for (size_t i = 0; i < a_count; i++) {
        uint16_t corner = 0;
        for (size_t j = 0; j < b_count; j++) {
            uint16_t above = row[j + 1];
            row[j + 1] = same_word(&a[i], &b[j]) ? (uint16_t)(corner + 1) : above > row[j] ? above : row[j];
            corner = above;
        }
    }
    return row[b_count];
}

double rouge_l(const char *expected, const char *written)
{
    static _Thread_local struct word a[WORDS_MAX], b[WORDS_MAX];
    size_t a_count = split_words(expected, a), b_count = split_words(written, b);
    if (a_count + b_count == 0)
        return 1;
    return 2 * (double)common_words(a, a_count, b, b_count) / (double)(a_count + b_count);
}

/* ---- led ---- */

struct led {
    struct layout *layout;
    real *params;
    struct pool *pool;
    struct net *net;
    struct pairs_batch batch;
};

static void led_loss(const struct evaluate_options *options, struct led *led, const struct pairs *pairs,
                     struct evaluate_result *out)
{
    size_t right = 0;
    double loss = 0;
    uint32_t *order = mem_new(options->batch, sizeof *order);
    for (size_t from = 0; from < pairs->count; from += options->batch) {
        size_t count = pairs->count - from < options->batch ? pairs->count - from : options->batch, batch_right;
        for (size_t i = 0; i < count; i++)
            order[i] = (uint32_t)(from + i);
        pairs_batch_fill(pairs, &led->layout->config, order, count, &led->batch);
        loss += net_loss(led->net, led->params, &led->batch.net, &batch_right);
        right += batch_right;
        out->tokens += led->batch.label_count;
    }
    mem_free(order);
    out->loss = loss / (double)out->tokens;
    out->token_accuracy = (double)right / (double)out->tokens;
}

static bool evaluate_led(const struct evaluate_options *options, const struct pairs *pairs, struct evaluate_result *out,
                         struct err *err)
{
    struct led led = { 0 };
    if (!folder_read(options->model_dir, &led.layout, &led.params, err))
        return false;
    struct net_options net = { .limits = pairs_limits(pairs,
                                                      options->batch < pairs->count ? options->batch : pairs->count) };
    led.pool = pool_new(options->threads);
    led.net = net_new(led.layout, led.pool, &net);
    pairs_batch_init(&led.batch, net.limits);
    led_loss(options, &led, pairs, out);
    pairs_batch_free(&led.batch);
    net_free(led.net);
    pool_free(led.pool);
    layout_free(led.layout);
    mem_free(led.params);
    return true;
}

/* ---- alone ---- */

struct text_pair {
    char *input, *summary, *written;
};

struct writing {
    const struct evaluate_options *options;
    const struct t5_tokenizer *tokenizer;
    struct text_pair *texts;
    size_t count, capacity;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t waiting;
};

static bool add_text(void *context, const char *input, const char *summary, struct err *err)
{
    struct writing *w = context;
    (void)err;
    if (w->count == w->capacity) {
        w->capacity = w->capacity ? 2 * w->capacity : 256;
        w->texts = mem_try_resize(w->texts, w->capacity, sizeof *w->texts);
        CHECK(w->texts);
    }
    w->texts[w->count++] = (struct text_pair){ mem_copy_string(input), mem_copy_string(summary), NULL };
    return true;
}

struct answer {
    struct writing *writing;
    struct text_pair *text;
};

static void take_answer(void *context, const struct t5_result *result)
{
    struct answer *answer = context;
    struct writing *w = answer->writing;
    char *text = NULL;
    struct err ignored;
    if (!t5_decode(w->tokenizer, result->ids, result->count, true, &text, &ignored))
        text = NULL;
    pthread_mutex_lock(&w->lock);
    answer->text->written = mem_copy_string(text ? text : "");
    w->waiting--;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    t5_text_free(text);
}

/* Waits until at most `count` texts are being written. */
static void wait_for(struct writing *w, size_t count)
{
    pthread_mutex_lock(&w->lock);
    while (w->waiting > count)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

static bool submit(struct writing *w, struct t5_engine *engine, const struct t5_params *params, struct answer *answer,
                   struct err *err)
{
    int32_t ids[4096];
    size_t count;
    uint64_t ticket;
    size_t max = w->options->input_max < 4096 ? w->options->input_max : 4096;
    if (!t5_encode(w->tokenizer, answer->text->input, strlen(answer->text->input), max, ids, &count, err))
        return false;
    struct t5_request request = { .input_ids = ids, .input_count = count, .params = *params, .done = take_answer,
                                  .context = answer };
    pthread_mutex_lock(&w->lock);
    w->waiting++;
    pthread_mutex_unlock(&w->lock);
    if (t5_submit(engine, &request, &ticket, err))
        return true;
    pthread_mutex_lock(&w->lock);
    w->waiting--;
    pthread_mutex_unlock(&w->lock);
    return false;
}

enum { WAITING_MAX = 256 };

static bool write_all(struct writing *w, struct t5_engine *engine, const struct t5_params *params,
                      evaluate_progress *progress, void *context, struct err *err)
{
    struct answer *answers = mem_new(w->count, sizeof *answers);
    bool ok = true;
    for (size_t i = 0; ok && i < w->count; i++) {
        wait_for(w, WAITING_MAX - 1);
        answers[i] = (struct answer){ w, &w->texts[i] };
        ok = submit(w, engine, params, &answers[i], err);
        progress(context, i, w->count);
    }
    wait_for(w, 0);
    mem_free(answers);
    return ok;
}

static bool save_texts(const struct writing *w, struct err *err)
{
    FILE *file = fopen(w->options->texts_path, "we");
    struct buf line;
    if (!file)
        return err_set_errno(err, ERR_IO, errno, "%s", w->options->texts_path);
    buf_init(&line, 1 << 22);
    for (size_t i = 0; i < w->count; i++) {
        buf_reset(&line);
        struct json_writer writer = json_write(&line);
        json_put_object(&writer, NULL);
        json_put_text(&writer, "input", w->texts[i].input);
        json_put_text(&writer, "summary", w->texts[i].summary);
        json_put_text(&writer, "written", w->texts[i].written);
        json_put_end(&writer);
        (void)fprintf(file, "%s\n", line.data);
    }
    buf_free(&line);
    bool ok = !ferror(file);
    ok = fclose(file) == 0 && ok;
    return ok || err_set_errno(err, ERR_IO, errno, "%s", w->options->texts_path);
}

static void compare(const struct writing *w, double seconds, struct evaluate_result *out)
{
    size_t exact = 0;
    for (size_t i = 0; i < w->count; i++) {
        exact += strcmp(w->texts[i].summary, w->texts[i].written) == 0;
        out->rouge_l += rouge_l(w->texts[i].summary, w->texts[i].written) / (double)w->count;
    }
    out->exact_match = (double)exact / (double)w->count;
    out->texts_per_s = (double)w->count / seconds;
}

static bool evaluate_alone(const struct evaluate_options *options, evaluate_progress *progress, void *context,
                           struct evaluate_result *out, struct err *err)
{
    struct writing w = { .options = options, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    struct t5_model *model;
    struct t5_engine *engine = NULL;
    struct t5_params params;
    if (!t5_model_open(options->model_dir, &(struct t5_model_options){ .precision = options->precision }, &model, err))
        return false;
    w.tokenizer = t5_model_tokenizer(model);
    t5_params_default(model, &params);
    bool ok = pairs_each(options->data_path, add_text, &w, err) &&
              t5_engine_start(model, &(struct t5_engine_options){ .threads = options->threads }, &engine, err);
    int64_t started = clock_monotonic_us(clock_system());
    ok = ok && write_all(&w, engine, &params, progress, context, err);
    if (ok)
        compare(&w, (double)(clock_monotonic_us(clock_system()) - started) / 1e6 + 1e-9, out);
    ok = ok && (!options->texts_path || save_texts(&w, err));
    if (engine)
        t5_engine_stop(engine);
    t5_model_close(model);
    for (size_t i = 0; i < w.count; i++) {
        mem_free(w.texts[i].input);
        mem_free(w.texts[i].summary);
        mem_free(w.texts[i].written);
    }
    mem_free(w.texts);
    return ok;
}

/* ---- both ---- */

bool evaluate(const struct evaluate_options *options, evaluate_progress *progress, void *context,
              struct evaluate_result *out, struct err *err)
{
    char path[PATH_MAX];
    struct t5_tokenizer *tokenizer;
    struct pairs *pairs;
    struct pairs_options limits = { options->input_max, options->target_max, 1 };
    *out = (struct evaluate_result){ 0 };
    if (snprintf(path, sizeof path, "%s/spiece.model", options->model_dir) >= (int)sizeof path)
        return err_set(err, ERR_INPUT, "%s: the path is too long", options->model_dir);
    if (!t5_tokenizer_open(path, &tokenizer, err))
        return false;
    bool ok = pairs_read(options->data_path, tokenizer, &limits, &pairs, err);
    t5_tokenizer_close(tokenizer);
    if (!ok)
        return false;
    out->pairs = pairs->count;
    ok = evaluate_led(options, pairs, out, err);
    pairs_free(pairs);
    return ok && (options->no_text || evaluate_alone(options, progress, context, out, err));
}
