/* tail.h - the newest readings in memory: journalled, not yet folded.
 *
 * The journal is in order of arrival over all patients, the stored rows are by patient; the tail
 * bridges the two.  It holds what the journal holds from the fold's position on, with a chain per
 * patient, so that neither a query nor a fold has to read the journal.
 * Units:   a position is the record's sequence number in the vitals stream.
 * Bounds:  44 bytes a reading; the writer folds before it holds TAIL_READINGS_MAX.
 * Threads: tail_lock_read / tail_lock_write around everything else. */
#ifndef STORE_TAIL_H
#define STORE_TAIL_H

#include "base/arena.h"
#include "clinical/reading.h"

#include <stddef.h>

struct tail;

struct tail *tail_new(void);
void tail_free(struct tail *tail);
void tail_lock_read(struct tail *tail);
void tail_lock_write(struct tail *tail);
void tail_unlock(struct tail *tail);

/* Takes the memory that appending these needs; false: there is none, and nothing has changed. */
bool tail_reserve(struct tail *tail, int64_t seq, const struct reading *readings, size_t count);
/* Sequence numbers only grow.  The memory was reserved. */
void tail_append(struct tail *tail, int64_t seq, const struct reading *readings, size_t count);
void tail_clear(struct tail *tail);              /* as new */
void tail_drop_before(struct tail *tail, int64_t seq);
size_t tail_count(const struct tail *tail);     /* readings held */
uint32_t tail_patient_max(const struct tail *tail);

/* Readings of one patient with from_seq <= seq < to_seq in order of arrival; false: out of memory. */
bool tail_collect(const struct tail *tail, uint32_t patient, int64_t from_seq, int64_t to_seq,
                  struct arena *arena, struct reading **out, size_t *out_count);
/* How many of these there are. */
size_t tail_length(const struct tail *tail, uint32_t patient, int64_t from_seq, int64_t to_seq);

#endif
