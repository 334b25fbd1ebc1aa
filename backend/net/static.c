/* static.c - the dashboard's files, read once at start: what is served cannot leave the folder. */
#include "base/mem.h"
#include "net/transport.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The dashboard has some 20 files of 1.5 MB in all. */
enum { FILE_COUNT_MAX = 512, FILE_SIZE_MAX = 16 << 20, DEPTH_MAX = 4, PATH_SIZE = 1024 };

struct entry {
    char *path;                 /* "/assets/index-abc.js" */
    char etag[24];
    struct static_file file;
};

struct static_files {
    struct entry entries[FILE_COUNT_MAX];
    size_t count;
};

static const char unknown_type[] = "application/octet-stream";

static const char *content_type_of(const char *path)
{
    static const struct { const char *suffix, *type; } types[] = {
        { ".html", "text/html; charset=utf-8" }, { ".js", "text/javascript; charset=utf-8" },
        { ".css", "text/css; charset=utf-8" }, { ".svg", "image/svg+xml" }, { ".png", "image/png" },
        { ".ico", "image/x-icon" }, { ".json", "application/json" }, { ".webmanifest", "application/manifest+json" },
        { ".woff2", "font/woff2" }, { ".txt", "text/plain; charset=utf-8" },
    };
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t n = strlen(types[i].suffix);
        if (length > n && strcmp(path + length - n, types[i].suffix) == 0)
            return types[i].type;
    }
    return unknown_type;
}

static bool has_known_type(const char *path)
{
    return content_type_of(path) != unknown_type;
}

static bool read_whole(const char *path, size_t size, char **out, struct err *err)
{
    char *data = mem_new(size + 1, 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t at = 0;
    ssize_t n = 0;
    while (fd >= 0 && at < size && (n = read(fd, data + at, size - at)) > 0)
        at += (size_t)n;
    if (fd >= 0)
        (void)close(fd);
    if (fd < 0 || at != size) {
        mem_free(data);
        return err_set_errno(err, ERR_IO, errno, "%s", path);
    }
    *out = data;
    return true;
}

static struct entry *find_entry(const struct static_files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->entries[i].path, path) == 0)
            return (struct entry *)(uintptr_t)&files->entries[i];
    return NULL;
}

static bool add_file(struct static_files *files, const char *full, const char *path, size_t size, struct err *err)
{
    if (size > FILE_SIZE_MAX || files->count == FILE_COUNT_MAX)
        return err_set(err, ERR_TOO_LARGE, "%s: more than %d files or %d bytes", full, FILE_COUNT_MAX, FILE_SIZE_MAX);
    struct entry *entry = &files->entries[files->count];
    char *data = NULL;
    if (!read_whole(full, size, &data, err))
        return false;
    (void)snprintf(entry->etag, sizeof entry->etag, "\"%016llx\"", (unsigned long long)str_hash64(data, size, 0));
    entry->path = mem_copy_string(path);
    entry->file = (struct static_file){
        .data = data, .size = size, .content_type = content_type_of(path), .etag = entry->etag,
        .immutable = strstr(path, "/assets/") != NULL, /* Vite puts a hash into these names */
    };
    files->count++;
    return true;
}

static bool add_dir(struct static_files *files, const char *root, const char *below, int depth, struct err *err)
{
    char dir[PATH_SIZE], path[PATH_SIZE], full[PATH_SIZE + PATH_SIZE];
    (void)snprintf(dir, sizeof dir, "%s%s", root, below);
    DIR *stream = opendir(dir);
    if (!stream)
        return err_set_errno(err, ERR_CONFIG, errno, "dashboard folder %s", dir);
    bool ok = true;
    for (struct dirent *item; ok && (item = readdir(stream));) {
        struct stat info;
        if (item->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%.500s/%.500s", below, item->d_name);
        (void)snprintf(full, sizeof full, "%s%s", root, path);
        if (lstat(full, &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode) && depth < DEPTH_MAX)
            ok = add_dir(files, root, path, depth + 1, err);
        else if (S_ISREG(info.st_mode))
            ok = add_file(files, full, path, (size_t)info.st_size, err);
    }
    (void)closedir(stream);
    return ok;
}

/* "/x.js.gz" is how "/x.js" looks when the browser takes gzip. */
static void pair_gzip(struct static_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        char path[PATH_SIZE];
        (void)snprintf(path, sizeof path, "%s.gz", files->entries[i].path);
        const struct entry *packed = find_entry(files, path);
        if (!packed)
            continue;
        files->entries[i].file.gzip = packed->file.data;
        files->entries[i].file.gzip_size = packed->file.size;
    }
}

bool static_files_load(const char *dir, struct static_files **out, struct err *err)
{
    struct static_files *files = mem_new(1, sizeof *files);
    if (!add_dir(files, dir, "", 0, err)) {
        static_files_free(files);
        return false;
    }
    pair_gzip(files);
    *out = files;
    return true;
}

void static_files_free(struct static_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->count; i++) {
        char *data = (char *)(uintptr_t)files->entries[i].file.data;
        mem_free(data);
        mem_free(files->entries[i].path);
    }
    mem_free(files);
}

const struct static_file *static_files_find(const struct static_files *files, const char *path)
{
    const struct entry *entry = find_entry(files, path);
    /* Pages of the dashboard have names like /patients/P1.2: only what looks like a file is absent. */
    if (!entry && !has_known_type(path))
        entry = find_entry(files, "/index.html");
    return entry ? &entry->file : NULL;
}
