#!/bin/sh
# Tests a build that uses the system's SQLite (--no-default-features). rusqlite needs
# 3.44 or newer: where the system's is older, one is made of the bundled source.
set -eu
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
if ! pkg-config --atleast-version=3.44 sqlite3 2>/dev/null; then
    manifest=$($CARGO metadata --locked --format-version 1 |
        sed 's/.*"manifest_path":"\([^"]*libsqlite3-sys-[^"]*\)\/Cargo.toml".*/\1/')
    source=$manifest/sqlite3
    lib=$PWD/target/system/$(basename "$manifest")
    mkdir -p "$lib"
    if [ ! -e "$lib/libsqlite3.so" ]; then
        # As Debian builds its own, as far as scripts can see.
        cc -shared -fPIC -O1 -o "$lib/libsqlite3.so" "$source/sqlite3.c" \
            -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_FTS3 -DSQLITE_ENABLE_FTS3_PARENTHESIS \
            -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_MATH_FUNCTIONS \
            -DSQLITE_ENABLE_DBSTAT_VTAB -DSQLITE_SECURE_DELETE -DSQLITE_THREADSAFE=1 -lm -ldl -lpthread
    fi
    export SQLITE3_LIB_DIR="$lib" SQLITE3_INCLUDE_DIR="$source"
    # The tests clear the environment.
    export RUSTFLAGS="-C link-arg=-Wl,-rpath,$lib ${RUSTFLAGS:-}"
fi
export CARGO_TARGET_DIR="$PWD/target/system"
$CARGO test --locked --no-default-features --features extensions --lib --bins --tests
ldd "$CARGO_TARGET_DIR/debug/litemigrate" | grep libsqlite3
