#include "t5/topk.h"

#include <algorithm>
#include <cmath>

static bool greater(const ranked &x, const ranked &y)
{
    return (std::isnan(x.value) && !std::isnan(y.value)) || x.value > y.value;
}

/* heap[k] is the place of the newcomer: pop_heap() over k + 1 then does what __heap_select() does inside
 * partial_sort, replacing the smallest of the k. */
void topk_push_slowly(struct topk *topk, float value, int32_t index)
{
    ranked *heap = topk->heap;
    const ranked newcomer = { value, index };
    if (topk->filled < topk->k) {
        heap[topk->filled++] = newcomer;
        if (topk->filled == topk->k)
            std::make_heap(heap, heap + topk->k, greater);
    } else if (greater(newcomer, heap[0])) {
        heap[topk->k] = newcomer;
        std::pop_heap(heap, heap + topk->k + 1, greater);
    }
}

void topk_finish(struct topk *topk)
{
    std::sort_heap(topk->heap, topk->heap + topk->k, greater);
}

void topk_select(struct ranked *queue, size_t n, size_t k)
{
    if (topk_streams(n, k)) {
        std::partial_sort(queue, queue + k, queue + n, greater);
        return;
    }
    std::nth_element(queue, queue + k - 1, queue + n, greater);
    std::sort(queue, queue + k - 1, greater);
}
