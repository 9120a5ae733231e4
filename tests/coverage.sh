#!/bin/sh
# Which lines and branches the tests reach: `make coverage`. Needs LLVM's tools of the
# compiler's own version: `rustup component add llvm-tools`, or Debian's of that number,
# named in LLVM. Branches are an unstable option of the compiler; lines are not.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
host=$(rustc -vV | sed -n 's/^host: //p')
llvm=${LLVM:-$(rustc --print sysroot)/lib/rustlib/$host/bin}
target=$root/target/coverage
[ -x "$llvm/llvm-cov" ] || {
    echo "there is no $llvm/llvm-cov: rustup component add llvm-tools" >&2
    exit 1
}

rm -rf "$target/profiles"
mkdir -p "$target/profiles"
# Tests run the program as another user, too.
chmod 1777 "$target/profiles"
export CARGO_TARGET_DIR="$target" RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-C instrument-coverage -Z coverage-options=branch"
# Each process writes a file of its own; one that is killed writes none. The tests clear
# the environment, in which LLVM looks for the name, and look at what lies in the working
# directory: so the name is set before main.
cat >"$target/name.c" <<END
#include <stdlib.h>
__attribute__((constructor(101))) static void name(void) {
    setenv("LLVM_PROFILE_FILE", "$target/profiles/%p-%m.profraw", 1);
}
END
cc -c -o "$target/name.o" "$target/name.c"
export RUSTFLAGS="$RUSTFLAGS -C link-arg=$target/name.o"
cargo test --locked --lib --bins --test it --no-run 2>"$target/built" || {
    cat "$target/built" >&2
    exit 1
}
cargo test --locked --lib --bins --test it || echo "some tests failed: what they would have reached is missing" >&2
# What handles errors is reached by the simulation.
(cd tests/simulation && cargo build --release --locked --quiet)
"$target/release/simulation" quick >"$target/simulation" || echo "the simulation found something: target/coverage/simulation" >&2

"$llvm/llvm-profdata" merge --sparse --failure-mode=all -o "$target/merged" "$target/profiles" 2>/dev/null
objects=$(sed -n 's/^ *Executable .*(\(.*\))$/--object \1/p' "$target/built")
# shellcheck disable=SC2086
"$llvm/llvm-cov" report $objects --object "$target/debug/litemigrate" --object "$target/release/simulation" \
    --instr-profile "$target/merged" --show-branch-summary \
    --show-region-summary=false --show-instantiation-summary=false \
    --sources "$root/src" | sed "s|$root/||"
# shellcheck disable=SC2086
"$llvm/llvm-cov" show $objects --object "$target/debug/litemigrate" --object "$target/release/simulation" \
    --instr-profile "$target/merged" --show-branches=count --format=html \
    --output-dir "$target/html" --sources "$root/src" >/dev/null
echo "line by line: target/coverage/html/index.html"
