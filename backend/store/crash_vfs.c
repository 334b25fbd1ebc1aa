#include "store/crash_vfs.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/random.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum { FILE_COUNT_MAX = 32, SHM_REGION_MAX = 64, OP_KINDS = 6, PATH_SIZE = 512 };

/* A write or truncation that no sync covers yet. */
struct change {
    struct change *next;
    bool truncate, rebirth;     /* rebirth: the name was deleted and made again */
    int64_t offset;             /* truncate: the new size */
    size_t size;
    unsigned char bytes[];
};

struct bytes {
    unsigned char *data;
    size_t size, room;
};

struct shm {
    void *regions[SHM_REGION_MAX];
    int region_size;
    int shared[SQLITE_SHM_NLOCK];
    const void *exclusive[SQLITE_SHM_NLOCK];
};

struct file {
    char path[PATH_SIZE];
    bool exists, durable;       /* the name: now, and after a power cut */
    struct bytes data, synced;
    struct change *first, **last;
    int shared;                 /* SQLite's file locks */
    const void *reserved, *exclusive;
    struct shm shm;
};

struct crash_disk {
    sqlite3_vfs vfs;
    char name[64];
    pthread_mutex_t lock;
    struct file *files[FILE_COUNT_MAX];
    size_t file_count;
    uint64_t random;
    unsigned fail_ops;
    long fail_in, fail_count;
    int fail_code;
    uint64_t failed, counts[OP_KINDS];
    crash_hook *hook;
    void *hook_context;
};

struct handle {
    sqlite3_file base;
    struct crash_disk *disk;
    struct file *file;
    int level;
    uint16_t shm_shared, shm_exclusive;
    bool delete_on_close;
};

static bool chance(uint64_t *state, unsigned percent)
{
    return random_next(state) % 100 < percent;
}

/* ---- bytes ---- */

