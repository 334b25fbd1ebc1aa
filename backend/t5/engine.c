/* The engine: a queue of requests in front of one thread, which is member 0 of a team.
 *
 * That thread's round: answer what was cancelled or is late; let waiting requests in while there are
 * rows, and encode them together; one step of all rows; answer what is finished.  Requests join and
 * leave between steps, so a short one never waits for a long one. */
#include "base/mem.h"
#include "t5/engine_internal.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

enum {
    ROWS_DEFAULT = 128, ROWS_MAX = 4096, QUEUE_DEFAULT = 1024,
    ENCODE_TOKENS = 1024,        /* tokens encoded between two steps: running requests wait for them */
    ENCODE_FIRST = 8192,         /* before the first step, where none is running: about a quarter of a second */
    TEXTS_MAX = 256,
};
/* A request's cache that is kept for the next one; larger ones go back: Flan-T5-small at 512 in, 150 out
 * and 4 beams has 14 MB. */
static const size_t CACHE_KEPT_MAX = 32u << 20;
/* One request's cache: 64 beams of 4096 tokens on a large model would be terabytes. */
static const size_t CACHE_SIZE_MAX = (size_t)1 << 30;

struct entry {
    uint64_t ticket;
    struct t5_request request;   /* its ids are behind the entry */
    bool cancelled;              /* under the lock */
    int64_t submitted_us, admitted_us, encoded_us, first_token_us;
    struct generation *generation;
    struct fast_sequence *sequence;
};

struct t5_engine {
    struct fast_model *model;
    const struct t5_tokenizer *tokenizer;    /* NULL: none; for t5_generate_text() */
    struct fast_encoder *encoder;
    struct fast_decoder *decoder;
    struct team *team;
    int row_max, queue_max;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool stopping;               /* these four under the lock */
    uint64_t ticket_last;
    struct entry **queue;        /* ring of queue_max */
    int queue_first, queue_count;
    struct t5_engine_figures figures;

    /* the engine's thread alone; `running` and `running_count` change under the lock */
    struct entry **running;      /* [row_max] */
    int running_count, rows;     /* rows: reserved, the num_beams of all running */
    struct fast_sequence *sequences, **free_sequences;      /* [row_max] */
    int free_count;
    struct fast_text texts[TEXTS_MAX];
    int text_count;
    struct fast_group *groups;   /* [row_max] */
    int group_count;
};

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- answers ---- */

static void release(struct t5_engine *e, struct entry *entry)
{
    if (entry->sequence) {
        if (entry->sequence->memory_size > CACHE_KEPT_MAX)
            fast_sequence_free(entry->sequence);
        e->free_sequences[e->free_count++] = entry->sequence;
    }
    generation_free(entry->generation);
    mem_free(entry);
}

static void count_answer(struct t5_engine *e, const struct t5_result *result)
{
    (void)pthread_mutex_lock(&e->lock);
    e->figures.answered[result->status]++;
    e->figures.tokens += result->count;
    (void)pthread_mutex_unlock(&e->lock);
}

/* The lock is not held: done() may submit. */
static void answer(struct t5_engine *e, struct entry *entry, enum t5_status status)
{
    int64_t now = now_us();
    struct t5_result result = { .status = status };
    if (status == T5_DONE)
        generation_result(entry->generation, &result.ids, &result.count, &result.score);
    result.queued_us = (entry->admitted_us ? entry->admitted_us : now) - entry->submitted_us;
    result.encode_us = entry->encoded_us ? entry->encoded_us - entry->admitted_us : 0;
    result.decode_us = entry->encoded_us ? now - entry->encoded_us : 0;
    result.first_token_us = entry->first_token_us ? entry->first_token_us - entry->submitted_us : 0;
    count_answer(e, &result);
    entry->request.done(entry->request.context, &result);
    release(e, entry);
}

