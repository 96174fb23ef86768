#!/bin/sh
# Applies what was brought as --update, in the guest: packages together, then trees, then modules.
set -eu
from=$(dirname "$0")/update

debs=$(find "$from" -name '*.deb' | sort)
# shellcheck disable=SC2086 # paths of our own, without blanks
[ -z "$debs" ] || DEBIAN_FRONTEND=noninteractive dpkg -i $debs

# With file capabilities and the like, where this tar knows of them.
set -- --xattrs '--xattrs-include=*'
tar "$@" --version >/dev/null 2>&1 || set --
for tree in "$from"/*.tree; do
    [ ! -e "$tree" ] || tar "$@" --no-overwrite-dir --keep-directory-symlink -xpf "$tree" -C /
done

for module in "$from"/*.ko; do
    [ -e "$module" ] || continue
    name=$(basename "$module" .ko)
    kernel=$(uname -r)
    mkdir -p "/lib/modules/$kernel/updates" /etc/modules-load.d
    cp "$module" "/lib/modules/$kernel/updates/$name.ko"
    depmod "$kernel"
    echo "$name" >"/etc/modules-load.d/$name.conf"
done
sync