static void bytes_resize(struct bytes *bytes, size_t size)
{
    if (size > bytes->room) {
        size_t room = size + size / 2 + 4096;
        unsigned char *data = mem_new(room, 1); /* mem_try_* is what tests let fail */
        if (bytes->size)
            memcpy(data, bytes->data, bytes->size);
        mem_free(bytes->data);
        bytes->data = data;
        bytes->room = room;
    }
    if (size > bytes->size)
        memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

static void bytes_write(struct bytes *bytes, int64_t offset, const void *data, size_t size)
{
    if ((size_t)offset + size > bytes->size)
        bytes_resize(bytes, (size_t)offset + size);
    if (size)
        memcpy(bytes->data + offset, data, size);
}

static void apply(struct bytes *to, const struct change *change)
{
    if (change->truncate)
        bytes_resize(to, (size_t)change->offset);
    else
        bytes_write(to, change->offset, change->bytes, change->size);
}

/* A write of which only some sectors arrive; the others keep what was there, or become noise. */
static void apply_torn(struct bytes *to, const struct change *change, uint64_t *random)
{
    size_t sector = chance(random, 50) ? 512 : 4096;
    bool noise = chance(random, 20);
    if (change->truncate)
        return;
    for (size_t at = 0; at < change->size; at += sector) {
        size_t n = change->size - at < sector ? change->size - at : sector;
        if (chance(random, 50)) {
            bytes_write(to, change->offset + (int64_t)at, change->bytes + at, n);
        } else if (noise) {
            unsigned char junk[4096];
            for (size_t i = 0; i < n; i++)
                junk[i] = (unsigned char)random_next(random);
            bytes_write(to, change->offset + (int64_t)at, junk, n);
        }
    }
}

/* ---- files, with the lock held ---- */

static struct file *find(const struct crash_disk *disk, const char *path)
{
    for (size_t i = 0; i < disk->file_count; i++)
        if (strcmp(disk->files[i]->path, path) == 0)
            return disk->files[i];
    return NULL;
}

static struct file *make(struct crash_disk *disk, const char *path)
{
    CHECK(disk->file_count < FILE_COUNT_MAX);
    struct file *file = mem_new(1, sizeof *file);
    (void)snprintf(file->path, sizeof file->path, "%s", path);
    file->last = &file->first;
    return disk->files[disk->file_count++] = file;
}

static void note(struct file *file, bool truncate, bool rebirth, int64_t offset, const void *bytes, size_t size)
{
    struct change *change = mem_new(1, sizeof *change + size);
    *change = (struct change){ .truncate = truncate, .rebirth = rebirth, .offset = offset, .size = size };
    if (size)
        memcpy(change->bytes, bytes, size);
    *file->last = change;
    file->last = &change->next;
}

static void forget_changes(struct file *file)
{
    for (struct change *change = file->first, *next; change; change = next) {
        next = change->next;
        mem_free(change);
    }
    file->first = NULL;
    file->last = &file->first;
}

static void sync_names(struct crash_disk *disk)
{
    for (size_t i = 0; i < disk->file_count; i++) {
        struct file *file = disk->files[i];
        file->durable = file->exists;
        if (!file->exists)
            bytes_resize(&file->synced, 0);
    }
}

static void sync_file(struct crash_disk *disk, struct file *file)
{
    for (const struct change *change = file->first; change; change = change->next)
        apply(&file->synced, change);
    forget_changes(file);
    if (!file->durable)
        sync_names(disk);
}

/* What survives is decided now; the pages count as clean afterwards. */
static void fail_sync(struct crash_disk *disk, struct file *file)
{
    for (const struct change *change = file->first; change; change = change->next)
        if (chance(&disk->random, 50))
            apply(&file->synced, change);
    forget_changes(file);
}

static int index_of(enum crash_op op)
{
    return __builtin_ctz(op);
}

/* Counts the operation; not SQLITE_OK: it shall fail. */
static int permit(struct crash_disk *disk, enum crash_op op)
{
    disk->counts[index_of(op)]++;
    if (!(disk->fail_ops & op) || --disk->fail_in > 0)
        return SQLITE_OK;
    if (disk->fail_count == 0) {
        disk->fail_ops = 0;
        return SQLITE_OK;
    }
    if (disk->fail_count > 0)
        disk->fail_count--;
    disk->failed++;
    return disk->fail_code;
}

static void tell(struct crash_disk *disk, enum crash_op op)
{
    if (disk->hook)
        disk->hook(disk->hook_context, op);
}

static void enter(struct crash_disk *disk)
{
    CHECK(pthread_mutex_lock(&disk->lock) == 0);
}

static void leave(struct crash_disk *disk)
{
    CHECK(pthread_mutex_unlock(&disk->lock) == 0);
}

/* ---- a file's methods ---- */

static int on_read(sqlite3_file *base, void *out, int size, sqlite3_int64 offset)
{
    struct handle *h = (struct handle *)base;
    enter(h->disk);
    int code = permit(h->disk, CRASH_READ);
    const struct bytes *data = &h->file->data;
    size_t have = (size_t)offset < data->size ? data->size - (size_t)offset : 0;
    have = have < (size_t)size ? have : (size_t)size;
    if (have)
        memcpy(out, data->data + offset, have);
    memset((char *)out + have, 0, (size_t)size - have);
    leave(h->disk);
    if (code != SQLITE_OK)
        return code;
    return have == (size_t)size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int on_write(sqlite3_file *base, const void *bytes, int size, sqlite3_int64 offset)
{
    struct handle *h = (struct handle *)base;
    enter(h->disk);
    int code = permit(h->disk, CRASH_WRITE);
    /* A write that fails may have written a part. */
    size_t done = code == SQLITE_OK ? (size_t)size : (size_t)size / 2 / 512 * 512;
    if (done) {
        bytes_write(&h->file->data, offset, bytes, done);
        note(h->file, false, false, offset, bytes, done);
    }
    leave(h->disk);
    if (code == SQLITE_OK)
        tell(h->disk, CRASH_WRITE);
    return code;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct handle *h = (struct handle *)base;
    enter(h->disk);
    int code = permit(h->disk, CRASH_TRUNCATE);
    if (code == SQLITE_OK) {
        bytes_resize(&h->file->data, (size_t)size);
        note(h->file, true, false, size, NULL, 0);
    }
    leave(h->disk);
    if (code == SQLITE_OK)
        tell(h->disk, CRASH_TRUNCATE);
    return code;
}

static int on_sync(sqlite3_file *base, int flags)
{
    struct handle *h = (struct handle *)base;
    (void)flags;
    enter(h->disk);
    int code = permit(h->disk, CRASH_SYNC);
    if (code == SQLITE_OK)
        sync_file(h->disk, h->file);
    else
        fail_sync(h->disk, h->file);
    leave(h->disk);
    if (code == SQLITE_OK)
        tell(h->disk, CRASH_SYNC);
    return code;
}

static int on_size(sqlite3_file *base, sqlite3_int64 *out)
{
    struct handle *h = (struct handle *)base;
    enter(h->disk);
    *out = (sqlite3_int64)h->file->data.size;
    leave(h->disk);
    return SQLITE_OK;
}

/* https://www.sqlite.org/lockingv3.html; PENDING is not needed where nobody waits. */
static bool may_lock(const struct handle *h, int level)
{
    const struct file *f = h->file;
    bool foreign_exclusive = f->exclusive && f->exclusive != h, foreign_reserved = f->reserved && f->reserved != h;
    if (level == SQLITE_LOCK_SHARED)
        return !foreign_exclusive;
    if (level == SQLITE_LOCK_RESERVED)
        return !foreign_exclusive && !foreign_reserved;
    return !foreign_exclusive && !foreign_reserved && f->shared <= (h->level >= SQLITE_LOCK_SHARED);
}

static int on_lock(sqlite3_file *base, int level)
{
    struct handle *h = (struct handle *)base;
    if (level <= h->level)
        return SQLITE_OK;
    enter(h->disk);
    bool ok = may_lock(h, level);
    if (ok) {
        h->file->shared += h->level < SQLITE_LOCK_SHARED;
        if (level >= SQLITE_LOCK_RESERVED)
            h->file->reserved = h;
        if (level == SQLITE_LOCK_EXCLUSIVE)
            h->file->exclusive = h;
        h->level = level;
    }
    leave(h->disk);
    return ok ? SQLITE_OK : SQLITE_BUSY;
}

static int on_unlock(sqlite3_file *base, int level)
{
    struct handle *h = (struct handle *)base;
    if (level >= h->level)
        return SQLITE_OK;
    enter(h->disk);
    if (h->file->reserved == h)
        h->file->reserved = NULL;
    if (h->file->exclusive == h)
        h->file->exclusive = NULL;
    h->file->shared -= level == SQLITE_LOCK_NONE;
    h->level = level;
    leave(h->disk);
    return SQLITE_OK;
}

static int on_check_reserved(sqlite3_file *base, int *out)
{
    struct handle *h = (struct handle *)base;
    enter(h->disk);
    *out = h->file->reserved != NULL;
    leave(h->disk);
    return SQLITE_OK;
}

static int on_control(sqlite3_file *base, int op, void *argument)
{
    (void)base, (void)op, (void)argument;
    return SQLITE_NOTFOUND;
}

static int on_sector_size(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

static int on_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* as SQLite's own VFS for Unix says */
}

static int on_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
    struct handle *h = (struct handle *)base;
    enter(h->disk);
    struct shm *shm = &h->file->shm;
    CHECK(region < SHM_REGION_MAX);
    if (!shm->regions[region] && extend)
        shm->regions[region] = mem_new(1, (size_t)size);
    shm->region_size = size;
    *out = shm->regions[region];
    leave(h->disk);
    return SQLITE_OK;
}

static bool may_lock_shm(const struct handle *h, int slot, int flags)
{
    const struct shm *shm = &h->file->shm;
    bool foreign = shm->exclusive[slot] && shm->exclusive[slot] != h;
    if (flags & SQLITE_SHM_SHARED)
        return !foreign;
    return !foreign && shm->shared[slot] <= (h->shm_shared >> slot & 1);
}

static void set_shm(struct handle *h, int slot, int flags)
{
    struct shm *shm = &h->file->shm;
    uint16_t bit = (uint16_t)(1u << slot);
    if (flags & SQLITE_SHM_UNLOCK) {
        shm->shared[slot] -= (h->shm_shared & bit) != 0;
        if (h->shm_exclusive & bit)
            shm->exclusive[slot] = NULL;
        h->shm_shared &= (uint16_t)~bit;
        h->shm_exclusive &= (uint16_t)~bit;
    } else if (flags & SQLITE_SHM_SHARED) {
        shm->shared[slot] += !(h->shm_shared & bit);
        h->shm_shared |= bit;
    } else {
        shm->exclusive[slot] = h;
        h->shm_exclusive |= bit;
    }
}

static int on_shm_lock(sqlite3_file *base, int first, int count, int flags)
{
    struct handle *h = (struct handle *)base;
    bool ok = true;
    enter(h->disk);
    for (int slot = first; slot < first + count && !(flags & SQLITE_SHM_UNLOCK); slot++)
        ok = ok && may_lock_shm(h, slot, flags);
    for (int slot = first; ok && slot < first + count; slot++)
        set_shm(h, slot, flags);
    leave(h->disk);
    return ok ? SQLITE_OK : SQLITE_BUSY;
}

static void on_shm_barrier(sqlite3_file *base)
{
    (void)base;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void free_shm(struct shm *shm)
{
    for (int i = 0; i < SHM_REGION_MAX; i++)
        mem_free(shm->regions[i]);
    *shm = (struct shm){ 0 };
}

static int on_shm_unmap(sqlite3_file *base, int delete)
{
    struct handle *h = (struct handle *)base;
    (void)on_shm_lock(base, 0, SQLITE_SHM_NLOCK, SQLITE_SHM_UNLOCK);
    enter(h->disk);
    if (delete)
        free_shm(&h->file->shm);
    leave(h->disk);
    return SQLITE_OK;
}

static void delete_file(struct file *file)
{
    file->exists = false;
    bytes_resize(&file->data, 0);
    forget_changes(file);
}

static int on_close(sqlite3_file *base)
{
    struct handle *h = (struct handle *)base;
    (void)on_unlock(base, SQLITE_LOCK_NONE);
    enter(h->disk);
    if (h->delete_on_close)
        delete_file(h->file);
    leave(h->disk);
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, .xClose = on_close, .xRead = on_read, .xWrite = on_write, .xTruncate = on_truncate, .xSync = on_sync,
    .xFileSize = on_size, .xLock = on_lock, .xUnlock = on_unlock, .xCheckReservedLock = on_check_reserved,
    .xFileControl = on_control, .xSectorSize = on_sector_size, .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map, .xShmLock = on_shm_lock, .xShmBarrier = on_shm_barrier, .xShmUnmap = on_shm_unmap,
};

/* ---- the disk's methods ---- */

static void create(struct file *file)
{
    bool again = file->durable; /* deleted, but a power cut may bring it back */
    file->exists = true;
    bytes_resize(&file->data, 0);
    if (again)
        note(file, true, true, 0, NULL, 0);
}

static int on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags)
{
    struct crash_disk *disk = vfs->pAppData;
    struct handle *h = (struct handle *)base;
    char temporary[64];
    memset(h, 0, sizeof *h);
    enter(disk);
    int code = permit(disk, CRASH_OPEN);
    if (!path) {
        (void)snprintf(temporary, sizeof temporary, "temporary-%llx", (unsigned long long)random_next(&disk->random));
        path = temporary;
    }
    struct file *file = find(disk, path);
    if (code == SQLITE_OK && !(file && file->exists) && !(flags & SQLITE_OPEN_CREATE))
        code = SQLITE_CANTOPEN;
    if (code == SQLITE_OK) {
        file = file ? file : make(disk, path);
        if (!file->exists)
            create(file);
        *h = (struct handle){ .base.pMethods = &methods, .disk = disk, .file = file,
                              .delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0 };
        if (out_flags)
            *out_flags = flags;
    }
    leave(disk);
    return code;
}

static int on_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    struct crash_disk *disk = vfs->pAppData;
    enter(disk);
    struct file *file = find(disk, path);
    int code = file && file->exists ? permit(disk, CRASH_DELETE) : SQLITE_IOERR_DELETE_NOENT;
    if (code == SQLITE_OK) {
        delete_file(file);
        if (sync)
            sync_names(disk);
    }
    leave(disk);
    if (code == SQLITE_OK)
        tell(disk, CRASH_DELETE);
    return code;
}

