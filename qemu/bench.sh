#!/bin/sh
# Run in the guest by `rig bench`. Makes two images of the running kernel with update-initramfs, one
# with what the package backstop gives to initramfs-tools and one without, and leaves a boot menu
# for each: OUT/with and OUT/without, initrd.img-KERNEL and grub.cfg. Prints their sizes and what
# makes up the difference.
#
# The menus add to the kernel command line: trace points of processes, shown on the console with
# the kernel's own times; and idle=poll, since an idle processor lets guest time jump to the next
# timer, however short the wait was.
set -eu

out=/var/tmp/bench
kernel=$(uname -r)
hook_dir=/usr/share/initramfs-tools
trace=trace_event=sched:sched_process_fork,sched:sched_process_exec,sched:sched_process_exit

make_image() {
    mkdir -p "$out/$1"
    update-initramfs -c -k "$kernel" -b "$out/$1" >"$out/log" 2>&1 || {
        cat "$out/log"
        exit 1
    }
    unmkinitramfs "$out/$1/initrd.img-$kernel" "$out/$1/tree"
    sed -e "/^ *linux /s/\$/ idle=poll $trace tp_printk/" \
        -e "s|^\( *initrd \).*|\1$out/$1/initrd.img-$kernel|" \
        /boot/grub/grub.cfg >"$out/$1/grub.cfg"
}

hook_files() {
    dpkg -L backstop | grep "^$hook_dir/" | while read -r file; do
        [ ! -f "$file" ] || echo "$file"
    done
}

size() { wc -c <"$out/$1/initrd.img-$kernel"; }

# Whether $1 of the one tree is as in the other.
same() {
    if [ -L "$1" ]; then
        [ "$(readlink "$1")" = "$(readlink "$out/without/tree/$1")" ]
    else
        cmp -s "$1" "$out/without/tree/$1"
    fi
}

list_more() {
    find . ! -type d | LC_ALL=C sort | while read -r file; do
        same "$file" || echo "$file"
    done
}

# $1: what they are, $2: grep's pattern for their paths, $3: option of grep. Packed as mkinitramfs
# packs on Debian.
part() {
    grep -E ${3:+"$3"} "$2" "$out/more" >"$out/part" || return 0
    printf '    %-20s %9d  (unpacked %d): %s\n' "$1" \
        "$(cpio --quiet -o -H newc <"$out/part" | zstd -q -9 | wc -c)" \
        "$(cpio --quiet -o -H newc <"$out/part" | wc -c)" \
        "$(sed 's|.*/||' "$out/part" | paste -sd' ')"
}

rm -rf "$out"
mkdir "$out"
# The rig takes a machine that says nothing for long as stuck.
while sleep 20; do echo 'bench: at work'; done >/dev/console 2>&1 &
trap 'kill $!' EXIT
make_image with
hook_files >"$out/hook"
tar -C / -cf "$out/hook.tar" -T "$out/hook" 2>/dev/null
xargs rm <"$out/hook"
make_image without
tar -C / -xf "$out/hook.tar"

printf 'initramfs, bytes, compressed; %s\n' "$kernel"
printf '  without the hook (floor) %9d\n' "$(size without)"
printf '  with it                  %9d\n' "$(size with)"
printf '  more                     %9d  (aim: under 400000)\n' "$(($(size with) - $(size without)))"
echo '  which is, each packed on its own:'
cd "$out/with/tree"
list_more >"$out/more"
part agent '/backstop-early$'
part libraries '\.so'
part modules '\.ko'
part 'scripts and lists' '/backstop-early$|\.so|\.ko' -v
rm -rf "$out/with/tree" "$out/without/tree"
sync
