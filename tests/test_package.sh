#!/bin/bash
# The package in a Debian of its own (mmdebstrap, no EFI, systemd not running): installs, carries
# itself into the initramfs before udev, upgrades with the administrator's settings kept, removes,
# purges, and leaves no file behind. Prints TAP.
# Usage: test_package.sh DEB
set -u

rows=0
failed=0

row() { # NAME COMMAND...: one row of the test; a command that fails fails the row
    local name=$1
    shift
    rows=$((rows + 1))
    if "$@" >"$scratch/row.log" 2>&1; then
        echo "ok $rows - $name"
    else
        failed=$((failed + 1))
        echo "not ok $rows - $name"
        sed 's/^/# /' "$scratch/row.log" | tail -n 30
    fi
}

# Every path but what dpkg, apt, systemd-analyze and logs keep for themselves.
files() {
    in_chroot find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o \
        -path /run/systemd -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/log \) -prune -o \
        -print | LC_ALL=C sort
}

in_chroot() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
image() { find "$root/boot" -name 'initrd.img-*' ! -name '*.dpkg-bak'; }
image_list() { in_chroot lsinitramfs "/boot/$(basename "$(image)")" | LC_ALL=C sort; }
settings() { cat "$root/etc/backstop/backstop.conf"; }

unpack_image() {
    rm -rf "$root/tmp/image"
    in_chroot unmkinitramfs "/boot/$(basename "$(image)")" /tmp/image
    early=$root/tmp/image
    [ ! -d "$early/main" ] || early=$early/main
}

order_of() { grep -n "^/scripts/$1/$2 " "$early/scripts/$1/ORDER" | cut -d: -f1; }
comes_before() { [ "$(order_of "$1" "$2")" -lt "$(order_of "$1" "$3")" ]; }
has_module() { find "$early/lib/modules/" -name "$1.ko*" | grep -q .; } # a glob: file names have - or _
libraries_are_there() { ! chroot "$early" /lib64/ld-linux-x86-64.so.2 --list "$1" | grep 'not found'; }
no_warning() { ! grep -E '^(W: )?backstop: ' "$1"; }
is_first() { [ "$(head -n 1 "$early/scripts/$1/ORDER")" = "/scripts/$1/$2 \"\$@\"" ]; }

# The same package under a higher version, with one line more in its configuration.
newer_package() {
    dpkg-deb -R "$1" "$scratch/newer" && sed -i 's/^Version: .*/&+test1/' "$scratch/newer/DEBIAN/control" &&
        echo '# a newer default' >>"$scratch/newer/etc/backstop/backstop.conf" &&
        dpkg-deb --root-owner-group -b "$scratch/newer" "$root/tmp/newer.deb"
}

enabled() { [ -L "$root/etc/systemd/system/$2.wants/$1" ] || [ -L "$root/etc/systemd/system/$2.requires/$1" ]; }
unchanged_settings() { settings | grep -qx '#mine' && ! settings | grep -q 'a newer default'; }
no_trace_in_image() { ! image_list | grep -i backstop; }

# A driver from outside the kernel's tree that no set names.
put_module() {
    local tree
    for tree in "$root"/lib/modules/*/; do
        mkdir "${tree}extra" && touch "${tree}extra/vendor-hba.ko"
    done
}

# What the unit runs, and what it asks at its end.
rebuild() {
    in_chroot sh -c "$(sed -n "s|^ExecStart=/bin/sh -c '\(.*--to-rebuild.*\)'\$|\1|p" \
        "$root/usr/lib/systemd/system/backstop-rebuild.service" | sed 's/\$\$/$/g')"
}
rebuilt() { in_chroot backstop confirm --rebuilt; }
was_rebuilt() { rebuild && rebuilt; }
does_nothing() {
    local conf=$root/etc/initramfs-tools/update-initramfs.conf status
    cp -p "$conf" "$scratch/conf" && sed -i 's/^update_initramfs=.*/update_initramfs=no/' "$conf" && rebuild && ! rebuilt
    status=$?
    cp -p "$scratch/conf" "$conf"
    return $status
}
fails_without_boot() {
    local status
    mv "$root/boot" "$root/boot.away" && ! rebuild
    status=$?
    mv "$root/boot.away" "$root/boot"
    return $status
}

