#include "t5/processors.h"

#include <math.h>
#include <string.h>

/* The first place whose token is not below. */
static size_t place_of(const int32_t *sorted, size_t count, int32_t token)
{
    size_t low = 0;
    while (count > 0) {
        size_t half = count / 2;
        if (sorted[low + half] < token) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

size_t sorted_insert(int32_t *sorted, size_t count, int32_t token)
{
    size_t at = place_of(sorted, count, token);
    if (at < count && sorted[at] == token)
        return count;
    memmove(sorted + at + 1, sorted + at, (count - at) * sizeof *sorted);
    sorted[at] = token;
    return count + 1;
}

int special_tokens_index(const struct special_tokens *special, int32_t token)
{
    size_t at = place_of(special->tokens, special->count, token);
    return at < special->count && special->tokens[at] == token ? (int)at : -1;
}

/* A token is banned that would complete an n-gram which is there already. */
static void ban_ngrams(struct special_tokens *special, int n, const int32_t *sequence, int length)
{
    if (length + 1 < n)
        return;
    const int32_t *last = sequence + length - (n - 1);
    for (int i = 0; i + n <= length; i++)
        if (memcmp(sequence + i, last, (size_t)(n - 1) * sizeof *sequence) == 0)
            special->marks[special_tokens_index(special, sequence[i + n - 1])] |= TOKEN_BANNED;
}

static void ban_eos(struct special_tokens *special, int32_t eos_id)
{
    size_t at = place_of(special->tokens, special->count, eos_id);
    if (at == special->count || special->tokens[at] != eos_id) {
        memmove(special->tokens + at + 1, special->tokens + at, (special->count - at) * sizeof *special->tokens);
        memmove(special->marks + at + 1, special->marks + at, special->count - at);
        special->tokens[at] = eos_id;
        special->marks[at] = 0;
        special->count++;
    }
    special->marks[at] |= TOKEN_BANNED;
}

void special_tokens_find(struct special_tokens *out, const struct t5_params *params, int32_t eos_id,
                         const int32_t *sequence, int length, const int32_t *seen, size_t seen_count)
{
    bool by_sequence = params->repetition_penalty != 1.0f || params->no_repeat_ngram_size > 0;
    out->count = by_sequence ? seen_count : 0;
    memcpy(out->tokens, seen, out->count * sizeof *seen);
    memset(out->marks, TOKEN_SEEN, out->count);
    if (params->no_repeat_ngram_size > 0)
        ban_ngrams(out, params->no_repeat_ngram_size, sequence, length);
    if (length < params->min_length)
        ban_eos(out, eos_id);
}

float special_tokens_apply(const struct special_tokens *special, size_t i, float score, const struct t5_params *params)
{
    if (special->marks[i] & TOKEN_BANNED)
        return -INFINITY;
    if (params->repetition_penalty == 1.0f || !(special->marks[i] & TOKEN_SEEN))
        return score;
    return score < 0 ? score * params->repetition_penalty : score / params->repetition_penalty;
}
