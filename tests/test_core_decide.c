/*
 * The boot decision: walks up and down the ladder, and what is made of a ledger that is not simply
 * there. All of its states: test_core_model.c.
 */
#include "check.h"

#include <string.h>

#include "decide.h"
#include "records.h"

static const struct policy defaults = {.threshold = 3, .step = 2, .quiet = 3};
static const struct policy by_hand = {
    .threshold = 3, .step = 2, .quiet = 3, .return_how = RETURN_BY_HAND};
static const struct policy strict = {.threshold = 1, .step = 1, .quiet = 1};
static const struct policy patient = {.threshold = 7, .step = 1, .quiet = 20};

/* ---- walks: one machine, boot after boot -------------------------------------------------- */

/* How the boot before ended. */
enum event {
    BEGIN,    /* nothing known: no ledger, no receipt, no slot */
    GOOD,     /* good receipt; in a recovery, something was put back */
    NOTHING,  /* good receipt; recovery found nothing to do */
    MASKED,   /* good receipt; drivers masked */
    GO,       /* good receipt, and a person asked to leave safe mode */
    CLEAN,    /* ended in order before it was good */
    CUT,      /* no receipt, no trace */
    CRASH,    /* no receipt, new dumps */
    REPORTED, /* the initramfs was reached, then no trace */
    NAMED,    /* the same, and the evidence names a driver */
    HANG,     /* a watchdog reset it */
    DEADLINE, /* the agent ended it */
};

struct step {
    enum event event;
    uint8_t failures, rung, stance; /* after the decision */
    uint8_t reason;
};

#define STEPS_MAX 24

struct walk {
    const char *name;
    const struct policy *policy;
    uint32_t means;
    struct step steps[STEPS_MAX]; /* up to the first with reason REASON_NONE and no event */
};

#define N RUNG_NORMAL, STANCE_NORMAL
#define RECOVER(rung) RUNG_##rung, STANCE_RECOVERY
#define PROVE(rung) RUNG_##rung, STANCE_PROBATION
#define REMEMBER(rung) RUNG_##rung, STANCE_NORMAL
#define START                                                                                      \
    {                                                                                              \
        BEGIN, 0, N, REASON_FIRST_BOOT                                                             \
    }

