#!/bin/sh
# Starts the rig's agent in a machine whose root could not be written from outside: run by cloud-init
# from the payload disk, once a boot. What it lays down is what the rig lays into an ext4 root.
set -eu
from=$(dirname "$0")/agent
[ -e /etc/systemd/system/rig-agent.service ] || {
    cp -R "$from/." /
    systemctl daemon-reload
    udevadm control --reload
}
# It comes after sysinit.target, for which systemd waits with this: to wait for it here is to hang.
systemctl start --no-block rig-agent.service
