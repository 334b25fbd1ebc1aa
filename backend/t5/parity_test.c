/* parity_test.c - the plain path against transformers: encoder states and logits within 2e-5 of the largest
 * magnitude, the same tokens from every generation, scores within 1e-4. */
#include "base/mem.h"
#include "t5/forward_plain.h"
#include "t5/parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const double DIFFERENCE_MAX = 2e-5;

struct batch {
    struct safetensors *file;
    size_t B, T, L, D, V;
    int32_t *ids, *mask, *decoder_ids;
    float *states, *logits;
    bool last_only;              /* "logits_last": of the last position alone */
};

static int32_t *ids_of(const struct safetensors *file, const char *name)
{
    const struct tensor *tensor = safetensors_find(file, name);
    assert_non_null(tensor);
    int32_t *ids = mem_new(tensor->count, sizeof *ids);
    tensor_read_i32(tensor, 0, tensor->count, ids);
    return ids;
}

static float *floats_of(const struct tensor *tensor)
{
    float *values = mem_new(tensor->count, sizeof *values);
    tensor_read_f32(tensor, 0, tensor->count, values);
    return values;
}

static void open_batch(const char *folder, struct batch *b)
{
    char path[600];
    struct err err;
    snprintf(path, sizeof path, "%s/forward.safetensors", folder);
    if (!safetensors_open(path, &b->file, &err))
        fail_msg("%s", err.text);
    const struct tensor *states = safetensors_find(b->file, "encoder_hidden"),
                        *logits = safetensors_find(b->file, "logits");
    const struct tensor *decoder_ids = safetensors_find(b->file, "decoder_input_ids");
    b->last_only = !logits;
    logits = logits ? logits : safetensors_find(b->file, "logits_last");
    assert_true(states && logits && decoder_ids && states->rank == 3);
    b->B = states->shape[0], b->T = states->shape[1], b->D = states->shape[2];
    b->L = decoder_ids->shape[1], b->V = logits->shape[logits->rank - 1];
    b->ids = ids_of(b->file, "input_ids");
    b->mask = ids_of(b->file, "attention_mask");
    b->decoder_ids = ids_of(b->file, "decoder_input_ids");
    b->states = floats_of(states);
    b->logits = floats_of(logits);
}

static void close_batch(struct batch *b)
{
    safetensors_close(b->file);
    mem_free(b->ids);
    mem_free(b->mask);
    mem_free(b->decoder_ids);
    mem_free(b->states);
    mem_free(b->logits);
}

/* All of one sequence: found states [T, D] and logits [L, V], or the last [V]. */
static void run_sequence(const struct plain_model *model, const struct batch *b, size_t at, float *states,
                         float *logits)
{
    const int parent = 0;
    plain_encode(model, b->ids + at * b->T, b->mask + at * b->T, b->T, states);
    struct plain_decoder *d = plain_decoder_new(model, states, b->mask + at * b->T, b->T, 1, b->L);
    for (size_t l = 0; l < b->L; l++)
        plain_decode(d, &b->decoder_ids[at * b->L + l], &parent, 1, logits + (b->last_only ? 0 : l * b->V));
    plain_decoder_free(d);
}

static void check_forward(const char *folder)
{
    struct batch b = { 0 };
    struct checkpoint *checkpoint;
    struct err err;
    open_batch(folder, &b);
    if (!checkpoint_open(folder, &checkpoint, &err))
        fail_msg("%s", err.text);
    struct plain_model *model = plain_open(checkpoint);
    const size_t states_each = b.T * b.D, logits_each = (b.last_only ? 1 : b.L) * b.V;
    float *states = mem_new(b.B * states_each, sizeof *states), *logits = mem_new(b.B * logits_each, sizeof *logits);
    for (size_t i = 0; i < b.B; i++)
        run_sequence(model, &b, i, states + i * states_each, logits + i * logits_each);
    double states_off = parity_difference(states, b.states, b.B * states_each);
    double logits_off = parity_difference(logits, b.logits, b.B * logits_each);
    print_message("%s: states %.2g, logits %.2g off\n", folder, states_off, logits_off);
    assert_true(states_off <= DIFFERENCE_MAX && logits_off <= DIFFERENCE_MAX);
    mem_free(states);
    mem_free(logits);
    plain_close(model);
    checkpoint_close(checkpoint);
    close_batch(&b);
}

static void test_forward(void **state)
{
    (void)state;
    static char folders[PARITY_FOLDERS_MAX][512];
    size_t count = parity_folders(folders), checked = 0;
    char tiny[600];
    for (size_t i = 0; i < count; i++) {
        char path[600];
        snprintf(path, sizeof path, "%.511s/forward.safetensors", folders[i]);
        if (access(path, R_OK) == 0) {
            check_forward(folders[i]);
            checked++;
        }
    }
    snprintf(tiny, sizeof tiny, "%s/t5/t5x-tiny",
             getenv("WARDSCRIBE_DATA") ? getenv("WARDSCRIBE_DATA") : "../shared/data");
    if (access(tiny, R_OK) == 0) {
        check_forward(tiny);
        checked++;
    }
    if (checked == 0)
        skip();
}

static size_t check_cases(const char *folder, size_t *out_wrong)
{
    size_t count, wrong = 0;
    struct checkpoint *checkpoint;
    struct err err;
    struct parity_case *cases = parity_cases(folder, &count);
    if (!checkpoint_open(folder, &checkpoint, &err))
        fail_msg("%s", err.text);
    struct plain_model *model = plain_open(checkpoint);
    for (size_t i = 0; i < count; i++) {
        int32_t ids[PARITY_TOKENS_MAX];
        size_t length;
        float score;
        plain_generate(model, cases[i].input_ids, cases[i].input_count, &cases[i].params, ids, &length, &score);
        if (!parity_same(&cases[i], ids, length, score)) {
            print_message("%s: case %zu differs\n", folder, i);
            wrong++;
        }
    }
    print_message("%s: %zu cases, %zu differ\n", folder, count, wrong);
    *out_wrong += wrong;
    plain_close(model);
    checkpoint_close(checkpoint);
    mem_free(cases);
    return count;
}

static void test_generations(void **state)
{
    (void)state;
    static char folders[PARITY_FOLDERS_MAX][512];
    size_t count = parity_folders(folders), cases = 0, wrong = 0;
    for (size_t i = 0; i < count; i++)
        cases += check_cases(folders[i], &wrong);
    if (cases == 0)
        skip();
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_generations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