static enum t5_status status_of(const struct entry *entry, int64_t now)
{
    if (entry->cancelled)
        return T5_CANCELLED;
    if (entry->request.deadline_us && entry->request.deadline_us <= now)
        return T5_EXPIRED;
    return T5_DONE;
}

/* The first waiting request that nobody wants any more, out of the queue; NULL: none. */
static struct entry *take_stale(struct t5_engine *e, int64_t now, enum t5_status *out_status)
{
    struct entry *found = NULL;
    (void)pthread_mutex_lock(&e->lock);
    for (int i = 0; i < e->queue_count; i++) {
        struct entry **at = &e->queue[(e->queue_first + i) % e->queue_max];
        if (!found && (*out_status = status_of(*at, now)) != T5_DONE)
            found = *at;
        else if (found)
            e->queue[(e->queue_first + i - 1) % e->queue_max] = *at;
    }
    e->queue_count -= found != NULL;
    (void)pthread_mutex_unlock(&e->lock);
    return found;
}

static void leave(struct t5_engine *e, int i)
{
    (void)pthread_mutex_lock(&e->lock);
    e->rows -= e->running[i]->request.params.num_beams;
    e->running[i] = e->running[--e->running_count];
    (void)pthread_mutex_unlock(&e->lock);
}

static bool is_cancelled(struct t5_engine *e, const struct entry *entry)
{
    (void)pthread_mutex_lock(&e->lock);
    bool cancelled = entry->cancelled;
    (void)pthread_mutex_unlock(&e->lock);
    return cancelled;
}

static void answer_stale(struct t5_engine *e)
{
    enum t5_status status;
    int64_t now = now_us();
    for (struct entry *entry; (entry = take_stale(e, now, &status)) != NULL;)
        answer(e, entry, status);
    for (int i = 0; i < e->running_count;) {
        struct entry *entry = e->running[i];
        bool late = entry->request.deadline_us && entry->request.deadline_us <= now;
        if (!late && !is_cancelled(e, entry)) {
            i++;
            continue;
        }
        leave(e, i);
        answer(e, entry, late ? T5_EXPIRED : T5_CANCELLED);
    }
}

static void answer_finished(struct t5_engine *e)
{
    for (int i = 0; i < e->running_count;) {
        struct entry *entry = e->running[i];
        if (generation_row_count(entry->generation) > 0) {
            i++;
            continue;
        }
        leave(e, i);
        answer(e, entry, T5_DONE);
    }
}

static void answer_all(struct t5_engine *e)
{
    while (e->running_count > 0) {
        struct entry *entry = e->running[0];
        leave(e, 0);
        answer(e, entry, T5_STOPPED);
    }
    while (e->queue_count > 0) {       /* stopping: nobody adds any more */
        struct entry *entry = e->queue[e->queue_first];
        (void)pthread_mutex_lock(&e->lock);
        e->queue_first = (e->queue_first + 1) % e->queue_max;
        e->queue_count--;
        (void)pthread_mutex_unlock(&e->lock);
        answer(e, entry, T5_STOPPED);
    }
}

/* ---- admission ---- */

/* The next waiting request if it fits beside those that run and this round's texts. */
static struct entry *take_next(struct t5_engine *e, int tokens)
{
    struct entry *entry = NULL;
    (void)pthread_mutex_lock(&e->lock);
    if (e->queue_count > 0 && e->text_count < TEXTS_MAX) {
        struct entry *first = e->queue[e->queue_first];
        bool rows = e->rows + first->request.params.num_beams <= e->row_max;
        if (rows && (tokens == 0 || tokens + (int)first->request.input_count <= ENCODE_TOKENS)) {
            entry = first;
            e->queue_first = (e->queue_first + 1) % e->queue_max;
            e->queue_count--;
            e->running[e->running_count++] = entry;
            e->rows += entry->request.params.num_beams;
        }
    }
    (void)pthread_mutex_unlock(&e->lock);
    return entry;
}