static const struct walk walks[] = {
    {"healthy",
     &defaults,
     0,
     {START,
      {GOOD, 0, N, REASON_NONE},
      {GOOD, 0, N, REASON_NONE},
      {CLEAN, 0, N, REASON_CLEAN_END}}},
    {"the demo: three panics, recovery, normal again",
     &defaults,
     0,
     {START,
      {GOOD, 0, N, REASON_NONE},
      {CRASH, 1, N, REASON_FAILED_CRASH},
      {CRASH, 2, N, REASON_FAILED_CRASH},
      {CRASH, 3, RECOVER(ALL), REASON_THRESHOLD},
      {GOOD, 0, PROVE(ALL), REASON_RECOVERED},
      {GOOD, 0, REMEMBER(ALL), REASON_RETURNED}}},
    {"to the end, nothing named, no boot files kept",
     &defaults,
     0,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CUT, 2, N, REASON_FAILED_UNKNOWN},
      {CUT, 3, RECOVER(ALL), REASON_THRESHOLD},
      {CUT, 4, RECOVER(ALL), REASON_FAILED_UNKNOWN},
      {CUT, 5, RECOVER(DRIVERS_OFF), REASON_RUNG_FAILED},
      {CUT, 6, RECOVER(DRIVERS_OFF), REASON_FAILED_UNKNOWN},
      {CUT, 7, RECOVER(HOLD), REASON_HELD},
      {CUT, 8, RECOVER(HOLD), REASON_FAILED_UNKNOWN},
      {CUT, 9, RECOVER(HOLD), REASON_HELD}}},
    {"every rung",
     &defaults,
     MEANS_BOOT_FILES,
     {START,
      {CRASH, 1, N, REASON_FAILED_CRASH},
      {NAMED, 2, N, REASON_FAILED_UNKNOWN},
      {NAMED, 3, RECOVER(TARGETED), REASON_THRESHOLD},
      {NAMED, 4, RECOVER(TARGETED), REASON_FAILED_UNKNOWN},
      {NAMED, 5, RECOVER(ALL), REASON_RUNG_FAILED},
      {REPORTED, 6, RECOVER(ALL), REASON_FAILED_UNKNOWN},
      {REPORTED, 7, RECOVER(DRIVERS_OFF), REASON_RUNG_FAILED},
      {REPORTED, 8, RECOVER(DRIVERS_OFF), REASON_FAILED_UNKNOWN},
      {REPORTED, 9, RECOVER(BOOT_FILES), REASON_RUNG_FAILED},
      {REPORTED, 10, RECOVER(BOOT_FILES), REASON_FAILED_UNKNOWN},
      {REPORTED, 11, RECOVER(HOLD), REASON_HELD}}},
    {"initramfs never reached",
     &defaults,
     MEANS_BOOT_FILES,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CUT, 2, N, REASON_FAILED_UNKNOWN},
      {CUT, 3, RECOVER(BOOT_FILES), REASON_NO_INITRAMFS},
      {CUT, 4, RECOVER(BOOT_FILES), REASON_FAILED_UNKNOWN},
      {CUT, 5, RECOVER(HOLD), REASON_HELD}}},
    {"initramfs never reached, no boot files kept",
     &defaults,
     0,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CUT, 2, N, REASON_FAILED_UNKNOWN},
      {CUT, 3, RECOVER(ALL), REASON_THRESHOLD}}},
    {"another system chosen on probation, then this one",
     &defaults,
     MEANS_BOOT_FILES,
     {START,
      {REPORTED, 1, N, REASON_FAILED_UNKNOWN},
      {REPORTED, 2, N, REASON_FAILED_UNKNOWN},
      {REPORTED, 3, RECOVER(ALL), REASON_THRESHOLD},
      {GOOD, 0, PROVE(ALL), REASON_RECOVERED},
      {CUT, 1, RECOVER(BOOT_FILES), REASON_NO_INITRAMFS}}},
    {"initramfs reached once",
     &defaults,
     MEANS_BOOT_FILES,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CUT, 2, N, REASON_FAILED_UNKNOWN},
      {REPORTED, 3, RECOVER(ALL), REASON_THRESHOLD}}},
    {"initramfs reached in between",
     &defaults,
     MEANS_BOOT_FILES,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {REPORTED, 2, N, REASON_FAILED_UNKNOWN},
      {CUT, 3, RECOVER(ALL), REASON_THRESHOLD}}},
    {"initramfs no longer reached in recovery",
     &defaults,
     MEANS_BOOT_FILES,
     {START,
      {REPORTED, 1, N, REASON_FAILED_UNKNOWN},
      {REPORTED, 2, N, REASON_FAILED_UNKNOWN},
      {REPORTED, 3, RECOVER(ALL), REASON_THRESHOLD},
      {CUT, 4, RECOVER(ALL), REASON_FAILED_UNKNOWN},
      {CUT, 5, RECOVER(BOOT_FILES), REASON_NO_INITRAMFS}}},
    {"probation fails: the next rung, at once",
     &defaults,
     0,
     {START,
      {REPORTED, 1, N, REASON_FAILED_UNKNOWN},
      {NAMED, 2, N, REASON_FAILED_UNKNOWN},
      {NAMED, 3, RECOVER(TARGETED), REASON_THRESHOLD},
      {GOOD, 0, PROVE(TARGETED), REASON_RECOVERED},
      {REPORTED, 1, RECOVER(ALL), REASON_PROBATION_FAILED},
      {GOOD, 0, PROVE(ALL), REASON_RECOVERED},
      {CLEAN, 0, PROVE(ALL), REASON_CLEAN_END},
      {CRASH, 1, RECOVER(DRIVERS_OFF), REASON_PROBATION_FAILED},
      {MASKED, 0, PROVE(DRIVERS_OFF), REASON_RECOVERED},
      {GOOD, 0, REMEMBER(DRIVERS_OFF), REASON_RETURNED}}},
    {"quiet takes the rung down by one",
     &defaults,
     0,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CUT, 2, N, REASON_FAILED_UNKNOWN},
      {CUT, 3, RECOVER(ALL), REASON_THRESHOLD},
      {GOOD, 0, PROVE(ALL), REASON_RECOVERED},
      {GOOD, 0, REMEMBER(ALL), REASON_RETURNED},
      {GOOD, 0, REMEMBER(ALL), REASON_NONE},
      {GOOD, 0, REMEMBER(ALL), REASON_NONE},
      {GOOD, 0, REMEMBER(TARGETED), REASON_QUIET},
      {GOOD, 0, REMEMBER(TARGETED), REASON_NONE},
      {GOOD, 0, REMEMBER(TARGETED), REASON_NONE},
      {GOOD, 0, N, REASON_QUIET},
      {GOOD, 0, N, REASON_NONE}}},
    {"a failure ends the quiet",
     &defaults,
     0,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CUT, 2, N, REASON_FAILED_UNKNOWN},
      {CUT, 3, RECOVER(ALL), REASON_THRESHOLD},
      {GOOD, 0, PROVE(ALL), REASON_RECOVERED},
      {GOOD, 0, REMEMBER(ALL), REASON_RETURNED},
      {GOOD, 0, REMEMBER(ALL), REASON_NONE},
      {GOOD, 0, REMEMBER(ALL), REASON_NONE},
      {CUT, 1, REMEMBER(ALL), REASON_FAILED_UNKNOWN},
      {GOOD, 0, REMEMBER(ALL), REASON_NONE},
      {GOOD, 0, REMEMBER(ALL), REASON_NONE},
      {GOOD, 0, REMEMBER(TARGETED), REASON_QUIET}}},
    {"failures again soon: on from the remembered rung",
     &defaults,
     0,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CUT, 2, N, REASON_FAILED_UNKNOWN},
      {CUT, 3, RECOVER(ALL), REASON_THRESHOLD},
      {GOOD, 0, PROVE(ALL), REASON_RECOVERED},
      {GOOD, 0, REMEMBER(ALL), REASON_RETURNED},
      {CUT, 1, REMEMBER(ALL), REASON_FAILED_UNKNOWN},
      {CUT, 2, REMEMBER(ALL), REASON_FAILED_UNKNOWN},
      {CUT, 3, RECOVER(DRIVERS_OFF), REASON_THRESHOLD}}},
    {"return by hand: safe mode until a person asks",
     &by_hand,
     0,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CUT, 2, N, REASON_FAILED_UNKNOWN},
      {CUT, 3, RECOVER(ALL), REASON_THRESHOLD},
      {GOOD, 0, RECOVER(ALL), REASON_RECOVERED},
      {GOOD, 0, RECOVER(ALL), REASON_RECOVERED},
      {GO, 0, PROVE(ALL), REASON_RECOVERED},
      {GOOD, 0, REMEMBER(ALL), REASON_RETURNED}}},
    {"nothing changed: a normal boot that was good",
     &defaults,
     0,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CUT, 2, N, REASON_FAILED_UNKNOWN},
      {CUT, 3, RECOVER(ALL), REASON_THRESHOLD},
      {NOTHING, 0, N, REASON_NOTHING_CHANGED},
      {CUT, 1, N, REASON_FAILED_UNKNOWN}}},
    {"nothing changed, by hand",
     &by_hand,
     0,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CUT, 2, N, REASON_FAILED_UNKNOWN},
      {CUT, 3, RECOVER(ALL), REASON_THRESHOLD},
      {NOTHING, 0, N, REASON_NOTHING_CHANGED}}},
    {"orderly ends are not failures",
     &defaults,
     0,
     {START,
      {CLEAN, 0, N, REASON_CLEAN_END},
      {CLEAN, 0, N, REASON_CLEAN_END},
      {CLEAN, 0, N, REASON_CLEAN_END},
      {CLEAN, 0, N, REASON_CLEAN_END},
      {CLEAN, 0, N, REASON_CLEAN_END}}},
    {"orderly ends do not clear the count",
     &defaults,
     0,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CUT, 2, N, REASON_FAILED_UNKNOWN},
      {CLEAN, 2, N, REASON_CLEAN_END},
      {CUT, 3, RECOVER(ALL), REASON_THRESHOLD},
      {CLEAN, 3, RECOVER(ALL), REASON_CLEAN_END}}},
    {"a good boot clears the count",
     &defaults,
     0,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CUT, 2, N, REASON_FAILED_UNKNOWN},
      {GOOD, 0, N, REASON_NONE},
      {CUT, 1, N, REASON_FAILED_UNKNOWN}}},
    {"each kind of failure",
     &patient,
     0,
     {START,
      {CUT, 1, N, REASON_FAILED_UNKNOWN},
      {CRASH, 2, N, REASON_FAILED_CRASH},
      {HANG, 3, N, REASON_FAILED_HANG},
      {DEADLINE, 4, N, REASON_FAILED_DEADLINE},
      {REPORTED, 5, N, REASON_FAILED_UNKNOWN},
      {CRASH, 6, N, REASON_FAILED_CRASH},
      {CRASH, 7, RECOVER(ALL), REASON_THRESHOLD},
      {CRASH, 8, RECOVER(DRIVERS_OFF), REASON_RUNG_FAILED},
      {CRASH, 9, RECOVER(HOLD), REASON_HELD}}},
    {"strictest",
     &strict,
     0,
     {START,
      {CRASH, 1, RECOVER(ALL), REASON_THRESHOLD},
      {CRASH, 2, RECOVER(DRIVERS_OFF), REASON_RUNG_FAILED},
      {CRASH, 3, RECOVER(HOLD), REASON_HELD},
      {GOOD, 0, PROVE(HOLD), REASON_RECOVERED},
      {CRASH, 1, RECOVER(HOLD), REASON_HELD},
      {GOOD, 0, PROVE(HOLD), REASON_RECOVERED},
      {GOOD, 0, REMEMBER(HOLD), REASON_RETURNED},
      {GOOD, 0, REMEMBER(BOOT_FILES), REASON_QUIET}}},
};

