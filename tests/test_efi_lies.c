/*
 * Every lie, every pair of lies, and every single firmware call failing: whatever the firmware
 * does, the stage tries to store before it starts anything, starts whatever can be started, and
 * says of the attempt what is true.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "decide.h"
#include "fake_efi.h"
#include "slots.h"

#define SECOND_NEXT "\\EFI\\debian\\grubx64.efi"

/* No lie of these lets anything be loaded and stay. */
#define NOTHING_STARTS                                                                             \
    (LIE(ESP_MISSING) | LIE(LOAD_FAILS) | LIE(LOAD_VIOLATES) | LIE(START_RETURNS) |                \
     LIE(START_VIOLATES) | LIE(NO_LOADED_IMAGE) | LIE(BROKEN_DEVICE_PATH))

/* Nothing can be asked to take the attempt. */
static int storing_is_hopeless(uint64_t lies)
{
    uint64_t no_slots = LIE(ESP_MISSING) | LIE(NO_LOADED_IMAGE) | LIE(ESP_UNREADABLE) |
                        LIE(ESP_SHORT_READ) | LIE(ESP_READ_ONLY) | LIE(OUT_OF_MEMORY);

    return (lies & no_slots) != 0;
}

/* ---- the machine before -----------------------------------------------------------------------
 */

static void ledger_put(const struct ledger *ledger)
{
    uint8_t bytes[LEDGER_SIZE];

    ledger_encode(ledger, bytes);
    fake_variable_put(SPACE_OURS, LEDGER_VARIABLE, ATTRIBUTES_NV_BS, bytes, sizeof bytes);
}

static void before_first_boot(void) {}

static void before_healthy_boot(void)
{
    struct receipt receipt = {.number = 1, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED};
    uint8_t bytes[RECEIPT_SIZE];

    fake_boot();
    receipt_encode(&receipt, bytes);
    fake_variable_put(SPACE_OURS, RECEIPT_VARIABLE, ATTRIBUTES_NV_BS_RT, bytes, sizeof bytes);
}

static void before_recovery(void)
{
    for (unsigned i = 0; i < 3; i++)
        fake_boot();
    fake_panic(14, 1, 1700000000);
}

static void before_held_boot(void)
{
    struct ledger held = {.number = 41,
                          .case_number = 3,
                          .failures = 9,
                          .rung = RUNG_HOLD,
                          .stance = STANCE_RECOVERY,
                          .case_open = 1,
                          .first_reason = REASON_FAILED_CRASH};

    ledger_put(&held);
}

static void before_damaged_ledger(void)
{
    fake_boot();
    fake_variable(SPACE_OURS, LEDGER_VARIABLE)->bytes[9] ^= 1;
}

static void before_lost_ledger(void)
{
    fake_boot();
    fake_variable_remove(SPACE_OURS, LEDGER_VARIABLE);
}

struct before {
    const char *name;
    void (*prepare)(void);
};

static const struct before befores[] = {
    {"first boot", before_first_boot},         {"healthy", before_healthy_boot},
    {"recovery due", before_recovery},         {"held", before_held_boot},
    {"ledger damaged", before_damaged_ledger}, {"ledger lost", before_lost_ledger},
};
#define BEFORES (sizeof befores / sizeof befores[0])

static void prepare(const struct before *before)
{
    fake_reset();
    fake_conf_put("next=" FAKE_NEXT "\nnext=" SECOND_NEXT "\n");
    fake_file_put(SECOND_NEXT, KIND_LOADER, NULL, 8);
    before->prepare();
}

/* ---- what must hold after -----------------------------------------------------------------------
 */

static int flash_holds(uint32_t number)
{
    struct fake_variable *variable = fake_variable(SPACE_OURS, LEDGER_VARIABLE);
    struct ledger ledger;

    return variable != NULL && variable->attributes == ATTRIBUTES_NV_BS &&
           ledger_decode(&ledger, variable->bytes, variable->size, 0) == RECORD_VALID &&
           ledger.number == number;
}

static int slot_holds(uint32_t number)
{
    struct fake_file *file = fake_file(FAKE_LEDGER_SLOTS);
    struct ledger ledger;
    unsigned slot;

    return slots_newest_ledger(&ledger, file->bytes, file->size, &slot) == RECORD_VALID &&
           !ledger.mark && ledger.number == number;
}

static int ticket_found(struct ticket *ticket)
{
    struct fake_variable *variable = fake_variable(SPACE_OURS, TICKET_VARIABLE);

    return variable != NULL &&
           ticket_decode(ticket, variable->bytes, variable->size) == RECORD_VALID;
}

/* Says why not, or NULL. */
static const char *wrong_with_store(uint64_t lies)
{
    struct ticket ticket;
    int said, there;

    if (!ticket_found(&ticket))
        return (lies & (LIE(NO_RUNTIME_SERVICES) | LIE(OUT_OF_MEMORY))) != 0 ? NULL : "no ticket";
    said = ticket.stored != STORED_NOWHERE;
    there = flash_holds(ticket.number) || slot_holds(ticket.number);
    if (said && !there)
        return "the ticket says counted, and nothing holds the count";
    /* Reads that give back what is not there hide a write that went well. */
    if (!said && there && (lies & (LIE(READS_BACK_OLD) | LIE(SIZE_LIES))) == 0)
        return "the ticket says uncounted, and the count is there";
    if (ticket.stored == STORED_NVRAM && !flash_holds(ticket.number))
        return "stored in NVRAM, and NVRAM does not hold it";
    if (ticket.stored == STORED_ESP && !slot_holds(ticket.number))
        return "stored on the ESP, and the ESP does not hold it";
    return NULL;
}

