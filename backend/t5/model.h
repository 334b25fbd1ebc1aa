/* model.h - what a t5_model is made of; for the rest of t5/. */
#ifndef T5_MODEL_H
#define T5_MODEL_H

#include "t5/checkpoint.h"
#include "t5/kernels/kernels.h"

struct t5_model {
    struct checkpoint *checkpoint;
    struct t5_tokenizer *tokenizer;        /* NULL: the folder has no spiece.model */
    enum t5_precision precision;           /* never T5_AUTO */
    const struct t5_kernels *kernels;
};

#endif
