#!/bin/sh
# mutants.sh DIR - builds each mutant that says "Caught-by: blocks" in DIR/NAME, packs its programs
# into a lab of its own, and tries crash states of the file system that the patch names ("On: NAME")
# until one fails. A lab that does not run is a failure, not a find.
set -u
dir=$1
rig=${RIG_PROGRAM:-build/qemu/rig}
lab=${LAB:-build/lab}
passed=0
failed=0
mkdir -p "$dir"

header() { sed -n "s/^$2: //p" "tests/mutants/$1.patch"; }

# lab_of TREE: the lab, with the programs of that tree
lab_of() {
    mkdir -p "$1/lab"
    ln -sfn "$(realpath "$lab/kernel")" "$1/lab/kernel"
    # shellcheck disable=SC2086 # LAB_TOOLS are words
    qemu/lab/mklab.sh initrd "$lab/kernel" "$1/lab/initrd" "$lab/init" "$1/build/agent/backstop" \
        "$1/build/agent/backstop-early" "$1/build/efi/backstopx64.efi" ${LAB_TOOLS:-e2fsck fsck.fat}
}

for patch in tests/mutants/*.patch; do
    grep -q '^Caught-by:.*blocks' "$patch" || continue
    name=$(basename "$patch" .patch)
    log=$dir/$name.log
    on=$(header "$name" On)
    if tests/mutants/mutant.sh "$name" "$dir/$name" >"$log" 2>&1 &&
        make -C "$dir/$name" --no-print-directory build/agent/backstop build/agent/backstop-early \
            build/efi/backstopx64.efi >>"$log" 2>&1 &&
        lab_of "$dir/$name" >>"$log" 2>&1 &&
        ! "$rig" blocks --lab "$dir/$name/lab" --out "$dir/$name/proof" --until-failed "$on" \
            >>"$log" 2>&1 &&
        grep -q "^FAIL blocks $on/[0-9]" "$log"; then
        echo "PASS $name: $(grep "^FAIL blocks $on/[0-9]" "$log" | head -n 1)"
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