static int on_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    struct crash_disk *disk = vfs->pAppData;
    (void)flags;
    enter(disk);
    const struct file *file = find(disk, path);
    *out = file && file->exists;
    leave(disk);
    return SQLITE_OK;
}

static int on_full_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    (void)vfs;
    (void)snprintf(out, (size_t)size, "%s", path);
    return SQLITE_OK;
}

static int on_randomness(sqlite3_vfs *vfs, int size, char *out)
{
    struct crash_disk *disk = vfs->pAppData;
    for (int i = 0; i < size; i++)
        out[i] = (char)random_next(&disk->random);
    return size;
}

static int on_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int on_time(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    *out = 2461041LL * 86400000; /* the store asks SQLite for no time */
    return SQLITE_OK;
}

static int on_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs, (void)size, (void)out;
    return 0;
}

struct crash_disk *crash_disk_new(const char *vfs_name, uint64_t seed)
{
    struct crash_disk *disk = mem_new(1, sizeof *disk);
    (void)snprintf(disk->name, sizeof disk->name, "%s", vfs_name);
    disk->random = seed;
    CHECK(pthread_mutex_init(&disk->lock, NULL) == 0);
    disk->vfs = (sqlite3_vfs){
        .iVersion = 2, .szOsFile = sizeof(struct handle), .mxPathname = PATH_SIZE, .zName = disk->name,
        .pAppData = disk, .xOpen = on_open, .xDelete = on_delete, .xAccess = on_access, .xFullPathname = on_full_path,
        .xRandomness = on_randomness, .xSleep = on_sleep, .xGetLastError = on_last_error, .xCurrentTimeInt64 = on_time,
    };
    CHECK(sqlite3_vfs_register(&disk->vfs, 0) == SQLITE_OK);
    return disk;
}

