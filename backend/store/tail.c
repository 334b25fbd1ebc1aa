#include "store/tail.h"

#include "base/bounds.h"
#include "base/err.h"
#include "base/mem.h"

#include <pthread.h>
#include <string.h>

/* One block is about 45 KB: below malloc's mmap threshold, so that coming and going is cheap. */
enum { BLOCK_READINGS = 1024 };

struct block {
    size_t count;                       /* readings in it: gaps in the sequence are not counted */
    uint32_t back[BLOCK_READINGS];      /* distance to the patient's record before; 0: none */
    struct reading readings[BLOCK_READINGS]; /* patient 0: no reading has this number */
};

struct tail {
    pthread_rwlock_t lock;
    struct block **blocks;              /* blocks[i] holds seq (first_block + i) * BLOCK_READINGS … */
    size_t block_count, block_capacity;
    int64_t first_block;
    int64_t from_seq;                   /* chains end before it */
    size_t count;
    int64_t *last;                      /* by patient: newest seq, -1: none */
    uint32_t last_count;
};

struct tail *tail_new(void)
{
    struct tail *tail = mem_new(1, sizeof *tail);
    CHECK(pthread_rwlock_init(&tail->lock, NULL) == 0);
    return tail;
}

void tail_free(struct tail *tail)
{
    if (!tail)
        return;
    for (size_t i = 0; i < tail->block_count; i++)
        mem_free(tail->blocks[i]);
    mem_free(tail->blocks);
    mem_free(tail->last);
    pthread_rwlock_destroy(&tail->lock);
    mem_free(tail);
}

void tail_lock_read(struct tail *tail)
{
    CHECK(pthread_rwlock_rdlock(&tail->lock) == 0);
}

void tail_lock_write(struct tail *tail)
{
    CHECK(pthread_rwlock_wrlock(&tail->lock) == 0);
}

void tail_unlock(struct tail *tail)
{
    CHECK(pthread_rwlock_unlock(&tail->lock) == 0);
}

static bool grow_blocks(struct tail *tail, size_t count)
{
    if (count <= tail->block_capacity)
        return true;
    struct block **more = mem_try_resize(tail->blocks, count + tail->block_capacity, sizeof(struct block *));
    if (!more)
        return false;
    tail->blocks = more;
    tail->block_capacity += count;
    return true;
}

static bool reserve_block(struct tail *tail, int64_t seq)
{
    int64_t number = seq / BLOCK_READINGS;
    if (!tail->block_count)
        tail->first_block = number;
    CHECK(number >= tail->first_block);
    size_t at = (size_t)(number - tail->first_block);
    if (!grow_blocks(tail, at + 1))
        return false;
    while (tail->block_count <= at)
        tail->blocks[tail->block_count++] = NULL;
    if (!tail->blocks[at])
        tail->blocks[at] = mem_try_new(1, sizeof(struct block));
    return tail->blocks[at] != NULL;
}

static bool reserve_patient(struct tail *tail, uint32_t patient)
{
    if (patient < tail->last_count)
        return true;
    uint32_t count = patient + patient / 2 + 64;
    int64_t *more = mem_try_resize(tail->last, count, sizeof *more);
    if (!more)
        return false;
    for (uint32_t i = tail->last_count; i < count; i++)
        more[i] = -1;
    tail->last = more;
    tail->last_count = count;
    return true;
}

bool tail_reserve(struct tail *tail, int64_t seq, const struct reading *readings, size_t count)
{
    for (int64_t at = seq; at < seq + (int64_t)count; at += BLOCK_READINGS - at % BLOCK_READINGS)
        if (!reserve_block(tail, at))
            return false;
    for (size_t i = 0; i < count; i++)
        if (!reserve_patient(tail, readings[i].patient))
            return false;
    return true;
}

static struct block *block_of(const struct tail *tail, int64_t seq)
{
    return tail->blocks[(size_t)(seq / BLOCK_READINGS - tail->first_block)];
}

void tail_append(struct tail *tail, int64_t seq, const struct reading *readings, size_t count)
{
    for (size_t i = 0; i < count; i++, seq++) {
        struct block *block = block_of(tail, seq);
        int64_t *last = &tail->last[readings[i].patient];
        size_t at = (size_t)(seq % BLOCK_READINGS);
        int64_t distance = *last >= tail->from_seq ? seq - *last : 0;
        block->back[at] = distance > UINT32_MAX ? 0 : (uint32_t)distance;
        block->readings[at] = readings[i];
        block->count++;
        *last = seq;
        tail->count++;
    }
}

void tail_clear(struct tail *tail)
{
    for (size_t i = 0; i < tail->block_count; i++)
        mem_free(tail->blocks[i]);
    for (uint32_t i = 0; i < tail->last_count; i++)
        tail->last[i] = -1;
    tail->block_count = tail->count = 0;
    tail->first_block = tail->from_seq = 0;
}

void tail_drop_before(struct tail *tail, int64_t seq)
{
    size_t gone = 0;
    while (gone < tail->block_count && (tail->first_block + (int64_t)gone + 1) * BLOCK_READINGS <= seq) {
        struct block *block = tail->blocks[gone++];
        tail->count -= block ? block->count : 0;
        mem_free(block);
    }
    tail->block_count -= gone;
    tail->first_block += (int64_t)gone;
    memmove(tail->blocks, tail->blocks + gone, tail->block_count * sizeof *tail->blocks);
    if (tail->from_seq < seq)
        tail->from_seq = seq;
}

size_t tail_count(const struct tail *tail)
{
    return tail->count;
}

uint32_t tail_patient_max(const struct tail *tail)
{
    return tail->last_count ? tail->last_count - 1 : 0;
}

/* The patient's newest record before to_seq, then step_back() until it is below from_seq. */
static int64_t newest(const struct tail *tail, uint32_t patient)
{
    return patient < tail->last_count ? tail->last[patient] : -1;
}

static int64_t step_back(const struct tail *tail, int64_t seq)
{
    uint32_t back = block_of(tail, seq)->back[seq % BLOCK_READINGS];
    return back ? seq - back : -1;
}

static int64_t start_seq(const struct tail *tail, int64_t from_seq)
{
    from_seq = from_seq > tail->from_seq ? from_seq : tail->from_seq;
    return from_seq > 0 ? from_seq : 0;
}

size_t tail_length(const struct tail *tail, uint32_t patient, int64_t from_seq, int64_t to_seq)
{
    size_t count = 0;
    from_seq = start_seq(tail, from_seq);
    for (int64_t seq = newest(tail, patient); seq >= from_seq; seq = step_back(tail, seq))
        count += seq < to_seq;
    return count;
}

bool tail_collect(const struct tail *tail, uint32_t patient, int64_t from_seq, int64_t to_seq,
                  struct arena *arena, struct reading **out, size_t *out_count)
{
    size_t count = tail_length(tail, patient, from_seq, to_seq), at = count;
    *out_count = count;
    *out = arena_try_alloc(arena, (count ? count : 1) * sizeof **out);
    if (!*out)
        return false;
    from_seq = start_seq(tail, from_seq);
    for (int64_t seq = newest(tail, patient); seq >= from_seq; seq = step_back(tail, seq))
        if (seq < to_seq)
            (*out)[--at] = block_of(tail, seq)->readings[seq % BLOCK_READINGS];
    return true;
}