# ESPs that were mounted below the run directory and left there: one that can be unmounted, and one in use.
leave_mounts() {
    mkdir -p "$root/srv/esp/EFI" "$root/run/backstop/esp-left" "$root/run/backstop/esp-used"
    mount --bind "$root/srv/esp" "$root/run/backstop/esp-left" || return
    mount -t tmpfs none "$root/run/backstop/esp-used" || return
    mkdir "$root/run/backstop/esp-used/EFI"
    (cd "$root/run/backstop/esp-used" && exec sleep infinity) &
    user=$!
}

clear_mounts() {
    kill "$user"
    wait "$user"
    umount "$root/run/backstop/esp-used" && rm -r "$root/run/backstop" "$root/srv/esp"
}

# Two disks, each with suspects of a case 7; this machine's records name those of the first.
put_quarantines() {
    mkdir -p "$root/srv/my disk/.backstop-quarantine/7" "$root/srv/other/.backstop-quarantine/7" \
        "$root/var/lib/backstop/quarantine/7"
    touch "$root/srv/my disk/.backstop-quarantine/7/1" "$root/srv/other/.backstop-quarantine/7/1"
    printf '{"case":7,"id":1,"boot":9,"path":"/srv/my disk/a","held-at":"%s","set":"acme"}\n' \
        '/srv/my disk/.backstop-quarantine/7/1' >"$root/var/lib/backstop/quarantine/7/records.jsonl"
    touch "$root/var/lib/backstop/quarantine/7/2"
    # where the scratch directory's file system has no such flags, purge has less to do
    chattr +i "$root/srv/my disk/.backstop-quarantine/7/1" 2>/dev/null || true
    chattr +a "$root/var/lib/backstop/quarantine/7/2" 2>/dev/null || true
}

check_image() {
    unpack_image
    row "image: init-top runs backstop before udev" comes_before init-top backstop udev
    row "image: init-bottom runs backstop first" is_first init-bottom backstop
    row "image: efi_pstore is there" has_module 'efi[-_]pstore'
    row "image: efivarfs is there" has_module efivarfs
    row "image: every library of backstop-early is there" libraries_are_there /usr/lib/backstop/backstop-early
    row "image: libarchive is not" test -z "$(find "$early" -name 'libarchive*')"
    row "image: figures from the policy" grep -qx 'panic=10' "$early/etc/backstop/figures"
    row "image: oops figure from the policy" grep -qx 'panic_on_oops=1' "$early/etc/backstop/figures"
    row "image: list of what the root stands on is there" test -e "$early/etc/backstop/never-mask"
    row "image: list of drivers is there" test -e "$early/etc/backstop/drivers"
}

check_units() {
    local unit
    for unit in start.service session.service deadline.timer; do
        row "backstop-$unit is enabled" enabled "backstop-$unit" sysinit.target
    done
    row "backstop-confirm.service is enabled" enabled backstop-confirm.service multi-user.target
    row "backstop-confirm.service is enabled in safe mode" enabled backstop-confirm.service backstop-safe.target
    row "backstop-rebuild.service is enabled in safe mode" enabled backstop-rebuild.service backstop-safe.target
    row "backstop-health.service is required" enabled backstop-health.service boot-complete.target
    row "units are sound" in_chroot systemd-analyze verify --man=no backstop-safe.target \
        backstop-confirm.service backstop-deadline.timer multi-user.target
}

