#!/bin/sh
# Makes what there is to download, in a folder: for each architecture that this Debian
# can build, a static program and its Debian package; an OCI image of them all; the man
# page, the completions, the licenses and the checksums. The same commit and compilers
# make the same bytes, wherever the folders are.
#
#     tests/dist/build.sh FOLDER
set -eu
cd "$(dirname "$0")/../.."
out=$1
# Debian's Rust has libraries for other machines; rustup's has those that it fetched.
if [ -z "${RUSTC:-}" ] && [ -x /usr/bin/rustc ]; then
    export RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo
fi
export RUSTC="${RUSTC:-rustc}" CARGO="${CARGO:-cargo}"
# The time of the commit is the time of everything; a folder without Git says it itself.
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
export TZ=UTC LC_ALL=C
umask 022
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

# No path of this machine is in a program.
remap="--remap-path-prefix=$PWD=/litemigrate --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
export CFLAGS="-fno-asynchronous-unwind-tables -ffile-prefix-map=$PWD=/litemigrate -ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo"

# What Rust and Debian call each machine: its target, its compiler's prefix, its packages.
machines='x86_64 x86_64-unknown-linux-gnu x86_64-linux-gnu amd64
aarch64 aarch64-unknown-linux-gnu aarch64-linux-gnu arm64
armv7 armv7-unknown-linux-gnueabihf arm-linux-gnueabihf armhf
riscv64 riscv64gc-unknown-linux-gnu riscv64-linux-gnu riscv64'

rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
made= left_out=
while read -r machine target prefix debian; do
    libraries=$($RUSTC --print target-libdir --target "$target")
    missing=
    ls "$libraries"/libstd-*.rlib >/dev/null 2>&1 || missing="the standard library of Rust (libstd-rust-web-dev:$debian, from dpkg --add-architecture $debian)"
    command -v "$prefix-gcc" >/dev/null || missing="$missing${missing:+, }$prefix-gcc (gcc-$(echo "$prefix" | tr _ -))"
    if [ -n "$missing" ]; then
        left_out="$left_out
dist: $machine is LEFT OUT: this machine lacks $missing"
        continue
    fi
    cargo_target=$(echo "$target" | tr a-z- A-Z_)
    env "CARGO_TARGET_${cargo_target}_LINKER=$prefix-gcc" "CC_$(echo "$target" | tr - _)=$prefix-gcc" \
        make -s static TARGET="$target" RUSTFLAGS="$remap"
    install -m 755 "target/$target/static/litemigrate" "$out/litemigrate-$version-linux-$machine"
    made="$made $machine:$debian"
done <<EOF
$machines
EOF
[ -n "$made" ] || { echo "dist: nothing can be built here$left_out" >&2; exit 1; }

# The program of this machine says what all of them would.
here="$out/litemigrate-$version-linux-$(uname -m | sed 's/^armv.*/armv7/')"
mkdir -p "$out/completions"
"$here" --generate man >"$out/litemigrate.1"
"$here" --generate bash >"$out/completions/litemigrate.bash"
"$here" --generate zsh >"$out/completions/_litemigrate"
"$here" --generate fish >"$out/completions/litemigrate.fish"
install -m 644 README.md LICENSE "$out"
install -m 644 fixtures/packaging/debian/copyright "$out/COPYRIGHT"
images=
for one in $made; do
    program="$out/litemigrate-$version-linux-${one%:*}"
    tests/dist/deb.sh "$program" "$here" "${one#*:}" "$out"
    images="$images ${one%:*}=$program"
done
# shellcheck disable=SC2086
tests/dist/oci.sh "$out/litemigrate-$version-oci.tar" $images

# Who makes the same bytes needs the same compilers.
{
    echo "litemigrate $version, SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH"
    $RUSTC --version
    $CARGO --version
    for prefix in $(echo "$machines" | cut -d ' ' -f 3); do
        if command -v "$prefix-gcc" >/dev/null; then
            "$prefix-gcc" --version | head -1
            "$prefix-ld" --version | head -1
        fi
    done
} >"$out/BUILT-WITH"
(cd "$out" && find . -type f ! -name SHA256SUMS | sed 's|^\./||' | sort | xargs sha256sum >SHA256SUMS)
echo "dist: made for$(echo "$made" | sed 's/:[a-z0-9]*//g')"
[ -z "$left_out" ] || echo "$left_out" | sed 1d >&2
