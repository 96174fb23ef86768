#!/bin/sh
# Makes the machine under test ready, in the guest: set definitions, health checks and, with the word
# "backstop", Backstop. Exit code 3: it cannot be installed here; the last line says why. 4: all was
# there already.
set -eu
from=$(dirname "$0")
news=4

# Libraries from the host's archive, where they are missing and the system is the same.
libraries() {
    # shellcheck source=/dev/null
    . /etc/os-release
    [ "$(cat "$from/libraries/system" 2>/dev/null)" = "$ID ${VERSION_CODENAME:-}" ] || return 0
    for deb in "$from"/libraries/*.deb; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$(dpkg-deb -f "$deb" Package)" 2>/dev/null || :)
        [ "$state" = installed ] || echo "$deb"
    done
}

backstop() {
    if [ -e /usr/bin/backstop ]; then
        # The firmware of this machine is new to the disk: the stage may not have been started.
        [ -e /sys/firmware/efi/efivars/BackstopTicket-79bf4a28-fd19-47e3-bb3c-67b65c2f4dd4 ] || {
            backstop install
            news=0
        }
        return 0
    fi
    news=0
    command -v dpkg >/dev/null || {
        echo "its system has no dpkg"
        exit 3
    }
    mkdir -p /etc/backstop/backstop.conf.d
    cp "$from/backstop.conf" /etc/backstop/backstop.conf.d/rig.conf
    # shellcheck disable=SC2046 # paths of our own, without blanks
    DEBIAN_FRONTEND=noninteractive dpkg -i $(libraries) "$from"/backstop.deb || {
        missing=$(dpkg-query -W -f '${Depends}' backstop | sed 's|[,\|]|\n|g' | awk '{ print $1 }' |
            while read -r name; do dpkg-query -W "$name" >/dev/null 2>&1 || echo "$name"; done | paste -sd' ')
        dpkg --purge backstop >/dev/null 2>&1 || :
        echo "its system lacks: ${missing:-what dpkg complains of}"
        exit 3
    }
}

[ "${1:-}" != backstop ] || backstop
mkdir -p /etc/backstop/sets.d /etc/backstop/check/required.d
if [ -d "$from/sets" ]; then
    cp "$from"/sets/* /etc/backstop/sets.d/
    news=0
fi
if [ -d "$from/checks" ]; then
    install -m 755 "$from"/checks/* /etc/backstop/check/required.d/
    news=0
fi
sync
exit "$news"
