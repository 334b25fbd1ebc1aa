/* avx2.c - AVX2 and FMA (x86-64-v3: Haswell, Zen). */
#include "t5/kernels/tables.h"

#include <immintrin.h>

#define SIMD_LANES 8
#define SIMD_TILE_VECTORS 2
#define SIMD_TABLE t5_kernels_avx2
#define SIMD_NAME "avx2"

typedef float vf8 __attribute__((vector_size(32)));
typedef int32_t vi8 __attribute__((vector_size(32)));

/* VPMADDUBSW multiplies unsigned by signed and saturates at 16 bits: |a| times w with a's sign stays
 * within 2 * 127 * 127 < 32768, since neither a nor w is ever -128. */
static inline __attribute__((always_inline)) __m256i dot_int8(__m256i sum, __m256i a, __m256i w)
{
    a = _mm256_xor_si256(a, _mm256_set1_epi8((char)0x80));
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(w, a));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static inline __attribute__((always_inline)) float sum_lanes(__m256 v)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

static inline __attribute__((always_inline)) __m256 sum_four(const vf8 *v)
{
    return _mm256_hadd_ps(_mm256_hadd_ps((__m256)v[0], (__m256)v[1]), _mm256_hadd_ps((__m256)v[2], (__m256)v[3]));
}

static inline __attribute__((always_inline)) vf8 sum_each(const vf8 *v)
{
    __m256 low = sum_four(v), high = sum_four(v + 4);
    return (vf8)_mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
}

#define SIMD_DOT_INT8(sum, a, w) ((vi)dot_int8((__m256i)(sum), (__m256i)(a), (__m256i)(w)))
#define SIMD_START_INT8(c) ((c) & 0)
#define SIMD_DOT_BF16(sum, a, w) dot_bf16(sum, a, w)
#define SIMD_SUM(v) sum_lanes((__m256)(v))
#define SIMD_SUMS(v) sum_each(v)
#define SIMD_WIDEN(p) ((vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(p))), 16))
#define SIMD_TURN_BYTES(v) turn_bytes(v)
#define SIMD_NEAREST(v) ((vi)_mm256_cvtps_epi32((__m256)(v)))
#define SIMD_ABOVE(v, x) (unsigned)_mm256_movemask_ps((__m256)((v) > (x)))

static inline __attribute__((always_inline)) void turn_bytes(vi8 v[4])
{
    __m256i a = _mm256_unpacklo_epi8((__m256i)v[0], (__m256i)v[1]),
            b = _mm256_unpackhi_epi8((__m256i)v[0], (__m256i)v[1]);
    __m256i c = _mm256_unpacklo_epi8((__m256i)v[2], (__m256i)v[3]),
            d = _mm256_unpackhi_epi8((__m256i)v[2], (__m256i)v[3]);
    v[0] = (vi8)_mm256_unpacklo_epi16(a, c), v[1] = (vi8)_mm256_unpackhi_epi16(a, c);
    v[2] = (vi8)_mm256_unpacklo_epi16(b, d), v[3] = (vi8)_mm256_unpackhi_epi16(b, d);
}

static inline __attribute__((always_inline)) vf8 dot_bf16(vf8 sum, vi8 a, vi8 w)
{
    sum = sum + (vf8)(a << 16) * (vf8)(w << 16);
    return sum + (vf8)(a & (int32_t)0xffff0000) * (vf8)(w & (int32_t)0xffff0000);
}

#include "t5/kernels/simd.h"
