#!/bin/sh
# Do two builds in two folders make the same bytes, which then name neither? Makes a folder of downloads again, of
# a copy of the sources somewhere else, and compares.
#
#     tests/dist/twice.sh FOLDER
set -eu
cd "$(dirname "$0")/../.."
out=$(cd "$1" && pwd)
SOURCE_DATE_EPOCH=$(sed -n '1s/.*SOURCE_DATE_EPOCH=//p' "$out/BUILT-WITH")
export SOURCE_DATE_EPOCH
copy=$(mktemp -d)/another/folder
trap 'rm -rf "${copy%/another/folder}"' EXIT
mkdir -p "$copy"
git ls-files -z | tar --null -T - -cf - | tar -C "$copy" -xf -
(cd "$copy" && tests/dist/build.sh dist >/dev/null)
diff -r "$out" "$copy/dist"
echo "dist: two builds in two folders are the same"
