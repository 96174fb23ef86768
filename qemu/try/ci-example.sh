#!/bin/sh
# ci-example.sh - what a release must pass, to be pasted into any pipeline that has a Debian 12 machine or
# container (as root; /dev/kvm is not needed). BACKSTOP: where this project is cloned from; UPDATE: the
# file that is to be shipped. Keep result/ as the job's artifact: it has the consoles.
set -eu
apt-get update
apt-get install -y --no-install-recommends git make ca-certificates
git clone --depth 1 "$BACKSTOP" backstop
make -C backstop deps

code=0
backstop/qemu/rig try --update "$UPDATE" --boots 3 --watch 2 --out result || code=$?
case $code in
0) echo "ship it" ;;
10) echo "do not ship it: customers with Backstop get over it, the others do not" ;;
11 | 12 | 13 | 14) echo "do not ship it" ;;
*) echo "no answer: see above" ;;
esac
exit "$code"
