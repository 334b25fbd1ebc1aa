#include "learn/model_home.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool model_home_has_model(const char *dir)
{
    char path[1100];
    (void)snprintf(path, sizeof path, "%.1000s/config.json", dir);
    return access(path, R_OK) == 0;
}

/* The first folder under `parent` that holds a model. */
static bool first_model(const char *parent, char *out, size_t size)
{
    char best[256] = "";
    DIR *dir = opendir(parent);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[1024];
        (void)snprintf(path, sizeof path, "%.600s/%s", parent, entry->d_name);
        if (entry->d_name[0] != '.' && model_home_has_model(path) && (!best[0] || strcmp(entry->d_name, best) < 0))
            (void)snprintf(best, sizeof best, "%s", entry->d_name);
    }
    if (dir)
        (void)closedir(dir);
    (void)snprintf(out, size, "%.600s/%s", parent, best);
    return best[0] != '\0';
}

bool model_home_default(char *out, size_t size)
{
    static const char *const places[] = { "../models", "../share/wardscribe/models" };
    char program[512], parent[600];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0)
        return false;
    program[n] = '\0';
    *strrchr(program, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        (void)snprintf(parent, sizeof parent, "%s/%s", program, places[i]);
        if (first_model(parent, out, size))
            return true;
    }
    return false;
}