/* What the ended boot leaves behind for the next one to find. */
static void leave(struct known *known, const struct ledger *ledger, enum event event)
{
    struct receipt *receipt = &known->receipt;

    known->hang = event == HANG;
    if (event == CRASH)
        known->dumps = (uint16_t)(known->dumps + 14);
    if (event == CUT || event == CRASH || event == HANG || event == BEGIN)
        return;
    known->receipt_state = RECORD_VALID;
    memset(receipt, 0, sizeof *receipt);
    receipt->number = ledger->number;
    receipt->phase = PHASE_BOOTED;
    if (ledger->stance == STANCE_RECOVERY)
        receipt->applied = APPLIED_PUT_BACK;
    switch (event) {
    case GO:
        receipt->go_normal = 1;
        receipt->outcome = OUTCOME_GOOD;
        return;
    case NOTHING:
        receipt->applied = APPLIED_NOTHING;
        receipt->outcome = OUTCOME_GOOD;
        return;
    case MASKED:
        receipt->applied = APPLIED_MASKED;
        receipt->outcome = OUTCOME_GOOD;
        return;
    case GOOD:
        receipt->outcome = OUTCOME_GOOD;
        return;
    case CLEAN:
        receipt->outcome = OUTCOME_CLEAN;
        return;
    case DEADLINE:
        receipt->outcome = OUTCOME_FAILED;
        return;
    case NAMED:
        receipt->named = 1;
        receipt->phase = PHASE_INITRAMFS;
        return;
    case REPORTED:
        receipt->phase = PHASE_INITRAMFS;
        return;
    case BEGIN:
    case CUT:
    case CRASH:
    case HANG:
        return;
    }
}

