/* topk.h - the k largest, with PyTorch's order among equals.
 *
 * torch.topk on a CPU does not keep equal values in index order: it runs std::partial_sort (when
 * k * 64 <= n) or std::nth_element and std::sort over (value, index) pairs, comparing values only.  The
 * same standard algorithms on the same sequence give the same choice; beams are compared with
 * transformers' token by token, so the choice matters.
 * Source:  PyTorch, aten/src/ATen/native/TopKImpl.h, topk_impl_loop.
 * NaN counts as larger than every number, as there. */
#ifndef T5_TOPK_H
#define T5_TOPK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ranked {
    float value;
    int32_t index;
};

/* Whether topk over n values streams through a heap (else they must be gathered for topk_select). */
static inline int topk_streams(size_t n, size_t k)
{
    return k * 64 <= n;
}

/* std::partial_sort as a stream: push every value in index order, then finish.  heap: k + 1 places. */
struct topk {
    struct ranked *heap;
    size_t k, filled;
};
void topk_push_slowly(struct topk *topk, float value, int32_t index);
static inline void topk_push(struct topk *topk, float value, int32_t index)
{
    if (topk->filled < topk->k || !(value <= topk->heap[0].value))
        topk_push_slowly(topk, value, index);
}
void topk_finish(struct topk *topk);    /* heap[0..k) descending; everything must have been pushed: filled == k */

/* The k largest of queue[0..n) come to its front, descending, as torch.topk puts them. */
void topk_select(struct ranked *queue, size_t n, size_t k);

#ifdef __cplusplus
}
#endif

#endif
