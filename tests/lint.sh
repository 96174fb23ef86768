#!/bin/sh
# lint.sh CHECK: one check of the sources as git knows them. Exit status 1 and a line for each
# finding. A tool that is missing, or nothing to look at, is a finding too.
set -eu
cd "$(dirname "$0")/.."

die() {
    echo "lint: $*" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null || die "$1 is not installed; 'make deps' brings it"
}

# tracked PATTERN...: tracked files that are there
tracked() {
    git ls-files -- "$@" >"$list" || die "this is not a git checkout"
    while read -r file; do
        [ ! -f "$file" ] || echo "$file"
    done <"$list"
}

# includes FILE: "< name" or "\" name" of each #include
includes() {
    sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*\([<"]\)\([^>"]*\)[>"].*/\1 \2/p' "$1"
}

is_freestanding() {
    case $1 in
    stddef.h | stdint.h | stdbool.h | limits.h | stdarg.h | stdalign.h | stdnoreturn.h | float.h | iso646.h)
        return 0 ;;
    esac
    return 1
}

# arrows DIR ALLOWED...: sources in DIR include project headers of DIR and ALLOWED alone
arrows() {
    dir=$1
    shift
    tracked "$dir/*.c" "$dir/*.h" >"$files"
    while read -r file; do
        includes "$file" >"$found"
        while read -r kind name; do
            arrow_is_right "$file" "$dir" "$kind" "$name" "$@" || bad "$file includes $name"
        done <"$found"
    done <"$files"
}

# arrow_is_right FILE DIR KIND NAME ALLOWED...
arrow_is_right() {
    beside=$(dirname "$1") dir=$2 kind=$3 name=$4
    shift 4
    if [ "$kind" = '<' ]; then
        [ "$dir" != core ] || is_freestanding "$name" || return 1
        for part in core efi agent qemu; do
            [ ! -e "$part/$name" ] || return 1
        done
        return 0
    fi
    case $name in
    */*) return 1 ;; # each part is its own -I, so a path is a way round
    esac
    for part in "$beside" "$dir" "$@"; do
        [ ! -e "$part/$name" ] || return 0
    done
    return 1
}

# nm_check MAKE BUILD CC OPT: what core leaves undefined, core defines
nm_check() {
    need nm
    need "$3"
    $1 --no-print-directory B="$2" CC="$3" OPT="-$4" SAN= "$2/core/libcore.a"
    nm --defined-only "$2/core/libcore.a" | awk 'NF == 3 { print $3 }' | sort -u >"$files"
    [ -s "$files" ] || die "no symbols in $2/core/libcore.a"
    nm -u "$2/core/libcore.a" | awk '$1 == "U" { print $2 }' | sort -u >"$found"
    comm -13 "$files" "$found" >"$list"
    while read -r symbol; do
        bad "core needs $symbol ($3 -$4)"
    done <"$list"
}

format_check() {
    need clang-format
    tracked '*.c' '*.h' >"$files"
    [ -s "$files" ] || die "no C files"
    xargs clang-format --dry-run -Werror <"$files" || findings=1
}

# Shell is what says so: by its name, its first line, or a directive for shellcheck.
is_shell() {
    case $1 in
    *.sh) return 0 ;;
    esac
    head -n 3 "$1" | grep -aqE '^#!.*[/ ](ba|da)?sh( |$)|^# shellcheck shell='
}

# Debian's /bin/sh has `local`; files of other packages that a script sources are not here.
shell_check() {
    need shellcheck
    tracked . >"$files"
    : >"$found"
    while read -r file; do
        if is_shell "$file"; then echo "$file" >>"$found"; fi
    done <"$files"
    [ -s "$found" ] || die "no shell files"
    while read -r file; do
        case $(head -n 1 "$file") in
        '#!/bin/sh'*) shellcheck -e SC1091 -s dash "$file" || findings=1 ;;
        *) shellcheck -e SC1091 "$file" || findings=1 ;;
        esac
    done <"$found"
}

bad() {
    echo "lint: $*"
    findings=1
}

findings=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
list=$work/list files=$work/files found=$work/found

case ${1:-} in
arrows-core) arrows core ;;
arrows-efi) arrows efi core ;;
arrows-agent) arrows agent core ;;
arrows-qemu) arrows qemu ;;
format) format_check ;;
shell) shell_check ;;
nm)
    shift
    nm_check "$@"
    ;;
*) die "usage: lint.sh arrows-core|arrows-efi|arrows-agent|arrows-qemu|format|shell|nm" ;;
esac
exit "$findings"
