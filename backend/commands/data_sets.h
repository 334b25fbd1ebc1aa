/* data_sets.h - the recordings that `wardscribe data get` knows, and what their files must be. */
#ifndef COMMANDS_DATA_SETS_H
#define COMMANDS_DATA_SETS_H

#include <stddef.h>
#include <stdint.h>

struct data_file {
    const char *name;
    int64_t size;
    const char *sha256;
};

/* Files that stand in one folder of the publisher. */
struct data_group {
    const char *publisher;     /* URL of the folder; NULL: the publisher has no such file, a mirror is needed */
    const struct data_file *files;
    size_t count;
};

enum { DATA_GROUPS_MAX = 2 };
struct data_set {
    const char *name, *folder; /* "mimic", and the folder's name on a mirror: "mimic3-demo" */
    const char *what, *terms, *cite;
    struct data_group groups[DATA_GROUPS_MAX];
    const char *why_mirror;    /* where a publisher is NULL */
};
extern const struct data_set data_sets[];
extern const size_t data_set_count;

#endif
