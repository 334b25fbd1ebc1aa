/* fast_head.h - the output head, the sum of exponentials and the choice of the best tokens as one pass.
 *
 * Logits are made for 512 tokens at a time and looked at while they are in the cache: each row keeps
 * their largest value and sum of exponentials, its generation_keep() best ordinary tokens and the
 * logits of its special ones.  The row's sum is put together from those of the chunks in their order,
 * so it does not depend on who made which chunk. */
#ifndef T5_FAST_HEAD_H
#define T5_FAST_HEAD_H

#include "t5/fast.h"

struct fast_head;

struct fast_head *fast_head_new(const struct fast_model *model, int thread_count, int row_max);
void fast_head_free(struct fast_head *head);
/* Steps every group's generation.  `states` are the packed rows. */
void fast_head_run(struct fast_head *head, struct crew *crew, struct t5_rows states, struct fast_group *groups,
                   int group_count);

#endif
