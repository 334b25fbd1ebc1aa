/* evaluate.h - how well a folder does on pairs: led through them, and writing on its own. */
#ifndef T5_TRAIN_EVALUATE_H
#define T5_TRAIN_EVALUATE_H

#include "t5/t5.h"

struct evaluate_options {
    const char *model_dir, *data_path;
    const char *texts_path;              /* NULL, or where to write what was written */
    size_t input_max, target_max, batch;
    int threads;
    bool no_text;
    enum t5_precision precision;         /* of generation; the loss is computed in fp32 */
};

struct evaluate_result {
    size_t pairs, tokens;
    double loss, token_accuracy;         /* led: teacher forcing */
    double exact_match, rouge_l, texts_per_s;
};

typedef void evaluate_progress(void *context, size_t done, size_t total);

bool evaluate(const struct evaluate_options *options, evaluate_progress *progress, void *context,
              struct evaluate_result *out, struct err *err) MUST_CHECK;

/* F1 of the longest common subsequence of words, split at white space, case kept.  Source: Lin 2004, "ROUGE", 2.4 (beta
 * 1). 1 for two empty texts. */
double rouge_l(const char *expected, const char *written);

#endif
