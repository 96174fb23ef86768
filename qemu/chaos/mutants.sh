#!/bin/sh
# mutants.sh DIR RIG - builds each mutant that says "Caught-by: chaos" in DIR/NAME and gives its
# package to chaos of the runner RIG, which must find the rule broken that the patch names
# ("Rule: NAME"), from the seed that it names ("Seed: N"). Any other end of that sequence is a failure.
set -u
dir=$1
rig=$2
passed=0
failed=0
mkdir -p "$dir"

header() { sed -n "s/^$2: //p" "tests/mutants/$1.patch"; }

for patch in tests/mutants/*.patch; do
    grep -q '^Caught-by:.*chaos' "$patch" || continue
    name=$(basename "$patch" .patch)
    log=$dir/$name.log
    if tests/mutants/mutant.sh "$name" "$dir/$name" >"$log" 2>&1 &&
        make -C "$dir/$name" --no-print-directory rig-image rig-payload >>"$log" 2>&1 &&
        ! "$rig" --rig "$dir/$name/build/rig" --scenarios qemu/scenarios \
            chaos --seed "$(header "$name" Seed)" --tries 0 >>"$log" 2>&1 &&
        grep -q "^FAIL .*broken: $(header "$name" Rule): " "$log"; then
        echo "PASS $name: $(grep -o 'broken: .*' "$log" | head -n 1)"
        passed=$((passed + 1))
        rm -rf "${dir:?}/$name"
    else
        echo "FAIL $name: not found; the end of $log:"
        tail -n 5 "$log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
