/* gate.h - may the challenger take the champion's place?
 *
 * Yes when it is better in total by GATE_GAIN and worse in no safety row of any slice, on the same exam.
 * Worse:  of the windows that only one of the two got right, the champion has significantly more
 *         (McNemar 1947, z > 2.33: one in a hundred by chance), or the challenger is right in over one
 *         percentage point fewer with at least GATE_LOST_MIN windows lost.  All slices and rows are looked
 *         at, so by chance alone a good challenger is refused now and then: that is the safe side.
 * First:  with no champion, the floors of gate.c decide.
 * Threads: pure. */
#ifndef LEARN_GATE_H
#define LEARN_GATE_H

#include "learn/exam.h"

#define GATE_GAIN 0.002
enum { GATE_LOST_MIN = 3, GATE_ROWS_MAX = SLICE_COUNT * ROW_COUNT, GATE_REASON_SIZE = 512 };

struct gate_row {
    enum exam_slice slice;
    enum exam_row row;
    int64_t windows, champion, challenger;     /* right */
    int64_t lost, won;                         /* right only in the champion's, only in the challenger's text */
    bool worse;
};
struct gate {
    bool passed;
    char reason[GATE_REASON_SIZE];             /* in words, for people */
    bool has_champion;
    double champion_total, challenger_total;
    struct gate_row rows[GATE_ROWS_MAX];       /* slices without windows are left out */
    int row_count;
};

/* ERR_CONFLICT: the two sat different exams. */
bool gate_judge(const struct exam *champion /* NULL: none */, const struct exam *challenger, struct gate *out,
                struct err *err) MUST_CHECK;
void gate_write(const struct gate *gate, struct buf *out);
bool gate_read(const char *text, size_t length, bool *out_passed, struct buf *out_reason, struct err *err) MUST_CHECK;

#endif
