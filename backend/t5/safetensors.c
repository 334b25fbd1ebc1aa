#include "t5/safetensors.h"

#include "base/bounds.h"
#include "base/json.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LENGTH_SIZE = 8 };   /* of the number in front of the header */

struct safetensors {
    const uint8_t *bytes;
    size_t size;
    bool mapped;
    struct json *header;          /* names and notes are borrowed from it */
    const struct json *notes;     /* NULL: none */
    struct tensor *tensors;       /* sorted by name */
    size_t count;
};

/* ---- one entry of the header ---- */

static bool read_type(const struct json *entry, enum tensor_type *out, struct err *err)
{
    const char *name;
    if (!json_get_text(entry, "dtype", JSON_REQUIRED, 1, 16, &name, err))
        return false;
    for (int i = 0; i < TENSOR_TYPE_COUNT; i++)
        if (str_equal(name, tensor_type_name((enum tensor_type)i))) {
            *out = (enum tensor_type)i;
            return true;
        }
    return err_set(err, ERR_INPUT, "dtype: %s is not known (F32, F16, BF16, F64, I8 to I64, U8 to U64, BOOL)", name);
}

static bool read_shape(const struct json *entry, struct tensor *out, struct err *err)
{
    const struct json *shape;
    if (!json_get_array(entry, "shape", JSON_REQUIRED, TENSOR_RANK_MAX, &shape, err))
        return false;
    out->rank = (int)json_count(shape);
    out->count = 1;
    for (int i = 0; i < out->rank; i++) {
        int64_t size;
        if (!json_int_of(json_item(shape, (size_t)i), &size) || size < 0)
            return err_set(err, ERR_INPUT, "shape: item %d must be an integer of at least 0", i);
        out->shape[i] = (size_t)size;
        if (__builtin_mul_overflow(out->count, out->shape[i], &out->count))
            return err_set(err, ERR_INPUT, "shape: the product of the sizes overflows");
    }
    return true;
}

/* Leaves the data's address; that the ranges fit together is looked at when all are known. */
static bool read_range(const struct json *entry, const uint8_t *data, size_t data_size, struct tensor *out,
                       struct err *err)
{
    const struct json *offsets;
    int64_t begin, end;
    size_t bytes;
    if (!json_get_array(entry, "data_offsets", JSON_REQUIRED, 2, &offsets, err))
        return false;
    if (json_count(offsets) != 2 || !json_int_of(json_item(offsets, 0), &begin) ||
        !json_int_of(json_item(offsets, 1), &end) || begin < 0 || end < begin)
        return err_set(err, ERR_INPUT, "data_offsets: must be two integers, 0 <= begin <= end");
    if ((uint64_t)end > data_size)
        return err_set(err, ERR_INPUT, "data_offsets: ends at %lld, but the file has %zu bytes of data (is it cut?)",
                       (long long)end, data_size);
    if (__builtin_mul_overflow(out->count, tensor_type_size(out->type), &bytes) || bytes != (size_t)(end - begin)) {
        char shape[96];
        tensor_shape_text(out, shape);
        return err_set(err, ERR_INPUT, "data_offsets: %lld bytes, but %s of %s needs %zu", (long long)(end - begin),
                       tensor_type_name(out->type), shape, bytes);
    }
    out->data = data + begin;
    return true;
}

static bool read_entry(const struct json *entry, const uint8_t *data, size_t data_size, struct tensor *out,
                       struct err *err)
{
    static const char *const known[] = { "dtype", "shape", "data_offsets", NULL };
    if (json_kind_of(entry) != JSON_IS_OBJECT)
        return err_set(err, ERR_INPUT, "must be an object");
    return json_only(entry, known, err) && read_type(entry, &out->type, err) && read_shape(entry, out, err) &&
           read_range(entry, data, data_size, out, err);
}

/* ---- the whole ---- */

static bool check_notes(const struct json *notes, struct err *err)
{
    const char *key;
    const struct json *value;
    if (json_kind_of(notes) != JSON_IS_OBJECT)
        return err_set(err, ERR_INPUT, "__metadata__: must be an object");
    for (void *at = NULL; json_each(notes, &at, &key, &value);)
        if (!json_text_of(value))
            return err_set(err, ERR_INPUT, "__metadata__: every value must be a text");
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->data != y->data)
        return (const uint8_t *)x->data < (const uint8_t *)y->data ? -1 : 1;
    return (x->count > y->count) - (x->count < y->count);   /* empty ones first */
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

/* The ranges must cover the data exactly. */
static bool check_places(struct safetensors *file, const uint8_t *data, size_t data_size, struct err *err)
{
    size_t at = 0;
    qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
    for (size_t i = 0; i < file->count; i++) {
        const struct tensor *tensor = &file->tensors[i];
        size_t begin = (size_t)((const uint8_t *)tensor->data - data);
        if (begin != at)
            return err_set(err, ERR_INPUT, "%s: data_offsets: begins at %zu, expected %zu (%s)", tensor->name, begin,
                           at, begin < at ? "it overlaps another tensor" : "there is a gap");
        at += tensor->count * tensor_type_size(tensor->type);
    }
    if (at != data_size)
        return err_set(err, ERR_INPUT, "%zu bytes of data, but the tensors end at %zu", data_size, at);
    qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
    return true;
}

