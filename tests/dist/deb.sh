#!/bin/sh
# Makes a Debian package of a static program, which needs no other package.
#
#     tests/dist/deb.sh PROGRAM SPEAKER ARCHITECTURE FOLDER
#
# SPEAKER is the same program for this machine, which prints the man page and completions.
set -eu
cd "$(dirname "$0")/../.."
program=$1 speaker=$2 architecture=$3 out=$4
maintainer=${DEB_MAINTAINER:-litemigrate authors <litemigrate@users.noreply.github.com>}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
root=target/deb-$architecture
doc=$root/usr/share/doc/litemigrate
umask 022
rm -rf "$root"
# Debian's zsh looks for completions elsewhere than zsh itself.
make -s install DESTDIR="$root" PREFIX=/usr PROGRAM="$program" SPEAKER="$speaker" \
    ZSH_COMPLETIONS=/usr/share/zsh/vendor-completions
gzip -9n "$root/usr/share/man/man1/litemigrate.1"
install -d "$doc" "$root/usr/share/lintian/overrides" "$root/DEBIAN"
install -m 644 README.md CHANGELOG.md fixtures/packaging/debian/copyright "$doc"
install -m 644 fixtures/packaging/debian/lintian-overrides "$root/usr/share/lintian/overrides/litemigrate"
printf '%s\n' "litemigrate ($version) unstable; urgency=medium" '' \
    '  * What is new: /usr/share/doc/litemigrate/CHANGELOG.md' '' \
    " -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")" |
    gzip -9n >"$doc/changelog.gz"
(cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
# In KiB, each file rounded up, as dpkg counts: a disk would count its own blocks.
size=$(find "$root/usr" -type f -exec wc -c {} + | awk '$2 != "total" { kib += int(($1 + 1023) / 1024) } END { print kib }')
printf '%s\n' 'Package: litemigrate' "Version: $version" "Architecture: $architecture" \
    "Maintainer: $maintainer" "Installed-Size: $size" 'Section: database' 'Priority: optional' \
    "Homepage: $(sed -n 's/^homepage = "\(.*\)"/\1/p' Cargo.toml)" \
    'Description: apply SQL migration files to a SQLite database' \
    ' Applies <version>_<name>.sql files, once each and in order, and records them in' \
    ' _sqlx_migrations, the table of SQLPage and sqlx. Each script and its record are' \
    ' one durable transaction. Static: it needs no other package.' \
    >"$root/DEBIAN/control"
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/litemigrate_${version}_$architecture.deb" >/dev/null
rm -rf "$root"
