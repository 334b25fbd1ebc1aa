#include "store/registry.h"

#include "base/mem.h"
#include "base/str.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Open addressing over numbers; at most half full. */
struct index {
    uint32_t *slots;
    size_t size;         /* a power of two */
};

/* Most patients of a large ward come from devices, with an id and nothing else: what people add is kept
 * apart, as the texts of DETAILS one behind the other. */
struct patient {
    char id[PATIENT_ID_SIZE];
    char *details;       /* NULL: the name is the id, the others are empty */
    int64_t admitted_us;
    int16_t age;
    bool simulated, discharged, saved;
};
struct source {
    char name[SOURCE_SIZE];
    bool saved;
};

struct registry {
    pthread_rwlock_t lock;
    struct patient **patients;   /* [number]; rows never move */
    struct source **sources;
    uint32_t patient_count, source_count;
    struct index patient_index, source_index;
};

#define DETAIL(member) { offsetof(struct patient_row, member), sizeof(((struct patient_row *)0)->member) }
static const struct { size_t at, size; } details[] = {
    DETAIL(name), DETAIL(bed), DETAIL(gender), DETAIL(diagnosis), DETAIL(physician),
};
enum { DETAIL_COUNT = sizeof details / sizeof *details };

static bool has_details(const struct patient_row *row)
{
    return strcmp(row->name, row->id) != 0 || row->bed[0] || row->gender[0] || row->diagnosis[0] || row->physician[0];
}

/* Everything but `saved`. */
static void keep_row(struct patient *patient, const struct patient_row *row)
{
    char text[sizeof *row], *end = text;
    for (int i = 0; i < DETAIL_COUNT; i++)
        end = stpcpy(end, (const char *)row + details[i].at) + 1;
    (void)str_copy(patient->id, sizeof patient->id, row->id);
    patient->admitted_us = row->admitted_us;
    patient->age = row->age;
    patient->simulated = row->simulated;
    patient->discharged = row->discharged;
    mem_free(patient->details);
    patient->details = NULL;
    if (has_details(row))
        patient->details = memcpy(mem_new((size_t)(end - text), 1), text, (size_t)(end - text));
}

static void give_row(const struct patient *patient, uint32_t number, struct patient_row *out)
{
    *out = (struct patient_row){ .number = number, .age = patient->age, .simulated = patient->simulated,
                                 .discharged = patient->discharged, .admitted_us = patient->admitted_us };
    memcpy(out->id, patient->id, sizeof out->id);
    const char *text = patient->details;
    if (!text)
        memcpy(out->name, patient->id, sizeof patient->id);
    for (int i = 0; text && i < DETAIL_COUNT; i++, text += strlen(text) + 1)
        (void)str_copy((char *)out + details[i].at, details[i].size, text);
}

typedef const char *name_of(const struct registry *registry, uint32_t number);

static const char *patient_name_of(const struct registry *registry, uint32_t number)
{
    return registry->patients[number]->id;
}

static const char *source_name_of(const struct registry *registry, uint32_t number)
{
    return registry->sources[number]->name;
}

/* The slot that holds `name`, or the free one where it belongs. */
static uint32_t *index_slot(const struct registry *registry, const struct index *index,
                            name_of *name, const char *wanted)
{
    size_t at = str_hash64(wanted, strlen(wanted), 0) & (index->size - 1);
    while (index->slots[at] && strcmp(name(registry, index->slots[at]), wanted) != 0)
        at = (at + 1) & (index->size - 1);
    return &index->slots[at];
}

static void index_grow(const struct registry *registry, struct index *index, name_of *name, uint32_t count)
{
    if (index->size && (size_t)count * 2 < index->size)
        return;
    struct index bigger = { .size = index->size ? index->size * 2 : 256 };
    while (bigger.size < (size_t)count * 2 + 2)
        bigger.size *= 2;
    bigger.slots = mem_new(bigger.size, sizeof *bigger.slots);
    for (uint32_t number = 1; number <= count; number++)
        if ((name == patient_name_of ? (void *)registry->patients[number] : (void *)registry->sources[number]))
            *index_slot(registry, &bigger, name, name(registry, number)) = number;
    mem_free(index->slots);
    *index = bigger;
}

static bool name_is_valid(const char *name)
{
    size_t length = strlen(name);
    return length >= 1 && length < PATIENT_ID_SIZE &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == length;
}

static bool load_patients(struct registry *registry, struct store *store, struct arena *arena, struct err *err)
{
    struct patient_row *rows;
    size_t count;
    if (!store_patients(store, arena, &rows, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].number || rows[i].number > PATIENT_COUNT_MAX)
            return err_set(err, ERR_IO, "patient %s has the impossible number %u", rows[i].id, rows[i].number);
        struct patient *patient = registry->patients[rows[i].number] = mem_new(1, sizeof *patient);
        keep_row(patient, &rows[i]);
        patient->saved = true;
        if (rows[i].number > registry->patient_count)
            registry->patient_count = rows[i].number;
    }
    return true;
}

