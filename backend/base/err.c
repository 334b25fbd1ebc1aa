#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int http_status, exit_status;
} kinds[ERR_KIND_COUNT] = {
    [ERR_NONE]        = { "none",        200, 0 },
    [ERR_INPUT]       = { "input",       400, 65 },
    [ERR_USAGE]       = { "usage",       400, 64 },
    [ERR_AUTH]        = { "auth",        401, 77 },
    [ERR_FORBIDDEN]   = { "forbidden",   403, 77 },
    [ERR_NOT_FOUND]   = { "not found",   404, 66 },
    [ERR_CONFLICT]    = { "conflict",    409, 73 },
    [ERR_TOO_LARGE]   = { "too large",   413, 65 },
    [ERR_BUSY]        = { "busy",        429, 75 },
    [ERR_UNAVAILABLE] = { "unavailable", 503, 69 },
    [ERR_TIMEOUT]     = { "timeout",     504, 75 },
    [ERR_IO]          = { "io",          500, 74 },
    [ERR_CONFIG]      = { "config",      500, 78 },
    [ERR_REFUSED]     = { "refused",     409, 3 },
};

bool err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    err->kind = kind;
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return false;
}

bool err_set_errno(struct err *err, enum err_kind kind, int errno_value, const char *format, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    err->kind = kind;
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof err->text)
        (void)snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(errno_value));
    return false;
}

bool err_context(struct err *err, const char *format, ...)
{
    if (!err)
        return false;
    char old[ERR_TEXT_MAX];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof err->text)
        (void)snprintf(err->text + used, sizeof err->text - used, ": %s", old);
    return false;
}

void err_clear(struct err *err)
{
    err->kind = ERR_NONE;
    err->text[0] = '\0';
}

const char *err_kind_name(enum err_kind kind)
{
    CHECK(kind < ERR_KIND_COUNT);
    return kinds[kind].name;
}

int err_http_status(enum err_kind kind)
{
    CHECK(kind < ERR_KIND_COUNT);
    return kinds[kind].http_status;
}

int err_exit_status(enum err_kind kind)
{
    CHECK(kind < ERR_KIND_COUNT);
    return kinds[kind].exit_status;
}

_Noreturn void check_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "CHECK failed: %s (%s:%d)\n", condition, file, line);
    abort();
}
