/* cpu.h - the name of the processor: no figure without it. */
#ifndef BENCH_CPU_H
#define BENCH_CPU_H

#include <stdio.h>
#include <string.h>

enum { CPU_NAME_SIZE = 96 };

/* "AMD EPYC 9R14, 2 cores" as /proc/cpuinfo says it; "unknown" where there is none. */
static inline char *cpu_name(char out[CPU_NAME_SIZE])
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(out, CPU_NAME_SIZE, "unknown");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "model name", 10) != 0)
            continue;
        const char *name = strchr(line, ':') ? strchr(line, ':') + 2 : line;
        snprintf(out, CPU_NAME_SIZE, "%.*s", (int)strcspn(name, "\"\\\n"), name);
        break;
    }
    if (file)
        fclose(file);
    return out;
}

#endif
