#include "t5/parity.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CASES_SIZE_MAX = 64 << 20 };

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

size_t parity_folders(char paths[PARITY_FOLDERS_MAX][512])
{
    char root[400];
    const char *named = getenv("WARDSCRIBE_T5_REFERENCE"), *data = getenv("WARDSCRIBE_DATA");
    size_t count = 0;
    snprintf(root, sizeof root, "%s%s", named ? named : data ? data : "../shared/data", named ? "" : "/t5/reference");
    DIR *folder = opendir(root);
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        char config[800];
        snprintf(config, sizeof config, "%s/%s/config.json", root, entry->d_name);
        if (entry->d_name[0] == '.' || access(config, R_OK) != 0 || count == PARITY_FOLDERS_MAX)
            continue;
        snprintf(paths[count++], 512, "%.300s/%.200s", root, entry->d_name);
    }
    if (folder)
        closedir(folder);
    if (count == 0)
        printf("no reference models in %s: skipped (set WARDSCRIBE_T5_REFERENCE)\n", root);
    qsort(paths, count, sizeof *paths, by_text);
    return count;
}

static size_t read_ids(const struct json *from, const char *key, int32_t *out)
{
    const struct json *list;
    struct err err;
    CHECK(json_get_array(from, key, JSON_REQUIRED, PARITY_TOKENS_MAX, &list, &err));
    for (size_t i = 0; i < json_count(list); i++) {
        int64_t id;
        CHECK(json_int_of(json_item(list, i), &id));
        out[i] = (int32_t)id;
    }
    return json_count(list);
}

static void read_case(const struct json *from, const struct t5_config *config, struct parity_case *out)
{
    const struct json *params;
    struct t5_config ignored = *config;
    struct err err;
    double score = 0;
    out->input_count = read_ids(from, "input_ids", out->input_ids);
    out->output_count = read_ids(from, "output_ids", out->output_ids);
    out->params = generation_defaults();
    CHECK(json_get_object(from, "params", JSON_REQUIRED, &params, &err));
    CHECK(generation_from_json(params, &ignored, &out->params, &err));
    out->has_score = json_has(from, "sequence_score") && !json_has_null(from, "sequence_score");
    CHECK(json_get_double(from, "sequence_score", JSON_NULLABLE, -1e9, 1e9, &score, &err));
    out->score = (float)score;
}

struct parity_case *parity_cases(const char *folder, size_t *out_count)
{
    char path[600];
    struct buf text;
    struct json *root;
    struct t5_config config;
    struct err err;
    *out_count = 0;
    snprintf(path, sizeof path, "%s/generate.json", folder);
    if (access(path, R_OK) != 0)
        return NULL;
    CHECK(config_read(folder, &config, &err));
    CHECK(file_read(path, CASES_SIZE_MAX, &text, &err));
    CHECK(json_parse(text.data, text.length, CASES_SIZE_MAX, &root, &err));
    struct parity_case *cases = mem_new(json_count(root) + 1, sizeof *cases);
    for (size_t i = 0; i < json_count(root); i++)
        read_case(json_item(root, i), &config, &cases[i]);
    *out_count = json_count(root);
    json_free(root);
    buf_free(&text);
    return cases;
}

bool parity_same(const struct parity_case *expected, const int32_t *ids, size_t count, float score)
{
    size_t same = 0;
    while (same < count && same < expected->output_count && ids[same] == expected->output_ids[same])
        same++;
    if (same < count || same < expected->output_count) {
        printf("beams %d: %zu tokens expected, %zu found, the first %zu are the same\n", expected->params.num_beams,
               expected->output_count, count, same);
        return false;
    }
    /* Without a length penalty of 1 the score is not a mean per token but a sum, or a multiple of it. */
    const double written = (double)(count - 1), scale = fmax(1, pow(written, 1 - expected->params.length_penalty));
    if (expected->has_score && !(fabs((double)score - (double)expected->score) <= 1e-4 * scale)) {
        printf("beams %d: score %.6f expected, %.6f found\n", expected->params.num_beams, (double)expected->score,
               (double)score);
        return false;
    }
    return true;
}

double parity_difference(const float *a, const float *b, size_t count)
{
    double difference = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        difference = fmax(difference, fabs((double)a[i] - (double)b[i]));
        largest = fmax(largest, fabs((double)b[i]));
        if (isnan(a[i]))
            return (double)INFINITY;
    }
    return difference / largest;
}
