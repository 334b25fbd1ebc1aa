/* recording_paths.h - files and folders of the command line become a sorted list of files.
 *
 * A file is taken by whatever name; of a folder, and of the folders in it, those with one of the
 * suffixes.  Sorted by path, so that the order of the patients does not depend on the disk.
 * Bounds: RECORDING_FILES_MAX files, PATHS_DEPTH_MAX levels. */
#ifndef INGEST_RECORDING_PATHS_H
#define INGEST_RECORDING_PATHS_H

#include "base/err.h"

#include <stddef.h>

enum { PATHS_DEPTH_MAX = 4 };

struct path_list {
    char **items;
    size_t count, room;
};

/* `suffixes` ends with NULL.  paths_free() also after a failure. */
bool paths_expand(const char *const *paths, size_t count, const char *const *suffixes, struct path_list *out,
                  struct err *err) MUST_CHECK;
void paths_free(struct path_list *list);

#endif
