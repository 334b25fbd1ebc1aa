#include "learn/served.h"

#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct served {
    atomic_int references;
    atomic_bool stopping;
    struct t5_model *model;
    struct t5_engine *engine;
    struct t5_params params;
    struct served_info info;
};

/* Shared by who waits and the engine; whoever comes last frees it. */
struct served_ticket {
    atomic_int references;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct served *served;
    uint64_t number;
    int64_t deadline_us;
    bool done;
    enum t5_status status;
    int32_t ids[MODEL_OUTPUT_MAX];
    size_t count;
    struct slots slots;                  /* what the model's text is filled with */
};

/* ---- the card ---- */

static bool read_card(const char *dir, char *text, size_t size)
{
    char path[1100];
    (void)snprintf(path, sizeof path, "%s/README.md", dir);
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    size_t n = fread(text, 1, size - 1, file);
    text[n] = '\0';
    (void)fclose(file);
    return n > 0;
}

/* The value of a `key: value` line between the two "---" lines at the top. */
static bool card_value(const char *card, const char *key, char *out, size_t size)
{
    if (strncmp(card, "---\n", 4) != 0)
        return false;
    const char *end = strstr(card + 4, "\n---");
    for (const char *line = card + 4; end && line < end; line = strchr(line, '\n') + 1) {
        if (strncmp(line, key, strlen(key)) != 0 || line[strlen(key)] != ':')
            continue;
        const char *value = line + strlen(key) + 1;
        value += strspn(value, " ");
        size_t length = strcspn(value, "\r\n");
        (void)snprintf(out, size, "%.*s", (int)length, value);
        return true;
    }
    return false;
}

bool served_card_read(const char *dir, struct served_card *out, struct err *err)
{
    char card[8192], value[64];
    *out = (struct served_card){ .format = MODEL_FORMAT_PUBLISHED };
    if (!read_card(dir, card, sizeof card))
        return true;
    (void)card_value(card, "wardscribe_description", out->description, sizeof out->description);
    if (!card_value(card, "wardscribe_input", value, sizeof value))
        return true;
    return model_format_parse(value, &out->format) ||
           err_set(err, ERR_INPUT, "%s/README.md: wardscribe_input: '%s' is not published, facts or slots", dir, value);
}

/* Source: docs/api.md, "The model's contract". */
static const struct t5_params published_params = {
    .num_beams = 4, .min_length = 20, .max_length = 150, .length_penalty = 1.0, .repetition_penalty = 2.5F,
    .early_stopping = T5_EARLY_TRUE, .no_repeat_ngram_size = 3,
};

/* ---- life ---- */

struct starting {
    struct served *served;
    const struct served_options *options;
    struct err *err;
    bool ok;
};

/* Threads inherit the policy of who makes them. */
static void *start_engine(void *context)
{
    struct starting *starting = context;
    const struct t5_engine_options options = { .threads = starting->options->threads };
    if (!starting->options->alone)
        (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 });
    starting->ok = t5_engine_start(starting->served->model, &options, &starting->served->engine, starting->err);
    return NULL;
}

static bool start_idle_engine(struct served *served, const struct served_options *options, struct err *err)
{
    struct starting starting = { served, options, err, false };
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, start_engine, &starting) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return starting.ok;
}

static void base_name(const char *dir, char *out, size_t size)
{
    size_t length = strlen(dir), from;
    while (length > 1 && dir[length - 1] == '/')
        length--;
    for (from = length; from > 0 && dir[from - 1] != '/';)
        from--;
    (void)snprintf(out, size, "%.*s", (int)(length - from), dir + from);
}

bool served_open(const char *dir, const struct served_options *options, struct served **out, struct err *err)
{
    struct served *served = mem_new(1, sizeof *served);
    struct served_info *info = &served->info;
    struct served_card card;
    atomic_init(&served->references, 1);
    (void)snprintf(info->dir, sizeof info->dir, "%s", dir);
    base_name(dir, info->name, sizeof info->name);
    if (!served_card_read(dir, &card, err) ||
        !t5_model_open(dir, &(struct t5_model_options){ .precision = options->precision }, &served->model, err))
        goto failed;
    info->format = card.format;
    (void)str_copy(info->description, sizeof info->description, card.description);
    if (!t5_model_tokenizer(served->model)) {
        err_set(err, ERR_INPUT, "%s: no spiece.model: the model cannot read text", dir);
        goto failed;
    }
    t5_params_default(served->model, &served->params);
    if (info->format == MODEL_FORMAT_PUBLISHED)
        served->params = published_params;
    if (served->params.max_length > MODEL_OUTPUT_MAX)
        served->params.max_length = MODEL_OUTPUT_MAX;
    info->parameters = t5_model_parameter_count(served->model);
    info->precision = t5_precision_name(t5_model_precision(served->model));
    info->kernel = t5_model_kernel(served->model);
    if (!start_idle_engine(served, options, err))
        goto failed;
    *out = served;
    return true;
failed:
    t5_model_close(served->model);
    mem_free(served);
    return false;
}

struct served *served_keep(struct served *served)
{
    atomic_fetch_add(&served->references, 1);
    return served;
}

