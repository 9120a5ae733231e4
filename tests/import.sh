#!/bin/sh
# Imports what the real refinery, diesel, rusqlite_migration and dbmate have made, each
# at its current version. dbmate is a package of npm's; where npm is not, it is left out.
set -eu
program=$1
here=$(dirname "$0")
CARGO_TARGET_DIR=$here/../target/import cargo build --release --locked \
    --manifest-path "$here/import/Cargo.toml"
dbmate=
if command -v npm >/dev/null; then
    npm install --silent --no-fund --prefix "$here/../target/import/npm" dbmate@2
    dbmate=$(cd "$here/../target/import/npm/node_modules/.bin" && pwd)/dbmate
fi
"$here/../target/import/release/import-check" "$program" $dbmate
