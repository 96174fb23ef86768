# shellcheck shell=sh
# For each.sh: proof-calls must find fault with the mutant's programs at the points that the patch
# names ("Points: OPTIONS"), with which it finds none with the programs as they are, those in $B.

build_mutant() { make_in "$1" build/agent/backstop build/agent/backstop-early; }

# prove NAME PROGRAMS RESULTS LOG: exit status of proof-calls
prove() {
    mkdir -p "$3" || return 1
    # shellcheck disable=SC2046 # options are words
    "$B/tests/proof-calls" --programs "$2" --results "$3" $(header "$1" Points) >>"$4" 2>&1
}

find_mutant() {
    if ! prove "$1" "$B/agent" "$B/proof/calls" "$3"; then
        echo "its points fail without it as well" >>"$3"
        return 1
    fi
    status=0
    prove "$1" "$2/build/agent" "$2/proof" "$3" || status=$?
    [ $status = 1 ] && grep -o -m 1 "FAILED.*" "$3"
}