void served_release(struct served *served)
{
    if (!served || atomic_fetch_sub(&served->references, 1) != 1)
        return;
    t5_engine_stop(served->engine);
    t5_model_close(served->model);
    mem_free(served);
}

struct served_info *served_info(struct served *served)
{
    return &served->info;
}

/* ---- writing ---- */

/* Never the engine's last: who waits gives the reference to the model back, not the engine's own thread. */
static void drop_ticket(struct served_ticket *ticket)
{
    if (atomic_fetch_sub(&ticket->references, 1) != 1)
        return;
    (void)pthread_mutex_destroy(&ticket->lock);
    (void)pthread_cond_destroy(&ticket->wake);
    mem_free(ticket);
}

static void take_result(void *context, const struct t5_result *result)
{
    struct served_ticket *ticket = context;
    (void)pthread_mutex_lock(&ticket->lock);
    ticket->done = true;
    ticket->status = result->status;
    ticket->count = result->count < MODEL_OUTPUT_MAX ? result->count : MODEL_OUTPUT_MAX;
    if (ticket->count)
        memcpy(ticket->ids, result->ids, ticket->count * sizeof *ticket->ids);
    (void)pthread_cond_signal(&ticket->wake);
    (void)pthread_mutex_unlock(&ticket->lock);
    drop_ticket(ticket);
}

static struct served_ticket *new_ticket(struct served *served, int64_t deadline_us)
{
    struct served_ticket *ticket = mem_new(1, sizeof *ticket);
    pthread_condattr_t monotonic;
    atomic_init(&ticket->references, 2);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    CHECK(pthread_mutex_init(&ticket->lock, NULL) == 0 && pthread_cond_init(&ticket->wake, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    ticket->served = served_keep(served);
    ticket->deadline_us = deadline_us;
    return ticket;
}

bool served_submit(struct served *served, const struct facts *facts, int64_t deadline_us, struct served_ticket **out,
                   struct err *err)
{
    struct buf input;
    int32_t ids[MODEL_TOKENS_MAX];
    size_t count = 0;
    struct slots slots;
    buf_init(&input, MODEL_INPUT_SIZE_MAX);
    model_input(facts, served->info.format, &slots, &input);
    bool ok = t5_encode(t5_model_tokenizer(served->model), input.data, input.length, MODEL_TOKENS_MAX, ids, &count,
                        err);
    buf_free(&input);
    if (!ok)
        return false;
    struct served_ticket *ticket = new_ticket(served, deadline_us);
    ticket->slots = slots;
    struct t5_request request = { .input_ids = ids, .input_count = count, .params = served->params,
                                  .deadline_us = deadline_us, .done = take_result, .context = ticket };
    if (t5_submit(served->engine, &request, &ticket->number, err)) {
        *out = ticket;
        return true;
    }
    drop_ticket(ticket);
    drop_ticket(ticket);
    served_release(served);
    return false;
}

enum { SLICE_US = 100000 };              /* how soon a waiting thread sees that the process ends */

static int64_t monotonic_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static bool wait_until(struct served_ticket *ticket)
{
    (void)pthread_mutex_lock(&ticket->lock);
    for (int64_t now_us = monotonic_us(); !ticket->done && now_us < ticket->deadline_us &&
         !atomic_load(&ticket->served->stopping); now_us = monotonic_us()) {
        int64_t until_us = now_us + SLICE_US < ticket->deadline_us ? now_us + SLICE_US : ticket->deadline_us;
        struct timespec until = { .tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000 };
        (void)pthread_cond_timedwait(&ticket->wake, &ticket->lock, &until);
    }
    bool done = ticket->done;
    (void)pthread_mutex_unlock(&ticket->lock);
    return done;
}

void served_stop_waiting(struct served *served)
{
    atomic_store(&served->stopping, true);
}

static bool decode(struct served_ticket *ticket, struct arena *arena, const char **out_text, struct err *err)
{
    char *text;
    if (!t5_decode(t5_model_tokenizer(ticket->served->model), ticket->ids, ticket->count, true, &text, err))
        return false;
    struct buf filled;
    buf_init(&filled, MODEL_TEXT_MAX);
    slots_fill(&ticket->slots, text, &filled);
    *out_text = arena_copy(arena, filled.data ? filled.data : "", filled.length);
    buf_free(&filled);
    t5_text_free(text);
    return true;
}

bool served_wait(struct served_ticket *ticket, struct arena *arena, const char **out_text, struct err *err)
{
    struct served *served = ticket->served;
    bool done = wait_until(ticket), ok = false;
    if (!done || ticket->status == T5_EXPIRED) {
        t5_cancel(served->engine, ticket->number);
        err_set(err, atomic_load(&served->stopping) ? ERR_UNAVAILABLE : ERR_TIMEOUT,
                "the model did not answer within its deadline");
    } else if (ticket->status != T5_DONE) {
        err_set(err, ERR_UNAVAILABLE, "the model stopped");
    } else {
        ok = decode(ticket, arena, out_text, err);
    }
    drop_ticket(ticket);
    served_release(served);
    return ok;
}

void served_give_up(struct served_ticket *ticket)
{
    if (!ticket)
        return;
    struct served *served = ticket->served;
    t5_cancel(served->engine, ticket->number);
    drop_ticket(ticket);
    served_release(served);
}
