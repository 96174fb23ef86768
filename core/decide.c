/*
 * decide.c - the boot decision, top to bottom:
 *
 *   1. history   where the machine stood when its last boot was started
 *   2. outcome   how that boot ended
 *   3. account   what this makes of the counts
 *   4. climb     whether the next rung is due, and which it is
 *   5. issue     ledger and ticket for the boot that starts now
 *
 * A ticket without a good receipt is a failed boot; that is the whole of the counting.
 */
#include "decide.h"

struct history {
    struct ledger ledger; /* canonical */
    enum reason reason;   /* why it is not simply the ledger that was found; REASON_NONE if it is */
    enum store store;
    int inexact; /* the boot that the ledger names need not be the last one */
};

/* ---- 1. history ------------------------------------------------------------------------- */

/* Serial number arithmetic: numbers wrap after four billion boots. */
static int number_is_after(uint32_t a, uint32_t b)
{
    return a != b && a - b < 0x80000000u;
}

static uint32_t number_next(uint32_t number)
{
    return number == UINT32_MAX ? 1 : number + 1;
}

static uint32_t number_later(uint32_t a, uint32_t b)
{
    return number_is_after(b, a) ? b : a;
}

/* The slot holds what the last boot wrote, not a mark and not something NVRAM has since outlived.
 */
static int slot_is_current(const struct known *known)
{
    if (known->esp_state != RECORD_VALID || known->esp.mark)
        return 0;
    return known->receipt_state != RECORD_VALID ||
           !number_is_after(known->receipt.number, known->esp.number);
}

/* Illegal states made canonical before anything is decided. */
static void ledger_normalize(struct ledger *ledger)
{
    if (ledger->rung > RUNG_HOLD)
        ledger->rung = RUNG_HOLD;
    if (ledger->stance > STANCE_PROBATION || ledger->rung == RUNG_NORMAL)
        ledger->stance = STANCE_NORMAL;
    if (ledger->first_reason >= REASON_COUNT)
        ledger->first_reason = REASON_NONE;
    if (ledger->last_reason >= REASON_COUNT)
        ledger->last_reason = REASON_NONE;
    ledger->case_open = ledger->case_open || ledger->stance != STANCE_NORMAL;
    ledger->mark = 0;
}

/* Nothing is known of the boots before but numbers that must not be used again. */
static void history_blank(struct history *history, const struct known *known)
{
    static const struct ledger blank = {0};

    history->ledger = blank;
    history->reason = REASON_FIRST_BOOT;
    history->store = STORE_NVRAM;
    history->inexact = 1;
    if (known->esp_state == RECORD_VALID) {
        history->ledger.number = known->esp.number;
        history->ledger.case_number = known->esp.case_number;
    }
    if (known->receipt_state == RECORD_VALID)
        history->ledger.number = number_later(history->ledger.number, known->receipt.number);
}

/* The variable is missing. It is a first boot only if nothing says that there ever was one. */
static void history_of_absent(struct history *history, const struct known *known)
{
    if (known->esp_state == RECORD_ABSENT && known->receipt_state != RECORD_VALID)
        return;
    history->reason = REASON_LEDGER_LOST;
    if (known->esp_state == RECORD_ABSENT)
        return; /* there may be no slot to wait in */
    history->store = STORE_ESP_THEN_NVRAM;
    if (known->esp_state == RECORD_VALID) {
        uint32_t number = history->ledger.number;

        history->ledger = known->esp;
        history->ledger.number = number;
    }
}

/* Never fresh attempts: one failure short of the threshold. */
static void history_of_damaged(struct history *history, const struct policy *policy)
{
    history->reason = REASON_LEDGER_DAMAGED;
    history->store = STORE_NVRAM_AND_ESP;
    history->ledger.failures = (uint8_t)(policy->threshold - 1);
    history->ledger.rung_failures = history->ledger.failures;
    if (history->ledger.failures > 0) {
        history->ledger.case_open = 1;
        history->ledger.case_number++;
        history->ledger.first_reason = REASON_LEDGER_DAMAGED;
    }
}

static void history_from_slot(struct history *history, const struct known *known)
{
    history->ledger = known->esp;
    history->inexact = 0;
    history->reason = REASON_NONE;
    history->store = STORE_NVRAM;
    if (known->nv_state == RECORD_DAMAGED)
        history->store = STORE_NVRAM_AND_ESP;
    if (known->nv_state == RECORD_NEWER)
        history->store = STORE_ESP_ONLY;
}

