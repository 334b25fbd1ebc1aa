/* spiece_check.h - whether a SentencePiece model may be handed to libsentencepiece.
 *
 * Why:     0.1.97, Debian's version, has a memory error on crafted files (CVE-2026-1260), and reads its
 *          tables without bounds.  So a file is walked here first: its protocol buffer, the pieces, and the
 *          double array of the normalizer, every link of which must stay inside.  A file whose hash is not
 *          known good is then loaded and used once in a child process, whose death is only an error.
 * Format:  ModelProto of sentencepiece_model.proto: 1 pieces {1 text, 2 score, 3 type}, 2 trainer_spec
 *          {3 model_type …}, 3 normalizer_spec {2 precompiled_charsmap …}, 5 denormalizer_spec.
 *          precompiled_charsmap: 4 bytes n; n bytes of a Darts-clone double array; NUL-ended texts. */
#ifndef T5_SPIECE_CHECK_H
#define T5_SPIECE_CHECK_H

#include "base/err.h"

#include <stddef.h>

/* The walk alone: pure, no library.  What the fuzzer runs. */
bool spiece_check(const void *bytes, size_t size, struct err *err) MUST_CHECK;

/* Loads it in a child process (fork; at most SPIECE_TRIAL_S of CPU) unless its hash is known: built in, seen
 * by this process, or remembered in $XDG_CACHE_HOME/wardscribe/spiece (~/.cache without it). */
bool spiece_try(const void *bytes, size_t size, struct err *err) MUST_CHECK;

/* A SHA-256, lower-case hex: is the file with it built in as good? */
bool spiece_is_built_in(const char *hash);

#endif
