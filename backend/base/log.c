#include "base/log.h"

#include "base/clock.h"
#include "base/str.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Longer lines are cut by collectors (Docker splits at 16 KiB). */
enum { LINE_SIZE_MAX = 16 * 1024 };

static atomic_int level_min = LOG_INFO;
static atomic_int output_fd = STDERR_FILENO;
static _Atomic(const char *) service_name;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_set_level(enum log_level level)
{
    atomic_store(&level_min, (int)level);
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (int i = 0; i < 4; i++)
        if (str_equal(name, level_names[i])) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

void log_set_fd(int fd)
{
    atomic_store(&output_fd, fd);
}

void log_set_service(const char *service)
{
    atomic_store(&service_name, service);
}

static void add_pair(struct buf *buf, const char *key, const char *text)
{
    buf_printf(buf, ",\"%s\":", key);
    buf_add_json_string(buf, text, strlen(text));
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, int count)
{
    if ((int)level < atomic_load_explicit(&level_min, memory_order_relaxed))
        return;
    struct buf buf;
    char time[TIME_TEXT_SIZE];
    buf_init(&buf, LINE_SIZE_MAX);
    buf_printf(&buf, "{\"@timestamp\":\"%s\",\"level\":\"%s\"",
               time_format(clock_now_us(clock_system()), time), level_names[level]);
    const char *service = atomic_load(&service_name);
    if (service)
        add_pair(&buf, "service", service);
    add_pair(&buf, "message", message);
    for (int i = 0; i < count; i++) {
        if (fields[i].text)
            add_pair(&buf, fields[i].key, fields[i].text);
        else
            buf_printf(&buf, ",\"%s\":%lld", fields[i].key, (long long)fields[i].number);
    }
    buf_add_text(&buf, "}\n");
    if (!buf.overflow) {
        ssize_t written = write(atomic_load(&output_fd), buf.data, buf.length);
        (void)written; /* a log that cannot be written has nowhere to be reported */
    }
    buf_free(&buf);
}