static bool prepare(struct t5_engine *e, struct entry *entry)
{
    const struct t5_request *request = &entry->request;
    entry->admitted_us = now_us();
    entry->sequence = e->free_sequences[--e->free_count];
    if (!fast_sequence_reserve(entry->sequence, e->model, (int)request->input_count, request->params.num_beams,
                               request->params.max_length))
        return false;
    entry->generation = generation_new(e->model->config, &request->params);
    e->texts[e->text_count++] = (struct fast_text){ request->input_ids, (int)request->input_count, entry->sequence,
                                                    NULL };
    return true;
}

static void encode_work(void *context, struct crew *crew)
{
    struct t5_engine *e = context;
    fast_encode(e->encoder, crew, e->texts, e->text_count);
}

/* Tokens encoded; 0: no request is waiting, or none fits. */
static int admit_some(struct t5_engine *e)
{
    int tokens = 0, before = e->running_count;
    e->text_count = 0;
    for (struct entry *entry; (entry = take_next(e, tokens)) != NULL;) {
        tokens += (int)entry->request.input_count;
        if (!prepare(e, entry)) {
            leave(e, e->running_count - 1);
            answer(e, entry, T5_STOPPED);
        }
    }
    if (e->text_count == 0)
        return 0;
    team_run(e->team, encode_work, e);
    for (int i = before; i < e->running_count; i++)
        e->running[i]->encoded_us = now_us();
    return tokens;
}

/* Where none is running, more than one batch comes in before the first step: a row costs more in a step of few. */
static void admit(struct t5_engine *e)
{
    const bool idle = e->running_count == 0;
    int batch = admit_some(e), tokens = batch;
    while (idle && batch > 0 && tokens < ENCODE_FIRST) {
        answer_stale(e);
        batch = admit_some(e);
        tokens += batch;
    }
}

/* ---- steps ---- */

static void decode_work(void *context, struct crew *crew)
{
    struct t5_engine *e = context;
    fast_decode(e->decoder, crew, e->groups, e->group_count);
}

static void step(struct t5_engine *e)
{
    int rows = 0;
    for (int i = 0; i < e->running_count; i++) {
        struct entry *entry = e->running[i];
        int count = generation_row_count(entry->generation);
        e->groups[i] = (struct fast_group){ entry->sequence, entry->generation, rows, count };
        rows += count;
    }
    e->group_count = e->running_count;
    if (rows > 0)
        team_run(e->team, decode_work, e);
    int64_t now = now_us();
    for (int i = 0; i < e->running_count; i++)
        if (e->running[i]->first_token_us == 0)
            e->running[i]->first_token_us = now;
    (void)pthread_mutex_lock(&e->lock);
    e->figures.steps++;
    e->figures.step_rows += rows;
    (void)pthread_mutex_unlock(&e->lock);
}

/* False: time to stop. */
static bool wait_for_work(struct t5_engine *e)
{
    (void)pthread_mutex_lock(&e->lock);
    while (!e->stopping && e->queue_count == 0 && e->running_count == 0)
        (void)pthread_cond_wait(&e->wake, &e->lock);
    bool go = !e->stopping;
    (void)pthread_mutex_unlock(&e->lock);
    return go;
}

static void *engine_thread(void *argument)
{
    struct t5_engine *e = argument;
    while (wait_for_work(e)) {
        answer_stale(e);
        admit(e);
        if (e->running_count > 0)
            step(e);
        answer_finished(e);
    }
    answer_all(e);
    return NULL;
}

/* ---- start and stop ---- */

static bool check_options(const struct t5_engine_options *o, struct err *err)
{
    const struct { const char *name; int value, max; } rows[] = {
        { "threads", o->threads, TEAM_MAX }, { "row_max", o->row_max, ROWS_MAX },
        { "queue_max", o->queue_max, T5_QUEUE_MAX },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].value < 0 || rows[i].value > rows[i].max)
            return err_set(err, ERR_INPUT, "%s: must be between 0 and %d, found %d", rows[i].name, rows[i].max,
                           rows[i].value);
    return true;
}