static void check_step(const struct walk *walk, size_t index, const struct decision *decision)
{
    const struct step *step = &walk->steps[index];
    const struct ledger *after = &decision->ledger;

    if (after->failures != step->failures || after->rung != step->rung ||
        after->stance != step->stance || after->last_reason != step->reason)
        fail_msg("%s: boot %zu: failures %u, %s, %s: %s", walk->name, index + 1, after->failures,
                 rung_string((enum rung)after->rung), stance_string((enum stance)after->stance),
                 reason_string((enum reason)after->last_reason));
    if (after->number != index + 1)
        fail_msg("%s: boot %zu has number %u", walk->name, index + 1, after->number);
    if (after->case_open != (after->failures > 0 || after->stance != STANCE_NORMAL))
        fail_msg("%s: boot %zu: case open %u", walk->name, index + 1, after->case_open);
}

static void check_walk(const struct walk *walk)
{
    struct known known = {.means = walk->means};
    struct decision decision;

    memset(&decision, 0, sizeof decision);
    for (size_t i = 0; i < STEPS_MAX; i++) {
        if (i > 0 && walk->steps[i].event == BEGIN)
            return;
        leave(&known, &decision.ledger, walk->steps[i].event);
        decide(&known, walk->policy, &decision);
        check_step(walk, i, &decision);
        assert_int_equal(decision.store, STORE_NVRAM);
        known.nv = decision.ledger;
        known.nv_state = RECORD_VALID;
    }
}

static void walks_on_the_ladder(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(walks); i++)
        check_walk(&walks[i]);
}

/* ---- rows: one decision ------------------------------------------------------------------- */

struct row {
    const char *name;
    struct known known;
    struct ledger after; /* dumps and dumps_seen are not looked at */
    enum store store;
    uint8_t mark_due;
};

#define NEW_CASE(reason) .case_number = 1, .case_open = 1, .first_reason = reason

