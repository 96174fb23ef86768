#!/bin/sh
# flash_mutants.sh DIR - builds each mutant that says "Caught-by: flash" in DIR/NAME and gives its
# stage to `rig flash`, which must find a point of the case that the patch names ("Case: NAME") at
# which it fails. A case that cannot be logged, or ends otherwise, is a failure.
set -u
dir=$1
rig=${RIG_PROGRAM:-build/qemu/rig}
next=${NEXT:-build/efi/ovmf_next.efi}
points=${POINTS:-10} # a case, from all over it
passed=0
failed=0
mkdir -p "$dir"

header() { sed -n "s/^$2: //p" "tests/mutants/$1.patch"; }

for patch in tests/mutants/*.patch; do
    grep -q '^Caught-by:.*flash' "$patch" || continue
    name=$(basename "$patch" .patch)
    log=$dir/$name.log
    case=$(header "$name" Case)
    if tests/mutants/mutant.sh "$name" "$dir/$name" >"$log" 2>&1 &&
        make -C "$dir/$name" --no-print-directory build/efi/backstopx64.efi >>"$log" 2>&1 &&
        ! "$rig" flash --limit "$points" --first-failure --dir "$dir/$name/proof" --next "$next" \
            --stage "$dir/$name/build/efi/backstopx64.efi" "$case" >>"$log" 2>&1 &&
        grep -q "^FAIL $case:[0-9]" "$log"; then
        echo "PASS $name: $(grep "^FAIL $case:[0-9]" "$log" | head -n 1)"
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
