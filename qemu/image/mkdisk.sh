#!/bin/sh
# mkdisk.sh ROOT.tar OUT.raw - makes a disk that UEFI boots: GPT, an ESP with GRUB, an ext4 root.
# Needs no root, loop device or mount.
set -eu
PATH=$PATH:/usr/sbin:/sbin
tar=$1
out=$2
root_uuid=0bac5709-0000-4000-8000-000000000002 # as in root/etc/fstab
esp_id=BAC57091
mib=1048576
esp_mib=64
root_mib=1536

work=$(mktemp -d "$(dirname "$out")/mkdisk.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Files must belong to root in the image; who is not root pretends to be.
if [ "$(id -u)" = 0 ]; then as_root=; else as_root="fakeroot -s $work/owners -i $work/owners"; fi
: >"$work/owners"

mkdir "$work/root"
$as_root tar -C "$work/root" --exclude='./dev/*' --numeric-owner --xattrs -xpf "$tar"
$as_root mke2fs -q -t ext4 -O ^metadata_csum_seed,^orphan_file -U $root_uuid \
    -E hash_seed=$root_uuid -L root -d "$work/root" "$work/root.img" ${root_mib}M >/dev/null

grub=$work/root/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi
cat >"$work/grub.cfg" <<EOF
search.fs_uuid $root_uuid root
set prefix=(\$root)/boot/grub
configfile \$prefix/grub.cfg
EOF
truncate -s $((esp_mib * mib)) "$work/esp.img"
mkfs.vfat --invariant -F 32 -i $esp_id -n ESP "$work/esp.img" >/dev/null
mmd -i "$work/esp.img" ::/EFI ::/EFI/debian ::/EFI/BOOT
mcopy -i "$work/esp.img" "$work/grub.cfg" ::/EFI/debian/grub.cfg
mcopy -i "$work/esp.img" "$grub" ::/EFI/debian/grubx64.efi
mcopy -i "$work/esp.img" "$grub" ::/EFI/BOOT/BOOTX64.EFI

rm -f "$work/disk"
truncate -s $(((esp_mib + root_mib + 2) * mib)) "$work/disk"
sfdisk -q "$work/disk" <<EOF
label: gpt
label-id: 0bac5709-0000-4000-8000-000000000000
start=1MiB, size=${esp_mib}MiB, type=uefi, uuid=0bac5709-0000-4000-8000-000000000001, name=esp
size=${root_mib}MiB, type=linux, uuid=0bac5709-0000-4000-8000-000000000002, name=root
EOF
dd if="$work/esp.img" of="$work/disk" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$work/root.img" of="$work/disk" bs=1M seek=$((1 + esp_mib)) conv=notrunc,sparse status=none
mv "$work/disk" "$out"
