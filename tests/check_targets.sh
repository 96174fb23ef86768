#!/bin/bash
# check_targets.sh: what run_targets.sh, which is the judge of a CI run, makes of targets of every
# kind. TAP, as cmocka writes it; exit status 1 if something is wrong.
set -u
here=$(realpath "$(dirname "$0")")
work=$(mktemp -d) || exit 1
trap 'pkill -F "$work/daemon" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
count=0
failed=0

cat >Makefile <<'END'
sums:; @echo "3 passed, 0 failed"
silent:; @true
breaks:; @false
fails:; @echo "3 passed, 2 failed"; false
lies:; @echo "3 passed, 0 failed"; false
skips:; @echo "SKIPPED kernel"; echo "3 passed, 0 failed"
reasons:; @echo "skip kernel: no such machine"; echo "3 passed, 0 failed"
leaves:; @echo "LEFT layer: 7 points"; echo "layer: 9 points, 2 ended well, 7 left out"; echo "1 passed, 0 failed"
budget:; @echo "budget $(PROOF_BUDGET)"; echo "1 passed, 0 failed"
sleeps:; @sleep 600
daemon:; @sleep 600 & echo $$! >daemon; echo "2 passed, 0 failed"
END

# expect NAME STATUS LAST-LINE BUDGET TARGET...: what it printed stays in the file "said"
expect() {
    local name=$1 status=$2 last=$3 got
    shift 3
    timeout 60 "$here/run_targets.sh" "$@" >said 2>&1
    got=$?
    count=$((count + 1))
    if [ "$got" = "$status" ] && [ "$(tail -n 1 said)" = "$last" ]; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name: status $got, not $status; last line: $(tail -n 1 said)"
        failed=1
    fi
}

# says NAME LINE: the last run did; LINE is an extended regular expression
says() {
    count=$((count + 1))
    if grep -qxE -- "$2" said; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1: it does not say: $2"
        failed=1
    fi
}

expect "sums are added, a target without one counts once" 0 "7 passed, 0 failed" 60 sums silent sums
expect "a target that fails counts once" 1 "3 passed, 1 failed" 60 sums breaks
expect "what a target says has failed is counted" 1 "6 passed, 2 failed" 60 fails sums
expect "good figures do not cover a bad exit" 1 "3 passed, 1 failed" 60 lies
expect "what is skipped without a reason has failed" 1 "3 passed, 1 failed" 60 skips
expect "what is skipped with a reason has not" 0 "3 passed, 0 failed" 60 reasons
expect "a proof may leave out" 0 "1 passed, 0 failed" 60 leaves:1
says "what it left out is said again" "  LEFT layer: 7 points"
says "and how much it was" "  layer: 9 points, 2 ended well, 7 left out"
expect "shares are of what is left but a twelfth" 0 "2 passed, 0 failed" 1200 budget:3 budget:1
says "the first has three quarters of that" "budget 8[12][0-9]"
expect "what does not end in time has failed" 1 "0 passed, 1 failed" 2 sleeps
expect "nothing is left for a test" 1 "0 passed, 1 failed" 0 sums
expect "nothing is left for a proof" 0 "0 passed, 0 failed" 0 leaves:1
says "which is said" "  LEFT make leaves, all of it: no time left"
expect "a process that a target leaves behind is not waited for" 0 "2 passed, 0 failed" 60 daemon
echo "1..$count"
exit "$failed"