inside() { # DEB ROOT
    local image_before
    root=$2
    scratch=$(mktemp -d)
    trap 'chattr -R -f -i -a "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
    cp "$1" "$root/tmp/backstop.deb"
    files >"$scratch/before"
    image_list >"$scratch/image-before"
    image_before=$(stat -c %s "$(image)")

    row "installs" in_chroot dpkg -i /tmp/backstop.deb
    cp "$scratch/row.log" "$scratch/install.log"
    row "installs without a warning" no_warning "$scratch/install.log"
    echo "# the initramfs grew by $((($(stat -c %s "$(image)") - image_before) / 1000)) kB, compressed"
    check_image
    check_units

    echo '#mine' >>"$root/etc/backstop/backstop.conf"
    sed -i 's/^\[policy\]/&\npanic-timeout=33/' "$root/etc/backstop/backstop.conf"
    printf '[set]\nclass=content\npath=/etc/hostname\ndriver=acme-sensor\n' >"$root/etc/backstop/sets.d/acme.conf"
    put_module
    row "a newer package is made" newer_package "$1"
    row "upgrades" in_chroot dpkg -i --force-confold /tmp/newer.deb
    row "upgrade keeps the administrator's settings" unchanged_settings
    unpack_image
    row "upgrade renews the initramfs from the settings" grep -qx 'panic=33' "$early/etc/backstop/figures"
    row "upgrade renews the initramfs from the sets" grep -qx acme_sensor "$early/etc/backstop/drivers"
    row "image: a module of a set of drivers is listed" grep -qx vendor_hba "$early/etc/backstop/modules"
    rm -r "$root"/lib/modules/*/extra

    mkdir -p "$root/var/lib/backstop/store" "$root/run/backstop" "$root/etc/backstop/check/required.d"
    touch "$root/var/lib/backstop/journal.jsonl" "$root/run/backstop/early.json" \
        "$root/etc/backstop/check/required.d/mine"
    row "images are made anew in safe mode" was_rebuilt
    row "a rebuild that did nothing is none" does_nothing
    row "a rebuild that does not know its kernels fails" fails_without_boot
    row "mounts are left" leave_mounts
    row "removes" in_chroot dpkg -r backstop
    row "removal unmounts an ESP that was left" test -d "$root/srv/esp/EFI"
    row "removal leaves one that is in use" test -d "$root/run/backstop/esp-used/EFI"
    clear_mounts
    row "removal takes it out of the initramfs" no_trace_in_image
    row "removal keeps the state" test -e "$root/var/lib/backstop/journal.jsonl"
    row "removal keeps the settings" unchanged_settings
    put_quarantines
    row "purges" in_chroot dpkg -P backstop
    row "purge deletes the suspects that its records name" test ! -e "$root/srv/my disk/.backstop-quarantine"
    row "purge leaves another machine's" test -e "$root/srv/other/.backstop-quarantine/7/1"
    rm -r "$root/srv/my disk" "$root/srv/other"
    rm -rf "$root/tmp/image" "$root"/tmp/*.deb
    image_list >"$scratch/image-after"
    row "purge leaves the initramfs as it was" diff "$scratch/image-before" "$scratch/image-after"
    files | grep -v -e '\.dpkg-bak$' >"$scratch/after"
    row "purge leaves no file behind" diff "$scratch/before" "$scratch/after"

    echo "1..$rows"
    [ "$failed" = 0 ]
}

if [ "${1:-}" = --inside ]; then
    inside "$2" "$3"
    exit
fi

deb=$(realpath "$1") || exit 1
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
depends=$(dpkg-deb -f "$deb" Depends | sed 's/([^)]*)//g; s/|[^,]*//g; s/ //g')
# From where this machine's apt gets its packages, and as it does.
acquire=$(apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-)')
# shellcheck disable=SC2016 # apt's words, not the shell's
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | sort -u |
    mmdebstrap --quiet --variant=minbase ${acquire:+"--aptopt=$acquire"} \
        --include="linux-image-$(dpkg --print-architecture),initramfs-tools,systemd-sysv,udev,dbus,zstd,$depends" \
        --customize-hook="'$(realpath "$0")' --inside '$deb' \"\$1\"" "$suite" /dev/null -
