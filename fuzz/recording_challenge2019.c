/* Fuzz target: recordings of the format challenge2019; see recording.h. */
#include "recording.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_recording("challenge2019", "p000001.psv", data, size);
}
