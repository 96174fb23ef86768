#!/bin/sh
# each.sh LAYER DIR [NAME]: each mutant that says "Caught-by: LAYER", or NAME alone, is made and built
# in DIR/NAME, and the layer must find it. How it does is in tests/mutants/LAYER.sh, read here:
#   build_mutant TREE             builds there what the layer tries
#   find_mutant NAME TREE LOG     0 where it is found, and says by what; what it runs writes to LOG
# A mutant that does not apply or build, and any other end, is a failure, and what was made of it is
# kept. Begun where the sources are; $B (build) has what is built of them.
#
# What was found is kept in DIR/NAME.found, with a hash of all sources but documents: it is not
# sought again while they are the same. A mutant that is named always is.
#
# MUTANTS_END (s since 1970; none): what is not over by then is broken off, and said: "LEFT ...".
# MUTANTS_JOBS (1): how many are tried side by side.
set -u
layer=$1
dir=$2

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

# judge NAME KEY: says what came of it, and keeps it where it was found; its code in NAME.code
judge() {
    code=0
    said=$(in_time "$1") || code=$?
    case $code in
    0) printf '%s\n%s\n' "$2" "$said" >"$dir/$1.found" ;;
    124 | 137)
        said="LEFT mutant $1 of $layer: not over within the budget"
        rm -rf "${dir:?}/$1"
        ;;
    esac
    echo "$code" >"$dir/$1.code"
    printf '%s\n' "$said"
}

# What is under test, and with what: any of it may have had a part in what was found.
sources_key() {
    tests/mutants/mutant.sh --sources | grep -v -e '\.md$' -e 'RESULTS$' | LC_ALL=C sort | tr '\n' '\0' |
        xargs -0 sha256sum | sha256sum | cut -c1-16
}

# shellcheck source=/dev/null
. "tests/mutants/$layer.sh" || exit 1
mkdir -p "$dir" && dir=$(cd "$dir" && pwd) && B=$(cd "${B:-build}" && pwd) || exit 1
export B
case $# in
3)
    try_mutant "$3"
    exit
    ;;
4)
    judge "$3" "$4"
    exit 0
    ;;
esac

key=$(sources_key)
passed=0
failed=0
there=0
sought=
for patch in tests/mutants/*.patch; do
    grep -q "^Caught-by:.*\<$layer\>" "$patch" || continue
    there=$((there + 1))
    name=$(basename "$patch" .patch)
    if [ "$(sed -n 1p "$dir/$name.found" 2>/dev/null)" = "$key" ]; then
        passed=$((passed + 1))
        sed 1d "$dir/$name.found"
        continue
    fi
    rm -f "$dir/$name.found" "$dir/$name.code"
    sought="$sought $name"
done
# shellcheck disable=SC2086 # words
[ -z "$sought" ] || printf '%s\n' $sought |
    xargs -P "${MUTANTS_JOBS:-1}" -I '{}' "$0" "$layer" "$dir" '{}' "$key"
for name in $sought; do
    case $(cat "$dir/$name.code" 2>/dev/null) in
    0) passed=$((passed + 1)) ;;
    124 | 137) ;;
    *) failed=$((failed + 1)) ;;
    esac
    rm -f "$dir/$name.code"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$there" != 0 ]
