#!/bin/sh
# Writes an OCI image layout (image-spec 1.1) as a tar: for each machine the static
# program, run as fixtures/recipes/Dockerfile runs it. Needs tar and sha256sum only.
#
#     tests/dist/oci.sh FILE.tar MACHINE=PROGRAM…
set -eu
cd "$(dirname "$0")/../.."
out=$1
shift
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
recipe=fixtures/recipes/Dockerfile
entry=$(sed -n 's/^ENTRYPOINT //p' $recipe)
environment=$(sed -n 's/^ENV \(.*\)/"\1"/p' $recipe)
annotations='"org.opencontainers.image.title":"litemigrate","org.opencontainers.image.version":"'$version'","org.opencontainers.image.licenses":"MIT OR Apache-2.0","org.opencontainers.image.source":"'$(sed -n 's/^repository = "\(.*\)"/\1/p' Cargo.toml)'"'
umask 022
layout=target/oci
rm -rf $layout
mkdir -p $layout/image/blobs/sha256
pack() { tar --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$1" -cf - .; }

# Moves a file to the blobs and prints what refers to it, without its last brace.
blob() {
    digest=$(sha256sum <"$2" | cut -d ' ' -f 1)
    printf '{"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%s' "$1" "$digest" "$(wc -c <"$2")"
    mv "$2" "$layout/image/blobs/sha256/$digest"
}

manifests=
for one; do
    case ${one%%=*} in
    x86_64) platform='"architecture":"amd64","os":"linux"' ;;
    aarch64) platform='"architecture":"arm64","os":"linux","variant":"v8"' ;;
    armv7) platform='"architecture":"arm","os":"linux","variant":"v7"' ;;
    riscv64) platform='"architecture":"riscv64","os":"linux"' ;;
    *) echo "oci: what is ${one%%=*}?" >&2; exit 1 ;;
    esac
    root=$layout/root
    rm -rf $root
    install -D -m 755 "${one#*=}" $root/litemigrate
    install -D -m 644 fixtures/packaging/debian/copyright $root/usr/share/doc/litemigrate/copyright
    pack $root >$layout/layer
    layer_digest=$(sha256sum <$layout/layer | cut -d ' ' -f 1)
    layer=$(blob layer.v1.tar $layout/layer)
    printf '{"created":"%s",%s,"config":{"Env":[%s],"Entrypoint":%s},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"%s","created_by":"litemigrate %s"}]}' \
        "$created" "$platform" "$environment" "$entry" "$layer_digest" "$created" "$version" >$layout/config
    config=$(blob config.v1+json $layout/config)
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s},"layers":[%s}],"annotations":{%s}}' \
        "$config" "$layer" "$annotations" >$layout/manifest
    manifests="$manifests${manifests:+,}$(blob manifest.v1+json $layout/manifest),\"platform\":{$platform}}"
done
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s],"annotations":{%s}}' \
    "$manifests" "$annotations" >$layout/index
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s,"annotations":{"org.opencontainers.image.ref.name":"%s"}}]}' \
    "$(blob index.v1+json $layout/index)" "$version" >$layout/image/index.json
printf '{"imageLayoutVersion":"1.0.0"}' >$layout/image/oci-layout
pack $layout/image >"$out"
rm -rf $layout