static bool load_sources(struct registry *registry, struct store *store, struct arena *arena, struct err *err)
{
    struct source_row *rows;
    size_t count;
    if (!store_sources(store, arena, &rows, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].number)
            return err_set(err, ERR_IO, "source %s has no number", rows[i].name);
        struct source *source = registry->sources[rows[i].number] = mem_new(1, sizeof *source);
        (void)str_copy(source->name, sizeof source->name, rows[i].name);
        source->saved = true;
        if (rows[i].number > registry->source_count)
            registry->source_count = rows[i].number;
    }
    return true;
}

/* A number without a row (it can only come from a damaged file) must not crash a look-up. */
static void fill_holes(struct registry *registry)
{
    for (uint32_t number = 1; number <= registry->patient_count; number++)
        if (!registry->patients[number]) {
            registry->patients[number] = mem_new(1, sizeof(struct patient));
            registry->patients[number]->age = -1;
            registry->patients[number]->discharged = true;
            (void)snprintf(registry->patients[number]->id, PATIENT_ID_SIZE, "lost-%u", number);
        }
    for (uint32_t number = 1; number <= registry->source_count; number++)
        if (!registry->sources[number])
            registry->sources[number] = mem_new(1, sizeof(struct source));
}

bool registry_open(struct store *store, struct registry **out, struct err *err)
{
    struct registry *registry = mem_new(1, sizeof *registry);
    struct arena arena;
    arena_init(&arena, (size_t)PATIENT_COUNT_MAX * 512);
    registry->patients = mem_new(PATIENT_COUNT_MAX + 1, sizeof *registry->patients);
    registry->sources = mem_new(SOURCE_COUNT_MAX + 1, sizeof *registry->sources);
    CHECK(pthread_rwlock_init(&registry->lock, NULL) == 0);
    bool ok = load_patients(registry, store, &arena, err) && load_sources(registry, store, &arena, err);
    arena_free(&arena);
    if (!ok) {
        registry_free(registry);
        return false;
    }
    fill_holes(registry);
    index_grow(registry, &registry->patient_index, patient_name_of, registry->patient_count);
    index_grow(registry, &registry->source_index, source_name_of, registry->source_count);
    *out = registry;
    return true;
}

void registry_free(struct registry *registry)
{
    if (!registry)
        return;
    for (uint32_t i = 1; i <= registry->patient_count; i++) {
        if (registry->patients[i])
            mem_free(registry->patients[i]->details);
        mem_free(registry->patients[i]);
    }
    for (uint32_t i = 1; i <= registry->source_count; i++)
        mem_free(registry->sources[i]);
    mem_free(registry->patients);
    mem_free(registry->sources);
    mem_free(registry->patient_index.slots);
    mem_free(registry->source_index.slots);
    (void)pthread_rwlock_destroy(&registry->lock);
    mem_free(registry);
}

static pthread_rwlock_t *lock_of(const struct registry *registry)
{
    return (pthread_rwlock_t *)(uintptr_t)&registry->lock;
}

uint32_t registry_count(const struct registry *registry)
{
    (void)pthread_rwlock_rdlock(lock_of(registry));
    uint32_t count = registry->patient_count;
    (void)pthread_rwlock_unlock(lock_of(registry));
    return count;
}

uint32_t registry_find(const struct registry *registry, const char *id)
{
    (void)pthread_rwlock_rdlock(lock_of(registry));
    uint32_t number = *index_slot(registry, &registry->patient_index, patient_name_of, id);
    (void)pthread_rwlock_unlock(lock_of(registry));
    return number;
}

static uint32_t add_patient(struct registry *registry, const char *id, int64_t now_us)
{
    struct patient *patient = mem_new(1, sizeof *patient);
    uint32_t number = registry->patient_count + 1;
    patient->age = -1;
    patient->admitted_us = now_us;
    (void)str_copy(patient->id, sizeof patient->id, id);
    registry->patients[number] = patient;
    *index_slot(registry, &registry->patient_index, patient_name_of, id) = number;
    registry->patient_count = number;
    index_grow(registry, &registry->patient_index, patient_name_of, number);
    return number;
}

static void readmit(struct patient *patient, int64_t now_us)
{
    patient->discharged = false;
    patient->saved = false;
    patient->admitted_us = now_us;
}

/* With the write lock held; 0: the ward is full. */
static uint32_t find_or_add(struct registry *registry, const char *id, int64_t now_us)
{
    uint32_t number = *index_slot(registry, &registry->patient_index, patient_name_of, id);
    if (!number)
        return registry->patient_count == PATIENT_COUNT_MAX ? 0 : add_patient(registry, id, now_us);
    if (registry->patients[number]->discharged)
        readmit(registry->patients[number], now_us);
    return number;
}

