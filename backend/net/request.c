/* request.c - what handlers ask of a request, whatever carried it. */
#include "base/json.h"
#include "net/transport.h"

#include <string.h>

static const char *const method_names[HTTP_METHOD_COUNT] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

const char *http_method_name(enum http_method method)
{
    return method_names[method];
}

const char *http_header(const struct http_request *request, const char *name)
{
    return request->transport->transport->header(request, name);
}

const char *http_query(const struct http_request *request, const char *name)
{
    return request->transport->transport->query(request, name);
}

const char *http_parameter(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < sizeof request->parameters / sizeof *request->parameters; i++)
        if (request->parameters[i].name && strcmp(request->parameters[i].name, name) == 0)
            return request->parameters[i].value;
    return NULL;
}

bool http_query_int(const struct http_request *request, const char *name, int64_t min, int64_t max,
                    int64_t fallback, int64_t *out, struct err *err)
{
    const char *text = http_query(request, name);
    *out = fallback;
    if (!text || str_to_int(text, min, max, out))
        return true;
    return err_set(err, ERR_INPUT, "%s: must be an integer between %lld and %lld", name,
                   (long long)min, (long long)max);
}

bool http_query_time(const struct http_request *request, const char *name, int64_t fallback_us, int64_t *out_us,
                     struct err *err)
{
    const char *text = http_query(request, name);
    *out_us = fallback_us;
    if (!text || time_parse(text, strlen(text), out_us, err))
        return true;
    return err_context(err, "%s", name);
}

static const char *status_title(int status)
{
    static const struct { int status; const char *title; } titles[] = {
        { 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
        { 405, "Method Not Allowed" }, { 409, "Conflict" }, { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" }, { 429, "Too Many Requests" }, { 500, "Internal Server Error" },
        { 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
    };
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Error";
}

void http_reply_error(struct http_reply *reply, const struct err *err)
{
    reply->status = err_http_status(err->kind == ERR_NONE ? ERR_IO : err->kind);
    reply->content_type = "application/problem+json";
    if (reply->status == 429 || reply->status == 503)
        reply->retry_after_s = reply->retry_after_s ? reply->retry_after_s : 1;
    buf_reset(reply->body);
    struct json_writer w = json_write(reply->body);
    json_put_object(&w, NULL);
    json_put_text(&w, "detail", err->text);
    json_put_text(&w, "type", "about:blank");
    json_put_text(&w, "title", status_title(reply->status));
    json_put_int(&w, "status", reply->status);
    json_put_end(&w);
}

void http_defer(struct http_request *request)
{
    request->transport->transport->defer(request);
}

struct http_reply *http_deferred_reply(struct http_request *request)
{
    return request->transport->transport->reply(request);
}

void http_finish(struct http_request *request)
{
    request->transport->transport->finish(request);
}
