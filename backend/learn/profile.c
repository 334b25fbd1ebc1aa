#include "learn/profile.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const row_names[PROFILE_ROW_COUNT] = {
    "heart_rate", "spo2", "systolic", "diastolic", "temperature", "respiratory_rate",
    "window_length", "alerts", "text_length", "unknown_words", "guard_cuts",
};

/* Upper edges of the first nine bins; the tenth has no end.  Vitals in their unit: the bands of NEWS2
 * chart 1 and, between them, equal steps; the others: counts, and words per thousand. */
static const double edges[PROFILE_ROW_COUNT][PROFILE_BINS - 1] = {
    [PROFILE_HEART_RATE]    = { 40, 50, 60, 70, 80, 90, 110, 130, 150 },
    [PROFILE_SPO2]          = { 84, 87, 90, 91, 93, 95, 96, 97, 98 },
    [PROFILE_SYSTOLIC]      = { 80, 90, 100, 110, 120, 130, 140, 160, 180 },
    [PROFILE_DIASTOLIC]     = { 40, 50, 55, 60, 65, 70, 80, 90, 100 },
    [PROFILE_TEMPERATURE]   = { 35, 36, 36.5, 37, 37.5, 38, 38.5, 39, 40 },
    [PROFILE_RESPIRATORY]   = { 8, 11, 14, 16, 18, 20, 24, 29, 35 },
    [PROFILE_WINDOW_LENGTH] = { 1, 2, 5, 10, 20, 30, 60, 120, 300 },
    [PROFILE_ALERTS]        = { 0, 1, 2, 3, 4, 5, 6, 8, 12 },
    [PROFILE_TEXT_LENGTH]   = { 10, 20, 30, 40, 50, 65, 80, 100, 130 },
    [PROFILE_VOCABULARY]    = { 0, 5, 10, 20, 40, 80, 160, 320, 640 },
    [PROFILE_GUARD_CUTS]    = { 0, 1, 2, 3, 4, 5, 6, 7, 8 },
};

const char *profile_row_name(enum profile_row row)
{
    return row_names[row];
}

void profile_init(struct profile *profile)
{
    memset(profile, 0, sizeof *profile);
}

static void count(struct profile *profile, enum profile_row row, double value)
{
    int bin = 0;
    while (bin < PROFILE_BINS - 1 && value > edges[row][bin])
        bin++;
    profile->counts[row][bin]++;
}

static void count_vital(struct profile *profile, const struct window *window, enum vital vital)
{
    bool any = false;
    for (size_t i = 0; i < window->reading_count; i++) {
        int32_t milli = reading_usable(&window->readings[i], vital);
        if (milli == VITAL_ABSENT)
            continue;
        count(profile, (enum profile_row)vital, milli / 1000.0);
        any = true;
    }
    if (!any)
        profile->counts[vital][PROFILE_BINS]++;
}

struct word_count {
    int all, unknown;
};

/* Numbers are data, not vocabulary: only words of letters count. */
static struct word_count count_words(struct profile *profile, const char *text, const struct profile *known)
{
    struct word_count counts = { 0, 0 };
    while (*text) {
        char word[32];
        size_t n = 0, length = 0;
        for (; isalpha((unsigned char)text[length]); length++)
            if (n < sizeof word)
                word[n++] = (char)tolower((unsigned char)text[length]);
        if (n) {
            uint64_t slot = str_hash64(word, n, 0) % PROFILE_WORDS;
            profile->words[slot / 8] |= (uint8_t)(1u << slot % 8);
            counts.unknown += known && !(known->words[slot / 8] >> slot % 8 & 1);
            counts.all++;
        }
        text += length ? length : 1;
    }
    return counts;
}

void profile_add(struct profile *profile, const struct facts *facts, const char *text, int cut_count,
                 const struct profile *known)
{
    struct word_count words = count_words(profile, text, known);
    profile->windows++;
    for (int vital = 0; vital < VITAL_COUNT; vital++)
        count_vital(profile, facts->window, (enum vital)vital);
    count(profile, PROFILE_WINDOW_LENGTH, (double)facts->window->reading_count);
    count(profile, PROFILE_ALERTS, facts->alert_count);
    count(profile, PROFILE_TEXT_LENGTH, words.all);
    count(profile, PROFILE_VOCABULARY, words.all ? 1000.0 * words.unknown / words.all : 0);
    count(profile, PROFILE_GUARD_CUTS, cut_count);
}