bool registry_admit(struct registry *registry, const char *id, int64_t now_us, uint32_t *out_number, bool *out_unsaved,
                    struct err *err)
{
    (void)pthread_rwlock_rdlock(&registry->lock);
    uint32_t number = *index_slot(registry, &registry->patient_index, patient_name_of, id);
    bool here = number && !registry->patients[number]->discharged;
    *out_unsaved = number && !registry->patients[number]->saved;
    (void)pthread_rwlock_unlock(&registry->lock);
    *out_number = number;
    if (here)
        return true;
    if (!name_is_valid(id))
        return err_set(err, ERR_INPUT, "patient_id: must be 1 to 31 of A-Z a-z 0-9 . _ -");
    (void)pthread_rwlock_wrlock(&registry->lock);
    *out_number = number = find_or_add(registry, id, now_us);
    *out_unsaved = number && !registry->patients[number]->saved;
    (void)pthread_rwlock_unlock(&registry->lock);
    return number || err_set(err, ERR_TOO_LARGE, "the ward is full: %d patients", PATIENT_COUNT_MAX);
}

bool registry_is_admitted(const struct registry *registry, const char *id)
{
    (void)pthread_rwlock_rdlock(lock_of(registry));
    uint32_t number = *index_slot(registry, &registry->patient_index, patient_name_of, id);
    bool admitted = number && !registry->patients[number]->discharged;
    (void)pthread_rwlock_unlock(lock_of(registry));
    return admitted;
}

void registry_saved(struct registry *registry, uint32_t number)
{
    (void)pthread_rwlock_wrlock(&registry->lock);
    registry->patients[number]->saved = true;
    (void)pthread_rwlock_unlock(&registry->lock);
}

const char *registry_id(const struct registry *registry, uint32_t number)
{
    return registry->patients[number]->id;
}

bool registry_row(const struct registry *registry, uint32_t number, struct patient_row *out)
{
    (void)pthread_rwlock_rdlock(lock_of(registry));
    bool found = number && number <= registry->patient_count;
    if (found)
        give_row(registry->patients[number], number, out);
    (void)pthread_rwlock_unlock(lock_of(registry));
    return found;
}

bool registry_unsaved(const struct registry *registry, uint32_t number, struct patient_row *out)
{
    (void)pthread_rwlock_rdlock(lock_of(registry));
    bool unsaved = number <= registry->patient_count && !registry->patients[number]->saved;
    if (unsaved)
        give_row(registry->patients[number], number, out);
    (void)pthread_rwlock_unlock(lock_of(registry));
    return unsaved;
}

void registry_update(struct registry *registry, const struct patient_row *row)
{
    (void)pthread_rwlock_wrlock(&registry->lock);
    struct patient *patient = registry->patients[row->number];
    CHECK(strcmp(patient->id, row->id) == 0);
    keep_row(patient, row);
    (void)pthread_rwlock_unlock(&registry->lock);
}

bool registry_source(struct registry *registry, const char *name, uint16_t *out_number,
                     bool *out_unsaved, struct err *err)
{
    (void)pthread_rwlock_rdlock(&registry->lock);
    uint32_t number = *index_slot(registry, &registry->source_index, source_name_of, name);
    *out_unsaved = number && !registry->sources[number]->saved;
    (void)pthread_rwlock_unlock(&registry->lock);
    *out_number = (uint16_t)number;
    if (number)
        return true;
    if (!name_is_valid(name))
        return err_set(err, ERR_INPUT, "source: must be 1 to 31 of A-Z a-z 0-9 . _ -");
    (void)pthread_rwlock_wrlock(&registry->lock);
    number = *index_slot(registry, &registry->source_index, source_name_of, name);
    if (!number && registry->source_count < SOURCE_COUNT_MAX) {
        number = ++registry->source_count;
        registry->sources[number] = mem_new(1, sizeof(struct source));
        (void)str_copy(registry->sources[number]->name, SOURCE_SIZE, name);
        *index_slot(registry, &registry->source_index, source_name_of, name) = number;
        index_grow(registry, &registry->source_index, source_name_of, number);
    }
    (void)pthread_rwlock_unlock(&registry->lock);
    *out_number = (uint16_t)number;
    *out_unsaved = true;
    return number || err_set(err, ERR_TOO_LARGE, "too many sources: %d", SOURCE_COUNT_MAX);
}

void registry_source_saved(struct registry *registry, uint16_t number)
{
    (void)pthread_rwlock_wrlock(&registry->lock);
    registry->sources[number]->saved = true;
    (void)pthread_rwlock_unlock(&registry->lock);
}

const char *registry_source_name(const struct registry *registry, uint16_t number)
{
    return number && number <= registry->source_count ? registry->sources[number]->name : "";
}
