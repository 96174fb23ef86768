#!/bin/sh
# mutants.sh BUILD: each mutant that is to be found at the level of system calls (Caught-by: calls)
# is built, and proof-calls must find fault with it, at the points that its patch names (Points:
# options of proof-calls), with which it finds none of the programs as they are.
# Prints a line a mutant and "N passed, N failed"; exit status 1 if one was not found.
set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
proof=$build/tests/proof-calls
work=$build/mutants
passed=0 failed=0

say() {
    if [ "$1" = found ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    echo "  $name: $2"
}

# prove PROGRAMS RESULTS: exit status of proof-calls at the points of this mutant; words are split
prove() {
    mkdir -p "$2"
    # shellcheck disable=SC2086
    "$proof" --programs "$1" --results "$2" $points >"$log" 2>&1
}

make_mutant() {
    B=$build tests/mutants/mutant.sh "$name" "$work/$name" || return 1
    make -C "$work/$name" B=build build/agent/backstop build/agent/backstop-early
}

try() {
    name=$(basename "$1" .patch) log=$work/$(basename "$1" .patch).log
    points=$(sed -n 's/^Points: //p' "$1")
    mkdir -p "$work"
    if ! make_mutant >"$log" 2>&1; then
        say missed "it cannot be built: $(tail -1 "$log")"
        return
    fi
    if ! prove "$build/agent" "$build/proof/calls"; then
        say missed "its points fail without it as well: $(grep FAILED "$log" | head -1)"
        return
    fi
    status=0
    prove "$work/$name/build/agent" "$work/$name/proof" || status=$?
    if [ $status = 1 ]; then
        say found "found: $(grep FAILED "$log" | head -1 | cut -c1-160)"
    else
        say missed "NOT found: $(tail -1 "$log")"
    fi
    rm -rf "${work:?}/$name"
}

for patch in tests/mutants/*.patch; do
    if grep -q '^Caught-by:.*\<calls\>' "$patch"; then try "$patch"; fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed != 0 ]
