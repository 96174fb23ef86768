#!/bin/sh
# mkroot.sh KVER OUT.tar OVERLAY.tar DEB - bootstraps the rig's Debian from the archive that this
# machine's apt uses, with OVERLAY.tar laid over it before its packages are configured and DEB
# installed. Needs no root. The kernel is KVER's, since the vendor's drivers were built for it.
set -eu
kver=$1
out=$2
overlay=$(realpath "$3")
deb=$(realpath "$4")
src=$(dirname "$0")
# shellcheck source=/dev/null
. /etc/os-release
PATH=$PATH:/usr/sbin:/sbin

needless=$(paste -sd' ' "$src/masked")

apt-cache show "linux-image-$kver" >/dev/null 2>&1 || {
    echo "mkroot.sh: the archive no longer has linux-image-$kver; run: make deps" >&2
    exit 1
}
# How this machine reaches the archive holds for the bootstrap as well.
acquire=$(apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-)' || :)
packages=linux-image-$kver,$(sed '/^#/d' "$src/packages" | paste -sd,)

# shellcheck disable=SC2016 # the hooks' $1 is mmdebstrap's
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | sort -u |
    SOURCE_DATE_EPOCH=1700000000 mmdebstrap --quiet --variant=minbase --include="$packages" \
        ${acquire:+"--aptopt=$acquire"} \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --essential-hook="tar-in '$overlay' /" \
        --customize-hook="copy-in '$deb' /root" \
        --customize-hook='chroot "$1" sh -c "dpkg -i /root/*.deb && rm /root/*.deb"' \
        --customize-hook="chroot \"\$1\" systemctl --quiet mask $needless" \
        --customize-hook='chroot "$1" systemctl --quiet set-default multi-user.target' \
        --customize-hook='mkdir -p "$1/payload" "$1/boot/efi"' \
        --customize-hook='rm -f "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$1"/etc/apt/apt.conf.d/99mmdebstrap' \
        "$VERSION_CODENAME" "$out" -
