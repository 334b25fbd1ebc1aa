#include "commands/replay_report.h"

#include "base/json.h"
#include "clinical/alarm_limits.h"

static int64_t sum(const int64_t counts[VITAL_COUNT])
{
    int64_t total = 0;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        total += counts[vital];
    return total;
}

static void put_vitals(struct json_writer *w, const char *key, const int64_t counts[VITAL_COUNT])
{
    json_put_object(w, key);
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        if (counts[vital])
            json_put_int(w, vital_infos[vital].json_name, counts[vital]);
    json_put_end(w);
}

static void put_implausible(struct json_writer *w, const struct recording_counts *counts)
{
    json_put_object(w, "implausible");
    for (int vital = 0; vital < VITAL_COUNT; vital++) {
        json_put_object(w, vital_infos[vital].json_name);
        for (int reason = 1; reason <= IMPLAUSIBLE_PRESSURE; reason++)
            if (counts->implausible[vital][reason])
                json_put_int(w, implausible_reason_name((enum implausible_reason)reason),
                             counts->implausible[vital][reason]);
        json_put_end(w);
    }
    json_put_end(w);
}

static void put_outcome(struct json_writer *w, const struct replay_report *report)
{
    if (report->feed) {
        json_put_int(w, "accepted", report->feed->accepted);
        json_put_int(w, "rejected", report->feed->rejected);
        json_put_int(w, "retries", report->feed->retries);
        json_put_int(w, "admitted", report->feed->admitted);
        return;
    }
    json_put_object(w, "alerts");
    for (int type = 0; type < ALERT_TYPE_COUNT; type++)
        json_put_int(w, alert_type_name((enum alert_type)type), report->alert_counts[type]);
    json_put_end(w);
}

void replay_report_json(const struct replay_report *report, FILE *to)
{
    const struct recording_counts *counts = recording_counts(report->recording);
    struct buf line;
    buf_init(&line, 64 << 10);
    struct json_writer w = json_write(&line);
    json_put_object(&w, NULL);
    json_put_text(&w, "format", recording_format(report->recording));
    json_put_int(&w, "patients", recording_patient_count(report->recording));
    json_put_int(&w, "rows", counts->rows);
    json_put_int(&w, "rows_refused", counts->rows_refused);
    json_put_int(&w, "readings", counts->readings);
    json_put_int(&w, "readings_empty", counts->empty);
    json_put_time(&w, "first", recording_first_us(report->recording));
    json_put_time(&w, "last", recording_last_us(report->recording));
    put_vitals(&w, "values", counts->present);
    put_vitals(&w, "values_unreadable", counts->unreadable);
    put_vitals(&w, "values_below_0", counts->below);
    put_vitals(&w, "values_above_any_device", counts->above);
    put_implausible(&w, counts);
    if (counts->first_refusal[0])
        json_put_text(&w, "first_refusal", counts->first_refusal);
    put_outcome(&w, report);
    json_put_decimal(&w, "seconds", (int64_t)(report->seconds * 1000), 3);
    json_put_end(&w);
    (void)fprintf(to, "%s\n", line.data);
    buf_free(&line);
}

static void print_implausible(const struct recording_counts *counts)
{
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        for (int reason = 1; reason <= IMPLAUSIBLE_PRESSURE; reason++)
            if (counts->implausible[vital][reason])
                (void)printf("  %-26s %8lld  %s\n", vital_infos[vital].label,
                             (long long)counts->implausible[vital][reason],
                             implausible_reason_name((enum implausible_reason)reason));
}

void replay_report_text(const struct replay_report *report)
{
    const struct recording_counts *counts = recording_counts(report->recording);
    char first[TIME_TEXT_SIZE], last[TIME_TEXT_SIZE];
    (void)printf("%u patients, %lld readings, %s to %s\n", recording_patient_count(report->recording),
                 (long long)counts->readings, time_format(recording_first_us(report->recording), first),
                 time_format(recording_last_us(report->recording), last));
    if (counts->rows_refused)
        (void)printf("%lld rows refused; the first: %s\n", (long long)counts->rows_refused, counts->first_refusal);
    int64_t refused = sum(counts->unreadable) + sum(counts->below) + sum(counts->above);
    if (refused)
        (void)printf("%lld values left out: not a number, below 0, or above what any device means\n",
                     (long long)refused);
    (void)printf("Implausible, kept out of alarms and charts:\n");
    print_implausible(counts);
    if (report->feed) {
        (void)printf("The server took %lld and refused %lld%s%s; %lld sent again\n", (long long)report->feed->accepted,
                     (long long)report->feed->rejected, report->feed->first_rejection[0] ? "; the first: " : "",
                     report->feed->first_rejection, (long long)report->feed->retries);
        if (report->feed->may_not_admit)
            (void)printf("Ages and units were not sent: the token's role may not edit patients\n");
        return;
    }
    (void)printf("Alerts:\n");
    for (int type = 0; type < ALERT_TYPE_COUNT; type++)
        (void)printf("  %-26s %8lld\n", alert_type_name((enum alert_type)type), (long long)report->alert_counts[type]);
}
