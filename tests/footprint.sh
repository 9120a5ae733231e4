#!/bin/sh
# What a build of litemigrate costs: bytes, shared libraries, and what a run with
# nothing to do takes with 10, 100 and 1,000 small scripts. Prints a table; asserts nothing.
set -eu
for tool in strace /usr/bin/time; do
    command -v "$tool" >/dev/null || { echo "footprint: $tool is missing" >&2; exit 1; }
done
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
for count in 10 100 1000; do
    mkdir "$here/$count"
    for number in $(seq "$count"); do
        printf 'CREATE TABLE t%d (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n' "$number" \
            >"$here/$count/$(printf %04d "$number")_t.sql"
    done
    "$1" -q --single-transaction -m "$here/$count" -D "$here/$count.db"
done
echo '| Program | Bytes | Shared libraries | Scripts | System calls | Writes | Peak memory |'
echo '| --- | ---: | --- | ---: | ---: | ---: | ---: |'
for program; do
    libraries=$(ldd "$program" 2>/dev/null | sed -n 's/^\t\(lib[^.]*\)\.so.*/\1/p' | sort | paste -sd ' ')
    for count in 10 100 1000; do
        set -- "$program" -m "$here/$count" -D "$here/$count.db"
        strace -f -o "$here/trace" "$@"
        peak=$(/usr/bin/time -f %M "$@" 2>&1)
        printf '| %s | %s | %s | %s | %s | %s | %s KiB |\n' "$program" \
            "$(wc -c <"$program")" "${libraries:-none}" "$count" \
            "$(grep -c '(' "$here/trace")" \
            "$(grep -cE '^[0-9]+ +(write|pwrite64|fsync|fdatasync|ftruncate|unlink)\(' "$here/trace" || true)" \
            "$peak"
    done
done
