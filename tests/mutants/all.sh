#!/bin/sh
# all.sh SECONDS TARGET...: makes the targets, which end with each.sh, within so many seconds (empty:
# without end), and sums up what they say. One that ends without a sum counts as one failure.
set -u
[ -z "$1" ] || MUTANTS_END=$(($(date +%s) + $1))
export MUTANTS_END="${MUTANTS_END:-}"
shift
passed=0
failed=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
for target; do
    echo "-- $target"
    ${MAKE:-make} --no-print-directory "$target" 2>&1 | tee "$log"
    sum=$(grep -aE '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    sum=${sum:-0 passed, 1 failed}
    passed=$((passed + ${sum%% *}))
    sum=${sum#*, }
    failed=$((failed + ${sum%% *}))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
