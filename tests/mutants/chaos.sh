# shellcheck shell=sh
# For each.sh: the mutant's package is given to chaos, which must find the rule broken that the patch
# names ("Rule: NAME"), from the seed that it names ("Seed: N"). In the environment: $RIG_PROGRAM.

build_mutant() { make_in "$1" rig-image rig-payload; }

find_mutant() {
    ! "$RIG_PROGRAM" --rig "$2/build/rig" --scenarios qemu/scenarios \
        chaos --seed "$(header "$1" Seed)" --tries 0 >>"$3" 2>&1 &&
        grep -m 1 "^FAIL .*broken: $(header "$1" Rule): " "$3"
}
