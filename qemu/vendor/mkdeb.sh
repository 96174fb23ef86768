#!/bin/sh
# mkdeb.sh KVER MODULES OUT.deb - packs the vendor's product; MODULES is what module/mkmodule.sh made.
set -eu
kver=$1
modules=$2
out=$3
src=$(dirname "$0")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

put() { install -D -m "$1" "$2" "$root/$3"; }

put 755 "$src/acme-update" opt/acme-sentry/bin/acme-update
install -d "$root/opt/acme-sentry/content" "$root/usr/share/acme-sentry"
"$src/mkcontent.sh" 290 20 >"$root/usr/share/acme-sentry/channel-290.dat"
put 644 "$modules/1.0/acme_sentry.ko" "usr/lib/modules/$kver/updates/acme_sentry.ko"
put 644 "$modules/probe/acme_probe.ko" "usr/lib/modules/$kver/updates/acme_probe.ko"
install -d "$root/usr/lib/modules-load.d"
echo acme_sentry >"$root/usr/lib/modules-load.d/acme-sentry.conf"
for set in "$src"/sets/*.conf; do
    put 644 "$set" "usr/lib/backstop/sets.d/$(basename "$set")"
done
put 644 "$src/deb/control" DEBIAN/control
for script in postinst postrm; do
    put 755 "$src/deb/$script" DEBIAN/$script
    sed -i "s/@KVER@/$kver/" "$root/DEBIAN/$script"
done
chmod -R u+rwX,go+rX,go-w "$root"
dpkg-deb --root-owner-group -Zxz --build "$root" "$out" >/dev/null
