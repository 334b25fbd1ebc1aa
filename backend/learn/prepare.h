/* prepare.h - pairs (what the model reads, what it should write) from simulated windows.
 *
 * The writer is the teacher; its wording varies by pair where it is not the house's, what it says does not.  The same
 * options give the same pairs.   Threads: pure. */
#ifndef LEARN_PREPARE_H
#define LEARN_PREPARE_H

#include "clinical/model_input.h"
#include "learn/windows.h"

struct prepare_options {
    uint64_t seed;
    size_t count;
    enum model_format format;
    /* each vital drifts, or is missing, on its own, as simulated conditions never do */
    bool varied;
    bool house;                          /* WRITER_HOUSE's wording in every pair */
};

struct prepare_pair {                    /* lives until the visitor returns */
    const char *input, *summary;         /* as the format has them: with slots, or not */
    const char *text;                    /* the summary as people read it */
    const struct facts *facts;           /* facts->window and limits too */
};
typedef bool prepare_visitor(void *context, const struct prepare_pair *pair, struct err *err);

bool prepare_pairs(const struct prepare_options *options, prepare_visitor *visit, void *context,
                   struct err *err) MUST_CHECK;

#endif
