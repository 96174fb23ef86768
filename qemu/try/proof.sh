#!/bin/sh
# proof.sh RIG-DIR [--budget SECONDS] [--fresh] [--point NAME] - `rig try` on other people's packages
# and on machines unlike the rig's own, good and deliberately broken; each must come to its verdict.
# Results are kept by a hash of what is under test: what passed or failed with all the same is not run
# again, where the point is called as it was. A point that is not over when the budget is spent is ended and left out. Exit code 0 if nothing
# failed.
set -eu
here=$(dirname "$0")
dir=$1
shift
budget=1000000 only='' fresh=''
while [ $# -gt 0 ]; do
    case $1 in
    --budget) budget=$2; shift ;;
    --point) only=$2; shift ;;
    --fresh) fresh=yes ;;
    *)
        echo "proof.sh: $1: not understood; the first lines of this file tell" >&2
        exit 2
        ;;
    esac
    shift
done
third=$dir/third foreign=$dir/foreign
program=$dir/../qemu/rig
points=$dir/../proof/try
mkdir -p "$points"
modules=$(find "$third" -name '*.ko' | sort)
scripts=$(find "$here" -name '*.sh' ! -name proof.sh | sort)
# shellcheck disable=SC2086 # paths of our own, without blanks
key=$(sha256sum "$program" "$dir/try/backstop.deb" $scripts "$third"/*.tar "$third"/*.deb $modules |
    sha256sum | cut -c1-16)
results=$points/points-$key.jsonl
[ -z "$fresh" ] || rm -f "$results"
touch "$results"
end=$(($(date +%s) + budget)) passed=0 failed=0 left=0 total=0

# leave_out NAME WHY
leave_out() {
    left=$((left + 1))
    printf 'LEFT %-22s %s\n' "$1" "$2"
}

# point NAME CODE ARGUMENTS...: one machine, whose verdict must have this exit code
point() {
    name=$1 wanted=$2
    shift 2
    [ -z "$only" ] || [ "$only" = "$name" ] || return 0
    total=$((total + 1))
    head="{\"id\":\"$name\",\"call\":\"$(printf '%s\n' "$wanted" "$@" | cksum | tr ' ' -)\","
    before=$(grep -F "$head" "$results" | tail -n 1)
    if [ -z "$before" ] || [ -n "$only" ]; then
        started=$(date +%s)
        if [ "$started" -ge "$end" ]; then
            leave_out "$name" 'no time left within the budget'
            return 0
        fi
        rm -rf "${points:?}/$name"
        code=0
        timeout --foreground --signal=KILL $((end - started)) \
            "$program" --rig "$dir" --scenarios "$here/../scenarios" try --out "$points/$name" "$@" \
            >"$points/$name.said" 2>"$points/$name.log" || code=$?
        if [ "$code" = 137 ] && [ "$(date +%s)" -ge "$end" ]; then
            rm -rf "${points:?}/$name"
            leave_out "$name" 'not over within the budget'
            return 0
        fi
        said=$(cat "$points/$name.said")
        [ -n "$said" ] || said=$(tail -n 1 "$points/$name.log")
        result=failed
        [ "$code" != "$wanted" ] || result=passed
        before="$head\"result\":\"$result\",\"detail\":\"exit code $code, wanted $wanted, in $(($(date +%s) - started)) s: $(
            printf %s "$said" | tr '"\134' "'/")\"}"
        printf '%s\n' "$before" >>"$results"
    fi
    case $before in
    *'"result":"passed"'*) passed=$((passed + 1)) word=PASS ;;
    *) failed=$((failed + 1)) word=FAIL ;;
    esac
    detail=${before#*'"detail":"'}
    printf '%s %-22s %s\n' "$word" "$name" "${detail%'"}'}"
}

# Needs no boot.
point module-other-kernel 2 --image "$foreign/grub.qcow2" \
    --update "$(find "$third/good" -name acpi_call.ko)"
# The shortest first that boots a machine: a small budget ends what is behind it.
point package-good 0 --update "$third/testfiles.deb" --watch 0
# A kernel driver by DKMS, on the rig's own Debian.
load='--run depmod'
# shellcheck disable=SC2086 # words
point driver-good 0 --update "$third/good" $load
# The same as a package.
point driver-bad 10 --update "$third/driver-bad.deb" --watch 0
point driver-bad-alone 11 --update "$third/driver-bad.deb" --watch 0 --no-backstop
# All processors spin with interrupts off.
point hang 12 --update "$dir/outbox/driver-2.1/acme_sentry.ko" --watch 0 --no-backstop --silence 120
# Somebody's cloud image: another layout, another kernel, no serial console; ClamAV in it.
point foreign-good 0 --image "$foreign/grub.qcow2" --update "$third/clamav-good.tar" \
    --set "$third/clamav.conf" --check "$third/clamav-works" --watch 0
point foreign-alone 11 --image "$foreign/grub.qcow2" --watch 0 --no-backstop \
    --run 'printf "[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/bin/sh -c \"echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger\"\n[Install]\nWantedBy=multi-user.target\n" >/etc/systemd/system/crash.service; systemctl enable crash.service'
point foreign-content-bad 10 --image "$foreign/grub.qcow2" --update "$third/clamav-bad.tar" \
    --set "$third/clamav.conf" --check "$third/clamav-works" --watch 0
# A root that cannot be written from outside: cloud-init lets the agent in.
point btrfs-good 0 --image "$foreign/btrfs.raw" --update "$third/clamav-good.tar" --watch 0
# The longest last: it dies three minutes after each of its sixteen boots.
# shellcheck disable=SC2086 # words
point driver-late 13 --update "$third/late" $load --watch 5

if [ -n "$only" ] && [ "$total" = 0 ]; then
    echo "proof.sh: --point $only: there is none of that name" >&2
    exit 2
fi
echo "try: $total points, $passed ended well, $left left out"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