static int thread_count(int asked)
{
    cpu_set_t cpus;
    if (asked > 0)
        return asked;
    int count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    return count > TEAM_MAX ? TEAM_MAX : count;
}

static void engine_free(struct t5_engine *e)
{
    for (int i = 0; i < e->row_max; i++)
        fast_sequence_free(&e->sequences[i]);
    fast_encoder_free(e->encoder);
    fast_decoder_free(e->decoder);
    fast_model_free(e->model);
    team_free(e->team);
    (void)pthread_cond_destroy(&e->wake);
    (void)pthread_mutex_destroy(&e->lock);
    mem_free(e->queue);
    mem_free(e->running);
    mem_free(e->sequences);
    mem_free(e->free_sequences);
    mem_free(e->groups);
    mem_free(e);
}

static struct t5_engine *engine_new(const struct t5_engine_options *options)
{
    struct t5_engine *e = mem_new(1, sizeof *e);
    e->row_max = options->row_max ? options->row_max : ROWS_DEFAULT;
    e->queue_max = options->queue_max ? options->queue_max : QUEUE_DEFAULT;
    size_t rows = (size_t)e->row_max;
    CHECK(pthread_mutex_init(&e->lock, NULL) == 0 && pthread_cond_init(&e->wake, NULL) == 0);
    e->team = team_new(thread_count(options->threads));
    e->queue = mem_new((size_t)e->queue_max, sizeof *e->queue);
    e->running = mem_new(rows, sizeof *e->running);
    e->sequences = mem_new(rows, sizeof *e->sequences);
    e->free_sequences = mem_new(rows, sizeof *e->free_sequences);
    e->groups = mem_new(rows, sizeof *e->groups);
    for (int i = e->row_max - 1; i >= 0; i--)
        e->free_sequences[e->free_count++] = &e->sequences[i];
    return e;
}

bool engine_start(const struct checkpoint *checkpoint, enum t5_precision precision, const struct t5_kernels *kernels,
                  const struct t5_engine_options *options, struct t5_engine **out, struct err *err)
{
    if (!check_options(options, err))
        return false;
    struct t5_engine *e = engine_new(options);
    if (!fast_model_new(checkpoint, precision, kernels, e->team, &e->model, err)) {
        engine_free(e);
        return false;
    }
    e->encoder = fast_encoder_new(e->model, team_count(e->team), T5_TOKENS_MAX, TEXTS_MAX);
    e->decoder = fast_decoder_new(e->model, team_count(e->team), e->row_max);
    CHECK(pthread_create(&e->thread, NULL, engine_thread, e) == 0);
    *out = e;
    return true;
}

void engine_use_tokenizer(struct t5_engine *engine, const struct t5_tokenizer *tokenizer)
{
    engine->tokenizer = tokenizer;
}

const struct t5_tokenizer *engine_tokenizer(const struct t5_engine *engine)
{
    return engine->tokenizer;
}

void t5_engine_stop(struct t5_engine *engine)
{
    if (!engine)
        return;
    (void)pthread_mutex_lock(&engine->lock);
    engine->stopping = true;
    (void)pthread_cond_signal(&engine->wake);
    (void)pthread_mutex_unlock(&engine->lock);
    (void)pthread_join(engine->thread, NULL);
    engine_free(engine);
}

/* ---- requests ---- */

static bool check_ids(const struct t5_engine *e, const struct t5_request *request, struct err *err)
{
    if (request->input_count < 1 || request->input_count > T5_TOKENS_MAX)
        return err_set(err, ERR_INPUT, "input_ids: must be 1 to %d, found %zu", T5_TOKENS_MAX, request->input_count);
    for (size_t i = 0; i < request->input_count; i++)
        if (request->input_ids[i] < 0 || request->input_ids[i] >= e->model->config->vocab_size)
            return err_set(err, ERR_INPUT, "input_ids[%zu]: must be between 0 and %d, found %d", i,
                           e->model->config->vocab_size - 1, request->input_ids[i]);
    return true;
}

