#!/bin/sh
# each.sh LAYER DIR [NAME]: each mutant that says "Caught-by: LAYER", or NAME alone, is made and built
# in DIR/NAME, and the layer must find it. How it does is in tests/mutants/LAYER.sh, read here:
#   build_mutant TREE             builds there what the layer tries
#   find_mutant NAME TREE LOG     0 where it is found, and says by what; what it runs writes to LOG
# A mutant that does not apply or build, and any other end, is a failure, and what was made of it is
# kept. Begun where the sources are; $B (build) has what is built of them.
#
# MUTANTS_END (s since 1970; none): what is not over by then is broken off, and said: "LEFT ...".
set -u
layer=$1
dir=$2
passed=0
failed=0

# header NAME KEY: what its patch says behind "KEY: "
header() { sed -n "s/^$2: //p" "tests/mutants/$1.patch"; }

make_in() { make -C "$@" --no-print-directory B=build; }

# try_mutant NAME: 0 where it is found
try_mutant() {
    tree=$dir/$1
    if tests/mutants/mutant.sh "$1" "$tree" >"$tree.log" 2>&1 &&
        build_mutant "$tree" >>"$tree.log" 2>&1 &&
        found=$(find_mutant "$1" "$tree" "$tree.log"); then
        rm -rf "$tree"
        echo "PASS $1: $found"
        return 0
    fi
    echo "FAIL $1: not found; the end of $tree.log:"
    tail -n 5 "$tree.log"
    return 1
}

# in_time NAME: the same in a process of its own; 124 where its time was up
in_time() {
    left=$((${MUTANTS_END:-$(($(date +%s) + 100000000))} - $(date +%s)))
    [ "$left" -gt 0 ] || return 124
    timeout --kill-after=10 "$left" "$0" "$layer" "$dir" "$1"
}

leave_out() {
    echo "LEFT mutant $1 of $layer: not over within the budget"
    rm -rf "${dir:?}/$1"
}

# shellcheck source=/dev/null
. "tests/mutants/$layer.sh" || exit 1
mkdir -p "$dir" && dir=$(cd "$dir" && pwd) && B=$(cd "${B:-build}" && pwd) || exit 1
export B
if [ $# = 3 ]; then
    try_mutant "$3"
    exit
fi
there=0
for patch in tests/mutants/*.patch; do
    grep -q "^Caught-by:.*\<$layer\>" "$patch" || continue
    there=$((there + 1))
    name=$(basename "$patch" .patch)
    code=0
    in_time "$name" || code=$?
    case $code in
    0) passed=$((passed + 1)) ;;
    124 | 137) leave_out "$name" ;;
    *) failed=$((failed + 1)) ;;
    esac
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$there" != 0 ]
