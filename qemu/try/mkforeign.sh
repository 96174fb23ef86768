#!/bin/sh
# mkforeign.sh OUTDIR - makes machines that are unlike the rig's own, with ClamAV in them, from the archive that this
# machine's apt uses: grub.qcow2 (the cloud kernel, /boot on a partition of its own, the root behind it
# and typed as Debian's cloud images type it, no serial console) and btrfs.raw (the same on btrfs in an
# MBR, with cloud-init). Needs no root, loop device or mount.
set -eu
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$1"
out=$(realpath "$1")
# shellcheck source=/dev/null
. /etc/os-release
work=$(mktemp -d "$out/mkforeign.XXXXXX")
trap 'rm -rf "$work"' EXIT
if [ "$(id -u)" = 0 ]; then as_root=; else as_root="fakeroot -s $work/owners -i $work/owners"; fi
: >"$work/owners"

packages=linux-image-cloud-amd64,systemd-sysv,udev,dbus,kmod,initramfs-tools,zstd,e2fsprogs,dosfstools
packages=$packages,btrfs-progs,grub-efi-amd64-bin,cloud-init,clamav
acquire=$(apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-)' || :)
# shellcheck disable=SC2016 # the hooks' $1 is mmdebstrap's
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | sort -u |
    mmdebstrap --quiet --variant=minbase --include="$packages" ${acquire:+"--aptopt=$acquire"} \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook='mkdir -p "$1/boot/efi"; echo foreign >"$1/etc/hostname"; : >"$1/etc/machine-id"' \
        --customize-hook='chroot "$1" systemctl --quiet mask clamav-freshclam.service' \
        --customize-hook='printf "%s:%s:Rig.Test-1\n" 44d88612fea8a8f36de82e1278abb02f 68 >"$1/var/lib/clamav/rig.hdb"' \
        "$VERSION_CODENAME" "$work/root.tar" -

mkdir "$work/root"
$as_root tar -C "$work/root" --exclude='./dev/*' --numeric-owner --xattrs -xpf "$work/root.tar"
rm "$work/root.tar"

# esp CONFIG-LINES: a FAT image whose GRUB goes on in the partition that is labelled so
esp() {
    # shellcheck disable=SC2016 # GRUB's
    printf 'search --label %s --set=root\nset prefix=($root)%s\nconfigfile $prefix/grub.cfg\n' "$1" "$2" >"$work/grub.cfg"
    rm -f "$work/esp.img"
    truncate -s 64M "$work/esp.img"
    mkfs.vfat -F 32 -n EFIBOOT "$work/esp.img" >/dev/null
    mmd -i "$work/esp.img" ::/EFI ::/EFI/BOOT ::/EFI/debian
    mcopy -i "$work/esp.img" "$work/root/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi" ::/EFI/BOOT/BOOTX64.EFI
    mcopy -i "$work/esp.img" "$work/grub.cfg" ::/EFI/debian/grub.cfg
}

# menu FILE PREFIX OPTIONS: what GRUB starts; links in / are not in /boot, so names are written out
menu() {
    kernel=$(basename "$work"/root/boot/vmlinuz-*)
    printf 'set timeout=0\nmenuentry foreign {\n  linux %s/%s %s\n  initrd %s/initrd.img-%s\n}\n' \
        "$2" "$kernel" "$3" "$2" "${kernel#vmlinuz-}" >"$1"
}

put() { dd if="$work/$1" of="$work/disk" bs=1M seek="$2" conv=notrunc,sparse status=none; }


# one: GPT, root last, /boot apart
cp -R "$work/root/boot" "$work/boot"
mkdir -p "$work/boot/grub"
menu "$work/boot/grub/grub.cfg" "" 'root=LABEL=cloudroot ro quiet'
printf 'LABEL=cloudroot / ext4 defaults 0 1\nLABEL=boot /boot ext4 defaults 0 2\nLABEL=EFIBOOT /boot/efi vfat umask=0077 0 1\n' >"$work/root/etc/fstab"
touch "$work/root/etc/cloud/cloud-init.disabled"
$as_root mke2fs -q -t ext4 -L boot -d "$work/boot" "$work/boot.img" 192M
mv "$work/root/boot" "$work/boot.away"
mkdir -p "$work/root/boot/efi"
$as_root mke2fs -q -t ext4 -L cloudroot -d "$work/root" "$work/root.img" 1400M
esp boot /grub
truncate -s 1660M "$work/disk"
sfdisk -q "$work/disk" <<EOF
label: gpt
1: start=257MiB, size=1400MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
14: start=65MiB, size=192MiB, type=linux
15: start=1MiB, size=64MiB, type=uefi
EOF
put esp.img 1
put boot.img 65
put root.img 257
qemu-img convert -O qcow2 "$work/disk" "$out/grub.qcow2"
rm "$work/disk" "$work/root.img"

# two: btrfs in an MBR, with cloud-init
rmdir "$work/root/boot/efi" "$work/root/boot"
mv "$work/boot.away" "$work/root/boot"
rm "$work/root/etc/cloud/cloud-init.disabled"
mkdir -p "$work/root/boot/grub"
menu "$work/root/boot/grub/grub.cfg" /boot 'root=LABEL=btrfsroot ro console=tty0 console=ttyS0'
printf 'LABEL=btrfsroot / btrfs defaults 0 1\nLABEL=EFIBOOT /boot/efi vfat umask=0077 0 1\n' >"$work/root/etc/fstab"
truncate -s 1500M "$work/root.img"
$as_root mkfs.btrfs -q -L btrfsroot --rootdir "$work/root" "$work/root.img"
esp btrfsroot /boot/grub
truncate -s 1570M "$work/disk"
printf 'label: dos\nstart=1MiB, size=64MiB, type=ef\nstart=65MiB, size=1500MiB, type=83\n' | sfdisk -q "$work/disk"
put esp.img 1
put root.img 65
mv "$work/disk" "$out/btrfs.raw"
