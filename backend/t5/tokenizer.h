/* tokenizer.h - what the rest of t5/ asks of a tokenizer beyond t5.h. */
#ifndef T5_TOKENIZER_H
#define T5_TOKENIZER_H

#include "t5/t5.h"

/* As t5_tokenizer_open, from bytes in memory, which are not kept. */
bool tokenizer_from_memory(const void *bytes, size_t size, struct t5_tokenizer **out, struct err *err) MUST_CHECK;
/* For a model of `vocab_size` tokens: an extra id beyond them is text.  Fails when the pieces alone are more. */
bool tokenizer_fit(struct t5_tokenizer *tokenizer, int vocab_size, struct err *err) MUST_CHECK;
int tokenizer_piece_count(const struct t5_tokenizer *tokenizer);

#endif
