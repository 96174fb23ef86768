/* How one boot of a trial ended, from what was seen of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../qemu/ending.h"

/* Offsets as in core/FORMAT.md. */
static struct record record_with(enum record_kind kind, uint8_t number, size_t at, uint8_t value,
                                 size_t at_too, uint8_t value_too)
{
    struct record record = {.kind = kind, .there = true, .whole = true};

    record.bytes[16] = number;
    record.bytes[at] = value;
    record.bytes[at_too] = value_too;
    return record;
}

enum { OUTCOME = 24, APPLIED = 26, STANCE = 27 };
enum { NOT_ENDED = 0, GOOD = 1, FAILED = 6 };
enum { NONE = 0, NOTHING, PUT_BACK, MASKED, REFUSED };

/* What happened, a letter each: p panic, r reset, o power-off, k its console shows the kernel, f
 * which says that it goes down, h hello, c counted. */
static struct boot boot_with(const char *seen, uint8_t receipt_number, uint8_t outcome,
                             uint8_t applied)
{
    struct boot boot = {.panic = strchr(seen, 'p') != NULL,
                        .reset = strchr(seen, 'r') != NULL,
                        .poweroff = strchr(seen, 'o') != NULL,
                        .kernel = strchr(seen, 'k') != NULL,
                        .farewell = strchr(seen, 'f') != NULL,
                        .hello = strchr(seen, 'h') != NULL,
                        .counted = strchr(seen, 'c') != NULL};

    boot.ledger = record_with(RECORD_LEDGER, 7, STANCE, 1, STANCE, 1);
    boot.receipt = record_with(RECORD_RECEIPT, receipt_number, OUTCOME, outcome, APPLIED, applied);
    return boot;
}

static const struct {
    const char *name, *seen;
    bool was_good;
    uint8_t receipt, outcome;
    enum ending ending;
} endings[] = {
    {"a panic", "kpr", false, 6, GOOD, ENDING_CRASHED},
    {"a reset without a panic", "kr", false, 6, GOOD, ENDING_CRASHED},
    {"a panic after it was good", "khcpr", true, 7, GOOD, ENDING_LATE},
    {"a panic at once after it was good", "khcpr", true, 7, NOT_ENDED, ENDING_LATE},
    {"a reset after it was good", "hr", true, 6, GOOD, ENDING_LATE},
    {"switched off by the rig", "kh", false, 6, GOOD, ENDING_HUNG},
    {"ended as failed, up", "khcr", false, 7, FAILED, ENDING_UNHEALTHY},
    {"ended as failed, not up", "kcr", false, 7, FAILED, ENDING_HUNG},
    {"the boot before was failed", "khcr", false, 6, FAILED, ENDING_CRASHED},
    {"not counted: the receipt is of another time", "khr", false, 7, FAILED, ENDING_CRASHED},
};

static void endings_of_boots(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        struct boot boot = boot_with(endings[i].seen, endings[i].receipt, endings[i].outcome, NONE);

        print_message("%s\n", endings[i].name);
        assert_int_equal(boot_ending(&boot, endings[i].was_good), endings[i].ending);
    }
}

static const struct {
    const char *name, *seen;
    bool in_order;
} orders[] = {
    {"reboots and says so", "khfr", true},
    {"powers off and says so", "khfo", true},
    {"powers off", "kho", true},
    {"reboots, and there is no console to say it on", "hr", true},
    {"resets without a word, though it has a console", "khr", false},
    {"panics", "khpr", false},
    {"panics while it reboots", "khfpr", false},
    {"panics, no console", "hpr", false},
    {"was switched off", "kh", false},
    {"was switched off while it went down", "khf", false},
};

static void ends_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct boot boot = boot_with(orders[i].seen, 0, NOT_ENDED, NONE);

        print_message("%s\n", orders[i].name);
        assert_int_equal(boot_in_order(&boot), orders[i].in_order);
    }
}

/* The ledger says "recovery" in each. */
static const struct {
    const char *name, *seen;
    uint8_t receipt, applied;
    bool recovers;
} recoveries[] = {
    {"put back", "kc", 7, PUT_BACK, true},
    {"drivers masked", "kc", 7, MASKED, true},
    {"nothing to put back", "kc", 7, NOTHING, false},
    {"could not put back", "kc", 7, REFUSED, false},
    {"did not recover", "kc", 7, NONE, false},
    {"put back in the boot before", "kc", 6, PUT_BACK, false},
    {"not counted", "k", 7, PUT_BACK, false},
};

static void credit_for_recovery(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof recoveries / sizeof *recoveries; i++) {
        struct boot boot =
            boot_with(recoveries[i].seen, recoveries[i].receipt, NOT_ENDED, recoveries[i].applied);

        print_message("%s\n", recoveries[i].name);
        assert_int_equal(boot_recovers(&boot), recoveries[i].recovers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endings_of_boots),
        cmocka_unit_test(ends_in_order),
        cmocka_unit_test(credit_for_recovery),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
