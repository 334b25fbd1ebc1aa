/* half.h - the 16-bit floats of checkpoints: bfloat16 and IEEE 754 binary16, to and from fp32.
 *
 * To 16 bits rounds to nearest, ties to even, as PyTorch does; NaN stays NaN.
 * Source: IEEE 754-2008, 3.6 (binary16); bfloat16 is the upper half of binary32. */
#ifndef T5_HALF_H
#define T5_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t f32_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float f32_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float bf16_to_f32(uint16_t half)
{
    return f32_of_bits((uint32_t)half << 16);
}

static inline uint16_t f32_to_bf16(float value)
{
    uint32_t bits = f32_bits(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)((bits >> 16) | 0x40);   /* a NaN whose payload is in the lower half stays one */
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static inline float f16_to_f32(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 0x1f, fraction = half & 0x3ff;
    if (exponent == 0x1f)
        return f32_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) {
        float tiny = (float)fraction * 0x1p-24f;   /* subnormal: exact in fp32 */
        return sign ? -tiny : tiny;
    }
    return f32_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static inline uint16_t f32_to_f16(float value)
{
    uint32_t bits = f32_bits(value), sign = (bits >> 16) & 0x8000, rest = bits & 0x7fffffff;
    if (rest > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (rest >= 0x477ff000)                        /* 65520 and above rounds to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (rest < 0x38800000) {                       /* below 2^-14: adding 0.5 rounds at 2^-24 */
        float shifted = f32_of_bits(rest) + 0.5f;
        return (uint16_t)(sign | (f32_bits(shifted) - 0x3f000000));
    }
    rest += 0xfff + ((rest >> 13) & 1);
    return (uint16_t)(sign | (rest - (112u << 23)) >> 13);
}

#endif
