/* router.c - finds the route of a path.  Tables are short (some 40 rows): a walk is as fast as a tree. */
#include "net/transport.h"

#include <string.h>

struct segment {
    const char *at;
    size_t length;
};

/* The next "/segment" of *p; false at the end. */
static bool next_segment(const char **p, struct segment *out)
{
    if (**p != '/')
        return false;
    out->at = ++*p;
    while (**p && **p != '/')
        (*p)++;
    out->length = (size_t)(*p - out->at);
    return true;
}

struct capture {
    struct segment name, value;
};

static bool pattern_matches(const char *pattern, const char *path, struct capture captures[4], int *out_count)
{
    struct segment wanted, given;
    *out_count = 0;
    for (;;) {
        bool more_wanted = next_segment(&pattern, &wanted), more_given = next_segment(&path, &given);
        if (!more_wanted || !more_given)
            return more_wanted == more_given && !*path;
        if (wanted.length > 2 && wanted.at[0] == '{') {
            if (!given.length || *out_count == 4)
                return false;
            captures[(*out_count)++] = (struct capture){ { wanted.at + 1, wanted.length - 2 }, given };
        } else if (wanted.length != given.length || memcmp(wanted.at, given.at, given.length) != 0) {
            return false;
        }
    }
}

static void keep_parameters(struct http_request *request, const struct capture *captures, int count)
{
    for (int i = 0; i < count; i++) {
        request->parameters[i].name = arena_copy(request->arena, captures[i].name.at, captures[i].name.length);
        request->parameters[i].value = arena_copy(request->arena, captures[i].value.at, captures[i].value.length);
    }
}

/* A literal row beats a row with a parameter: "/api/limits/defaults" and "/api/limits/{id}". */
struct http_match http_router_find(const struct http_routes *tables, size_t table_count, struct http_request *request)
{
    struct http_match match = { 0 };
    int fewest = 5, count;
    struct capture captures[4], best[4];
    for (size_t t = 0; t < table_count; t++) {
        for (size_t r = 0; r < tables[t].count; r++) {
            const struct http_route *route = &tables[t].routes[r];
            if (!pattern_matches(route->pattern, request->path, captures, &count))
                continue;
            match.allowed |= 1u << route->method;
            if (route->method != request->method || count >= fewest)
                continue;
            fewest = count;
            memcpy(best, captures, sizeof best);
            match.route = route;
            match.context = tables[t].context;
        }
    }
    if (match.route)
        keep_parameters(request, best, fewest);
    return match;
}
