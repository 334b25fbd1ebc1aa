/* sentences.h - where the sentences of a text with names are.  Bound: SENTENCES_SPLIT_MAX, the rest is left out. */
#ifndef LEARN_SENTENCES_H
#define LEARN_SENTENCES_H

#include <stddef.h>

enum { SENTENCES_SPLIT_MAX = 64 };

struct sentence_list {
    const char *at[SENTENCES_SPLIT_MAX];
    size_t length[SENTENCES_SPLIT_MAX];  /* with the point */
    int count;
};

/* A point ends a sentence where a space, a line end or nothing follows. */
size_t sentence_length(const char *text);
void sentences_split(const char *text, struct sentence_list *out);

#endif
