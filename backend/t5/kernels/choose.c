#include "t5/kernels/tables.h"

#include <stdio.h>
#include <string.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
enum { HWCAP_DOT_PRODUCT = 1 << 20 };   /* HWCAP_ASIMDDP */
#endif

#if defined(__x86_64__)
static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
static bool has_vnni(void) { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
static bool has_bf16(void) { return has_vnni() && __builtin_cpu_supports("avx512bf16"); }
#elif defined(__aarch64__)
static bool has_neon_dot(void) { return (getauxval(AT_HWCAP) & HWCAP_DOT_PRODUCT) != 0; }
#endif
static bool always(void) { return true; }

/* Slowest first.  A name may be a table's own or its group's; the best that runs is taken. */
static const struct { const struct t5_kernels *kernels; const char *group; bool (*runs)(void); } tables[] = {
    { &t5_kernels_plain, "plain", always },
#if defined(__x86_64__)
    { &t5_kernels_avx2, "avx2", has_avx2 },
    { &t5_kernels_avx512, "avx512", has_avx512 },
    { &t5_kernels_avx512_vnni, "avx512", has_vnni },
    { &t5_kernels_avx512_bf16, "avx512", has_bf16 },
#elif defined(__aarch64__)
    { &t5_kernels_neon, "neon", has_neon_dot },
#endif
};
enum { TABLE_COUNT = sizeof tables / sizeof *tables };

static bool named(int i, const char *name)
{
    return !name || !*name || strcmp(name, tables[i].kernels->name) == 0 || strcmp(name, tables[i].group) == 0;
}

bool t5_kernels_choose(const char *name, const struct t5_kernels **out, struct err *err)
{
    for (int i = TABLE_COUNT - 1; i >= 0; i--)
        if (named(i, name) && tables[i].runs()) {
            *out = tables[i].kernels;
            return true;
        }
    char list[256] = "";
    for (int i = 0, n = 0; i < TABLE_COUNT; i++)
        if (tables[i].runs())
            n += snprintf(list + n, sizeof list - (size_t)n, "%s%s", n ? ", " : "", tables[i].kernels->name);
    return err_set(err, ERR_INPUT, "kernel: \"%s\" does not run on this CPU; it has %s", name, list);
}

int t5_kernels_available(const struct t5_kernels *out[], int count_max)
{
    int n = 0;
    for (int i = 0; i < TABLE_COUNT && n < count_max; i++)
        if (tables[i].runs())
            out[n++] = tables[i].kernels;
    return n;
}

void t5_product(const struct t5_kernels *kernels, const struct t5_product *product)
{
    switch (product->weights->precision) {
    case T5_INT8: kernels->product_int8(product); break;
    case T5_BF16: kernels->product_bf16(product); break;
    default:      kernels->product_fp32(product); break;
    }
}
