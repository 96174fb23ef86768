#!/bin/sh
# each.sh LAYER DIR: each mutant that says "Caught-by: LAYER" is made and built in DIR/NAME, and the
# layer must find it. How it does is in tests/mutants/LAYER.sh, which is read here:
#   build_mutant TREE             builds there what the layer tries
#   find_mutant NAME TREE LOG     0 where it is found, and says by what; what it runs writes to LOG
# A mutant that does not apply or build, and any other end, is a failure, and what was made of it is
# kept. Begun where the sources are; $B (build) has what is built of them.
set -u
layer=$1
dir=$2
passed=0
failed=0

# header NAME KEY: what its patch says behind "KEY: "
header() { sed -n "s/^$2: //p" "tests/mutants/$1.patch"; }

make_in() { make -C "$@" --no-print-directory B=build; }

# make_mutant NAME TREE
make_mutant() { tests/mutants/mutant.sh "$1" "$2" && build_mutant "$2"; }

# shellcheck source=/dev/null
. "tests/mutants/$layer.sh" || exit 1
mkdir -p "$dir" && dir=$(cd "$dir" && pwd) && B=$(cd "${B:-build}" && pwd) || exit 1
export B
for patch in tests/mutants/*.patch; do
    grep -q "^Caught-by:.*\<$layer\>" "$patch" || continue
    name=$(basename "$patch" .patch)
    tree=$dir/$name
    if make_mutant "$name" "$tree" >"$tree.log" 2>&1 &&
        found=$(find_mutant "$name" "$tree" "$tree.log"); then
        echo "PASS $name: $found"
        passed=$((passed + 1))
        rm -rf "$tree"
    else
        echo "FAIL $name: not found; the end of $tree.log:"
        tail -n 5 "$tree.log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
