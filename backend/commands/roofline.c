#include "commands/roofline.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* Source of the counts: Raffel et al. 2020 (T5) and Shazeer 2020 (gated GELU); per token:
 * attention 4 D I (q, k, v, o), cross-attention 2 D I and its keys and values once per input token,
 * feed-forward 2 or 3 D F, head D V, and per position looked at 2 I. */
double roofline_work(const struct t5_config *c, int input_tokens, int output_tokens, int beams)
{
    double D = c->d_model, I = (double)c->head_count * c->d_kv, F = c->d_ff, T = input_tokens, L = output_tokens;
    double ff = (c->gated ? 3 : 2) * D * F;
    double encoder = c->layer_count * T * (4 * D * I + ff + 2 * T * I);
    double memory = c->decoder_layer_count * T * 2 * D * I;
    double decoder = c->decoder_layer_count * (6 * D * I + ff + 2 * (T + L / 2) * I) + D * c->vocab_size;
    return encoder + memory + L * beams * decoder;
}

double roofline_step_bytes(const struct t5_config *c, enum t5_precision precision)
{
    double D = c->d_model, I = (double)c->head_count * c->d_kv, F = c->d_ff;
    double weights = c->decoder_layer_count * (6 * D * I + (c->gated ? 3 : 2) * D * F) + D * c->vocab_size;
    return weights * (precision == T5_INT8 ? 1 : precision == T5_BF16 ? 2 : 4);
}

/* ---- multiply-adds ---- */

enum { CHAINS = 16, ROUNDS = 1 << 14 };

/* One call is ROUNDS * CHAINS instructions; `per` is the multiply-adds of one. */
struct mill {
    const char *instruction;
    int per;
    void (*run)(void);
};

/* Sixteen sums that do not wait for each other, each a variable of its own: an array would stay in memory, and
 * its stores would be what is measured.  The empty asm keeps them in the program. */
