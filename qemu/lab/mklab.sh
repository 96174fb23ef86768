#!/bin/sh
# mklab.sh kernel BASE.raw KVER DIR: takes the rig's kernel and the modules that the lab loads out of
#     a base image, into DIR: vmlinuz, modules/*.ko, and modules/NAME.list in the order of loading.
# mklab.sh initrd DIR OUT.cpio PROGRAM...: packs them with /init (the first PROGRAM), the others in
#     /bin, stages (*.efi) where the package has them, and the libraries that they need.
set -eu
PATH=$PATH:/usr/sbin:/sbin

die() {
    echo "mklab.sh: $*" >&2
    exit 1
}

kernel() {
    base=$1 kver=$2 out=$3
    start=$(sfdisk -d "$base" | sed -n 's/.*start= *\([0-9]*\),.*name="root".*/\1/p')
    [ -n "$start" ] || die "$base has no partition called root"
    image="$base?offset=$((start * 512))"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/lib/modules" "$out/modules"
    debugfs -R "dump /boot/vmlinuz-$kver $out/vmlinuz" "$image" 2>/dev/null
    [ -s "$out/vmlinuz" ] || die "$base has no kernel $kver"
    debugfs -R "rdump /usr/lib/modules/$kver $work/lib/modules" "$image" 2>/dev/null
    for name in virtio_pci virtio_blk loop ext4 xfs btrfs vfat nls_ascii nls_cp437; do
        modprobe -d "$work" -S "$kver" --show-depends "$name" >"$work/list" ||
            die "$base has no module $name"
        sed -n 's/^insmod \([^ ]*\).*/\1/p' "$work/list" | while read -r module; do
            cp "$module" "$out/modules/"
            basename "$module"
        done >"$out/modules/$name.list"
    done
}

# needs PROGRAM...: the libraries, and the loader itself
needs() {
    for program; do
        ldd "$program" | sed -n -e 's/.* => \(\/[^ ]*\) .*/\1/p' -e 's/^\t\(\/[^ ]*\) .*/\1/p'
    done | sort -u
}

initrd() {
    kernel=$1 out=$2 init=$3
    shift 3
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/bin" "$work/modules" "$work/dev" "$work/proc" "$work/sys" "$work/tmp" "$work/run" \
        "$work/etc/backstop"
    cp "$kernel"/modules/* "$work/modules/"
    install -m 755 "$init" "$work/init"
    for program; do
        case $program in
        *.efi)
            install -D -m 644 "$program" "$work/usr/lib/backstop/${program##*/}"
            continue ;;
        esac
        install -m 755 "$(command -v "$program" || die "$program is not here; run: make deps")" "$work/bin/"
    done
    needs "$work/init" "$work"/bin/* | while read -r library; do
        install -D -m 755 "$library" "$work$library"
    done
    find "$work" -exec touch -hd @1700000000 {} +
    (cd "$work" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet) >"$out.part"
    mv "$out.part" "$out"
}

what=${1:-}
[ $# -ge 4 ] || die "usage: mklab.sh kernel BASE.raw KVER DIR | initrd DIR OUT.cpio INIT PROGRAM..."
shift
case $what in
kernel | initrd) "$what" "$@" ;;
*) die "kernel or initrd" ;;
esac