static double psi(const int64_t *before, const int64_t *now)
{
    double total_before = 0, total_now = 0, sum = 0;
    for (int bin = 0; bin <= PROFILE_BINS; bin++) {
        total_before += before[bin] ? (double)before[bin] : 0.5;
        total_now += now[bin] ? (double)now[bin] : 0.5;
    }
    for (int bin = 0; bin <= PROFILE_BINS; bin++) {
        double p = (now[bin] ? (double)now[bin] : 0.5) / total_now;
        double q = (before[bin] ? (double)before[bin] : 0.5) / total_before;
        sum += (p - q) * log(p / q);
    }
    return sum;
}

void profile_compare(const struct profile *before, const struct profile *now, struct drift *out)
{
    *out = (struct drift){ 0 };
    for (int row = 0; row < PROFILE_ROW_COUNT; row++) {
        out->psi[row] = psi(before->counts[row], now->counts[row]);
        if (out->psi[row] > out->psi[out->worst])
            out->worst = (enum profile_row)row;
        out->changed = out->changed || out->psi[row] > PSI_CHANGED;
    }
}

void profile_write(const struct profile *profile, struct buf *out)
{
    char hex[2 * sizeof profile->words + 1];
    struct json_writer w = json_write(out);
    json_put_object(&w, NULL);
    json_put_int(&w, "windows", profile->windows);
    for (int row = 0; row < PROFILE_ROW_COUNT; row++) {
        json_put_array(&w, row_names[row]);
        for (int bin = 0; bin <= PROFILE_BINS; bin++)
            json_put_int(&w, NULL, profile->counts[row][bin]);
        json_put_end(&w);
    }
    for (size_t i = 0; i < sizeof profile->words; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", profile->words[i]);
    json_put_text(&w, "words", hex);
    json_put_end(&w);
    buf_add_char(out, '\n');
}

static bool read_row(const struct json *root, enum profile_row row, struct profile *out, struct err *err)
{
    const struct json *array = NULL;
    if (!json_get_array(root, row_names[row], JSON_REQUIRED, PROFILE_BINS + 1, &array, err))
        return false;
    for (int bin = 0; bin <= PROFILE_BINS; bin++) {
        const struct json *item = json_item(array, (size_t)bin);
        if (!item || !json_int_of(item, &out->counts[row][bin]) || out->counts[row][bin] < 0)
            return err_set(err, ERR_INPUT, "%s: must be %d counts", row_names[row], PROFILE_BINS + 1);
    }
    return true;
}

static bool read_words(const struct json *root, struct profile *out, struct err *err)
{
    const char *hex = NULL;
    if (!json_get_text(root, "words", JSON_REQUIRED, 2 * sizeof out->words, 2 * sizeof out->words, &hex, err))
        return false;
    for (size_t i = 0; i < sizeof out->words; i++) {
        unsigned byte;
        if (!isxdigit((unsigned char)hex[2 * i]) || !isxdigit((unsigned char)hex[2 * i + 1]) ||
            sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return err_set(err, ERR_INPUT, "words: must be hexadecimal digits");
        out->words[i] = (uint8_t)byte;
    }
    return true;
}

bool profile_read(const char *text, size_t length, struct profile *out, struct err *err)
{
    struct json *root = NULL;
    profile_init(out);
    bool ok = json_parse_object(text, length, 1 << 20, &root, err) &&
              json_get_int(root, "windows", JSON_REQUIRED, 0, INT64_MAX, &out->windows, err);
    for (int row = 0; row < PROFILE_ROW_COUNT && ok; row++)
        ok = read_row(root, (enum profile_row)row, out, err);
    ok = ok && read_words(root, out, err);
    json_free(root);
    return ok || err_context(err, "profile");
}

void drift_write(const struct drift *drift, struct json_writer *w, const char *key)
{
    json_put_object(w, key);
    json_put_bool(w, "changed", drift->changed);
    json_put_text(w, "worst", row_names[drift->worst]);
    json_put_object(w, "psi");
    for (int row = 0; row < PROFILE_ROW_COUNT; row++)
        json_put_decimal(w, row_names[row], llround(drift->psi[row] * 10000), 4);
    json_put_end(w);
    json_put_end(w);
}
