#!/bin/sh
# mkoutbox.sh MODULES OUTDIR - what the vendor delivers: a directory for acme-update an update.
set -eu
modules=$1
out=$2
src=$(dirname "$0")

content() {
    mkdir -p "$out/content-$1"
    "$src/mkcontent.sh" "$1" "$2" >"$out/content-$1/channel-$1.dat"
}
driver() {
    mkdir -p "$out/driver-$1"
    cp "$modules/$1/acme_sentry.ko" "$out/driver-$1/"
}

rm -rf "$out"
content 291 21 # one criterion more than driver 1.0 has inputs
content 292 20
driver 1.1 # as good as 1.0
driver 2.0 # a NULL dereference at load
driver 2.1 # all processors spin with interrupts off
mkdir -p "$out/loading/modules-load.d"
echo acme_probe >"$out/loading/modules-load.d/acme-probe.conf"