void crash_disk_free(struct crash_disk *disk)
{
    if (!disk)
        return;
    CHECK(sqlite3_vfs_unregister(&disk->vfs) == SQLITE_OK);
    for (size_t i = 0; i < disk->file_count; i++) {
        struct file *file = disk->files[i];
        forget_changes(file);
        free_shm(&file->shm);
        mem_free(file->data.data);
        mem_free(file->synced.data);
        mem_free(file);
    }
    (void)pthread_mutex_destroy(&disk->lock);
    mem_free(disk);
}

const char *crash_disk_name(const struct crash_disk *disk)
{
    return disk->name;
}

/* ---- a power cut ---- */

enum cut { CUT_LOSE_ALL, CUT_KEEP_ALL, CUT_PREFIX, CUT_ANY, CUT_COUNT };

static void survive(struct bytes *to, const struct file *file, enum cut cut, uint64_t *random)
{
    size_t count = 0, at = 0;
    for (const struct change *c = file->first; c; c = c->next)
        count++;
    size_t prefix = count ? random_next(random) % (count + 1) : 0;
    for (const struct change *c = file->first; c; c = c->next, at++) {
        bool whole = cut == CUT_KEEP_ALL || (cut == CUT_PREFIX && at < prefix) ||
                     (cut == CUT_ANY && chance(random, 50));
        bool torn = !whole && ((cut == CUT_PREFIX && at == prefix) || (cut == CUT_ANY && chance(random, 50)));
        if (c->rebirth && !whole)
            return; /* the new file never got its name */
        if (whole)
            apply(to, c);
        else if (torn)
            apply_torn(to, c, random);
    }
}

