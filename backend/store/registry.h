/* registry.h - who is on the ward: ids and their small numbers, patients' rows, sources' names.
 *
 * Numbers:  given from 1 in order of admission, kept by the store, never reused.  Readings, alerts
 *           and limits carry the number; people and interfaces see the id.
 * Writing:  a new row must be stored in the same atomic unit as the first thing that uses its number.
 *           *out_unsaved stays true until registry_saved() was told that such a unit is on disk, so a
 *           failed commit cannot leave a number without its row.
 * Threads:  any; ids are stable once given, rows are copied out under a lock.
 * Bounds:   PATIENT_COUNT_MAX, SOURCE_COUNT_MAX; about 100 bytes per patient and what people wrote. */
#ifndef STORE_REGISTRY_H
#define STORE_REGISTRY_H

#include "store/store.h"

struct registry;

bool registry_open(struct store *store, struct registry **out, struct err *err) MUST_CHECK;
void registry_free(struct registry *registry);

uint32_t registry_count(const struct registry *registry);        /* numbers 1 … count */
uint32_t registry_find(const struct registry *registry, const char *id); /* 0: unknown */
bool registry_is_admitted(const struct registry *registry, const char *id); /* known and not discharged */
/* Finds or admits, also again after a discharge; the id must be [A-Za-z0-9._-]{1,31}. */
bool registry_admit(struct registry *registry, const char *id, int64_t now_us, uint32_t *out_number,
                    bool *out_unsaved, struct err *err) MUST_CHECK;
void registry_saved(struct registry *registry, uint32_t number);
const char *registry_id(const struct registry *registry, uint32_t number);
bool registry_row(const struct registry *registry, uint32_t number, struct patient_row *out);
/* The row, if it may not be stored yet. */
bool registry_unsaved(const struct registry *registry, uint32_t number, struct patient_row *out);
void registry_update(struct registry *registry, const struct patient_row *row); /* by number */

bool registry_source(struct registry *registry, const char *name, uint16_t *out_number, bool *out_unsaved,
                     struct err *err) MUST_CHECK;
void registry_source_saved(struct registry *registry, uint16_t number);
const char *registry_source_name(const struct registry *registry, uint16_t number);

#endif
