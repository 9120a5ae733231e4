#!/bin/sh
# Installs the Debian package in a fresh Debian, uses it there, and removes it again.
# Needs root and debootstrap.
set -eu
cd "$(dirname "$0")/.."
package=$1
root=target/debian
if command -v lintian >/dev/null; then
    # Root may be all that there is.
    lintian --allow-root --fail-on error,warning "$package"
else
    echo "lintian is not installed: the package is not judged by it" >&2
fi
if [ ! -e $root/.complete ]; then
    rm -rf $root
    debootstrap --variant=minbase stable $root >target/debootstrap.log
    touch $root/.complete
fi
inside() { chroot $root /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
files() { inside find / -xdev -path /proc -prune -o -path /var/lib/dpkg -prune -o -path /var/log -prune -o -print | sort; }
files >target/deb-before
cp "$package" $root/litemigrate.deb
inside dpkg -i /litemigrate.deb
rm $root/litemigrate.deb
inside litemigrate --version
rm -rf $root/srv/app
mkdir -p $root/srv/app
cp -R fixtures/quickstart/sqlpage $root/srv/app/
inside sh -euc 'cd /srv/app && litemigrate && litemigrate check && test -z "$(litemigrate)"'
rm -r $root/srv/app
dpkg-deb --contents "$package" >target/deb-contents
for file in man/man1/litemigrate.1.gz bash-completion/completions/litemigrate \
    zsh/vendor-completions/_litemigrate fish/vendor_completions.d/litemigrate.fish; do
    # A minimal Debian leaves documentation out, man pages too.
    grep -q "\./usr/share/$file\$" target/deb-contents
done
inside dpkg --verify litemigrate >target/deb-verify || true
# A minimal Debian leaves documentation out.
if grep -v '/usr/share/\(man\|doc\)/' target/deb-verify; then exit 1; fi
inside dpkg --purge litemigrate
files >target/deb-after
diff target/deb-before target/deb-after
echo "the package installs, runs, and leaves nothing behind"
