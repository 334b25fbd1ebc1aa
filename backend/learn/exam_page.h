/* exam_page.h - the exam as a page that a clinician can read: one HTML file, no script, nothing from elsewhere. */
#ifndef LEARN_EXAM_PAGE_H
#define LEARN_EXAM_PAGE_H

#include "learn/gate.h"

enum { EXAM_EXAMPLES_MAX = 12 };

struct exam_example {
    const char *slice, *champion, *challenger, *reference;   /* champion NULL: there is none */
};
struct exam_page {
    const struct exam *champion, *challenger;                /* champion NULL: none */
    const struct gate *gate;
    const struct exam_example *examples;
    int example_count;
    int64_t time_us;
};

void exam_page_write(const struct exam_page *page, struct buf *out);

#endif