static const struct row rows[] = {
    {"first boot",
     {.nv_state = RECORD_ABSENT},
     {.number = 1, .last_reason = REASON_FIRST_BOOT},
     STORE_NVRAM,
     1},
    {"first boot, slots laid out, old dumps there",
     {.nv_state = RECORD_ABSENT, .esp_state = RECORD_ABSENT, .dumps = 40},
     {.number = 1, .last_reason = REASON_FIRST_BOOT},
     STORE_NVRAM,
     1},
    {"lost: healthy mark",
     {.nv_state = RECORD_ABSENT,
      .esp_state = RECORD_VALID,
      .esp = {.number = 164, .case_number = 3, .mark = 1}},
     {.number = 165, .case_number = 3, .last_reason = REASON_LEDGER_LOST},
     STORE_ESP_THEN_NVRAM,
     0},
    {"lost: mark of a boot after a failure",
     {.nv_state = RECORD_ABSENT,
      .esp_state = RECORD_VALID,
      .esp = {.number = 164,
              .failures = 1,
              .rung_failures = 1,
              .mark = 1,
              .first_reason = REASON_FAILED_CRASH,
              .case_number = 3,
              .case_open = 1}},
     {.number = 165,
      .failures = 2,
      .rung_failures = 2,
      .case_number = 3,
      .case_open = 1,
      .unreached = 1,
      .first_reason = REASON_FAILED_CRASH,
      .last_outcome = OUTCOME_UNKNOWN,
      .last_reason = REASON_LEDGER_LOST},
     STORE_ESP_THEN_NVRAM,
     0},
    {"lost: mark of a boot after a failure, which was good",
     {.nv_state = RECORD_ABSENT,
      .esp_state = RECORD_VALID,
      .esp = {.number = 164,
              .failures = 1,
              .rung_failures = 1,
              .mark = 1,
              .first_reason = REASON_FAILED_CRASH,
              .case_number = 3,
              .case_open = 1},
      .receipt_state = RECORD_VALID,
      .receipt = {.number = 100, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED}},
     {.number = 165,
      .case_number = 3,
      .first_reason = REASON_FAILED_CRASH,
      .last_outcome = OUTCOME_GOOD,
      .last_reason = REASON_LEDGER_LOST},
     STORE_ESP_THEN_NVRAM,
     0},
    {"lost: slots damaged",
     {.nv_state = RECORD_ABSENT, .esp_state = RECORD_DAMAGED},
     {.number = 1, .last_reason = REASON_LEDGER_LOST},
     STORE_ESP_THEN_NVRAM,
     0},
    {"lost, and no slots: a receipt tells",
     {.nv_state = RECORD_ABSENT,
      .receipt_state = RECORD_VALID,
      .receipt = {.number = 41, .outcome = OUTCOME_GOOD}},
     {.number = 42, .last_reason = REASON_LEDGER_LOST},
     STORE_NVRAM,
     1},
    {"a receipt beyond the mark: its number is not used again",
     {.nv_state = RECORD_ABSENT,
      .esp_state = RECORD_VALID,
      .esp = {.number = 164, .mark = 1},
      .receipt_state = RECORD_VALID,
      .receipt = {.number = 170}},
     {.number = 171, .last_reason = REASON_LEDGER_LOST},
     STORE_ESP_THEN_NVRAM,
     0},
    {"the ledger lives in the slot",
     {.nv_state = RECORD_ABSENT, .esp_state = RECORD_VALID, .esp = {.number = 165}},
     {.number = 166,
      .failures = 1,
      .rung_failures = 1,
      NEW_CASE(REASON_FAILED_UNKNOWN),
      .last_outcome = OUTCOME_UNKNOWN,
      .last_reason = REASON_FAILED_UNKNOWN},
     STORE_NVRAM,
     1},
    {"the slot is ahead of the variable, which was refused",
     {.nv_state = RECORD_VALID,
      .nv = {.number = 10},
      .esp_state = RECORD_VALID,
      .esp = {.number = 12, .failures = 1, .rung_failures = 1, .case_open = 1, .case_number = 2},
      .receipt_state = RECORD_VALID,
      .receipt = {.number = 12, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED}},
     {.number = 13, .case_number = 2, .last_outcome = OUTCOME_GOOD, .last_phase = PHASE_BOOTED},
     STORE_NVRAM,
     1},
    {"the slot is behind the variable",
     {.nv_state = RECORD_VALID,
      .nv = {.number = 14},
      .esp_state = RECORD_VALID,
      .esp = {.number = 12, .failures = 2, .rung_failures = 2, .case_open = 1},
      .receipt_state = RECORD_VALID,
      .receipt = {.number = 14, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED}},
     {.number = 15, .last_outcome = OUTCOME_GOOD, .last_phase = PHASE_BOOTED},
     STORE_NVRAM,
     1},
    {"a mark is never ahead of its variable",
     {.nv_state = RECORD_VALID,
      .nv = {.number = 14},
      .esp_state = RECORD_VALID,
      .esp = {.number = 77, .mark = 1},
      .receipt_state = RECORD_VALID,
      .receipt = {.number = 14, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED}},
     {.number = 15, .last_outcome = OUTCOME_GOOD, .last_phase = PHASE_BOOTED},
     STORE_NVRAM,
     0},
    {"the mark's number is used up",
     {.nv_state = RECORD_VALID,
      .nv = {.number = 77},
      .esp_state = RECORD_VALID,
      .esp = {.number = 77, .mark = 1},
      .receipt_state = RECORD_VALID,
      .receipt = {.number = 77, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED}},
     {.number = 78, .last_outcome = OUTCOME_GOOD, .last_phase = PHASE_BOOTED},
     STORE_NVRAM,
     1},
    {"damaged: one failure short of the threshold",
     {.nv_state = RECORD_DAMAGED},
     {.number = 1,
      .failures = 2,
      .rung_failures = 2,
      NEW_CASE(REASON_LEDGER_DAMAGED),
      .last_reason = REASON_LEDGER_DAMAGED},
     STORE_NVRAM_AND_ESP,
     0},
    {"damaged, with a mark: numbers go on",
     {.nv_state = RECORD_DAMAGED,
      .esp_state = RECORD_VALID,
      .esp = {.number = 164, .case_number = 5, .mark = 1}},
     {.number = 165,
      .failures = 2,
      .rung_failures = 2,
      .case_number = 6,
      .case_open = 1,
      .first_reason = REASON_LEDGER_DAMAGED,
      .last_reason = REASON_LEDGER_DAMAGED},
     STORE_NVRAM_AND_ESP,
     0},
    {"damaged, and the slot has the ledger",
     {.nv_state = RECORD_DAMAGED,
      .esp_state = RECORD_VALID,
      .esp = {.number = 165},
      .receipt_state = RECORD_VALID,
      .receipt = {.number = 165, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED}},
     {.number = 166, .last_outcome = OUTCOME_GOOD, .last_phase = PHASE_BOOTED},
     STORE_NVRAM_AND_ESP,
     0},
    {"newer: left alone",
     {.nv_state = RECORD_NEWER},
     {.number = 1, .last_reason = REASON_LEDGER_NEWER},
     STORE_ESP_ONLY,
     0},
    {"newer, and the slot has the ledger",
     {.nv_state = RECORD_NEWER,
      .esp_state = RECORD_VALID,
      .esp = {.number = 5},
      .receipt_state = RECORD_VALID,
      .receipt = {.number = 5, .outcome = OUTCOME_CLEAN, .phase = PHASE_BOOTED}},
     {.number = 6,
      .last_outcome = OUTCOME_CLEAN,
      .last_phase = PHASE_BOOTED,
      .last_reason = REASON_CLEAN_END},
     STORE_ESP_ONLY,
     0},
    {"a receipt of another boot does not count",
     {.nv_state = RECORD_VALID,
      .nv = {.number = 9},
      .receipt_state = RECORD_VALID,
      .receipt = {.number = 8, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED}},
     {.number = 10,
      .failures = 1,
      .rung_failures = 1,
      NEW_CASE(REASON_FAILED_UNKNOWN),
      .last_outcome = OUTCOME_UNKNOWN,
      .last_reason = REASON_FAILED_UNKNOWN},
     STORE_NVRAM,
     1},
    {"a damaged receipt does not count",
     {.nv_state = RECORD_VALID,
      .nv = {.number = 9},
      .receipt_state = RECORD_DAMAGED,
      .receipt = {.number = 9, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED}},
     {.number = 10,
      .failures = 1,
      .rung_failures = 1,
      NEW_CASE(REASON_FAILED_UNKNOWN),
      .last_outcome = OUTCOME_UNKNOWN,
      .last_reason = REASON_FAILED_UNKNOWN},
     STORE_NVRAM,
     1},
    {"a report of the phase is not an end",
     {.nv_state = RECORD_VALID,
      .nv = {.number = 9, .dumps = 14},
      .receipt_state = RECORD_VALID,
      .receipt = {.number = 9, .phase = PHASE_EARLY},
      .dumps = 28},
     {.number = 10,
      .failures = 1,
      .rung_failures = 1,
      NEW_CASE(REASON_FAILED_CRASH),
      .last_outcome = OUTCOME_CRASH,
      .last_phase = PHASE_EARLY,
      .last_reason = REASON_FAILED_CRASH},
     STORE_NVRAM,
     1},
    {"fewer dumps than before are no crash",
     {.nv_state = RECORD_VALID, .nv = {.number = 9, .dumps = 28}, .dumps = 14},
     {.number = 10,
      .failures = 1,
      .rung_failures = 1,
      NEW_CASE(REASON_FAILED_UNKNOWN),
      .last_outcome = OUTCOME_UNKNOWN,
      .last_reason = REASON_FAILED_UNKNOWN},
     STORE_NVRAM,
     1},
    {"as many dumps as before, and one was not there: the old ones were archived",
     {.nv_state = RECORD_VALID,
      .nv = {.number = 9, .dumps = 14, .dumps_seen = 0xf0},
      .dumps = 14,
      .dumps_seen = 0x1f0},
     {.number = 10,
      .failures = 1,
      .rung_failures = 1,
      NEW_CASE(REASON_FAILED_CRASH),
      .last_outcome = OUTCOME_CRASH,
      .last_reason = REASON_FAILED_CRASH},
     STORE_NVRAM,
     1},
    {"fewer dumps than before, and one was not there",
     {.nv_state = RECORD_VALID,
      .nv = {.number = 9, .dumps = 28, .dumps_seen = 0xf0},
      .dumps = 1,
      .dumps_seen = 0x1},
     {.number = 10,
      .failures = 1,
      .rung_failures = 1,
      NEW_CASE(REASON_FAILED_CRASH),
      .last_outcome = OUTCOME_CRASH,
      .last_reason = REASON_FAILED_CRASH},
     STORE_NVRAM,
     1},
    {"some dumps were archived, and nothing is new",
     {.nv_state = RECORD_VALID,
      .nv = {.number = 9, .dumps = 28, .dumps_seen = 0xf0},
      .dumps = 14,
      .dumps_seen = 0x30},
     {.number = 10,
      .failures = 1,
      .rung_failures = 1,
      NEW_CASE(REASON_FAILED_UNKNOWN),
      .last_outcome = OUTCOME_UNKNOWN,
      .last_reason = REASON_FAILED_UNKNOWN},
     STORE_NVRAM,
     1},
    {"of as many dumps as an older Backstop counted nothing is made",
     {.nv_state = RECORD_VALID, .nv = {.number = 9, .dumps = 14}, .dumps = 14, .dumps_seen = 0xf0},
     {.number = 10,
      .failures = 1,
      .rung_failures = 1,
      NEW_CASE(REASON_FAILED_UNKNOWN),
      .last_outcome = OUTCOME_UNKNOWN,
      .last_reason = REASON_FAILED_UNKNOWN},
     STORE_NVRAM,
     1},
    {"a good receipt stands against new dumps and a watchdog",
     {.nv_state = RECORD_VALID,
      .nv = {.number = 9},
      .receipt_state = RECORD_VALID,
      .receipt = {.number = 9, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED},
      .dumps = 14,
      .hang = 1},
     {.number = 10, .last_outcome = OUTCOME_GOOD, .last_phase = PHASE_BOOTED},
     STORE_NVRAM,
     1},
    {"numbers wrap past 0",
     {.nv_state = RECORD_VALID,
      .nv = {.number = UINT32_MAX},
      .receipt_state = RECORD_VALID,
      .receipt = {.number = UINT32_MAX, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED}},
     {.number = 1, .last_outcome = OUTCOME_GOOD, .last_phase = PHASE_BOOTED},
     STORE_NVRAM,
     1},
    {"installed, never booted",
     {.nv_state = RECORD_VALID, .nv = {.number = 0}},
     {.number = 1},
     STORE_NVRAM,
     1},
    {"the count stays at its end",
     {.nv_state = RECORD_VALID,
      .nv = {.number = 9,
             .failures = 255,
             .rung = RUNG_HOLD,
             .stance = STANCE_RECOVERY,
             .case_open = 1,
             .case_number = 4,
             .unreached = 255,
             .first_reason = REASON_FAILED_CRASH}},
     {.number = 10,
      .failures = 255,
      .rung = RUNG_HOLD,
      .stance = STANCE_RECOVERY,
      .rung_failures = 1,
      .case_open = 1,
      .case_number = 4,
      .unreached = 255,
      .first_reason = REASON_FAILED_CRASH,
      .last_outcome = OUTCOME_UNKNOWN,
      .last_reason = REASON_FAILED_UNKNOWN},
     STORE_NVRAM,
     1},
};

