/* Fuzz target: recordings of the format mimic; see recording.h. */
#include "recording.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_recording("mimic", "vitals.csv", data, size);
}
