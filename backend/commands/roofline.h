/* roofline.h - what this machine can do at most: multiply-adds per second and bytes read per second.
 *
 * Measured in about half a second: registers only for the first (16 independent chains of the widest
 * instruction that the CPU has), a buffer beyond every cache for the second.  Threads: as many as asked. */
#ifndef COMMANDS_ROOFLINE_H
#define COMMANDS_ROOFLINE_H

#include "t5/t5.h"

struct roofline {
    double multiply_adds_per_s;       /* in the precision asked for */
    const char *instruction;          /* "vpdpbusd zmm" */
    double bytes_per_s;               /* read from memory */
};

void roofline_measure(enum t5_precision precision, int threads, struct roofline *out);

/* Multiply-adds of one request: the products of encoder and decoder, and attention. */
double roofline_work(const struct t5_config *config, int input_tokens, int output_tokens, int beams);
/* Bytes of weights that one step of the decoder reads: every weight of the decoder and the head once. */
double roofline_step_bytes(const struct t5_config *config, enum t5_precision precision);

#endif