static void history_of_variable(struct history *history, const struct known *known,
                                const struct policy *policy)
{
    switch (known->nv_state) {
    case RECORD_VALID:
        history->ledger = known->nv;
        history->inexact = 0;
        history->reason = REASON_NONE;
        history->store = STORE_NVRAM;
        return;
    case RECORD_ABSENT:
        history_of_absent(history, known);
        return;
    case RECORD_DAMAGED:
        history_of_damaged(history, policy);
        return;
    case RECORD_NEWER:
        history_of_absent(history, known);
        history->reason = REASON_LEDGER_NEWER;
        history->store = STORE_ESP_ONLY;
        return;
    }
}

static void history_find(struct history *history, const struct known *known,
                         const struct policy *policy)
{
    int slot_wins =
        slot_is_current(known) &&
        (known->nv_state != RECORD_VALID || number_is_after(known->esp.number, known->nv.number));

    history_blank(history, known);
    if (slot_wins)
        history_from_slot(history, known);
    else
        history_of_variable(history, known, policy);
    ledger_normalize(&history->ledger);
}

/* ---- 2. outcome ------------------------------------------------------------------------- */

/* The receipt is about the boot that the ledger names. */
static int receipt_answers(const struct known *known, const struct ledger *ledger)
{
    return known->receipt_state == RECORD_VALID && ledger->number != 0 &&
           known->receipt.number == ledger->number;
}

/*
 * A mark names an upper limit, and is written anew in every boot that follows a
 * failure. So failures on it are those of the last boot; without any, the boots
 * since then are unknown and none is made up.
 */
static enum outcome outcome_when_inexact(const struct history *history, const struct known *known)
{
    uint32_t earliest = known->esp.number - MARK_AHEAD;

    if (history->reason == REASON_LEDGER_DAMAGED || known->esp_state != RECORD_VALID)
        return OUTCOME_NONE;
    if (known->receipt_state == RECORD_VALID &&
        (known->receipt.outcome == OUTCOME_GOOD || known->receipt.outcome == OUTCOME_CLEAN) &&
        !number_is_after(earliest, known->receipt.number))
        return (enum outcome)known->receipt.outcome;
    return known->esp.failures > 0 ? OUTCOME_UNKNOWN : OUTCOME_NONE;
}

/* Records that were archived since are missing; one that was not there before is of a new panic. */
static int dumps_are_new(const struct known *known, const struct ledger *ledger)
{
    if (known->dumps > ledger->dumps)
        return 1;
    return ledger->dumps_seen != 0 && (known->dumps_seen & ~ledger->dumps_seen) != 0;
}

static enum outcome outcome_find(const struct history *history, const struct known *known)
{
    const struct ledger *ledger = &history->ledger;

    if (history->inexact)
        return outcome_when_inexact(history, known);
    if (ledger->number == 0)
        return OUTCOME_NONE;
    if (receipt_answers(known, ledger) && known->receipt.outcome != OUTCOME_NONE)
        return (enum outcome)known->receipt.outcome;
    if (known->hang)
        return OUTCOME_HANG;
    return dumps_are_new(known, ledger) ? OUTCOME_CRASH : OUTCOME_UNKNOWN;
}

static enum phase phase_find(const struct known *known, const struct ledger *ledger)
{
    return receipt_answers(known, ledger) ? (enum phase)known->receipt.phase : PHASE_FIRMWARE;
}

static enum reason reason_of_failure(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_CRASH:
        return REASON_FAILED_CRASH;
    case OUTCOME_HANG:
        return REASON_FAILED_HANG;
    case OUTCOME_FAILED:
        return REASON_FAILED_DEADLINE;
    case OUTCOME_NONE:
    case OUTCOME_GOOD:
    case OUTCOME_CLEAN:
    case OUTCOME_UNKNOWN:
        break;
    }
    return REASON_FAILED_UNKNOWN;
}

/* ---- 3. account ------------------------------------------------------------------------- */

static void count_up(uint8_t *count)
{
    if (*count < UINT8_MAX)
        (*count)++;
}

static void case_close(struct ledger *ledger)
{
    ledger->case_open = 0;
    ledger->stance = STANCE_NORMAL;
}

