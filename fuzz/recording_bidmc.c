/* Fuzz target: recordings of the format bidmc; see recording.h. */
#include "recording.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_recording("bidmc", "bidmc_01_Numerics.csv", data, size);
}