#define CHAIN_NEW(i) __typeof__(a) s##i = start;
#define CHAIN_ADD(op, i)                                                              \
    s##i = op(s##i, a);                                                               \
    __asm__ volatile("" : "+v"(s##i));
#define MILL(name, isa, type, zero, one, op)                                          \
    __attribute__((target(isa))) static void name(void)                               \
    {                                                                                 \
        type start = (zero), a = (one);                                               \
        __asm__ volatile("" : "+v"(a));                                               \
        CHAIN_NEW(0) CHAIN_NEW(1) CHAIN_NEW(2) CHAIN_NEW(3)                           \
        CHAIN_NEW(4) CHAIN_NEW(5) CHAIN_NEW(6) CHAIN_NEW(7)                           \
        CHAIN_NEW(8) CHAIN_NEW(9) CHAIN_NEW(10) CHAIN_NEW(11)                         \
        CHAIN_NEW(12) CHAIN_NEW(13) CHAIN_NEW(14) CHAIN_NEW(15)                       \
        for (int round = 0; round < ROUNDS; round++) {                                \
            CHAIN_ADD(op, 0) CHAIN_ADD(op, 1) CHAIN_ADD(op, 2) CHAIN_ADD(op, 3)       \
            CHAIN_ADD(op, 4) CHAIN_ADD(op, 5) CHAIN_ADD(op, 6) CHAIN_ADD(op, 7)       \
            CHAIN_ADD(op, 8) CHAIN_ADD(op, 9) CHAIN_ADD(op, 10) CHAIN_ADD(op, 11)     \
            CHAIN_ADD(op, 12) CHAIN_ADD(op, 13) CHAIN_ADD(op, 14) CHAIN_ADD(op, 15)   \
        }                                                                             \
    }

#if defined(__x86_64__)
#include <immintrin.h>
#define INT8_512(s, a) _mm512_dpbusd_epi32(s, a, a)
#define BF16_512(s, a) _mm512_dpbf16_ps(s, (__m512bh)(a), (__m512bh)(a))
#define FP32_512(s, a) _mm512_fmadd_ps(a, a, s)
#define INT8_256(s, a) _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(a, a), a))
#define FP32_256(s, a) _mm256_fmadd_ps(a, a, s)
MILL(int8_512, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(), _mm512_set1_epi8(1), INT8_512)
MILL(bf16_512, "avx512f,avx512bf16", __m512, _mm512_setzero_ps(), _mm512_set1_ps(1e-3f), BF16_512)
MILL(fp32_512, "avx512f", __m512, _mm512_setzero_ps(), _mm512_set1_ps(1e-3f), FP32_512)
MILL(int8_256, "avx2", __m256i, _mm256_setzero_si256(), _mm256_set1_epi8(1), INT8_256)
MILL(fp32_256, "avx2,fma", __m256, _mm256_setzero_ps(), _mm256_set1_ps(1e-3f), FP32_256)

static struct mill choose(enum t5_precision precision)
{
    bool wide = __builtin_cpu_supports("avx512f") != 0;
    if (precision == T5_INT8 && __builtin_cpu_supports("avx512vnni"))
        return (struct mill){ "vpdpbusd zmm", 64, int8_512 };
    if (precision == T5_INT8 && __builtin_cpu_supports("avx2"))
        return (struct mill){ "vpmaddubsw ymm", 32, int8_256 };
    if (precision == T5_BF16 && __builtin_cpu_supports("avx512bf16"))
        return (struct mill){ "vdpbf16ps zmm", 32, bf16_512 };
    if (wide)
        return (struct mill){ "vfmadd231ps zmm", 16, fp32_512 };
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (struct mill){ "vfmadd231ps ymm", 8, fp32_256 };
    return (struct mill){ 0 };
}
#else
static struct mill choose(enum t5_precision precision)
{
    (void)precision;
    return (struct mill){ 0 };   /* not known here: no share is reported */
}
#endif

/* ---- threads ---- */

#define MEASURE_US (US_PER_S / 8)

struct worker {
    pthread_t thread;
    const struct mill *mill;
    const uint64_t *memory;      /* NULL: the mill */
    size_t count;
    double done;                 /* multiply-adds, or bytes */
    int64_t took_us;
};

static uint64_t read_once(const uint64_t *memory, size_t count)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i + 32 <= count; i += 32)   /* four lines at a time; one load each would miss as much */
        for (size_t k = 0; k < 8; k++) {
            a += memory[i + k];
            b += memory[i + 8 + k];
            c += memory[i + 16 + k];
            d += memory[i + 24 + k];
        }
    return a + b + c + d;
}

/* Of this thread's own time: what others do meanwhile does not lower the peak. */
static int64_t thread_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static void *work(void *context)
{
    static _Atomic uint64_t sink;
    struct worker *w = context;
    int64_t began = thread_us();
    do {
        if (w->memory)
            atomic_fetch_add(&sink, read_once(w->memory, w->count));
        else
            w->mill->run();
        w->done += w->memory ? 8.0 * (double)w->count : (double)ROUNDS * CHAINS * w->mill->per;
        w->took_us = thread_us() - began;
    } while (w->took_us < MEASURE_US);
    return NULL;
}

static double run_all(const struct mill *mill, const uint64_t *memory, size_t count, int threads)
{
    struct worker *workers = mem_new((size_t)threads, sizeof *workers);
    double per_s = 0;
    for (int i = 0; i < threads; i++) {
        size_t share = count / (size_t)threads;
        workers[i] = (struct worker){ .mill = mill, .memory = memory ? memory + share * (size_t)i : NULL,
                                      .count = share };
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < threads; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        per_s += workers[i].done / ((double)workers[i].took_us / 1e6);
    }
    mem_free(workers);
    return per_s;
}

void roofline_measure(enum t5_precision precision, int threads, struct roofline *out)
{
    enum { WORDS = 32 << 20 };   /* 256 MB: beyond the caches of today's servers */
    struct mill mill = choose(precision);
    uint64_t *memory = mem_new(WORDS, sizeof *memory);
    memset(memory, 1, WORDS * sizeof *memory);   /* pages that exist */
    *out = (struct roofline){ .instruction = mill.instruction };
    if (mill.run)
        out->multiply_adds_per_s = run_all(&mill, NULL, 0, threads);
    out->bytes_per_s = run_all(&mill, memory, WORDS, threads);
    mem_free(memory);
}