static void account_good_recovery(struct ledger *ledger, const struct receipt *receipt,
                                  const struct policy *policy)
{
    ledger->last_reason = REASON_RECOVERED;
    if (receipt->applied == APPLIED_NOTHING) { /* so it was a normal boot, and a good one */
        ledger->last_reason = REASON_NOTHING_CHANGED;
        ledger->rung = RUNG_NORMAL;
        case_close(ledger);
    } else if (policy->return_how == RETURN_AUTO || receipt->go_normal) {
        ledger->stance = STANCE_PROBATION;
        ledger->quiet = 0;
    }
}

/* Quiet is told in good boots, since no clock decides anything. */
static void account_quiet(struct ledger *ledger, const struct policy *policy)
{
    case_close(ledger);
    if (ledger->rung == RUNG_NORMAL)
        return;
    count_up(&ledger->quiet);
    if (ledger->quiet < policy->quiet)
        return;
    ledger->quiet = 0;
    ledger->rung--;
    ledger->last_reason = REASON_QUIET;
}

static void account_good(struct ledger *ledger, const struct receipt *receipt,
                         const struct policy *policy)
{
    ledger->failures = 0;
    ledger->rung_failures = 0;
    ledger->unreached = 0;
    switch ((enum stance)ledger->stance) {
    case STANCE_RECOVERY:
        account_good_recovery(ledger, receipt, policy);
        return;
    case STANCE_PROBATION:
        case_close(ledger);
        ledger->last_reason = REASON_RETURNED;
        return;
    case STANCE_NORMAL:
        account_quiet(ledger, policy);
        return;
    }
}

static void account_reach(struct ledger *ledger, enum phase phase)
{
    if (phase != PHASE_FIRMWARE)
        ledger->unreached = 0;
    else if (boot_asks_for_report(ledger->failures, (enum stance)ledger->stance))
        count_up(&ledger->unreached);
}

static void account_failure(struct ledger *ledger, enum outcome outcome, enum phase phase)
{
    account_reach(ledger, phase);
    count_up(&ledger->failures);
    count_up(&ledger->rung_failures);
    ledger->quiet = 0;
    ledger->last_reason = (uint8_t)reason_of_failure(outcome);
    if (ledger->case_open)
        return;
    ledger->case_open = 1;
    ledger->case_number++;
    ledger->first_reason = ledger->last_reason;
}

static void account(struct ledger *ledger, enum outcome outcome, enum phase phase,
                    const struct known *known, const struct policy *policy)
{
    ledger->last_reason = REASON_NONE;
    if (outcome_is_failure(outcome))
        account_failure(ledger, outcome, phase);
    else if (outcome == OUTCOME_GOOD)
        account_good(ledger, &known->receipt, policy);
    else if (outcome == OUTCOME_CLEAN)
        ledger->last_reason = REASON_CLEAN_END;
}

/* ---- 4. climb --------------------------------------------------------------------------- */

static int climb_is_due(const struct ledger *ledger, const struct policy *policy)
{
    switch ((enum stance)ledger->stance) {
    case STANCE_NORMAL:
        return ledger->rung_failures >= policy->threshold;
    case STANCE_RECOVERY:
        return ledger->rung_failures >= policy->step;
    case STANCE_PROBATION:
        break;
    }
    return ledger->rung_failures >= 1;
}

static int rung_has_means(enum rung rung, const struct known *known)
{
    switch (rung) {
    case RUNG_TARGETED:
        return known->receipt_state == RECORD_VALID && known->receipt.named;
    case RUNG_BOOT_FILES:
        return (known->means & MEANS_BOOT_FILES) != 0;
    case RUNG_NORMAL:
    case RUNG_ALL:
    case RUNG_DRIVERS_OFF:
    case RUNG_HOLD:
        break;
    }
    return 1;
}

static int initramfs_was_never_reached(const struct ledger *ledger)
{
    return ledger->unreached > 0 && ledger->unreached + 1 >= ledger->rung_failures;
}

static enum rung rung_above(const struct ledger *ledger, const struct known *known)
{
    int rung = ledger->rung + 1;

    if (rung < RUNG_BOOT_FILES && initramfs_was_never_reached(ledger) &&
        rung_has_means(RUNG_BOOT_FILES, known))
        return RUNG_BOOT_FILES;
    while (rung < RUNG_HOLD && !rung_has_means((enum rung)rung, known))
        rung++;
    return rung < RUNG_HOLD ? (enum rung)rung : RUNG_HOLD;
}

