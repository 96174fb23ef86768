#!/bin/sh
# The stage in real firmware: OVMF under QEMU, with a disk of its own and tests/ovmf_next.c as the
# operating system.
#
#   ovmf_stage.sh test  DIR    boots in a row; what the ticket says in each
#   ovmf_stage.sh bench DIR    guest time from the start of loading the stage to the first
#                              instruction of what it starts, beside starting that directly
#
# DIR holds backstopx64.efi and ovmf_next.efi. Each boot ends by the machine switching itself off.
#
# How time is measured: with -icount shift=0,sleep=off QEMU advances guest time by 1 ns an
# instruction, and the TSC with it, so a run gives the same figure on any host. \EFI\BOOT\BOOTX64.EFI
# reads the TSC and then loads and starts hop.efi with that as load options; the measured program
# reads the TSC as its first act. In the floor hop.efi is the measured program; otherwise hop.efi is
# the stage, which has the measured program as next=, so load options passed through are part of the
# proof. Firmware has run once before, so that its own first-time writes are not in the figures.
set -eu

mode=$1
dir=$2
code=${OVMF_CODE:-/usr/share/OVMF/OVMF_CODE_4M.fd}
vars=${OVMF_VARS:-/usr/share/OVMF/OVMF_VARS_4M.fd}
work=$(mktemp -d "$dir/ovmf.XXXXXX")
qemu=
# timeout hands on what it is sent, unless that is KILL
trap 'test -z "$qemu" || kill "$qemu" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
passed=0
failed=0

# A disk with the stage at $1, and firmware that has never run.
machine_make() {
    rm -f "$work/disk"
    truncate -s 16M "$work/disk"
    mformat -i "$work/disk" ::
    mmd -i "$work/disk" ::/EFI ::/EFI/BOOT ::/EFI/test ::/EFI/backstop
    mcopy -i "$work/disk" "$dir/backstopx64.efi" "::$1"
    for name in next good spoil drop fill panics time; do
        mcopy -i "$work/disk" "$dir/ovmf_next.efi" "::/EFI/test/$name.efi"
    done
    truncate -s 8192 "$work/slots"
    mcopy -i "$work/disk" "$work/slots" ::/EFI/backstop/ledger.esp
    mcopy -i "$work/disk" "$work/slots" ::/EFI/backstop/receipt.esp
    cp "$vars" "$work/vars"
}

# One boot in which the stage has \EFI\test\$1.efi as next; "$@" after that goes to QEMU.
machine_boot() {
    printf 'next=\\EFI\\test\\%s.efi\r\n' "$1" >"$work/stage.conf"
    mcopy -o -i "$work/disk" "$work/stage.conf" ::/EFI/backstop/stage.conf
    shift
    rm -f "$work/serial"
    timeout -s KILL "${OVMF_SECONDS:-900}" qemu-system-x86_64 -machine q35,accel=tcg -m 256 \
        -nodefaults -display none -no-reboot -serial "file:$work/serial" \
        -drive "if=pflash,format=raw,unit=0,readonly=on,file=$code" \
        -drive "if=pflash,format=raw,unit=1,file=$work/vars" \
        -drive "if=none,id=disk,format=raw,file=$work/disk" \
        -device virtio-blk-pci,drive=disk "$@" </dev/null >"$work/qemu" 2>&1 &
    qemu=$!
    wait "$qemu" || true
    qemu=
    tr -d '\r\033' <"$work/serial" >"$work/said"
}

ticket() {
    sed -n 's/.*TICKET //p' "$work/said" | tail -n 1
}

# Row: name; what is started; what the ticket must be, field by field.
row() {
    name=$1
    machine_boot "$2"
    shift 2
    said=" $(ticket) "
    for field in "$@"; do
        case $said in
        *" $field "*) ;;
        *)
            failed=$((failed + 1))
            printf 'FAILED  %s: not %s; ticket:%s\n' "$name" "$field" "$said"
            tail -n 3 "$work/qemu"
            return
            ;;
        esac
    done
    passed=$((passed + 1))
    printf 'passed  %s\n' "$name"
}

