#!/bin/sh
# mkthird.sh KVER OUTDIR - updates made of other people's packages from the archive that this machine's
# apt uses, as they are and deliberately broken:
#   testfiles.deb           clamav-testfiles, a package of security content
#   good/ bad/ late/        acpi_call, built by DKMS for KVER; bad/ dereferences NULL when it is loaded,
#                           late/ three minutes after; trees to be laid over /
#   driver-bad.deb          bad/ as the package that a vendor would ship
#   clamav-good.tar         a content update for ClamAV in the machines of mkforeign.sh
#   clamav-bad.tar          the same, which ClamAV cannot read
#   clamav.conf, clamav-works   the set that it belongs to, and a health check
set -eu
kver=$1
mkdir -p "$2"
out=$(realpath "$2")
work=$(mktemp -d "$out/mkthird.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -q download acpi-call-dkms clamav-testfiles >log 2>&1 || {
    cat log >&2
    exit 1
}
mv clamav-testfiles_*.deb "$out/testfiles.deb"
dpkg-deb -x acpi-call-dkms_*.deb package

# variant NAME CODE: the driver with CODE at the start of its initialisation, as a tree
variant() {
    rm -rf src dkms "${out:?}/$1"
    cp -R package/usr/src src
    mkdir dkms
    sed -i "/^static int __init init_acpi_call/,/^{/s|^{|{ $2|" src/*/acpi_call.c
    sed -i "s|^static int __init init_acpi_call|$3&|" src/*/acpi_call.c
    version=$(basename src/acpi-call-*)
    dkms --sourcetree "$work/src" --dkmstree "$work/dkms" --no-depmod build \
        "acpi-call/${version#acpi-call-}" -k "$kver" --kernelsourcedir "/usr/src/linux-headers-$kver" >log 2>&1 || {
        cat log >&2
        exit 1
    }
    module=$(find dkms -name acpi_call.ko | head -n 1)
    install -D -m 644 "$module" "$out/$1/lib/modules/$kver/updates/dkms/acpi_call.ko"
    install -d "$out/$1/etc/modules-load.d"
    echo acpi_call >"$out/$1/etc/modules-load.d/acpi-call.conf"
}
variant good '' ''
# A fault where softirqs are off panics whatever kernel.panic_on_oops says.
variant bad 'local_bh_disable(); *(volatile int *)8 = 1;' ''
variant late 'schedule_delayed_work(\&rig_late, 180 * HZ);' \
    '#include <linux/workqueue.h>\nstatic void rig_die(struct work_struct *w) { *(volatile int *)8 = 1; }\nstatic DECLARE_DELAYED_WORK(rig_late, rig_die);\n'

# package TREE FILE VERSION: the tree as a package
package() {
    rm -rf deb
    cp -R "$out/$1" deb
    mkdir deb/DEBIAN
    printf 'Package: acpi-call-driver\nVersion: %s\nArchitecture: amd64\nDepends: kmod\nMaintainer: the rig <rig@example.com>\nDescription: acpi_call, built for one kernel\n' \
        "$3" >deb/DEBIAN/control
    printf '#!/bin/sh\nset -e\ndepmod %s\n' "$kver" >deb/DEBIAN/postinst
    chmod 755 deb/DEBIAN/postinst
    dpkg-deb --root-owner-group --build deb "$out/$2" >log 2>&1 || {
        cat log >&2
        exit 1
    }
}
package bad driver-bad.deb 2.0

# content NAME LINES: EICAR's test file by its MD5, and one signature more
content() {
    mkdir -p "$1/var/lib/clamav"
    printf '44d88612fea8a8f36de82e1278abb02f:68:Rig.Test-1\n%s\n' "$2" >"$1/var/lib/clamav/rig.hdb"
    tar -C "$1" --owner=0 --group=0 -cf "$out/$1.tar" .
}
content clamav-good '0123456789abcdef0123456789abcdef:68:Rig.Test-2'
content clamav-bad 'not-a-hash:-7:'

cat >"$out/clamav.conf" <<EOF
[set]
description=ClamAV signatures of one's own
class=content
path=/var/lib/clamav/*.hdb
EOF
cat >"$out/clamav-works" <<'EOF'
#!/bin/sh
# ClamAV reads its content and finds EICAR's test file: clamscan's exit code is then 1.
printf '%s%s' 'X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR' '-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*' | clamscan --no-summary -
[ $? = 1 ]
EOF
chmod 755 "$out/clamav-works"
