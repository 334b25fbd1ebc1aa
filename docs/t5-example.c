/* t5-example.c - reads a line, writes what a T5 model makes of it.  docs/t5.md explains it.
 *
 *     cc -std=gnu17 t5-example.c $(pkg-config --cflags --libs wardscribe-t5) -o t5-example
 *     echo 'translate English to German: Good morning.' | ./t5-example FOLDER */
#include <t5/t5.h>

#include <stdio.h>

static bool answer(struct t5_engine *engine, const struct t5_params *params, const char *line, struct err *err)
{
    char *text;
    struct t5_result figures;
    if (!t5_generate_text(engine, line, params, &text, &figures, err))
        return false;
    printf("%s\n", text);
    fprintf(stderr, "%zu tokens, score %.3f, %.1f ms\n", figures.count, (double)figures.score,
            (double)(figures.encode_us + figures.decode_us) / 1000);
    t5_text_free(text);
    return true;
}

int main(int argc, char **argv)
{
    struct t5_model *model = NULL;
    struct t5_engine *engine = NULL;
    struct t5_params params;
    struct err err = { 0 };
    char line[4096];
    if (argc != 2) {
        fprintf(stderr, "usage: t5-example FOLDER\n");
        return 64;
    }
    bool ok = t5_model_open(argv[1], &(struct t5_model_options){ .precision = T5_AUTO }, &model, &err) &&
              t5_engine_start(model, &(struct t5_engine_options){ .threads = 2 }, &engine, &err);
    if (ok) {
        t5_params_default(model, &params);
        params.num_beams = 4;
        params.max_length = 64;
    }
    while (ok && fgets(line, sizeof line, stdin))
        ok = answer(engine, &params, line, &err);
    if (!ok)
        fprintf(stderr, "t5-example: %s\n", err.text);
    t5_engine_stop(engine);
    t5_model_close(model);
    return ok ? 0 : 1;
}
