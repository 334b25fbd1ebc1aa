/* Fuzz target: recordings of the format challenge2012; see recording.h. */
#include "recording.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_recording("challenge2012", "set-a.csv", data, size);
}
