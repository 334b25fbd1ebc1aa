/* real.h - the number that training computes with.
 *
 * The product is compiled with float.  The same sources compiled with -DT5_TRAIN_DOUBLE are what the
 * gradient tests use: central differences in float would drown in rounding. */
#ifndef T5_TRAIN_REAL_H
#define T5_TRAIN_REAL_H

#ifdef T5_TRAIN_DOUBLE
typedef double real;
#define REAL(x) x
#else
typedef float real;
#define REAL(x) x##f
#endif

#endif
