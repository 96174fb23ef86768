#!/bin/sh
# mkmodule.sh KVER OUTDIR - builds every version of the vendor's driver against Debian's headers.
# Result: OUTDIR/{1.0,1.1,2.0,2.1}/acme_sentry.ko and OUTDIR/probe/acme_probe.ko, stripped.
set -eu
kver=$1
out=$2
src=$(dirname "$0")
kdir=/usr/src/linux-headers-$kver
[ -d "$kdir" ] || {
    echo "mkmodule.sh: $kdir: not there; run: make deps" >&2
    exit 1
}

# build NAME OBJECTS SOURCES... : Kbuild writes beside its sources, hence the copies
build() {
    dir=$out/$1
    objects=$2
    shift 2
    mkdir -p "$dir"
    for file in "$@"; do cp "$src/${file%%=*}" "$dir/${file##*=}"; done
    printf '%s\n' "$objects" >"$dir/Kbuild"
    make -s -C "$kdir" M="$(realpath "$dir")" modules >"$dir/log" 2>&1 || {
        cat "$dir/log" >&2
        exit 1
    }
    strip --strip-debug "$dir"/*.ko
}

sentry() {
    build "$1" "obj-m := acme_sentry.o
acme_sentry-y := sentry.o judge.o
ccflags-y := -DACME_VERSION='\"$1\"'" acme_sentry.h judge.h sentry.c "$2=judge.c"
}

sentry 1.0 judge-1.c
sentry 1.1 judge-1.c
sentry 2.0 judge-2.0.c
sentry 2.1 judge-2.1.c
build probe "obj-m := acme_probe.o" probe.c=acme_probe.c
