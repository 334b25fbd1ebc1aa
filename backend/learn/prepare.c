#include "learn/prepare.h"

#include "clinical/writer.h"

#include <string.h>

enum { PAIR_ARENA_SIZE = 4 << 20 };

struct preparing {
    const struct prepare_options *options;
    prepare_visitor *visit;
    void *context;
    struct arena arena;
    struct buf input;
    uint64_t wording;
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* A drift of up to three times what counts as moved over the window; sometimes none, sometimes only some values stay,
 * or some become implausible. */
static void vary_vital(struct reading *readings, size_t count, enum vital vital, uint64_t *random)
{
    int64_t reach = 3 * (int64_t)facts_moved_milli(vital),
            change = (int64_t)(next_random(random) % (2 * (uint64_t)reach)) - reach;
    int64_t span = readings[count - 1].time_us - readings[0].time_us + 1,
            step = vital == VITAL_TEMPERATURE ? 100 : 1000;
    uint64_t fate = next_random(random) % 8, kept = next_random(random) % count;
    for (size_t i = 0; i < count; i++) {
        int32_t *value = &readings[i].value_milli[vital];
        if (fate == 0 || (fate == 1 && i != kept) || (fate == 2 && next_random(random) % 2))
            *value = VITAL_ABSENT;
        if (*value == VITAL_ABSENT || *value == 0 || fate == 3)
            continue;
        int64_t moved = *value + change * (readings[i].time_us - readings[0].time_us) / span / step * step;
        const struct vital_info *info = &vital_infos[vital];
        bool implausible = fate == 4 && next_random(random) % 4 == 0;
        *value = implausible ? 2 * info->plausible_max_milli
                             : (int32_t)(moved < info->plausible_min_milli   ? info->plausible_min_milli
                                         : moved > info->plausible_max_milli ? info->plausible_max_milli
                                                                             : moved);
    }
}

/* A sensor alarm may be about any of the vitals. */
static void vary_alerts(struct alert *alerts, size_t count, uint64_t *random)
{
    for (size_t i = 0; i < count; i++)
        if (alerts[i].type == ALERT_SENSOR && next_random(random) % 2)
            alerts[i].lost = (uint8_t)(1 + next_random(random) % ((1u << VITAL_COUNT) - 1));
}

/* Few readings with few values each: most vitals were measured once, at moments of their own. */
static void make_sparse(struct reading *readings, size_t count, uint64_t *random)
{
    for (size_t i = 0; i < count; i++)
        for (int vital = 0; vital < VITAL_COUNT; vital++)
            if (next_random(random) % 2)
                readings[i].value_milli[vital] = VITAL_ABSENT;
}

/* Otherwise the alerts stay: what is said of them rests on the new values where these count. */
static struct window vary(struct preparing *p, const struct window *window, uint64_t random)
{
    struct window varied = *window;
    bool sparse = next_random(&random) % 4 == 0;
    size_t most = sparse ? 1 + next_random(&random) % 4 : window->reading_count;
    varied.reading_count = window->reading_count < most ? window->reading_count : most;
    struct reading *readings = arena_alloc(&p->arena, varied.reading_count * sizeof *readings);
    struct alert *alerts = arena_alloc(&p->arena, window->alert_count * sizeof *alerts + 1);
    memcpy(readings, window->readings + window->reading_count - varied.reading_count,
           varied.reading_count * sizeof *readings);
    if (window->alert_count)
        memcpy(alerts, window->alerts, window->alert_count * sizeof *alerts);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        vary_vital(readings, varied.reading_count, (enum vital)vital, &random);
    if (sparse)
        make_sparse(readings, varied.reading_count, &random);
    vary_alerts(alerts, window->alert_count, &random);
    for (size_t i = 0; i < varied.reading_count; i++) {
        readings[i].implausible = 0;
        reading_mark_implausible(&readings[i]);
    }
    varied.readings = readings;
    varied.alerts = alerts;
    return varied;
}

static bool take_window(void *context, const struct window *window, const struct alarm_limits *limits, struct err *err)
{
    struct preparing *p = context;
    struct facts facts;
    struct summary_text *text = arena_alloc(&p->arena, sizeof *text);
    uint64_t random = p->wording++ * 0x9e3779b97f4a7c15u, wording = p->options->house ? WRITER_HOUSE : random;
    struct window varied = p->options->varied && window->reading_count ? vary(p, window, random ^ 0x5eed) : *window;
    facts_make(&varied, limits, &facts);
    writer_write(&facts, wording, &p->arena, text);
    buf_reset(&p->input);
    model_input(&facts, p->options->format, NULL, &p->input);
    const char *joined = summary_join(text, &p->arena), *target = joined;
    if (p->options->format == MODEL_FORMAT_SLOTS) {
        writer_write_named(&facts, wording, &p->arena, text);
        target = summary_join(text, &p->arena);
    }
    struct prepare_pair pair = { p->input.data, target, joined, &facts };
    bool ok = p->visit(p->context, &pair, err);
    arena_reset(&p->arena);
    return ok;
}

bool prepare_pairs(const struct prepare_options *options, prepare_visitor *visit, void *context, struct err *err)
{
    struct preparing preparing = { .options = options, .visit = visit, .context = context, .wording = options->seed };
    arena_init(&preparing.arena, PAIR_ARENA_SIZE);
    buf_init(&preparing.input, MODEL_INPUT_SIZE_MAX);
    bool ok = windows_simulated(options->seed, options->count, take_window, &preparing, err);
    buf_free(&preparing.input);
    arena_free(&preparing.arena);
    return ok;
}
