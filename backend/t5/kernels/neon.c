/* neon.c - ARMv8.2 with the dot product instructions (Neoverse N1 and later, Apple M1, Cortex-A76). */
#include "t5/kernels/tables.h"

#include <arm_neon.h>

#define SIMD_LANES 4
#define SIMD_TILE_VECTORS 4
#define SIMD_TABLE t5_kernels_neon
#define SIMD_NAME "neon"

typedef float vf4 __attribute__((vector_size(16)));
typedef int32_t vi4 __attribute__((vector_size(16)));

static inline __attribute__((always_inline)) int32x4_t dot_int8(int32x4_t sum, int32x4_t a, int32x4_t w)
{
    int8x16_t q = vreinterpretq_s8_s32(veorq_s32(a, vdupq_n_s32((int32_t)0x80808080)));
    return vdotq_s32(sum, q, vreinterpretq_s8_s32(w));
}

static inline __attribute__((always_inline)) vf4 sum_each(const vf4 *v)
{
    return (vf4)vpaddq_f32(vpaddq_f32((float32x4_t)v[0], (float32x4_t)v[1]),
                           vpaddq_f32((float32x4_t)v[2], (float32x4_t)v[3]));
}

static inline __attribute__((always_inline)) vf4 dot_bf16(vf4 sum, vi4 a, vi4 w)
{
    sum = sum + (vf4)(a << 16) * (vf4)(w << 16);
    return sum + (vf4)(a & (int32_t)0xffff0000) * (vf4)(w & (int32_t)0xffff0000);
}

static inline __attribute__((always_inline)) void turn_bytes(vi4 v[4])
{
    uint8x16x2_t ab = vzipq_u8((uint8x16_t)v[0], (uint8x16_t)v[1]), cd = vzipq_u8((uint8x16_t)v[2], (uint8x16_t)v[3]);
    uint16x8x2_t low = vzipq_u16((uint16x8_t)ab.val[0], (uint16x8_t)cd.val[0]);
    uint16x8x2_t high = vzipq_u16((uint16x8_t)ab.val[1], (uint16x8_t)cd.val[1]);
    v[0] = (vi4)low.val[0], v[1] = (vi4)low.val[1], v[2] = (vi4)high.val[0], v[3] = (vi4)high.val[1];
}

static inline __attribute__((always_inline)) uint32_t lanes_above(float32x4_t v, float x)
{
    const uint32x4_t bits = { 1, 2, 4, 8 };
    return vaddvq_u32(vandq_u32(vcgtq_f32(v, vdupq_n_f32(x)), bits));
}

#define SIMD_DOT_INT8(sum, a, w) ((vi)dot_int8((int32x4_t)(sum), (int32x4_t)(a), (int32x4_t)(w)))
#define SIMD_START_INT8(c) ((c) & 0)
#define SIMD_DOT_BF16(sum, a, w) dot_bf16(sum, a, w)
#define SIMD_SUM(v) vaddvq_f32((float32x4_t)(v))
#define SIMD_SUMS(v) sum_each(v)
#define SIMD_WIDEN(p) ((vf)vshll_n_u16(vld1_u16((const uint16_t *)(const void *)(p)), 16))
#define SIMD_TURN_BYTES(v) turn_bytes(v)
#define SIMD_NEAREST(v) ((vi)vcvtnq_s32_f32((float32x4_t)(v)))
#define SIMD_ABOVE(v, x) lanes_above((float32x4_t)(v), x)

#include "t5/kernels/simd.h"
