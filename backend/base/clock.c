#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    CHECK(clock_gettime(id, &ts) == 0);
    return ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

static int64_t system_now(const struct clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic(const struct clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_MONOTONIC);
}

const struct clock *clock_system(void)
{
    static const struct clock system = { system_now, system_monotonic };
    return &system;
}

static int64_t fake_now(const struct clock *clock)
{
    return atomic_load(&((const struct fake_clock *)clock)->now);
}

static int64_t fake_monotonic(const struct clock *clock)
{
    return atomic_load(&((const struct fake_clock *)clock)->monotonic);
}

void fake_clock_init(struct fake_clock *fake, int64_t now_us)
{
    fake->clock = (struct clock){ fake_now, fake_monotonic };
    atomic_init(&fake->now, now_us);
    atomic_init(&fake->monotonic, US_PER_S);
}

void fake_clock_advance(struct fake_clock *fake, int64_t by_us)
{
    CHECK(by_us >= 0);
    atomic_fetch_add(&fake->now, by_us);
    atomic_fetch_add(&fake->monotonic, by_us);
}

void fake_clock_set(struct fake_clock *fake, int64_t now_us)
{
    atomic_store(&fake->now, now_us);
}

/* Days since 1970-01-01 of a proleptic Gregorian date, and back.
 * Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

static char *put_digits(char *to, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--, value /= 10)
        to[i] = (char)('0' + value % 10);
    return to + count;
}

char *time_format(int64_t time_us, char text[TIME_TEXT_SIZE])
{
    int64_t days = time_us / US_PER_DAY, rest = time_us % US_PER_DAY;
    if (rest < 0) {
        rest += US_PER_DAY;
        days--;
    }
    int year, month, day;
    civil_from_days(days, &year, &month, &day);
    char *p = put_digits(text, year < 0 ? 0 : year > 9999 ? 9999 : year, 4);
    *p++ = '-';
    p = put_digits(p, month, 2);
    *p++ = '-';
    p = put_digits(p, day, 2);
    *p++ = 'T';
    p = put_digits(p, rest / US_PER_HOUR, 2);
    *p++ = ':';
    p = put_digits(p, rest / US_PER_MIN % 60, 2);
    *p++ = ':';
    p = put_digits(p, rest / US_PER_S % 60, 2);
    *p++ = '.';
    int64_t fraction_us = rest % US_PER_S;
    p = fraction_us % 1000 ? put_digits(p, fraction_us, 6) : put_digits(p, fraction_us / 1000, 3);
    *p++ = 'Z';
    *p = '\0';
    return text;
}

struct scan {
    const char *p, *end;
};

static bool scan_digits(struct scan *s, int count, int *out)
{
    int value = 0;
    if (s->end - s->p < count)
        return false;
    for (int i = 0; i < count; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        value = value * 10 + (s->p[i] - '0');
    }
    s->p += count;
    *out = value;
    return true;
}

static bool scan_char(struct scan *s, const char *one_of)
{
    if (s->p == s->end || !*s->p || !strchr(one_of, *s->p))
        return false;
    s->p++;
    return true;
}

static bool scan_fraction(struct scan *s, int *out_us)
{
    *out_us = 0;
    if (!scan_char(s, "."))
        return true;
    int digits = 0, unit = 100000;
    for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++, digits++, unit /= 10)
        *out_us += (*s->p - '0') * unit;
    return digits >= 1 && digits <= 9;
}

static bool scan_offset(struct scan *s, int *out_minutes)
{
    *out_minutes = 0;
    if (scan_char(s, "Zz"))
        return true;
    int sign = s->p < s->end && *s->p == '-' ? -1 : 1, hours, minutes;
    if (!scan_char(s, "+-") || !scan_digits(s, 2, &hours) || !scan_char(s, ":") ||
        !scan_digits(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *out_minutes = sign * (hours * 60 + minutes);
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

bool time_parse(const char *text, size_t length, int64_t *out_us, struct err *err)
{
    struct scan s = { text, text + length };
    int year, month, day, hour, minute, second, fraction_us, offset_min;
    if (!scan_digits(&s, 4, &year) || !scan_char(&s, "-") || !scan_digits(&s, 2, &month) ||
        !scan_char(&s, "-") || !scan_digits(&s, 2, &day) || !scan_char(&s, "Tt ") ||
        !scan_digits(&s, 2, &hour) || !scan_char(&s, ":") || !scan_digits(&s, 2, &minute) ||
        !scan_char(&s, ":") || !scan_digits(&s, 2, &second) || !scan_fraction(&s, &fraction_us) ||
        !scan_offset(&s, &offset_min) || s.p != s.end)
        return err_set(err, ERR_INPUT, "not a time such as 2026-11-23T13:20:00.000Z");
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
        hour > 23 || minute > 59 || second > 59)
        return err_set(err, ERR_INPUT, "no such day or time of day");
    int64_t seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    int64_t time_us = (seconds - offset_min * 60) * US_PER_S + fraction_us;
    if (time_us < 0)
        return err_set(err, ERR_INPUT, "before 1970");
    *out_us = time_us;
    return true;
}
