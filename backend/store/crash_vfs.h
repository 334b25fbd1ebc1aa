/* crash_vfs.h - a disk in memory that can lose power, fail and fill up: an SQLite VFS for tests.
 *
 * Every file is what the program sees (`data`), what would survive (`synced`), and the writes
 * between the two.  A power cut makes another disk from the synced bytes and, chosen by a seed, from
 * nothing, all, a prefix or any subset of the writes since, each of them possibly torn at 512 or
 * 4,096 bytes or replaced by noise.  Files do not wait for each other: only a sync orders them.
 * A name appears or goes for good at the first sync of a new file, or at a delete that syncs the
 * directory: before that the seed decides.
 * A failed fsync decides at once, write by write, what will survive, and a later fsync does not ask
 * again: as Linux does it (trust.md, "fsyncgate").
 * Threads: any, one lock per disk; the hook runs without it, on the thread that wrote. */
#ifndef STORE_CRASH_VFS_H
#define STORE_CRASH_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crash_disk;

enum crash_op { CRASH_WRITE = 1, CRASH_SYNC = 2, CRASH_TRUNCATE = 4, CRASH_DELETE = 8, CRASH_OPEN = 16,
                CRASH_READ = 32 };

/* Registers an SQLite VFS of this name; the name is copied. */
struct crash_disk *crash_disk_new(const char *vfs_name, uint64_t seed);
/* All its connections must be closed. */
void crash_disk_free(struct crash_disk *disk);
const char *crash_disk_name(const struct crash_disk *disk);

/* What the next start would find.  The same disk and seed give the same bytes. */
struct crash_disk *crash_disk_after_power_cut(struct crash_disk *disk, const char *vfs_name, uint64_t seed);

/* The nth operation of these kinds from now fails (1: the next), and for `count` operations; -1: for
 * ever.  `code`: SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC, …  ops 0: nothing fails. */
void crash_disk_fail(struct crash_disk *disk, unsigned ops, long nth, long count, int code);
uint64_t crash_disk_failed(const struct crash_disk *disk);      /* operations that failed so */

/* Called after every write, sync, truncate and delete that was done. */
typedef void crash_hook(void *context, enum crash_op op);
void crash_disk_set_hook(struct crash_disk *disk, crash_hook *hook, void *context);
uint64_t crash_disk_count(const struct crash_disk *disk, enum crash_op op);
/* The bytes of a file as the program sees them, to damage; NULL: no such file.  Until the next write. */
unsigned char *crash_disk_bytes(struct crash_disk *disk, const char *path, size_t *out_size);

#endif
