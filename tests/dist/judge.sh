#!/bin/sh
# Is what tests/dist/build.sh has made any good? The scenarios judge each program, under
# QEMU where it is another machine's; lintian each Debian package; and the image's digests,
# sizes and command are looked at. What cannot be judged here is named.
#
#     tests/dist/judge.sh FOLDER
set -eu
cd "$(dirname "$0")/../.."
out=$(cd "$1" && pwd)
CARGO=${CARGO:-cargo}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
work=$PWD/target/judge
rm -rf "$work"
mkdir -p "$work"
unjudged=
leave_out() {
    [ -z "${LITEMIGRATE_ALL_TOOLS:-}" ] || { echo "dist: $1" >&2; exit 1; }
    unjudged="$unjudged
dist: NOT JUDGED: $1"
}

(cd "$out" && sha256sum --quiet --strict -c SHA256SUMS)
find "$out" -type f ! -name SHA256SUMS | wc -l | grep -qx " *$(wc -l <"$out/SHA256SUMS")"

# What runs another machine's programs: nothing, or QEMU, which is static.
emulator() {
    if [ "$1" = "$(uname -m)" ]; then return 0; fi
    name=$(echo "$1" | sed 's/armv7/arm/')
    command -v "qemu-$name-static" || command -v "qemu-$name"
}

tar -C "$work" -xf "$out/litemigrate-$version-oci.tar" --one-top-level=image
blobs=$work/image/blobs/sha256
for file in "$blobs"/*; do
    test "$(sha256sum <"$file" | cut -d ' ' -f 1)" = "${file##*/}"
done
# Every digest that is named is there, has the size that is said, and is named once at
# least; the layers are named as such and by what they unpack to.
grep -aoh '"digest":"sha256:[0-9a-f]*","size":[0-9]*' "$work/image/index.json" $(grep -al '^{"' "$blobs"/*) |
    sed 's/"digest":"sha256:\(.*\)","size":\(.*\)/\1 \2/' | sort -u >"$work/named"
while read -r digest size; do
    test "$(wc -c <"$blobs/$digest")" = "$size"
done <"$work/named"
cut -d ' ' -f 1 "$work/named" >"$work/digests"
ls "$blobs" | diff "$work/digests" -
if command -v skopeo >/dev/null; then
    skopeo inspect --raw "oci-archive:$out/litemigrate-$version-oci.tar" >/dev/null
    for architecture in amd64 arm64 arm riscv64; do
        if grep -q "\"architecture\":\"$architecture\"" "$(grep -l '"platform"' "$blobs"/*)"; then
            skopeo --override-os linux --override-arch "$architecture" inspect \
                --config "oci-archive:$out/litemigrate-$version-oci.tar" | grep -q '/data/app.db'
        fi
    done
else
    leave_out "the image by another program than ours: skopeo is not installed"
fi

for program in "$out/litemigrate-$version-linux-"*; do
    machine=${program##*-}
    if ! qemu=$(emulator "$machine"); then
        leave_out "$machine: qemu-user is not installed"
        continue
    fi
    mkdir -p "$work/$machine"
    printf '#!/bin/sh\nexec %s %s "$@"\n' "$qemu" "$program" >"$work/$machine/litemigrate"
    chmod 755 "$work/$machine/litemigrate"
    # A static program loads no extensions, and an emulator needs more memory and time than
    # some scenarios allow.
    left_out='an-extension-that-is-not-there-is-refused load-extension-in-a-script-is-not-authorized'
    [ -z "$qemu" ] || left_out="$left_out $(grep -l -e 'ulimit -v' -e --timeout fixtures/scenarios/*/cmd | sed 's|/cmd$||; s|.*/||' | xargs)"
    echo "dist: the scenarios, on $machine, without: $left_out"
    LITEMIGRATE_PROGRAM="$work/$machine/litemigrate" LITEMIGRATE_LEAVE_OUT="$left_out" $CARGO test -q --locked --test it scenarios:: >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; exit 1; }

    # The image's own command, in a root that has nothing else.
    if [ "$(id -u)" != 0 ]; then
        leave_out "the image of $machine, in a root of its own: this is not root"
        continue
    fi
    case $machine in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    armv7) architecture=arm ;;
    *) architecture=$machine ;;
    esac
    config=$(grep -al "^{\"created\":\"[^\"]*\",\"architecture\":\"$architecture\"" "$blobs"/*)
    layer=$(sed 's/.*"diff_ids":\["sha256:\([0-9a-f]*\)"\].*/\1/' "$config")
    root=$work/root
    rm -rf "$root"
    mkdir -p "$root/data" "$root/migrations"
    tar -C "$root" -xf "$blobs/$layer"
    cp fixtures/quickstart/sqlpage/migrations/* "$root/migrations"
    [ -z "$qemu" ] || cp "$qemu" "$root/qemu"
    entry=$(sed 's/.*"Entrypoint":\[\([^]]*\)\].*/\1/' "$config" | tr -d '"' | tr , ' ')
    environment=$(sed 's/.*"Env":\[\([^]]*\)\].*/\1/' "$config" | tr -d '"' | tr , ' ')
    # shellcheck disable=SC2086
    run() { env -i PATH="$PATH" $environment chroot "$root" ${qemu:+/qemu} $entry "$@"; }
    run | tail -1 | grep -qx '5 migrations applied; the database is at version 5'
    run check
    test -z "$(run)"
done

if command -v lintian >/dev/null; then
    # Root may be all that there is.
    lintian --allow-root --fail-on error,warning "$out"/*.deb
else
    leave_out "the Debian packages: lintian is not installed"
fi
for package in "$out"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -xOf - ./usr/bin/litemigrate |
        cmp - "$out/litemigrate-$version-linux-$(dpkg-deb -f "$package" Architecture |
            sed 's/amd64/x86_64/; s/arm64/aarch64/; s/armhf/armv7/')"
done
rm -rf "$work"
echo "dist: judged"
[ -z "$unjudged" ] || echo "$unjudged" | sed 1d >&2
