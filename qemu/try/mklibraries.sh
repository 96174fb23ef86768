#!/bin/sh
# mklibraries.sh OUTDIR PACKAGES... - fetches packages and what they depend on from the archive that
# this machine's apt uses, for images of the same system that lack them; never libc itself. An archive
# that is not there makes no difference to images that have them.
set -eu
out=$1
shift
# shellcheck source=/dev/null
. /etc/os-release
cd "$out"
echo "$ID ${VERSION_CODENAME:-}" >system
all=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
    --no-enhances "$@" | grep -E '^[a-z0-9]' | grep -vE ':|^(libc6|libgcc-s1|gcc-.*-base|libcrypt1)$' | sort -u)
# shellcheck disable=SC2086 # a list
apt-get -q download $all >log 2>&1 || echo "mklibraries.sh: not fetched: $(tail -n 1 log)" >&2
rm -f log
