#!/bin/sh
# What builds of litemigrate cost: bytes, by section and by crate, shared libraries, and
# what a run with nothing to do takes with 10, 100 and 1,000 small scripts. Prints tables.
# Asserts one thing: a panic is printed and exits with 70, without its unwind tables, too.
#
# footprint.sh SYMBOLS PROGRAM...: SYMBOLS is the first PROGRAM as it is before strip.
set -eu
for tool in strace nm size /usr/bin/time; do
    command -v "$tool" >/dev/null || { echo "footprint: $tool is missing" >&2; exit 1; }
done
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
symbols=$1
shift
for count in 10 100 1000; do
    mkdir "$here/$count"
    for number in $(seq "$count"); do
        printf 'CREATE TABLE t%d (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n' "$number" \
            >"$here/$count/$(printf %04d "$number")_t.sql"
    done
    "$1" -q --single-transaction -m "$here/$count" -D "$here/$count.db"
done

# Rust's own library panics where a folder that was read cannot be closed.
for program; do
    check() { strace -y -o "$here/trace" -e trace=close "$@" "$program" check -m "$here/10" -D "$here/10.db"; }
    check
    number=$(grep -n "/10>" "$here/trace" | head -n 1 | cut -d : -f 1)
    status=0
    check -e inject=close:error=EIO:when="$number" 2>"$here/stderr" || status=$?
    if [ "$status" != 70 ] || ! grep -q 'panicked at' "$here/stderr"; then
        echo "footprint: $program panics with $status, and says:" >&2
        cat "$here/stderr" >&2
        exit 1
    fi
done

echo '| Program | Bytes | Shared libraries | Scripts | System calls | Writes | Peak memory |'
echo '| --- | ---: | --- | ---: | ---: | ---: | ---: |'
for program; do
    libraries=$(ldd "$program" 2>/dev/null | sed -n 's/^\t\(lib[^.]*\)\.so.*/\1/p' | sort | paste -sd ' ')
    for count in 10 100 1000; do
        run() { "$@" "$program" -m "$here/$count" -D "$here/$count.db"; }
        run strace -f -o "$here/trace"
        peak=$(run /usr/bin/time -f %M 2>&1)
        printf '| %s | %s | %s | %s | %s | %s | %s KiB |\n' "$program" \
            "$(wc -c <"$program")" "${libraries:-none}" "$count" \
            "$(grep -c '(' "$here/trace")" \
            "$(grep -cE '^[0-9]+ +(write|pwrite64|fsync|fdatasync|ftruncate|unlink)\(' "$here/trace" || true)" \
            "$peak"
    done
done

# Sections of less than 1,000 bytes, and those that take no room in the file, are left out.
echo
echo '| Program | Section | Bytes |'
echo '| --- | --- | ---: |'
for program; do
    size -A -d "$program" | sort -k 2,2nr |
        awk -v program="$program" '$1 ~ /^\./ && $1 !~ /bss$/ && $2 >= 1000 { print "| " program " | " $1 " | " $2 " |" }'
done

# What a function is of, by its name; our own by room. Functions that are equal were
# folded into one and count once. What is in C and none of the runtime's is SQLite.
echo
echo "| Of $1 | Bytes |"
echo '| --- | ---: |'
nm -C -S --defined-only "$symbols" | sort -u -k 1,1 | awk '
    function of(name, type) {
        if (match(name, /litemigrate::[a-z_]+/)) return substr(name, RSTART, RLENGTH)
        if (match(name, /(rusqlite|libsqlite3_sys|sha2|lexopt|hashlink|hashbrown|fallible_[a-z_]+|smallvec)::/))
            return substr(name, RSTART, RLENGTH - 2)
        if (name ~ /::|^anon\.|^__rust|^rust_|^_R|^str\.|vtable|^switch\.table|^\.L/) return "std, core, alloc"
        if (name ~ /^_/) return "the C runtime"
        return "SQLite"
    }
    NF >= 4 && $3 !~ /^[bB]$/ {
        hex = $2; bytes = 0
        for (at = 1; at <= length(hex); at++)
            bytes = bytes * 16 + index("0123456789abcdef", substr(hex, at, 1)) - 1
        name = $0; sub(/^[^ ]+ [^ ]+ . /, "", name)
        sum[of(name)] += bytes
    }
    END { for (what in sum) printf "| %s | %d |\n", what, sum[what] }' | sort -t '|' -k 3,3nr
