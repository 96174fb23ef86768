#include "reason.h"

const char *reason_string(enum reason reason)
{
    switch (reason) {
    case REASON_NONE:
        return "nothing to report";
    case REASON_FIRST_BOOT:
        return "first boot with Backstop";
    case REASON_LEDGER_LOST:
        return "the firmware lost the record of boots; counting went on from the copy on the ESP";
    case REASON_LEDGER_DAMAGED:
        return "the record of boots was damaged";
    case REASON_LEDGER_NEWER:
        return "the record of boots was written by a newer Backstop";
    case REASON_FAILED_UNKNOWN:
        return "the boot before ended without a trace (power cut, freeze or reset)";
    case REASON_FAILED_CRASH:
        return "the boot before ended in a kernel panic";
    case REASON_FAILED_HANG:
        return "a watchdog ended the boot before";
    case REASON_FAILED_DEADLINE:
        return "the boot before was not good by its deadline";
    case REASON_THRESHOLD:
        return "too many boots failed in a row";
    case REASON_RUNG_FAILED:
        return "the recovery before this one did not help";
    case REASON_PROBATION_FAILED:
        return "the first normal boot after a recovery failed";
    case REASON_NO_INITRAMFS:
        return "the failed boots never reached the initramfs";
    case REASON_RECOVERED:
        return "a boot in safe mode was good";
    case REASON_RETURNED:
        return "the normal boot after the recovery was good";
    case REASON_NOTHING_CHANGED:
        return "nothing had changed, so there was nothing to put back";
    case REASON_CLEAN_END:
        return "the boot before was ended in order before it could prove good";
    case REASON_QUIET:
        return "enough good boots in a row took the rung down";
    case REASON_HELD:
        return "every step of recovery has been tried";
    }
    return "a reason that this version does not know";
}
