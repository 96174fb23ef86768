#!/bin/sh
# mutant.sh NAME DIR | --sources: a copy of the sources in DIR with tests/mutants/NAME.patch applied, for a
# build that the proofs must find fault with. DIR is made anew; only a copy of a mutant is replaced.
#
# Times are kept, and what $B (build) holds of core/, agent/ and efi/ comes along, so that a build
# in DIR compiles what the patch touched and no more. Base images of the rig come as hard links.
# --sources lists what would be copied.
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
mark=.mutant

die() {
    echo "mutant.sh: $*" >&2
    exit 1
}

sources() {
    if [ -e .git ] && command -v git >/dev/null; then
        git ls-files -co --exclude-standard | while read -r file; do [ ! -f "$file" ] || echo "$file"; done
    else
        find . -path ./build -prune -o -path ./.git -prune -o -type f -print
    fi
}

# seed BUILD: objects and base images; a program made of them is linked again where one is newer
seed() {
    mkdir -p "$dir/build"
    for part in core agent efi; do
        [ ! -d "$1/$part" ] || cp -a "$1/$part" "$dir/build/"
    done
    for base in "$1"/rig/base-*; do
        [ -f "$base" ] || continue
        mkdir -p "$dir/build/rig"
        ln "$base" "$dir/build/rig/" 2>/dev/null || cp -a "$base" "$dir/build/rig/"
    done
}

if [ "$*" = --sources ]; then
    cd "$source"
    sources
    exit
fi
[ $# = 2 ] || die "usage: mutant.sh NAME DIR"
patch=$source/tests/mutants/$1.patch
[ -f "$patch" ] || die "$patch is not there; tests/mutants/ has: $(cd "$source/tests/mutants" && echo *.patch)"
grep -q '^Mutant: .' "$patch" || die "$patch does not begin with what is wrong, 'Mutant: ...'"
grep -q '^Caught-by: .' "$patch" || die "$patch does not say 'Caught-by: LAYER'"
[ ! -e "$2" ] || [ -f "$2/$mark" ] || die "$2 is there and is no mutant's; name another directory"
rm -rf "$2"
mkdir -p "$2"
dir=$(cd "$2" && pwd)
echo "$1" >"$dir/$mark"
cd "$source"
sources | cpio -pdm --quiet "$dir" || die "the sources cannot be copied to $dir"
seed "$(cd "$source" && cd "${B:-build}" 2>/dev/null && pwd || echo /nonexistent)"
patch -d "$dir" -p1 -s --no-backup-if-mismatch -r - <"$patch" ||
    die "$1.patch does not apply any more: make it anew, or remove it with what it was to show"