static bool read_entries(struct safetensors *file, const uint8_t *data, size_t data_size, struct err *err)
{
    const char *key;
    const struct json *value;
    size_t entries = json_count(file->header);
    if (entries > SAFETENSORS_TENSOR_COUNT_MAX)
        return err_set(err, ERR_TOO_LARGE, "%zu tensors; at most %d", entries, SAFETENSORS_TENSOR_COUNT_MAX);
    file->tensors = mem_new(entries ? entries : 1, sizeof *file->tensors);
    for (void *at = NULL; json_each(file->header, &at, &key, &value);) {
        if (str_equal(key, "__metadata__")) {
            if (!check_notes(value, err))
                return false;
            file->notes = value;
            continue;
        }
        if (strlen(key) > TENSOR_NAME_SIZE_MAX)
            return err_set(err, ERR_INPUT, "a tensor's name has %zu bytes; at most %d", strlen(key),
                           TENSOR_NAME_SIZE_MAX);
        struct tensor *tensor = &file->tensors[file->count++];
        tensor->name = key;
        if (!read_entry(value, data, data_size, tensor, err))
            return err_context(err, "%s", key);
    }
    return check_places(file, data, data_size, err);
}

static bool read_file(struct safetensors *file, struct err *err)
{
    uint64_t length = 0;
    if (file->size < LENGTH_SIZE + 2)
        return err_set(err, ERR_INPUT, "%zu bytes: too short for a safetensors file", file->size);
    for (int i = LENGTH_SIZE; i-- > 0;)
        length = length << 8 | file->bytes[i];
    if (length > SAFETENSORS_HEADER_SIZE_MAX)
        return err_set(err, ERR_TOO_LARGE, "the header has %llu bytes; at most %d (is this a safetensors file?)",
                       (unsigned long long)length, SAFETENSORS_HEADER_SIZE_MAX);
    if (length > file->size - LENGTH_SIZE)
        return err_set(err, ERR_INPUT, "the header has %llu bytes, but only %zu follow (is the file cut?)",
                       (unsigned long long)length, file->size - LENGTH_SIZE);
    const char *header = (const char *)file->bytes + LENGTH_SIZE;
    if (length == 0 || header[0] != '{')
        return err_set(err, ERR_INPUT, "the header must begin with '{'");
    if (!json_parse_object(header, (size_t)length, SAFETENSORS_HEADER_SIZE_MAX, &file->header, err))
        return err_context(err, "header");
    size_t before = LENGTH_SIZE + (size_t)length;
    return read_entries(file, file->bytes + before, file->size - before, err);
}

static bool finish_open(struct safetensors *file, struct safetensors **out, struct err *err)
{
    if (!read_file(file, err)) {
        safetensors_close(file);
        return false;
    }
    *out = file;
    return true;
}

bool safetensors_open_memory(const void *bytes, size_t size, struct safetensors **out, struct err *err)
{
    struct safetensors *file = mem_new(1, sizeof *file);
    *file = (struct safetensors){ .bytes = bytes, .size = size };
    return finish_open(file, out, err);
}

static bool map_file(const char *path, struct safetensors *file, struct err *err)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cannot open");
    bool ok = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    if (!ok)
        err_set(err, ERR_INPUT, "not a file");
    else if (about.st_size == 0)
        ok = err_set(err, ERR_INPUT, "the file is empty");
    if (ok) {
        void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, fd, 0);
        ok = bytes != MAP_FAILED || err_set_errno(err, ERR_IO, errno, "cannot map");
        if (ok)
            *file = (struct safetensors){ .bytes = bytes, .size = (size_t)about.st_size, .mapped = true };
    }
    close(fd);
    return ok;
}

bool safetensors_open(const char *path, struct safetensors **out, struct err *err)
{
    struct safetensors *file = mem_new(1, sizeof *file);
    if (!map_file(path, file, err)) {
        mem_free(file);
        return err_context(err, "%s", path);
    }
    return finish_open(file, out, err) || err_context(err, "%s", path);
}

void safetensors_close(struct safetensors *file)
{
    if (!file)
        return;
    json_free(file->header);
    mem_free(file->tensors);
    if (file->mapped)
        munmap((void *)(uintptr_t)file->bytes, file->size);
    mem_free(file);
}

size_t safetensors_count(const struct safetensors *file)
{
    return file->count;
}

const struct tensor *safetensors_at(const struct safetensors *file, size_t i)
{
    CHECK(i < file->count);
    return &file->tensors[i];
}

const struct tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    struct tensor key = { .name = name };
    return bsearch(&key, file->tensors, file->count, sizeof *file->tensors, by_name);
}

const char *safetensors_metadata(const struct safetensors *file, const char *key)
{
    const char *note, *value = NULL;
    const struct json *text;
    if (file->notes)
        for (void *at = NULL; json_each(file->notes, &at, &note, &text);)
            if (str_equal(note, key))
                value = json_text_of(text);
    return value;
}