says() {
    if grep -q "$2" "$work/said"; then
        passed=$((passed + 1))
        printf 'passed  %s\n' "$1"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "$1"
    fi
}

# Rungs: 0 normal, 2 all. Stances: 0 normal, 1 recovery, 2 probation. Stored: 1 NVRAM, 2 ESP.
run_tests() {
    machine_make /EFI/BOOT/BOOTX64.EFI
    row 'first boot' good state=1 attributes=6 number=1 failures=0 rung=0 stance=0 reason=1 stored=1
    row 'after a good boot' next number=2 failures=0 rung=0 stance=0 stored=1
    row 'after one failed boot' next number=3 failures=1 rung=0 stance=0 stored=1
    row 'after two' next number=4 failures=2 rung=0 stance=0 stored=1
    row 'after three: recovery' good number=5 failures=3 rung=2 stance=1 stored=1
    says 'the recovery says so on the console' 'case 1, code BS-1-A-05'
    row 'after a good recovery: probation' good number=6 failures=0 stance=2
    row 'after a good probation' spoil number=7 failures=0 stance=0
    row 'ledger damaged: one short of the threshold' next number=72 found=2 failures=2 reason=3 stored=1
    row 'one failure more: recovery' good failures=3 rung=2 stance=1 found=1

    machine_make /EFI/BOOT/BOOTX64.EFI
    row 'first boot of another machine' drop number=1 reason=1
    row 'ledger gone: not a first boot, not recreated' good found=0 reason=2 stored=2
    row 'after that good boot' good failures=0 stored=1
    row 'back in NVRAM' fill failures=0 found=1 stored=1
    row 'ledger gone, NVRAM full of dumps: slot' next reason=2 failures=0 stored=2 cleared=0
    row 'NVRAM full of dumps: counted all the same' next reason=5 failures=1 found=0 stored=1
    says 'room was made by clearing dumps' 'cleared=[1-9]'
    printf '%d passed, %d failed\n' "$passed" "$failed"
    test "$failed" -eq 0
}

ticks() {
    machine_boot "$1" -icount shift=0,sleep=off
    sed -n 's/.*TICKS \([0-9][0-9]*\).*/\1/p' "$work/said" | tail -n 1 | grep . || {
        echo "ovmf_stage.sh: the measured program was not reached; what the machine said:" >&2
        tail -n 5 "$work/said" "$work/qemu" >&2
        return 1
    }
}

run_bench() {
    machine_make /EFI/BOOT/hop.efi
    mcopy -o -i "$work/disk" "$dir/ovmf_next.efi" ::/EFI/BOOT/BOOTX64.EFI
    mcopy -o -i "$work/disk" "$dir/ovmf_next.efi" ::/EFI/test/hop.efi
    ticks time >/dev/null
    floor=$(ticks time)
    mcopy -o -i "$work/disk" "$dir/backstopx64.efi" ::/EFI/test/hop.efi
    first=$(ticks time)
    healthy=$(ticks time)
    machine_boot panics
    ticks time >/dev/null
    panics=$(ticks time)
    printf 'stage: straight chaining      %9d ns\n' "$floor"
    printf 'stage: first boot             %9d ns\n' "$first"
    printf 'stage: healthy boot           %9d ns\n' "$healthy"
    printf 'stage: more than straight     %9d ns  (aim: under 5000000)\n' "$((healthy - floor))"
    printf 'stage: with 224 crash records %9d ns more than straight\n' "$((panics - floor))"
    printf 'stage: size                   %9d bytes\n' "$(wc -c <"$dir/backstopx64.efi")"
}

case $mode in
test) run_tests ;;
bench) run_bench ;;
*)
    echo "usage: ovmf_stage.sh test|bench DIR" >&2
    exit 2
    ;;
esac
