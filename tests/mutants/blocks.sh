# shellcheck shell=sh
# For each.sh: the mutant's programs are packed into a lab of their own, and crash states of the file
# system that the patch names ("On: NAME") are tried until one fails. In the environment:
# $RIG_PROGRAM; $LAB, which that lab is made of; $LAB_TOOLS, programs of the host in it.

build_mutant() {
    make_in "$1" build/agent/backstop build/agent/backstop-early build/efi/backstopx64.efi &&
        mkdir -p "$1/lab" && ln -sfn "$(realpath "$LAB/kernel")" "$1/lab/kernel" || return 1
    # shellcheck disable=SC2086 # LAB_TOOLS are words
    qemu/lab/mklab.sh initrd "$LAB/kernel" "$1/lab/initrd" "$LAB/init" "$1/build/agent/backstop" \
        "$1/build/agent/backstop-early" "$1/build/efi/backstopx64.efi" $LAB_TOOLS
}

find_mutant() {
    on=$(header "$1" On)
    ! "$RIG_PROGRAM" blocks --lab "$2/lab" --out "$2/proof" --until-failed "$on" >>"$3" 2>&1 &&
        grep -m 1 "^FAIL blocks $on/[0-9]" "$3"
}
