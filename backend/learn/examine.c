#include "learn/examine.h"

#include "base/clock.h"
#include "base/mem.h"

#define PATIENCE_US (600 * US_PER_S)   /* a window that takes longer is a model that hangs */

struct sitting {
    const struct examine_options *options;
    const struct exam_set *set;
    struct arena *arena;
    struct served *served;
    const char **texts;
    int64_t *latency_us;
};

static bool cancelled(const struct sitting *s, struct err *err)
{
    return s->options->cancel && atomic_load(s->options->cancel) && !err_set(err, ERR_TIMEOUT, "stopped");
}

static void tell(const struct sitting *s, size_t done)
{
    if (s->options->on_progress)
        s->options->on_progress(s->options->context, (int64_t)done, (int64_t)s->set->count);
}

static bool submit(struct sitting *s, size_t i, struct served_ticket **out, struct err *err)
{
    int64_t deadline_us = clock_monotonic_us(clock_system()) + PATIENCE_US;
    return served_submit(s->served, &s->set->items[i].facts, deadline_us, out, err);
}

static bool write_alone(struct sitting *s, size_t i, struct err *err)
{
    struct served_ticket *ticket;
    int64_t started_us = clock_monotonic_us(clock_system());
    bool ok = submit(s, i, &ticket, err) && served_wait(ticket, s->arena, &s->texts[i], err);
    s->latency_us[i] = clock_monotonic_us(clock_system()) - started_us;
    return ok;
}

/* Windows [from, to): all are submitted before the first is waited for; every ticket is ended. */
static bool write_together(struct sitting *s, size_t from, size_t to, struct err *err)
{
    struct served_ticket *tickets[EXAMINE_TOGETHER];
    size_t submitted = from;
    bool ok = true;
    while (submitted < to && (ok = submit(s, submitted, &tickets[submitted - from], err)))
        submitted++;
    for (size_t i = from; i < submitted; i++)
        ok = served_wait(tickets[i - from], s->arena, &s->texts[i], ok ? err : NULL) && ok;
    return ok;
}

static bool write_all(struct sitting *s, struct err *err)
{
    size_t count = s->set->count, alone = count < EXAMINE_ALONE ? count : EXAMINE_ALONE, i = 0;
    for (; i < alone; i++) {
        if (cancelled(s, err) || !write_alone(s, i, err))
            return false;
        tell(s, i + 1);
    }
    while (i < count) {
        size_t to = i + EXAMINE_TOGETHER < count ? i + EXAMINE_TOGETHER : count;
        if (cancelled(s, err) || !write_together(s, i, to, err))
            return false;
        tell(s, i = to);
    }
    return true;
}

bool examine(const struct examine_options *options, const struct exam_set *set, struct arena *arena, const char **texts,
             struct exam *out, struct err *err)
{
    const struct served_options served = { .threads = options->threads, .precision = T5_AUTO, .alone = true };
    struct sitting sitting = { options, set, arena, NULL, texts, mem_new(set->count + 1, sizeof(int64_t)) };
    bool ok = served_open(options->dir, &served, &sitting.served, err) && write_all(&sitting, err);
    if (ok) {
        exam_judge(set, texts, options->name, arena, out);
        exam_set_latency(out, sitting.latency_us, set->count < EXAMINE_ALONE ? set->count : EXAMINE_ALONE);
    }
    served_release(sitting.served);
    mem_free(sitting.latency_us);
    return ok || err_context(err, "exam of %s", options->name);
}