static const char *wrong_with_order(uint64_t lies)
{
    long start = fake_event_first("start ");
    long set = fake_event_first("set " LEDGER_VARIABLE);
    long slot = fake_event_first("write " FAKE_LEDGER_SLOTS);

    if (start < 0)
        return NULL;
    if (set < 0 && slot < 0 && !storing_is_hopeless(lies))
        return "started without trying to store";
    if (set > start || slot > start)
        return "stored only after starting";
    return NULL;
}

static const char *wrong_with_end(int started, uint64_t lies)
{
    if (!started && (lies & NOTHING_STARTS) == 0)
        return "nothing was started";
    if (started && (lies & NOTHING_STARTS) != 0)
        return "started what cannot be";
    if (!started && (fake_status() & UINT64_C(1) << 63) == 0)
        return "returned without an error, so that BootOrder ends here";
    if (fake_was_reset() && (lies & (LIE(NO_WATCHDOG) | LIE(VARIABLE_WRITE_SLOW))) == 0)
        return "the watchdog bit";
    if (fake_event_first("start ") >= 0 && fake_open_files() != 0)
        return "files were left open";
    return NULL;
}

static const char *wrong(int started, uint64_t lies)
{
    const char *why = wrong_with_end(started, lies);

    if (why == NULL)
        why = wrong_with_order(lies);
    return why != NULL ? why : wrong_with_store(lies);
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void lie_pair(const struct before *before, enum fake_lie a, enum fake_lie b)
{
    uint64_t lies = LIE(a) | LIE(b);
    const char *why;
    int started;

    prepare(before);
    fake_lie(lies);
    started = fake_boot();
    why = wrong(started, lies);
    if (why != NULL)
        fail_msg("%s, %s and %s: %s", before->name, fake_lie_string(a), fake_lie_string(b), why);
}

static void every_pair_of_lies(void **state)
{
    (void)state;
    for (size_t i = 0; i < BEFORES; i++)
        for (int a = 0; a < FAKE_LIE_COUNT; a++)
            for (int b = a; b < FAKE_LIE_COUNT; b++) /* a == b: the lie by itself */
                lie_pair(&befores[i], (enum fake_lie)a, (enum fake_lie)b);
}

static void boots_again_after_every_pair_of_lies(void **state)
{
    (void)state;
    for (int a = 0; a < FAKE_LIE_COUNT; a++)
        for (int b = a; b < FAKE_LIE_COUNT; b++) {
            prepare(&befores[1]);
            fake_lie(LIE(a) | LIE(b));
            fake_boot();
            fake_lie(0);
            if (!fake_boot())
                fail_msg("%s and %s: no boot after them", fake_lie_string((enum fake_lie)a),
                         fake_lie_string((enum fake_lie)b));
        }
}

/* The one call that tells the stage where it is has no second way; then firmware goes on alone. */
#define CALL_WHERE_AM_I 1u

static void every_call_failing_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < BEFORES; i++)
        for (unsigned call = 1;; call++) {
            int started;

            prepare(&befores[i]);
            fake_fail_call(call);
            started = fake_boot();
            if (fake_calls() < call)
                break;
            if (started == (call == CALL_WHERE_AM_I))
                fail_msg("%s, call %u fails: started %d", befores[i].name, call, started);
            if (wrong_with_order(call == CALL_WHERE_AM_I ? LIE(ESP_MISSING) : 0) != NULL)
                fail_msg("%s, call %u fails: %s", befores[i].name, call, wrong_with_order(0));
            /* A ticket that could not be published, or read, tells nothing. */
            if (wrong_with_store(LIE(OUT_OF_MEMORY) | LIE(READS_BACK_OLD)) != NULL)
                fail_msg("%s, call %u fails: %s", befores[i].name, call,
                         wrong_with_store(LIE(OUT_OF_MEMORY) | LIE(READS_BACK_OLD)));
        }
}

static void every_call_failing_from_one_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < BEFORES; i++)
        for (unsigned call = 1;; call++) {
            int started;

            prepare(&befores[i]);
            fake_fail_from(call);
            started = fake_boot();
            if (fake_calls() < call)
                break;
            if (started || (fake_status() & UINT64_C(1) << 63) == 0)
                fail_msg("%s, calls from %u on fail", befores[i].name, call);
            fake_fail_from(0);
            if (!fake_boot())
                fail_msg("%s, calls from %u on fail: no boot after it", befores[i].name, call);
        }
}

/* A power cut is a firmware that does nothing more; the boot after it never counts less. */
static void cut_at_every_call_the_count_never_falls(void **state)
{
    (void)state;
    for (unsigned call = 1;; call++) {
        struct ticket ticket;

        prepare(&befores[2]);
        fake_fail_from(call);
        fake_boot();
        if (fake_calls() < call)
            break;
        fake_fail_from(0);
        assert_true(fake_boot());
        assert_true(ticket_found(&ticket));
        if (ticket.failures < 3 || ticket.stance != STANCE_RECOVERY || ticket.number < 4)
            fail_msg("cut at call %u: number %u, failures %u", call, ticket.number,
                     ticket.failures);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_lies),
        cmocka_unit_test(boots_again_after_every_pair_of_lies),
        cmocka_unit_test(every_call_failing_once),
        cmocka_unit_test(every_call_failing_from_one_on),
        cmocka_unit_test(cut_at_every_call_the_count_never_falls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