static void check_row(const struct row *row)
{
    struct decision decision;
    union any_record after;
    union any_record expected;

    decide(&row->known, &defaults, &decision);
    after.ledger = decision.ledger;
    expected.ledger = row->after;
    expected.ledger.dumps = row->known.dumps;
    expected.ledger.dumps_seen = row->known.dumps_seen;
    for (size_t i = 0; i < ROWS(ledger_fields); i++)
        if (field_get(&ledger_fields[i], &after) != field_get(&ledger_fields[i], &expected))
            fail_msg("%s: %s is %u", row->name, ledger_fields[i].name,
                     field_get(&ledger_fields[i], &after));
    if (decision.store != row->store)
        fail_msg("%s: store %d", row->name, (int)decision.store);
    if (decision.mark_due != row->mark_due)
        fail_msg("%s: mark due %u", row->name, decision.mark_due);
    assert_int_equal(decision.ticket.ledger_found, row->known.nv_state);
    assert_int_equal(decision.ticket.number, decision.ledger.number);
    assert_int_equal(decision.ticket.dumps, row->known.dumps);
}

static void what_is_made_of_what_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++)
        check_row(&rows[i]);
}

/* With a threshold of 1 nothing is short of it: the damage alone opens no case. */
static void damage_under_the_strictest_policy(void **state)
{
    struct known known = {.nv_state = RECORD_DAMAGED};
    struct decision decision;

    (void)state;
    decide(&known, &strict, &decision);
    assert_int_equal(decision.ledger.failures, 0);
    assert_int_equal(decision.ledger.rung, RUNG_NORMAL);
    assert_int_equal(decision.ledger.last_reason, REASON_LEDGER_DAMAGED);
    decide(&known, &patient, &decision);
    assert_int_equal(decision.ledger.failures, 6);
}

