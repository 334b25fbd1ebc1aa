/* parity.h - what the parity tests read: the folders that transformers filled (make_reference.py).
 *
 * Folders: every one under $WARDSCRIBE_T5_REFERENCE, by default $WARDSCRIBE_DATA/t5/reference.  Each has
 *          config.json, model.safetensors, and some of forward.safetensors, generate.json.
 * Test code only. */
#ifndef T5_PARITY_H
#define T5_PARITY_H

#include "t5/checkpoint.h"

enum { PARITY_FOLDERS_MAX = 64, PARITY_TOKENS_MAX = 1024 };

/* Sorted paths; 0 where there are none (said on the terminal). */
size_t parity_folders(char paths[PARITY_FOLDERS_MAX][512]);

struct parity_case {
    int32_t input_ids[PARITY_TOKENS_MAX], output_ids[PARITY_TOKENS_MAX];
    size_t input_count, output_count;
    struct t5_params params;
    bool has_score;
    float score;
};
/* generate.json of a folder; 0 cases where it has none.  Freed with mem_free(). */
struct parity_case *parity_cases(const char *folder, size_t *out_count);
/* What a case got: prints what differs.  Scores: within 1e-4 per token written. */
bool parity_same(const struct parity_case *expected, const int32_t *ids, size_t count, float score);

/* max |a - b| / max |b| */
double parity_difference(const float *a, const float *b, size_t count);

#endif
