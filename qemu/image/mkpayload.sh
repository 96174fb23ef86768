#!/bin/sh
# mkpayload.sh OUT.img FILES... - makes a disk that the rig's machines mount read-only at /payload;
# files and directories keep their last name and belong to root. One that holds the same already stays
# as it is, since results of the rig hold for its bytes.
set -eu
PATH=$PATH:/usr/sbin:/sbin
out=$1
shift
script=$(sha256sum <"$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/payload"
cp -R "$@" "$work/payload"
chmod -R u+rwX,go+rX "$work/payload"
sum=$(cd "$work/payload" && { echo "$script"; find . -printf '%y %m %l %P\n' -type f -exec sha256sum {} +; } |
    sort | sha256sum)
if [ -f "$out" ] && [ "$(cat "$out.sum" 2>/dev/null)" = "$sum" ]; then
    touch "$out"
    exit 0
fi
if [ "$(id -u)" = 0 ]; then as_root=; else as_root=fakeroot; fi
size=$(($(du -sm "$work/payload" | cut -f1) * 5 / 4 + 4))
rm -f "$work/img"
# shellcheck disable=SC2016 # expanded by the inner shell
$as_root sh -c 'chown -R 0:0 "$1/payload"; mke2fs -q -t ext4 -O ^has_journal,^metadata_csum_seed,^orphan_file -L payload -d "$1/payload" "$1/img" "$2"M >/dev/null' sh "$work" "$size"
rm -f "$out.sum"
mv "$work/img" "$out"
echo "$sum" >"$out.sum"
