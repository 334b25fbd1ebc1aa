/* model_files.h - a model's folder as a whole: one hash over its files, and a copy that is whole or absent.
 *
 * Files:   regular files (links are followed: a Hub cache is made of them) whose names do not begin
 *          with '.'; VERSION_FILE is about the model, not of it, and does not count.
 * Hash:    SHA-256 over "SHA256  NAME\n" of each file in order of name: `sha256sum * | sha256sum`.
 * Bounds:  MODEL_FILE_COUNT_MAX files.   Threads: any. */
#ifndef LEARN_MODEL_FILES_H
#define LEARN_MODEL_FILES_H

#include "base/digest.h"

#define VERSION_FILE "version.json"
enum { MODEL_FILE_COUNT_MAX = 256 };

bool model_files_hash(const char *dir, char out[DIGEST_TEXT_SIZE], struct err *err) MUST_CHECK;
/* Copies the files and syncs each; `to` exists and is empty.  Rename it when it is complete. */
bool model_files_copy(const char *from, const char *to, struct err *err) MUST_CHECK;
/* Removes a folder and the files in it. */
void model_files_remove(const char *dir);
bool model_files_sync_folder(const char *dir, struct err *err) MUST_CHECK;

#endif