static void marks_are_copies_ahead(void **state)
{
    const struct ledger ledger = {
        .number = 100, .case_number = 2, .failures = 1, .rung = RUNG_ALL, .case_open = 1};
    struct ledger mark;

    (void)state;
    ledger_mark(&ledger, &mark);
    assert_int_equal(mark.number, 164);
    assert_int_equal(mark.mark, 1);
    assert_int_equal(mark.case_number, 2);
    assert_int_equal(mark.failures, 1);
    assert_int_equal(mark.rung, RUNG_ALL);
    assert_int_equal(mark.case_open, 1);
}

/* A healthy machine writes a mark once in MARK_AHEAD boots. */
static void healthy_boots_seldom_write_a_mark(void **state)
{
    struct known known = {.nv_state = RECORD_ABSENT};
    unsigned marks = 0;

    (void)state;
    for (unsigned boot = 0; boot < 10 * MARK_AHEAD; boot++) {
        struct decision decision;

        decide(&known, &defaults, &decision);
        known.nv = decision.ledger;
        known.nv_state = RECORD_VALID;
        if (decision.mark_due) {
            ledger_mark(&decision.ledger, &known.esp);
            known.esp_state = RECORD_VALID;
            marks++;
        }
        assert_true(known.esp.number - decision.ledger.number <= MARK_AHEAD);
        known.receipt_state = RECORD_VALID;
        known.receipt = (struct receipt){
            .number = decision.ledger.number, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED};
    }
    assert_in_range(marks, 10, 11);
}