static enum reason reason_of_climb(const struct ledger *ledger, enum rung to)
{
    if (to == RUNG_HOLD)
        return REASON_HELD;
    if (to == RUNG_BOOT_FILES && initramfs_was_never_reached(ledger))
        return REASON_NO_INITRAMFS;
    switch ((enum stance)ledger->stance) {
    case STANCE_NORMAL:
        return REASON_THRESHOLD;
    case STANCE_PROBATION:
        return REASON_PROBATION_FAILED;
    case STANCE_RECOVERY:
        break;
    }
    return REASON_RUNG_FAILED;
}

static void climb(struct ledger *ledger, const struct known *known)
{
    enum rung to = rung_above(ledger, known);

    ledger->last_reason = (uint8_t)reason_of_climb(ledger, to);
    ledger->rung = (uint8_t)to;
    ledger->stance = STANCE_RECOVERY;
    ledger->rung_failures = 0;
}

/* ---- 5. issue --------------------------------------------------------------------------- */

static void issue_ticket(const struct ledger *ledger, const struct known *known,
                         struct ticket *ticket)
{
    static const struct ticket blank = {0};

    *ticket = blank;
    ticket->number = ledger->number;
    ticket->case_number = ledger->case_number;
    ticket->failures = ledger->failures;
    ticket->rung = ledger->rung;
    ticket->stance = ledger->stance;
    ticket->case_open = ledger->case_open;
    ticket->first_reason = ledger->first_reason;
    ticket->last_reason = ledger->last_reason;
    ticket->last_outcome = ledger->last_outcome;
    ticket->last_phase = ledger->last_phase;
    ticket->ledger_found = (uint8_t)known->nv_state;
    ticket->dumps = known->dumps;
    ticket->unreached = ledger->unreached;
}

/* The mark tells what a healthy ledger does not: that it exists, and how it last stood. */
static int mark_is_due(const struct ledger *ledger, const struct known *known, enum store store)
{
    const struct ledger *mark = &known->esp;

    if (store != STORE_NVRAM)
        return 0; /* the slot holds the ledger itself */
    if (known->esp_state == RECORD_NEWER)
        return 0;
    if (known->esp_state != RECORD_VALID || !mark->mark)
        return 1;
    return number_is_after(ledger->number, mark->number) || ledger->failures != 0 ||
           mark->failures != 0 || mark->rung != ledger->rung || mark->stance != ledger->stance ||
           mark->case_number != ledger->case_number;
}

void ledger_mark(const struct ledger *ledger, struct ledger *mark)
{
    *mark = *ledger;
    mark->number = ledger->number + MARK_AHEAD;
    mark->mark = 1;
}

void decide(const struct known *known, const struct policy *policy, struct decision *decision)
{
    struct history history;
    struct ledger *ledger = &history.ledger;
    enum outcome outcome;
    enum phase phase;

    history_find(&history, known, policy);
    outcome = outcome_find(&history, known);
    phase = phase_find(known, ledger);
    account(ledger, outcome, phase, known, policy);
    if (outcome_is_failure(outcome) && climb_is_due(ledger, policy))
        climb(ledger, known);
    else if (history.reason != REASON_NONE)
        ledger->last_reason = (uint8_t)history.reason;

    ledger->number = number_next(ledger->number);
    ledger->last_outcome = (uint8_t)outcome;
    ledger->last_phase = (uint8_t)phase;
    ledger->dumps = known->dumps;
    ledger->dumps_seen = known->dumps_seen;
    decision->ledger = *ledger;
    decision->store = history.store;
    decision->mark_due = (uint8_t)mark_is_due(ledger, known, history.store);
    issue_ticket(ledger, known, &decision->ticket);
}

/* ---- receipts --------------------------------------------------------------------------- */

static int receipt_is_newer(const struct receipt *a, const struct receipt *b)
{
    if (a->number != b->number)
        return number_is_after(a->number, b->number);
    return a->outcome != OUTCOME_NONE && b->outcome == OUTCOME_NONE;
}

enum record_state receipt_newest(enum record_state a_state, const struct receipt *a,
                                 enum record_state b_state, const struct receipt *b,
                                 struct receipt *newest)
{
    if (a_state == RECORD_VALID || b_state == RECORD_VALID) {
        int b_wins = a_state != RECORD_VALID || (b_state == RECORD_VALID && receipt_is_newer(b, a));

        *newest = b_wins ? *b : *a;
        return RECORD_VALID;
    }
    if (a_state == RECORD_DAMAGED || b_state == RECORD_DAMAGED)
        return RECORD_DAMAGED;
    return a_state == RECORD_NEWER || b_state == RECORD_NEWER ? RECORD_NEWER : RECORD_ABSENT;
}
