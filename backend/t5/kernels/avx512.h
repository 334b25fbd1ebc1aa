/* avx512.h - what the AVX-512 kernels share; a file for each sub-variant says which products its
 * CPUs have (INT8: VNNI; BF16). */
#include "t5/kernels/tables.h"

#include <immintrin.h>

#define SIMD_LANES 16
#define SIMD_TILE_VECTORS 4
#define SIMD_SUM(v) _mm512_reduce_add_ps((__m512)(v))
#define SIMD_SUMS(v) sum_each(v)
#define SIMD_WIDEN(p) ((vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(p))), 16))
#define SIMD_TURN_BYTES(v) turn_bytes(v)
#define SIMD_NEAREST(v) ((vi)_mm512_cvtps_epi32((__m512)(v)))
#define SIMD_LARGER(a, b) ((vf)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define SIMD_LARGEST(v) _mm512_reduce_max_ps((__m512)(v))
#define SIMD_WHOLE(v) ((vf)_mm512_roundscale_ps((__m512)(v), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
#define SIMD_TIMES_POWER(v, n) ((vf)_mm512_scalef_ps((__m512)(v), (__m512)(n)))
#define SIMD_ABOVE(v, x) _mm512_cmp_ps_mask((__m512)(v), _mm512_set1_ps(x), _CMP_GT_OQ)

typedef float vf16 __attribute__((vector_size(64)));
typedef int32_t vi16 __attribute__((vector_size(64)));

/* Lane i of the result is the sum of v[i]: neighbours are added pair by pair within 128 bits, then the
 * 128-bit parts. */
static inline __attribute__((always_inline)) __m512 sum_two(vf16 a, vf16 b)
{
    return _mm512_add_ps(_mm512_unpacklo_ps((__m512)a, (__m512)b), _mm512_unpackhi_ps((__m512)a, (__m512)b));
}

static inline __attribute__((always_inline)) __m512 sum_four(const vf16 *v)
{
    __m512d a = _mm512_castps_pd(sum_two(v[0], v[1])), b = _mm512_castps_pd(sum_two(v[2], v[3]));
    return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
}

static inline __attribute__((always_inline)) __m512 sum_parts(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

static inline __attribute__((always_inline)) vf16 sum_each(const vf16 *v)
{
    __m512 low = sum_parts(sum_four(v), sum_four(v + 4)), high = sum_parts(sum_four(v + 8), sum_four(v + 12));
    return (vf16)sum_parts(low, high);
}

static inline __attribute__((always_inline)) void turn_bytes(vi16 v[4])
{
    __m512i a = _mm512_unpacklo_epi8((__m512i)v[0], (__m512i)v[1]),
            b = _mm512_unpackhi_epi8((__m512i)v[0], (__m512i)v[1]);
    __m512i c = _mm512_unpacklo_epi8((__m512i)v[2], (__m512i)v[3]),
            d = _mm512_unpackhi_epi8((__m512i)v[2], (__m512i)v[3]);
    v[0] = (vi16)_mm512_unpacklo_epi16(a, c), v[1] = (vi16)_mm512_unpackhi_epi16(a, c);
    v[2] = (vi16)_mm512_unpacklo_epi16(b, d), v[3] = (vi16)_mm512_unpackhi_epi16(b, d);
}

#ifdef __AVX512VNNI__
#define SIMD_DOT_INT8(sum, a, w) ((vi)_mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(a), (__m512i)(w)))
#define SIMD_START_INT8(c) (-(c))
#else
/* |w| unsigned times a with w's sign, as in avx2.c; AVX-512 has no VPSIGNB, so a mask negates. */
static inline __attribute__((always_inline)) __m512i dot_int8(__m512i sum, __m512i a, __m512i w)
{
    a = _mm512_xor_si512(a, _mm512_set1_epi8((char)0x80));
    __m512i turned = _mm512_mask_sub_epi8(a, _mm512_movepi8_mask(w), _mm512_setzero_si512(), a);
    __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(w), turned);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
#define SIMD_DOT_INT8(sum, a, w) ((vi)dot_int8((__m512i)(sum), (__m512i)(a), (__m512i)(w)))
#define SIMD_START_INT8(c) ((c) & 0)
#endif

#ifdef __AVX512BF16__
#define SIMD_DOT_BF16(sum, a, w) ((vf)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)(a), (__m512bh)(w)))
#else
static inline __attribute__((always_inline)) vf16 dot_bf16(vf16 sum, vi16 a, vi16 w)
{
    sum = sum + (vf16)(a << 16) * (vf16)(w << 16);
    return sum + (vf16)(a & (int32_t)0xffff0000) * (vf16)(w & (int32_t)0xffff0000);
}
#define SIMD_DOT_BF16(sum, a, w) dot_bf16(sum, a, w)
#endif

#include "t5/kernels/simd.h"
