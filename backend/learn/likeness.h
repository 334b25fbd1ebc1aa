/* likeness.h - names for the numbers of a sentence that a reader has put into other words.
 *
 * The reader's sentence is laid beside the writer's, number by number and word by word (longest common subsequence); a
 * number that both have in the same place gets the writer's name for it.  What looks the same elsewhere in the window
 * (two alarms that started in one minute) does not matter then.
 * Bounds: LIKENESS_TOKENS_MAX words, numbers, spaces and signs a sentence.   Memory: the caller's.   Threads: one per
 *         struct. */
#ifndef LEARN_LIKENESS_H
#define LEARN_LIKENESS_H

#include "base/str.h"
#include "clinical/slots.h"

enum { LIKENESS_TOKENS_MAX = 256 };

struct likeness_token {
    const char *at;
    int length, slot;                    /* slot: of the writer's, counted from 1; 0: no part of one */
};

struct likeness {
    struct likeness_token usual[LIKENESS_TOKENS_MAX], told[LIKENESS_TOKENS_MAX];
    int usual_count, told_count;
    int partner[LIKENESS_TOKENS_MAX];    /* of the reader's tokens: the writer's, or -1 */
    char name[LIKENESS_TOKENS_MAX][4];   /* of slot i + 1 */
    uint16_t common[LIKENESS_TOKENS_MAX + 1][LIKENESS_TOKENS_MAX + 1];
};

/* The writer's sentence twice, with names and without, and the reader's.  Returns the common tokens' share, and 1 for
 * each number in common. */
double likeness_align(struct likeness *likeness, const struct slots *slots, const char *named, const char *plain,
                      const char *told, size_t told_length);
/* The reader's sentence of the last likeness_align(), with names. */
void likeness_name(const struct likeness *likeness, struct buf *out);

#endif
