#include "base/progress.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_WIDTH = 20, LINE_SIZE = 400, WIDTH_DEFAULT = 100 };
#define DRAW_EVERY_US (US_PER_S / 10)

void progress_start(struct progress *progress, const char *name, const char *unit, int64_t total)
{
    int64_t now_us = clock_monotonic_us(clock_system());
    *progress = (struct progress){ .name = name, .unit = unit, .total = total, .started_us = now_us,
                                   .terminal = isatty(STDERR_FILENO) != 0 };
    progress->drawn_us = progress->terminal ? 0 : now_us;
}

void progress_resume(struct progress *progress, int64_t already)
{
    progress->first = already;
}

void progress_quiet(struct progress *progress)
{
    progress->quiet = true;
}

/* 1234567 → "1,234,567" */
static const char *grouped(int64_t value, char out[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)value), at = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static void put_left(struct buf *out, int64_t seconds)
{
    if (seconds < 90)
        buf_printf(out, "  %lld s left", (long long)seconds);
    else if (seconds < 90 * 60)
        buf_printf(out, "  %lld min left", (long long)(seconds + 30) / 60);
    else
        buf_printf(out, "  %lld h left", (long long)(seconds + 1800) / 3600);
}

struct pace {
    double per_s;
    int64_t left_s;   /* -1: not known */
};

static struct pace pace_of(const struct progress *progress, int64_t done, int64_t now_us)
{
    struct pace pace = { .left_s = -1 };
    double seconds = (double)(now_us - progress->started_us) / (double)US_PER_S;
    if (seconds > 0)
        pace.per_s = (double)(done - progress->first) / seconds;
    if (progress->total > 0 && pace.per_s > 0)
        pace.left_s = (int64_t)((double)(progress->total - done) / pace.per_s + 0.5);
    return pace;
}

static void draw(struct progress *progress, int64_t done, const char *note, const struct pace *pace)
{
    char a[32], b[32];
    struct winsize window = { 0 };
    struct buf line;
    buf_init(&line, LINE_SIZE);
    buf_printf(&line, "%s  ", progress->name);
    if (progress->total > 0) {
        int64_t full = done >= progress->total ? BAR_WIDTH : done * BAR_WIDTH / progress->total;
        buf_add_char(&line, '[');
        for (int i = 0; i < BAR_WIDTH; i++)
            buf_add_char(&line, i < full ? '#' : '-');
        buf_printf(&line, "]  %lld %%  %s of %s %s",
                   (long long)(done >= progress->total ? 100 : done * 100 / progress->total), grouped(done, a),
                   grouped(progress->total, b), progress->unit);
    } else {
        buf_printf(&line, "%s %s", grouped(done, a), progress->unit);
    }
    if (note)
        buf_printf(&line, ", %s", note);
    buf_printf(&line, "  %s/s", grouped((int64_t)pace->per_s, a));
    if (pace->left_s >= 0)
        put_left(&line, pace->left_s);
    size_t width = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1 ? window.ws_col - 1u
                                                                                       : WIDTH_DEFAULT;
    (void)fprintf(stderr, "\r%.*s\033[K", (int)(line.length < width ? line.length : width), line.data);
    (void)fflush(stderr);
    progress->drawn = true;
    buf_free(&line);
}

static void write_line(const struct progress *progress, int64_t done, const char *note, const struct pace *pace)
{
    struct buf line;
    buf_init(&line, 2048);
    struct json_writer w = json_write(&line);
    json_put_object(&w, NULL);
    json_put_text(&w, "progress", progress->name);
    json_put_int(&w, "done", done);
    if (progress->total > 0)
        json_put_int(&w, "total", progress->total);
    json_put_text(&w, "unit", progress->unit);
    json_put_decimal(&w, "rate", (int64_t)(pace->per_s * 10), 1);
    if (pace->left_s >= 0)
        json_put_int(&w, "left_s", pace->left_s);
    if (note)
        json_put_text(&w, "note", note);
    json_put_end(&w);
    buf_add_char(&line, '\n');
    (void)fwrite(line.data, 1, line.length, stderr);
    buf_free(&line);
}

static void show(struct progress *progress, int64_t done, const char *note, int64_t now_us)
{
    struct pace pace = pace_of(progress, done, now_us);
    progress->drawn_us = now_us;
    if (progress->terminal)
        draw(progress, done, note, &pace);
    else
        write_line(progress, done, note, &pace);
}

void progress_update(struct progress *progress, int64_t done, const char *note)
{
    int64_t now_us = clock_monotonic_us(clock_system());
    if (!progress->quiet && now_us - progress->drawn_us >= (progress->terminal ? DRAW_EVERY_US : US_PER_S))
        show(progress, done, note, now_us);
}

void progress_end(struct progress *progress, int64_t done, const char *note)
{
    if (progress->quiet)
        return;
    show(progress, done, note, clock_monotonic_us(clock_system()));
    if (progress->terminal)
        (void)fputc('\n', stderr);
    progress->drawn = false;
}

void progress_hide(struct progress *progress)
{
    if (!progress->terminal || !progress->drawn)
        return;
    (void)fputs("\r\033[K", stderr);
    progress->drawn = false;
}
