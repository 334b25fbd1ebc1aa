/* text.c - text in, text out, waiting: what a program needs that has one text at a time. */
#include "base/bounds.h"
#include "base/mem.h"
#include "t5/engine_internal.h"

#include <pthread.h>
#include <string.h>

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool answered;
    struct t5_result result;
    int32_t *ids;            /* [max_length] */
};

static void take_answer(void *context, const struct t5_result *result)
{
    struct waiter *waiter = context;
    pthread_mutex_lock(&waiter->lock);
    waiter->result = *result;
    if (result->count > 0)
        memcpy(waiter->ids, result->ids, result->count * sizeof *result->ids);
    waiter->answered = true;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
}

static void wait_for(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    while (!waiter->answered)
        pthread_cond_wait(&waiter->changed, &waiter->lock);
    pthread_mutex_unlock(&waiter->lock);
}

static bool run(struct t5_engine *engine, const struct t5_request *request, struct waiter *waiter, struct err *err)
{
    uint64_t ticket;
    if (!t5_submit(engine, request, &ticket, err))
        return false;
    wait_for(waiter);
    return waiter->result.status == T5_DONE || err_set(err, ERR_UNAVAILABLE, "the engine was stopped");
}

bool t5_generate_text(struct t5_engine *engine, const char *text, const struct t5_params *params, char **out,
                      struct t5_result *out_figures, struct err *err)
{
    const struct t5_tokenizer *tokenizer = engine_tokenizer(engine);
    int32_t ids[T5_INPUT_TOKENS];
    size_t count;
    if (!tokenizer)
        return err_set(err, ERR_INPUT, "the model has no spiece.model: texts cannot be encoded");
    if (!t5_params_check(params, err) || !t5_encode(tokenizer, text, strlen(text), T5_INPUT_TOKENS, ids, &count, err))
        return false;
    struct waiter waiter = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER,
                             .ids = mem_new((size_t)params->max_length, sizeof *waiter.ids) };
    const struct t5_request request = { .input_ids = ids, .input_count = count, .params = *params, .done = take_answer,
                                        .context = &waiter };
    bool ok = run(engine, &request, &waiter, err) &&
              t5_decode(tokenizer, waiter.ids, waiter.result.count, true, out, err);
    if (ok && out_figures) {
        *out_figures = waiter.result;
        out_figures->ids = NULL;
    }
    mem_free(waiter.ids);
    return ok;
}
