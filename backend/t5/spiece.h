/* spiece.h - libsentencepiece behind a C interface; nothing else touches it.
 *
 * The library trusts the model it loads: call spiece_check() first (spiece_check.c), always.
 * Threads: a loaded model is read-only and shared. */
#ifndef T5_SPIECE_H
#define T5_SPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct spiece;

/* NULL, and a reason, when the library refuses. */
struct spiece *spiece_load(const void *bytes, size_t size, char *reason, size_t reason_size);
void spiece_free(struct spiece *spiece);
int32_t spiece_count(const struct spiece *spiece);
int32_t spiece_unknown_id(const struct spiece *spiece);
/* The id of a piece, or of the unknown one. */
int32_t spiece_id(const struct spiece *spiece, const char *piece);
/* Writes at most `max` ids and returns how many there are in all. */
size_t spiece_encode(const struct spiece *spiece, const char *text, size_t length, int32_t *out, size_t max);
/* The text of pieces; the space that the first one brings is left out.  Ids are below spiece_count().
 * Freed with free().  NULL when the library fails. */
char *spiece_decode(const struct spiece *spiece, const int32_t *ids, size_t count, bool drop_first_space);

/* A new unigram vocabulary from texts: T5's ids (<pad> 0, </s> 1, <unk> 2, no <s>), every digit a piece of its own,
 * every printable ASCII character a piece, so that no English text is unknown, and each of `symbols` (by commas; may be
 * empty) a piece that is never cut.  One thread, fixed seed: the same texts give the same bytes.  `next` gives a text
 * or NULL at the end.  The answer is freed with free(); NULL, and a reason, when the library refuses. */
char *spiece_train(const char *(*next)(void *context), void *context, int size, const char *symbols, size_t *out_size,
                   char *reason, size_t reason_size);

#ifdef __cplusplus
}
#endif

#endif
