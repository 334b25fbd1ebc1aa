#include "learn/sentences.h"

#include <string.h>

size_t sentence_length(const char *text)
{
    const char *at = text;
    while (*at && !(*at == '.' && (at[1] == ' ' || at[1] == '\0' || at[1] == '\n')))
        at++;
    return (size_t)(at - text) + (*at == '.');
}

void sentences_split(const char *text, struct sentence_list *out)
{
    out->count = 0;
    while (out->count < SENTENCES_SPLIT_MAX) {
        text += strspn(text, " \n\t");
        size_t length = sentence_length(text);
        if (!length)
            return;
        out->at[out->count] = text;
        out->length[out->count++] = length;
        text += length;
    }
}
