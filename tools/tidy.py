#!/usr/bin/env python3
"""The rules of the tree, as a test: which folder may include which, where a library and malloc may be used, how long a
file and a line may be.

Prints a line per breach and exits 1; `make test` runs it.  An exception is a line in a table here, with its reason.
"""
import pathlib, re, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BACKEND = ROOT / "backend"

# Lowest first: a folder includes itself and those above it in this list.  Services stand side by side.
LAYERS = [["base"], ["clinical"], ["t5"], ["net"], ["store"], ["stream"], ["ingest"], ["learn"],
          ["vitals-generator", "alert-engine", "summarizer-service", "auth-service"], ["", "commands"]]
# libt5 is a library of its own: it knows nothing of hospitals.
ONLY = {"t5": {"base", "t5"}, "net": {"base", "net"}}
LEVEL = {folder: level for level, folders in enumerate(LAYERS) for folder in folders}

# A library is used in these files and nowhere else.
LIBRARIES = {
    "sqlite3.h": {"store/db.c", "store/crash_vfs.c"},      # the crash VFS is an SQLite VFS, for tests
    "microhttpd.h": {"net/mhd.c"}, "wslay/": {"net/live.c"}, "curl/": {"net/client.c"}, "jansson.h": {"base/json.c"},
    "zlib.h": {"base/gzip.c"}, "cyaml/": {"base/config_yaml.c"}, "cjose/": {"auth-service/token.c"},
    "sentencepiece_": {"t5/spiece.cc"},
    # passwords, BLAKE2b, random
    "sodium.h": {"auth-service/secrets.c", "store/audit_chain.c", "vitals-generator/sockets.c"},
}
LINES_MAX = 1000
MALLOC = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|strdup|asprintf)\(")
MALLOC_ALLOWED = {"base/mem.c", "t5/spiece.cc"}           # C++ gives its bytes to C


COLUMNS_MAX = 120
# Where lines are measured: what people write.  A table that is aligned in columns, fenced by `clang-format off` and
# `on`, may be wider.
SOURCES = {"backend": "c h cc build", "bench": "c h py build", "fuzz": "c h build", "tests": "py", "tools": "py sh",
           "frontend/src": "ts tsx", "frontend/build": "ts"}
SINGLE_SOURCES = ["meson.build", "bench/http", "bench/ingest", "frontend/eslint.config.js", "frontend/vite.config.ts"]
GENERATED = {ROOT / "frontend/src/lib/api/schema.d.ts"}


def folder_of(path):
    parts = path.relative_to(BACKEND).parts
    return parts[0] if len(parts) > 1 else ""


def included_folder(name):
    return name.split("/")[0] if "/" in name else ""


def check_include(path, name):
    if not (BACKEND / name).exists():
        return None
    here, there = folder_of(path), included_folder(name)
    if here in ONLY and there not in ONLY[here]:
        return f"{here}/ may include only {', '.join(sorted(ONLY[here]))}"
    if LEVEL[there] > LEVEL[here]:
        return f"{here or 'backend'}/ stands below {there or 'backend'}/"
    if there != here and LEVEL[there] == LEVEL[here] and "" not in LAYERS[LEVEL[here]]:
        return f"{here}/ and {there}/ do not include each other"
    return None


def check_library(path, header):
    name = str(path.relative_to(BACKEND))
    for library, files in LIBRARIES.items():
        if header.startswith(library) and name not in files and not name.endswith("_test.c"):
            return f"{header} belongs into {' or '.join(sorted(files))}"
    return None


def check_file(path):
    name, test = str(path.relative_to(BACKEND)), path.stem.endswith(("_test", "_trial"))
    lines = path.read_text().splitlines()
    if len(lines) > LINES_MAX:
        yield 1, f"{len(lines)} lines, the limit is {LINES_MAX}: is it one concept?"
    for number, line in enumerate(lines, 1):
        include = re.match(r'\s*#include ([<"])([^">]+)', line)
        if include:
            problem = check_include(path, include[2]) if include[1] == '"' else check_library(path, include[2])
            if problem and not test:
                yield number, f"{include[2]}: {problem}"
        if MALLOC.search(line) and not test and name not in MALLOC_ALLOWED and path.suffix != ".h":
            yield number, "memory comes from base/mem.h"


def check_columns(path):
    fenced = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fenced = "clang-format off" in line or (fenced and "clang-format on" not in line)
        if len(line) > COLUMNS_MAX and not fenced:
            yield number, f"{len(line)} columns, the limit is {COLUMNS_MAX}"


def sources():
    for folder, endings in SOURCES.items():
        for ending in endings.split():
            yield from (ROOT / folder).rglob(f"*.{ending}")
    yield from (ROOT / name for name in SINGLE_SOURCES)


def main():
    files = sorted(set(sources()) - GENERATED)
    breaches = [(path, *breach) for path in files for breach in check_columns(path)]
    for path in files:
        if path.is_relative_to(BACKEND) and path.suffix in (".c", ".h", ".cc"):
            breaches += [(path, *breach) for breach in check_file(path)]
    for path, number, problem in breaches:
        print(f"{path.relative_to(ROOT)}:{number}: {problem}")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
