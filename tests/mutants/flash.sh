# shellcheck shell=sh
# For each.sh: the mutant's stage is given to `rig flash`, which must find a point of the case that
# the patch names ("Case: NAME") at which it fails. In the environment: $RIG_PROGRAM; $NEXT, which the
# stage starts; $POINTS a case (10), from all over it.

build_mutant() { make_in "$1" build/efi/backstopx64.efi; }

find_mutant() {
    case=$(header "$1" Case)
    ! "$RIG_PROGRAM" flash --limit "${POINTS:-10}" --first-failure --dir "$2/proof" \
        --next "$NEXT" --stage "$2/build/efi/backstopx64.efi" "$case" >>"$3" 2>&1 &&
        grep -m 1 "^FAIL $case:[0-9]" "$3"
}
