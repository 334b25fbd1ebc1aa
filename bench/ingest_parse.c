/* How many JSON readings does one core parse in a second?
 * Usage: ingest_parse [SECONDS].  Lines as of the API's example, 1,000 different ones, a fixed seed;
 * one warm-up pass; the best of five rounds and their median, one JSON line out. */
#include "base/clock.h"
#include "base/str.h"
#include "ingest/ndjson.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NOW INT64_C(1795440000000000)
enum { LINES = 1000, ROUNDS = 5 };

static bool take(void *context, size_t line, const struct json_reading *reading, struct json_reading_error *error)
{
    (void)line;
    (void)error;
    *(int64_t *)context += reading->readings[0].value_milli[VITAL_HEART_RATE];
    return true;
}

static void make_body(struct buf *body)
{
    for (int i = 0; i < LINES; i++)
        buf_printf(body,
                   "{\"patient_id\": \"P%03d\", \"timestamp\": \"2026-11-23T13:%02d:%02d.%03dZ\", \"heartRate\": %d, "
                   "\"spO2\": %d, \"bloodPressure\": {\"systolic\": %d, \"diastolic\": %d}, \"temperature\": %d.%d, "
                   "\"respiratory\": %d, \"source\": \"monitor-%d\"}\n",
                   i, i % 20, i % 60, i, 60 + i % 70, 88 + i % 12, 100 + i % 80, 60 + i % 30, 36 + i % 3, i % 10,
                   12 + i % 15, i % 9);
}

/* CPU time, so that what else runs on the machine does not count. */
static int64_t cpu_us(void)
{
    struct timespec ts;
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == 0);
    return ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

static double one_round(const struct buf *body, int64_t for_us)
{
    int64_t start = cpu_us(), now = start, readings = 0, sum = 0;
    do {
        struct ingest_answer answer;
        struct err err;
        ingest_answer_init(&answer);
        CHECK(ndjson_parse(body->data, body->length, NOW, take, &sum, &answer, &err));
        CHECK(answer.accepted == LINES && sum > 0);
        readings += answer.accepted;
        ingest_answer_free(&answer);
    } while ((now = cpu_us()) - start < for_us);
    return (double)readings * 1e6 / (double)(now - start);
}

static int by_size(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

int main(int argc, char **argv)
{
    int64_t for_us = (int64_t)((argc > 1 ? atof(argv[1]) : 1.0) * 1e6);
    double rates[ROUNDS];
    struct buf body;
    buf_init(&body, 1 << 20);
    make_body(&body);
    one_round(&body, for_us / 10);
    for (int i = 0; i < ROUNDS; i++)
        rates[i] = one_round(&body, for_us / ROUNDS);
    qsort(rates, ROUNDS, sizeof rates[0], by_size);
    printf("{\"bench\":\"ingest_parse\",\"readings_per_cpu_s\":%.0f,\"best\":%.0f,\"bytes_per_reading\":%.0f}\n",
           rates[ROUNDS / 2], rates[ROUNDS - 1], (double)body.length / LINES);
    buf_free(&body);
    return 0;
}
