#include "learn/prepare.h"

#include "clinical/writer.h"

enum { PAIR_ARENA_SIZE = 4 << 20 };

struct preparing {
    const struct prepare_options *options;
    prepare_visitor *visit;
    void *context;
    struct arena arena;
    struct buf input;
    uint64_t wording;
};

static bool take_window(void *context, const struct window *window, const struct alarm_limits *limits, struct err *err)
{
    struct preparing *p = context;
    struct facts facts;
    struct summary_text *text = arena_alloc(&p->arena, sizeof *text);
    facts_make(window, limits, &facts);
    uint64_t wording = p->wording++ * 0x9e3779b97f4a7c15u;
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
