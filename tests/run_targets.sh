#!/bin/bash
# run_targets.sh BUDGET TARGET[:SHARE]... - makes the targets in turn and sums up what they say.
#
# BUDGET is seconds for all of them. A target with a SHARE is one that can stop early and go on
# another time: it gets PROOF_BUDGET, its share of what is left but a twelfth of BUDGET, in which is
# ended what was begun. Whatever does not end within what is left has failed.
#
# Of each target the last line "N passed, N failed" counts; a target without one counts once.
# "SKIPPED ..." counts as failed; what may be skipped says "skip NAME: REASON" instead. Lines
# "...: N points, N ended well, N left out" and "LEFT ..." are said again at the end.
set -u
budget=$1
shift
passed=0
failed=0
making=
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'test -z "$making" || kill "$making"; exit 130' INT TERM
log=$work/log

left() { echo $((budget > SECONDS ? budget - SECONDS : 0)); }
to_share() { echo $(($(left) > budget / 12 ? $(left) - budget / 12 : 0)); }

skipped_without_reason() { grep -acE '^ *(SKIPPED |skip [^:]*:? *$)' "$log"; }

# tally STATUS: adds what the target in $log says of itself
tally() {
    local sum skipped
    sum=$(grep -aE '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    skipped=$(skipped_without_reason)
    if [[ $sum =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2] + skipped))
        [ "$1" = 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] || failed=$((failed + 1))
    elif [ "$1" = 0 ]; then
        passed=$((passed + 1))
        failed=$((failed + skipped))
    else
        failed=$((failed + 1))
    fi
    grep -aE '^LEFT |^[a-z-]+: .* left out' "$log" >>"$work/left"
}

# run_target TARGET [PROOF_BUDGET]
run_target() {
    local status started=$SECONDS seconds
    seconds=$(left)
    echo "== make $1 (${2:+$2 of }$seconds s left)"
    if [ "${2:-$seconds}" -gt 0 ]; then
        : >"$log"
        timeout --kill-after=30 "$seconds" make --no-print-directory "$1" ${2:+PROOF_BUDGET=$2} >"$log" 2>&1 &
        making=$!
        # Not through a pipe, whose end would wait for whatever a target leaves behind.
        tail -n +1 -f --pid="$making" "$log"
        wait "$making"
        status=$?
        making=
        [[ $status != 124 && $status != 137 ]] || echo "make $1: did not end in time"
    elif [ -n "${2:-}" ]; then
        echo "LEFT make $1, all of it: no time left" | tee "$log"
        cat "$log" >>"$work/left"
        return
    else
        echo "make $1: no time left" | tee "$log"
        status=124
    fi
    tally "$status"
    echo "== make $1: exit status $status after $((SECONDS - started)) s"
}

shares=0
for target; do [[ $target != *:* ]] || shares=$((shares + ${target#*:})); done
for target; do
    if [[ $target == *:* ]]; then
        share=${target#*:}
        run_target "${target%:*}" $(($(to_share) * share / shares))
        shares=$((shares - share))
    else
        run_target "$target"
    fi
done

if [ -s "$work/left" ]; then
    echo "Points of the proofs, and what was left out:"
    sed 's/^/  /' "$work/left"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
