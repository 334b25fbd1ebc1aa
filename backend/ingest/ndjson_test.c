/* Bodies of readings: lines, documents, arrays; and the answer. */
#include "ingest/ndjson.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW INT64_C(1795440000000000)
#define GOOD "{\"patient_id\":\"P001\",\"timestamp\":\"2026-11-23T13:20:00Z\",\"spO2\":91}"
#define BAD  "{\"patient_id\":\"P001\",\"timestamp\":\"2026-11-23T13:20:00Z\",\"spO2\":910}"
#define BAD_DETAIL "\"field\":\"spO2\",\"detail\":\"spO2: 910 is above 100 %\"}"

static struct err err;
static char answered[4096];
static int status;

static bool take(void *context, size_t line, const struct json_reading *reading, struct json_reading_error *error)
{
    (void)line;
    if (strcmp(reading->patient_id, "P404") == 0)
        return json_reading_fail(error, "patient_id", "P404 is not admitted");
    ++*(size_t *)context;
    return true;
}

static bool feed(const char *body, size_t size)
{
    struct ingest_answer answer;
    struct buf out;
    size_t taken = 0;
    char *exact = malloc(size ? size : 1);
    memcpy(exact, body, size);
    ingest_answer_init(&answer);
    buf_init(&out, sizeof answered - 1);
    bool ok = ndjson_parse(exact, size, NOW, take, &taken, &answer, &err);
    assert_int_equal(taken, answer.accepted);
    ingest_answer_write(&answer, &out);
    memcpy(answered, out.data, out.length + 1);
    status = ingest_answer_status(&answer);
    buf_free(&out);
    ingest_answer_free(&answer);
    free(exact);
    return ok;
}

static void answers(void **state)
{
    (void)state;
    static const struct { const char *body; int status; const char *answer; } cases[] = {
        { GOOD, 200, "{\"accepted\":1,\"rejected\":[]}" },
        { GOOD "\n", 200, "{\"accepted\":1,\"rejected\":[]}" },
        { "\xef\xbb\xbf" GOOD "\r\n\r\n  \n" GOOD "\r\n", 200, "{\"accepted\":2,\"rejected\":[]}" },
        { GOOD "\n\n" BAD "\n" GOOD, 207, "{\"accepted\":2,\"rejected\":[{\"line\":3," BAD_DETAIL "]}" },
        { BAD "\n" BAD, 400, "{\"accepted\":0,\"rejected\":[{\"line\":1," BAD_DETAIL ",{\"line\":2," BAD_DETAIL "]}" },
        { "{\"patient_id\":\"P404\",\"timestamp\":\"2026-11-23T13:20:00Z\",\"spO2\":91}\n" GOOD, 207,
          "{\"accepted\":1,\"rejected\":[{\"line\":1,\"field\":\"patient_id\",\"detail\":\"patient_id: P404 is not "
          "admitted\"}]}" },
        /* a torn first line costs that line only */
        { "{\"patient_id\":\"P001\",\n" GOOD, 207,
          "{\"accepted\":1,\"rejected\":[{\"line\":1,\"field\":\"patient_id\",\"detail\":\"patient_id: a field name in "
          "quotes must follow\"}]}" },
        { "rubbish\n" GOOD, 207,
          "{\"accepted\":1,\"rejected\":[{\"line\":1,\"field\":\"\",\"detail\":\"not a JSON object\"}]}" },
        /* one document over several lines */
        { "{\n \"patient_id\": \"P001\",\n \"timestamp\": \"2026-11-23T13:20:00Z\",\n \"bloodPressure\": {\n  "
          "\"systolic\": 120,\n"
          "  \"diastolic\": 80\n }\n}\n",
          200, "{\"accepted\":1,\"rejected\":[]}" },
        { "\n\n{\n \"patient_id\": \"P001\",\n \"timestamp\": \"2026-11-23T13:20:00Z\",\n \"spO2\": 910\n}\n", 400,
          "{\"accepted\":0,\"rejected\":[{\"line\":1," BAD_DETAIL "]}" },
        /* arrays: line counts items */
        { "[" GOOD "," BAD ",\n" GOOD "]", 207, "{\"accepted\":2,\"rejected\":[{\"line\":2," BAD_DETAIL "]}" },
        { " [ 7 , " GOOD " ] ", 207,
          "{\"accepted\":1,\"rejected\":[{\"line\":1,\"field\":\"\",\"detail\":\"not a JSON object\"}]}" },
        { "[" GOOD "," GOOD, 207,
          "{\"accepted\":2,\"rejected\":[{\"line\":3,\"field\":\"\",\"detail\":\"the array must end here: , or ] "
          "expected\"}]}" },
        { "[" GOOD ",{\"patient_id\":,}," GOOD "]", 207,
          "{\"accepted\":1,\"rejected\":[{\"line\":2,\"field\":\"patient_id\",\"detail\":\"patient_id: no JSON value "
          "behind the name\"}]}" },
        { "[" GOOD "] x", 207,
          "{\"accepted\":1,\"rejected\":[{\"line\":2,\"field\":\"\",\"detail\":\"the array must end here: , or ] "
          "expected\"}]}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(feed(cases[i].body, strlen(cases[i].body)));
        assert_string_equal(answered, cases[i].answer);
        assert_int_equal(status, cases[i].status);
    }
}

static void empty_bodies_are_refused(void **state)
{
    (void)state;
    assert_false(feed("", 0));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(feed("\xef\xbb\xbf \r\n\n", 6));
    assert_false(feed("[ ]\n", 4));
    assert_false(feed("\0", 1));
}

static void too_many_lines(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, (LINE_COUNT_MAX + 1) * sizeof GOOD + 2);
    for (int i = 0; i < LINE_COUNT_MAX; i++)
        buf_add_text(&body, GOOD "\n");
    assert_true(feed(body.data, body.length));
    buf_add_text(&body, GOOD);
    assert_false(feed(body.data, body.length));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    for (size_t i = 0; i < body.length; i++)
        if (body.data[i] == '\n')
            body.data[i] = ',';
    char *array = malloc(body.length + 2);
    array[0] = '[';
    memcpy(array + 1, body.data, body.length);
    array[body.length + 1] = ']';
    assert_false(feed(array, body.length + 2));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    free(array);
    buf_free(&body);
}

/* The longest list of refusals fits: none may be left out of the answer. */
static void every_refusal_is_listed(void **state)
{
    (void)state;
    struct ingest_answer answer;
    struct buf body;
    size_t taken = 0;
    ingest_answer_init(&answer);
    buf_init(&body, (size_t)HTTP_BODY_SIZE_MAX * 2);
    for (int i = 0; i < LINE_COUNT_MAX; i++)   /* the longest detail there is */
        buf_add_text(&body, "{\"timestamp\":\"9999-11-23T13:20:00.000000000+23:59\"}\n");
    assert_true(ndjson_parse(body.data, body.length, NOW, take, &taken, &answer, &err));
    assert_int_equal(answer.rejected, LINE_COUNT_MAX);
    assert_false(answer.rejects.overflow);
    buf_free(&body);
    ingest_answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(empty_bodies_are_refused),
        cmocka_unit_test(too_many_lines),
        cmocka_unit_test(every_refusal_is_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