static void cut_file(struct crash_disk *to, const struct file *file, uint64_t *random)
{
    enum cut cut = (enum cut)(random_next(random) % CUT_COUNT);
    bool exists = file->exists == file->durable ? file->exists : chance(random, 50);
    if (!exists)
        return;
    struct file *copy = make(to, file->path);
    bytes_write(&copy->data, 0, file->synced.data ? file->synced.data : (const unsigned char *)"", file->synced.size);
    survive(&copy->data, file, cut, random);
    bytes_write(&copy->synced, 0, copy->data.data, copy->data.size);
    copy->exists = copy->durable = true;
}

struct crash_disk *crash_disk_after_power_cut(struct crash_disk *disk, const char *vfs_name, uint64_t seed)
{
    uint64_t random = seed;
    struct crash_disk *to = crash_disk_new(vfs_name, random_next(&random));
    enter(disk);
    for (size_t i = 0; i < disk->file_count; i++)
        cut_file(to, disk->files[i], &random);
    leave(disk);
    return to;
}

/* ---- faults ---- */

void crash_disk_fail(struct crash_disk *disk, unsigned ops, long nth, long count, int code)
{
    enter(disk);
    disk->fail_ops = ops;
    disk->fail_in = nth;
    disk->fail_count = count;
    disk->fail_code = code;
    leave(disk);
}

uint64_t crash_disk_failed(const struct crash_disk *disk)
{
    return disk->failed;
}

void crash_disk_set_hook(struct crash_disk *disk, crash_hook *hook, void *context)
{
    disk->hook = hook;
    disk->hook_context = context;
}

uint64_t crash_disk_count(const struct crash_disk *disk, enum crash_op op)
{
    return disk->counts[index_of(op)];
}

unsigned char *crash_disk_bytes(struct crash_disk *disk, const char *path, size_t *out_size)
{
    struct file *file = find(disk, path);
    *out_size = file && file->exists ? file->data.size : 0;
    return file && file->exists ? file->data.data : NULL;
}
