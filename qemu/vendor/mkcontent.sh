#!/bin/sh
# mkcontent.sh VERSION CRITERIA > FILE - writes a channel file (module/acme_sentry.h) in which
# criterion n asks for what the driver puts into input n.
set -eu
version=$1
criteria=$2

byte() { printf %b "\\0$(printf %03o "$1")"; }
le32() { for shift in 0 8 16 24; do byte $(($1 >> shift & 255)); done; }
zeros() { head -c "$1" /dev/zero; }

printf ACMC
le32 "$version"
le32 "$criteria"
le32 0
i=0
while [ "$i" -lt "$criteria" ]; do
    pattern="input $i"
    byte 1
    byte ${#pattern}
    printf %s "$pattern"
    zeros $((14 - ${#pattern}))
    i=$((i + 1))
done
