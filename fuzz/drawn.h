/* drawn.h - a fuzz target whose first byte chooses: the input is the file itself, or it draws one.
 * The target has two functions: open_it(), and draw_file() into `out`. */
#ifndef FUZZ_DRAWN_H
#define FUZZ_DRAWN_H

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct draw {
    const uint8_t *at, *end;
};

static unsigned draw(struct draw *d, unsigned below)
{
    return d->at < d->end ? *d->at++ % below : 0;
}

static void open_it(const void *bytes, size_t size);
static void draw_file(struct draw *d, struct buf *out);

static void open_drawn(struct draw *d)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    draw_file(d, &out);
    uint8_t *exact = malloc(out.length);   /* its end is where the sanitizer watches */
    memcpy(exact, out.data, out.length);
    open_it(exact, out.length);
    free(exact);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        open_drawn(&(struct draw){ data + 1, data + size });
    else
        open_it(data + 1, size - 1);
    return 0;
}

#endif