/* ---- receipts ----------------------------------------------------------------------------- */

static const struct receipt_row {
    const char *name;
    enum record_state a_state;
    struct receipt a;
    enum record_state b_state;
    struct receipt b;
    enum record_state state;
    char newest; /* 'a', 'b' or '-' */
} receipt_rows[] = {
    {"none", RECORD_ABSENT, {0}, RECORD_ABSENT, {0}, RECORD_ABSENT, '-'},
    {"one", RECORD_VALID, {.number = 3}, RECORD_ABSENT, {0}, RECORD_VALID, 'a'},
    {"the other", RECORD_DAMAGED, {0}, RECORD_VALID, {.number = 3}, RECORD_VALID, 'b'},
    {"number", RECORD_VALID, {.number = 3}, RECORD_VALID, {.number = 4}, RECORD_VALID, 'b'},
    {"number before outcome",
     RECORD_VALID,
     {.number = 4},
     RECORD_VALID,
     {.number = 3, .outcome = OUTCOME_GOOD},
     RECORD_VALID,
     'a'},
    {"outcome",
     RECORD_VALID,
     {.number = 3},
     RECORD_VALID,
     {.number = 3, .outcome = OUTCOME_GOOD},
     RECORD_VALID,
     'b'},
    {"alike: the variable",
     RECORD_VALID,
     {.number = 3, .outcome = OUTCOME_CLEAN},
     RECORD_VALID,
     {.number = 3, .outcome = OUTCOME_GOOD},
     RECORD_VALID,
     'a'},
    {"wrapped",
     RECORD_VALID,
     {.number = UINT32_MAX},
     RECORD_VALID,
     {.number = 1},
     RECORD_VALID,
     'b'},
    {"damaged before newer", RECORD_NEWER, {0}, RECORD_DAMAGED, {0}, RECORD_DAMAGED, '-'},
    {"newer before absent", RECORD_ABSENT, {0}, RECORD_NEWER, {0}, RECORD_NEWER, '-'},
};

static void newest_receipt(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(receipt_rows); i++) {
        const struct receipt_row *row = &receipt_rows[i];
        const struct receipt untouched = {.number = 0xdddd};
        struct receipt newest = untouched;
        const struct receipt *expected = row->newest == 'a'   ? &row->a
                                         : row->newest == 'b' ? &row->b
                                                              : &untouched;

        if (receipt_newest(row->a_state, &row->a, row->b_state, &row->b, &newest) != row->state)
            fail_msg("%s: state", row->name);
        if (newest.number != expected->number || newest.outcome != expected->outcome)
            fail_msg("%s: number %u, outcome %u", row->name, newest.number, newest.outcome);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_on_the_ladder),
        cmocka_unit_test(what_is_made_of_what_is_found),
        cmocka_unit_test(damage_under_the_strictest_policy),
        cmocka_unit_test(marks_are_copies_ahead),
        cmocka_unit_test(healthy_boots_seldom_write_a_mark),
        cmocka_unit_test(newest_receipt),
    };
    return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