static bool check_request(const struct t5_engine *e, const struct t5_request *request, struct err *err)
{
    const struct t5_params *p = &request->params;
    if (!check_ids(e, request, err) || !t5_params_check(p, err))
        return false;
    if (p->num_beams > e->row_max)
        return err_set(err, ERR_INPUT, "num_beams: must be between 1 and the engine's %d rows, found %d", e->row_max,
                       p->num_beams);
    struct fast_sequence sequence;
    size_t size = fast_sequence_size(&sequence, e->model, (int)request->input_count, p->num_beams, p->max_length);
    if (size > CACHE_SIZE_MAX)
        return err_set(err, ERR_TOO_LARGE, "num_beams %d times max_length %d needs %zu MB of cache, the limit is %zu",
                       p->num_beams, p->max_length, size >> 20, CACHE_SIZE_MAX >> 20);
    return true;
}

static struct entry *entry_new(const struct t5_request *request)
{
    size_t ids = request->input_count * sizeof *request->input_ids;
    struct entry *entry = mem_try_new(1, sizeof *entry + ids);
    if (!entry)
        return NULL;
    memcpy(entry + 1, request->input_ids, ids);
    entry->request = *request;
    entry->request.input_ids = (const int32_t *)(entry + 1);
    entry->submitted_us = now_us();
    return entry;
}

static bool enqueue(struct t5_engine *e, struct entry *entry, uint64_t *out_ticket, struct err *err)
{
    (void)pthread_mutex_lock(&e->lock);
    bool stopping = e->stopping, room = e->queue_count < e->queue_max;
    if (!stopping && room) {
        *out_ticket = entry->ticket = ++e->ticket_last;
        e->queue[(e->queue_first + e->queue_count++) % e->queue_max] = entry;
        (void)pthread_cond_signal(&e->wake);
    }
    e->figures.refused += !room;
    (void)pthread_mutex_unlock(&e->lock);
    if (stopping)
        return err_set(err, ERR_UNAVAILABLE, "the engine is stopping");
    return room || err_set(err, ERR_BUSY, "%d requests wait already: try again later", e->queue_max);
}

bool t5_submit(struct t5_engine *engine, const struct t5_request *request, uint64_t *out_ticket, struct err *err)
{
    uint64_t ticket;
    CHECK(request->done != NULL);
    if (!check_request(engine, request, err))
        return false;
    struct entry *entry = entry_new(request);
    if (!entry)
        return err_set(err, ERR_UNAVAILABLE, "no memory for a request of %zu tokens", request->input_count);
    if (!enqueue(engine, entry, out_ticket ? out_ticket : &ticket, err)) {
        mem_free(entry);
        return false;
    }
    return true;
}

void t5_cancel(struct t5_engine *engine, uint64_t ticket)
{
    (void)pthread_mutex_lock(&engine->lock);
    for (int i = 0; i < engine->running_count; i++)
        engine->running[i]->cancelled |= engine->running[i]->ticket == ticket;
    for (int i = 0; i < engine->queue_count; i++) {
        struct entry *entry = engine->queue[(engine->queue_first + i) % engine->queue_max];
        entry->cancelled |= entry->ticket == ticket;
    }
    (void)pthread_mutex_unlock(&engine->lock);
}

void t5_engine_read_figures(struct t5_engine *engine, struct t5_engine_figures *out)
{
    (void)pthread_mutex_lock(&engine->lock);
    *out = engine->figures;
    out->waiting = engine->queue_count;
    out->running = engine->running_count;
    out->rows = engine->rows;
    (void)pthread_mutex_unlock(&engine->lock);
}
