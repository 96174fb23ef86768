/*
 * decide() enumerated: every ledger that can be reached, and every ledger that could be read, with
 * every receipt that could answer it, under the policies at the ends of their ranges. Numbers are
 * kept relative (the ledger's is always the same before a decision), counts that decide() only
 * compares with small figures are held at COUNT_CAP between two decisions.
 *
 * MODEL_QUICK in the environment takes fewer policies, for runs under valgrind.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide.h"
#include "records.h"

#define NUMBER_HERE 1000u
#define CASE_HERE 7u
#define DUMPS_HERE 5u
#define SEEN_HERE 0x15u
#define COUNT_CAP 14u

/* ---- policies ------------------------------------------------------------------------------ */

#define POLICIES_MAX 64
static struct policy policies[POLICIES_MAX];
static size_t policy_count;

static void add_policy(uint8_t threshold, uint8_t step, uint8_t quiet, uint8_t return_how)
{
    struct policy *policy = &policies[policy_count];

    policy_defaults(policy);
    policy->threshold = threshold;
    policy->step = step;
    policy->quiet = quiet;
    policy->return_how = return_how;
    policy_clamp(policy);
    for (size_t i = 0; i < policy_count; i++)
        if (memcmp(&policies[i], policy, sizeof *policy) == 0)
            return;
    policy_count++;
}

static int make_policies(void **state)
{
    uint8_t threshold_step = getenv("MODEL_QUICK") != NULL ? 3 : 1;

    (void)state;
    memset(policies, 0, sizeof policies);
    for (uint8_t threshold = 1; threshold <= 7; threshold = (uint8_t)(threshold + threshold_step)) {
        for (uint8_t step = 1; step <= 2; step++) {
            add_policy(threshold, step, 1, RETURN_AUTO);
            add_policy(threshold, step, 1, RETURN_BY_HAND);
        }
    }
    add_policy(3, 2, 20, RETURN_AUTO);
    add_policy(7, 1, 20, RETURN_BY_HAND);
    return 0;
}

/* ---- events: what a boot leaves for the next decision ------------------------------------- */

struct event {
    enum record_state receipt_state;
    struct receipt receipt; /* number: 0 of this boot, else as it is */
    uint8_t means;
    uint8_t new_dumps;
    uint8_t hang;
};

#define EVENTS_MAX 8192
struct events {
    struct event list[EVENTS_MAX];
    size_t count;
};
static struct events every_event; /* all of them */
static struct events some_events; /* each value of each field that decide() reads */
static struct events fail_events; /* boots that failed */
static struct events stay_events; /* recoveries that were good and did or could not do nothing */

static void add_event(struct events *events, const struct event *event)
{
    assert_true(events->count < EVENTS_MAX);
    events->list[events->count++] = *event;
}

/* With and without means, new dumps and a watchdog's reset. */
static void add_surroundings(struct events *events, struct event event)
{
    for (uint8_t bits = 0; bits < 8; bits++) {
        event.means = bits & 1;
        event.new_dumps = bits >> 1 & 1;
        event.hang = bits >> 2 & 1;
        add_event(events, &event);
    }
}

/* What is not valid looks good all the same: only its state may count. */
static void add_useless_receipts(struct events *events)
{
    struct event event = {.receipt = {.outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED, .named = 1}};

    add_surroundings(events, event);
    event.receipt_state = RECORD_DAMAGED;
    add_surroundings(events, event);
    event.receipt_state = RECORD_NEWER;
    add_surroundings(events, event);
}

static const uint8_t reported[] = {OUTCOME_NONE, OUTCOME_GOOD, OUTCOME_CLEAN, OUTCOME_HANG,
                                   OUTCOME_FAILED};

static void add_receipts(struct events *events, uint32_t number)
{
    struct event event = {.receipt_state = RECORD_VALID, .receipt = {.number = number}};

    for (size_t o = 0; o < ROWS(reported); o++) {
        event.receipt.outcome = reported[o];
        for (uint8_t rest = 0; rest < PHASE_COUNT * APPLIED_COUNT * 4; rest++) {
            event.receipt.named = rest & 1;
            event.receipt.go_normal = rest >> 1 & 1;
            event.receipt.phase = rest / 4 % PHASE_COUNT;
            event.receipt.applied = rest / 4 / PHASE_COUNT;
            add_surroundings(events, event);
        }
    }
}

/* Phases beyond the first, and what a recovery applied, matter in one way only. */
static int is_plain(const struct event *event)
{
    const struct receipt *receipt = &event->receipt;

    if (event->receipt_state != RECORD_VALID)
        return event->means == 0 || (!event->new_dumps && !event->hang);
    if (event->new_dumps || event->hang || receipt->applied > APPLIED_PUT_BACK ||
        receipt->phase > PHASE_INITRAMFS || (receipt->named && receipt->go_normal))
        return 0;
    if (receipt->outcome == OUTCOME_GOOD)
        return 1;
    return receipt->number == 0 && receipt->applied == APPLIED_NONE;
}

static int is_failed_boot(const struct event *event)
{
    if (event->receipt_state == RECORD_ABSENT)
        return !event->new_dumps && !event->hang;
    return is_plain(event) && event->receipt_state == RECORD_VALID && !event->receipt.number &&
           event->receipt.outcome == OUTCOME_NONE && event->receipt.applied == APPLIED_NONE &&
           !event->receipt.go_normal;
}

static int is_good_recovery(const struct event *event)
{
    return is_plain(event) && event->receipt_state == RECORD_VALID && !event->receipt.number &&
           event->receipt.outcome == OUTCOME_GOOD && event->receipt.applied == APPLIED_PUT_BACK &&
           !event->receipt.go_normal;
}

static int make_events(void **state)
{
    add_useless_receipts(&every_event);
    add_receipts(&every_event, 0);
    add_receipts(&every_event, NUMBER_HERE - 1);
    for (size_t i = 0; i < every_event.count; i++) {
        const struct event *event = &every_event.list[i];

        if (is_plain(event))
            add_event(&some_events, event);
        if (is_failed_boot(event))
            add_event(&fail_events, event);
        if (is_good_recovery(event))
            add_event(&stay_events, event);
    }
    assert_true(some_events.count > 50 && fail_events.count >= 6 && stay_events.count >= 4);
    return make_policies(state);
}

static void apply_event(struct known *known, const struct event *event)
{
    known->receipt_state = event->receipt_state;
    known->receipt = event->receipt;
    if (known->receipt.number == 0)
        known->receipt.number = NUMBER_HERE;
    known->means = event->means ? MEANS_BOOT_FILES : 0;
    known->dumps = (uint16_t)(DUMPS_HERE + event->new_dumps);
    known->dumps_seen = SEEN_HERE | (uint32_t)event->new_dumps << 5;
    known->hang = event->hang;
}

/* ---- situations: where the ledger of the boots before is ----------------------------------- */

enum situation {
    IN_VARIABLE,
    IN_VARIABLE_OLD_SLOT, /* and a slot that NVRAM has outlived */
    IN_SLOT,              /* NVRAM refuses */
    IN_SLOT_NEWER,        /* the variable is a newer Backstop's */
    IN_SLOT_DAMAGED,      /* the variable is not a record */
    LOST,                 /* a mark in the slot alone */
    DAMAGED,              /* the same, and the variable is not a record */
    NEWER,                /* the same, and the variable is a newer Backstop's */
};
#define SITUATION_COUNT 8

static int is_exact(enum situation situation)
{
    return situation < LOST;
}

static void place_ledger(struct known *known, enum situation situation, const struct ledger *ledger)
{
    static const enum record_state nv_states[SITUATION_COUNT] = {
        RECORD_VALID,   RECORD_VALID,  RECORD_ABSENT,  RECORD_NEWER,
        RECORD_DAMAGED, RECORD_ABSENT, RECORD_DAMAGED, RECORD_NEWER,
    };

    memset(known, 0, sizeof *known);
    known->nv_state = nv_states[situation];
    if (known->nv_state == RECORD_VALID)
        known->nv = *ledger;
    if (situation == IN_VARIABLE)
        return;
    known->esp_state = RECORD_VALID;
    known->esp = *ledger;
    if (situation == IN_VARIABLE_OLD_SLOT)
        known->esp.number -= 2;
    if (!is_exact(situation))
        ledger_mark(ledger, &known->esp);
}

/* ---- what must always hold ------------------------------------------------------------------ */

struct step {
    const struct policy *policy;
    const struct known *known;
    const struct decision *decision;
    struct ledger before; /* canonical; the one placed */
    enum situation situation;
};

static void print_ledger(const char *name, const struct ledger *ledger)
{
    print_error("%s: number %u case %u%s, failures %u, %s/%u, %s, quiet %u, unreached %u, "
                "outcome %s, %u then %u\n",
                name, ledger->number, ledger->case_number, ledger->case_open ? " open" : "",
                ledger->failures, rung_string((enum rung)ledger->rung), ledger->rung_failures,
                stance_string((enum stance)ledger->stance), ledger->quiet, ledger->unreached,
                outcome_string((enum outcome)ledger->last_outcome), ledger->first_reason,
                ledger->last_reason);
}

static void broken(const struct step *step, const char *what)
{
    const struct receipt *receipt = &step->known->receipt;

    print_error("%s\n", what);
    print_error("policy: threshold %u step %u quiet %u return %u; situation %d; means %u dumps %u "
                "hang %u\n",
                step->policy->threshold, step->policy->step, step->policy->quiet,
                step->policy->return_how, (int)step->situation, step->known->means,
                step->known->dumps, step->known->hang);
    print_error("receipt: %s, number %u, outcome %u phase %u applied %u named %u go %u\n",
                record_state_string(step->known->receipt_state), receipt->number, receipt->outcome,
                receipt->phase, receipt->applied, receipt->named, receipt->go_normal);
    print_ledger("before", &step->before);
    print_ledger("after", &step->decision->ledger);
    fail();
}

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            broken(step, #condition);                                                              \
    } while (0)

/* A rung of normal has no recovery and no probation; an open incident has a case. */
static struct ledger canonical(const struct ledger *ledger)
{
    struct ledger result = *ledger;

    if (result.rung == RUNG_NORMAL)
        result.stance = STANCE_NORMAL;
    if (result.stance != STANCE_NORMAL)
        result.case_open = 1;
    result.mark = 0;
    return result;
}

/* The rule of the project, in one place: a ticket without a good receipt is a failed boot. */
static enum outcome outcome_of(const struct known *known)
{
    if (known->receipt_state == RECORD_VALID && known->receipt.number == NUMBER_HERE &&
        known->receipt.outcome != OUTCOME_NONE)
        return (enum outcome)known->receipt.outcome;
    if (known->hang)
        return OUTCOME_HANG;
    return known->dumps > DUMPS_HERE ? OUTCOME_CRASH : OUTCOME_UNKNOWN;
}

static unsigned failures_allowed(const struct step *step)
{
    switch ((enum stance)step->before.stance) {
    case STANCE_NORMAL:
        return step->policy->threshold;
    case STANCE_RECOVERY:
        return step->policy->step;
    case STANCE_PROBATION:
        break;
    }
    return 1;
}

static int means_are_there(const struct known *known, int rung)
{
    if (rung == RUNG_TARGETED)
        return known->receipt_state == RECORD_VALID && known->receipt.named;
    return rung != RUNG_BOOT_FILES || known->means != 0;
}

/* Only to the boot files, and only for an initramfs that was not reached, is a rung passed over. */
static void check_rung_passed_over(const struct step *step)
{
    const struct ledger *after = &step->decision->ledger;

    if (after->last_reason == REASON_NO_INITRAMFS) {
        MUST(after->rung == RUNG_BOOT_FILES && step->known->means != 0);
        MUST(after->unreached > 0 && after->last_phase == PHASE_FIRMWARE);
        MUST(after->unreached >= step->before.rung_failures); /* the first need not report */
        return;
    }
    for (int rung = step->before.rung + 1; rung < after->rung; rung++)
        MUST(!means_are_there(step->known, rung));
    MUST(after->rung == RUNG_HOLD || means_are_there(step->known, after->rung));
}

static void check_after_failure(const struct step *step)
{
    const struct ledger *before = &step->before;
    const struct ledger *after = &step->decision->ledger;
    int due = before->rung_failures + 1u >= failures_allowed(step);

    MUST(after->failures == (before->failures < 255 ? before->failures + 1 : 255));
    MUST(after->rung >= before->rung);
    MUST(after->case_open);
    MUST(after->last_reason != REASON_NONE);
    if (!due) {
        MUST(after->rung == before->rung && after->stance == before->stance);
        MUST(after->rung_failures == before->rung_failures + 1);
        return;
    }
    MUST(after->stance == STANCE_RECOVERY && after->rung_failures == 0);
    MUST(after->rung > before->rung || before->rung == RUNG_HOLD);
    check_rung_passed_over(step);
}

static void check_after_good(const struct step *step)
{
    const struct ledger *after = &step->decision->ledger;

    MUST(after->failures == 0 && after->rung_failures == 0 && after->unreached == 0);
    MUST(after->rung <= step->before.rung);
    MUST(step->before.stance != STANCE_NORMAL || after->rung + 1 >= step->before.rung);
    MUST(after->case_number == step->before.case_number);
    MUST(step->before.stance == STANCE_RECOVERY || after->stance == STANCE_NORMAL);
    MUST(after->stance != STANCE_NORMAL || !after->case_open);
}

static void check_after_clean(const struct step *step)
{
    const struct ledger *before = &step->before;
    const struct ledger *after = &step->decision->ledger;

    MUST(after->failures == before->failures && after->rung_failures == before->rung_failures);
    MUST(after->rung == before->rung && after->stance == before->stance);
    MUST(after->case_open == before->case_open && after->case_number == before->case_number);
    MUST(after->quiet == before->quiet && after->unreached == before->unreached);
}

static void check_exact(const struct step *step)
{
    const struct ledger *after = &step->decision->ledger;
    enum outcome outcome = outcome_of(step->known);

    MUST(after->last_outcome == outcome);
    MUST(after->number == NUMBER_HERE + 1);
    MUST(after->rung <= step->before.rung || outcome_is_failure(outcome));
    if (outcome_is_failure(outcome))
        check_after_failure(step);
    else if (outcome == OUTCOME_GOOD)
        check_after_good(step);
    else
        check_after_clean(step);
}

/* The ledger is not there: its mark is. */
static void check_inexact(const struct step *step)
{
    const struct ledger *after = &step->decision->ledger;

    MUST(after->number == NUMBER_HERE + MARK_AHEAD + 1);
    MUST(after->rung <= step->before.rung || outcome_is_failure((enum outcome)after->last_outcome));
    MUST(after->rung <= step->before.rung || step->before.failures > 0);
    if (step->situation == DAMAGED) {
        MUST(after->failures == step->policy->threshold - 1);
        MUST(after->last_reason == REASON_LEDGER_DAMAGED);
        MUST(step->decision->store == STORE_NVRAM_AND_ESP);
    } else {
        MUST(after->failures <= step->before.failures + 1);
        MUST(after->last_outcome == OUTCOME_GOOD || after->failures >= step->before.failures);
    }
    if (step->situation == LOST)
        MUST(step->decision->store == STORE_ESP_THEN_NVRAM);
}

/* The first reason stays for as long as its case is open. */
static void check_case(const struct step *step)
{
    const struct ledger *before = &step->before;
    const struct ledger *after = &step->decision->ledger;

    MUST(after->case_number == before->case_number ||
         after->case_number == before->case_number + 1);
    if (step->situation == DAMAGED)
        return; /* which case was open is not known */
    if (before->case_open && after->case_open) {
        MUST(after->case_number == before->case_number);
        MUST(after->first_reason == before->first_reason);
    }
    if (!before->case_open && after->case_open) {
        MUST(after->case_number == before->case_number + 1);
        MUST(after->first_reason != REASON_NONE);
    }
}

static void check_ranges(const struct step *step)
{
    const struct ledger *after = &step->decision->ledger;

    MUST(after->number != 0 && after->mark == 0);
    MUST(after->rung < RUNG_COUNT && after->stance < STANCE_COUNT && after->case_open <= 1);
    MUST(after->last_outcome < OUTCOME_COUNT && after->last_phase < PHASE_COUNT);
    MUST(after->first_reason < REASON_COUNT && after->last_reason < REASON_COUNT);
    MUST(after->rung != RUNG_NORMAL || after->stance == STANCE_NORMAL);
    MUST(after->stance == STANCE_NORMAL || after->case_open);
    MUST(step->decision->mark_due <= 1);
    MUST(step->known->nv_state != RECORD_NEWER || step->decision->store == STORE_ESP_ONLY);
    MUST(step->decision->store == STORE_NVRAM || !step->decision->mark_due);
}

static void check_ticket(const struct step *step)
{
    const struct ledger *after = &step->decision->ledger;
    const struct ticket *ticket = &step->decision->ticket;

    MUST(ticket->number == after->number && ticket->case_number == after->case_number);
    MUST(ticket->failures == after->failures && ticket->rung == after->rung);
    MUST(ticket->stance == after->stance && ticket->case_open == after->case_open);
    MUST(ticket->first_reason == after->first_reason && ticket->last_reason == after->last_reason);
    MUST(ticket->last_outcome == after->last_outcome && ticket->last_phase == after->last_phase);
    MUST(ticket->dumps == after->dumps && ticket->ledger_found == step->known->nv_state);
    MUST(ticket->stored == STORED_NOWHERE && ticket->store_error == 0);
}

static unsigned long decisions;

/* One decision, with all that must hold of it. */
static void take(const struct policy *policy, enum situation situation, const struct ledger *ledger,
                 const struct event *event, struct decision *decision)
{
    struct known known;
    struct step step = {policy, &known, decision, canonical(ledger), situation};

    place_ledger(&known, situation, ledger);
    apply_event(&known, event);
    memset(decision, 0xee, sizeof *decision);
    decide(&known, policy, decision);
    decisions++;
    check_ranges(&step);
    check_ticket(&step);
    check_case(&step);
    if (is_exact(situation))
        check_exact(&step);
    else
        check_inexact(&step);
}

/* ---- the ledgers: a set in which each is met once ------------------------------------------- */

#define SLOTS (1u << 20)

struct entry {
    uint32_t key; /* 0: free */
    int8_t boots; /* to hold; -1: not known yet */
    struct ledger ledger;
};
static struct entry *entries;
static uint32_t *order;
static size_t entry_count;

static uint8_t capped(uint8_t count)
{
    return count > COUNT_CAP ? COUNT_CAP : count;
}

/* What decide() does not read, or only compares, is made the same. */
static struct ledger relative(const struct ledger *ledger)
{
    struct ledger result = *ledger;

    result.number = NUMBER_HERE;
    result.case_number = CASE_HERE;
    result.dumps = DUMPS_HERE;
    result.dumps_seen = SEEN_HERE;
    result.failures = capped(result.failures);
    result.rung_failures = capped(result.rung_failures);
    result.unreached = capped(result.unreached);
    result.first_reason = result.first_reason ? REASON_FAILED_CRASH : REASON_NONE;
    result.last_reason = REASON_NONE;
    result.last_outcome = OUTCOME_NONE;
    result.last_phase = PHASE_FIRMWARE;
    return result;
}

static uint32_t key_of(const struct ledger *l)
{
    uint32_t key = 1;

    key = key << 4 | l->failures;
    key = key << 3 | l->rung;
    key = key << 4 | l->rung_failures;
    key = key << 2 | l->stance;
    key = key << 5 | (l->quiet > 31 ? 31u : l->quiet);
    key = key << 4 | l->unreached;
    key = key << 1 | l->case_open;
    return key << 1 | (l->first_reason != 0);
}

static void set_empty(void)
{
    if (entries == NULL) {
        entries = calloc(SLOTS, sizeof *entries);
        order = calloc(SLOTS, sizeof *order);
        assert_true(entries != NULL && order != NULL);
    }
    for (size_t i = 0; i < entry_count; i++)
        entries[order[i]].key = 0;
    entry_count = 0;
}

static int free_set(void **state)
{
    (void)state;
    free(entries);
    free(order);
    return 0;
}

/* The entry of a ledger, made if there is none. */
static struct entry *set_entry(const struct ledger *found)
{
    struct ledger ledger = relative(found);
    uint32_t key = key_of(&ledger);
    uint32_t slot = key * 2654435761u >> 12;

    while (entries[slot].key != 0 && entries[slot].key != key)
        slot = (slot + 1) % SLOTS;
    if (entries[slot].key == 0) {
        assert_true(entry_count < SLOTS / 2);
        entries[slot] = (struct entry){key, -1, ledger};
        order[entry_count++] = slot;
    }
    return &entries[slot];
}

/* ---- 1. every ledger that can be reached ---------------------------------------------------- */

static void begin_machines(const struct policy *policy)
{
    static const enum record_state states[] = {RECORD_ABSENT, RECORD_DAMAGED, RECORD_NEWER};

    for (size_t nv = 0; nv < ROWS(states); nv++) {
        for (size_t esp = 0; esp < ROWS(states); esp++) {
            for (size_t i = 0; i < some_events.count; i++) {
                struct known known = {.nv_state = states[nv], .esp_state = states[esp]};
                struct decision decision;

                apply_event(&known, &some_events.list[i]);
                decide(&known, policy, &decision);
                set_entry(&decision.ledger);
            }
        }
    }
}

static void go_on_from(const struct policy *policy, const struct ledger *ledger)
{
    struct decision decision;

    for (size_t i = 0; i < every_event.count; i++) {
        take(policy, IN_VARIABLE, ledger, &every_event.list[i], &decision);
        set_entry(&decision.ledger);
    }
    for (int situation = 1; situation < SITUATION_COUNT; situation++) {
        for (size_t i = 0; i < some_events.count; i++) {
            take(policy, (enum situation)situation, ledger, &some_events.list[i], &decision);
            set_entry(&decision.ledger);
        }
    }
}

static void every_reachable_ledger(void **state)
{
    size_t reached = 0;

    (void)state;
    decisions = 0;
    for (size_t p = 0; p < policy_count; p++) {
        set_empty();
        begin_machines(&policies[p]);
        for (size_t i = 0; i < entry_count; i++) {
            struct ledger ledger = entries[order[i]].ledger;

            go_on_from(&policies[p], &ledger);
        }
        assert_true(entry_count > 50);
        reached += entry_count;
    }
    print_message("%zu policies, %zu reachable ledgers, %lu decisions\n", policy_count, reached,
                  decisions);
}

/* ---- 2. every ledger that could be read ------------------------------------------------------ */

static const uint8_t failures_values[] = {0, 1, 6, 14, 255};
static const uint8_t rung_failures_values[] = {0, 1, 2, 3, 6, 7, 255};
static const uint8_t quiet_values[] = {0, 1, 19, 255};
static const uint8_t unreached_values[] = {0, 1, 2, 255};

static const uint8_t radix[] = {
    ROWS(failures_values),
    ROWS(rung_failures_values),
    ROWS(quiet_values),
    ROWS(unreached_values),
    RUNG_COUNT,
    STANCE_COUNT,
    2,
    2,
};

static size_t ledgers_to_read(void)
{
    size_t count = 1;

    for (size_t i = 0; i < ROWS(radix); i++)
        count *= radix[i];
    return count;
}

static struct ledger ledger_to_read(size_t index)
{
    uint8_t digits[ROWS(radix)];
    struct ledger ledger = {.number = NUMBER_HERE,
                            .case_number = CASE_HERE,
                            .dumps = DUMPS_HERE,
                            .dumps_seen = SEEN_HERE};

    for (size_t i = 0; i < ROWS(radix); i++) {
        digits[i] = (uint8_t)(index % radix[i]);
        index /= radix[i];
    }
    ledger.failures = failures_values[digits[0]];
    ledger.rung_failures = rung_failures_values[digits[1]];
    ledger.quiet = quiet_values[digits[2]];
    ledger.unreached = unreached_values[digits[3]];
    ledger.rung = digits[4];
    ledger.stance = digits[5];
    ledger.case_open = digits[6];
    ledger.first_reason = digits[7] ? REASON_FAILED_HANG : REASON_NONE;
    return ledger;
}

static int is_at_an_end(const struct policy *policy)
{
    return policy->threshold == 1 || policy->threshold == 3 || policy->threshold == 7;
}

static void every_readable_ledger(void **state)
{
    (void)state;
    decisions = 0;
    for (size_t p = 0; p < policy_count; p++) {
        if (!is_at_an_end(&policies[p]))
            continue;
        for (size_t i = 0; i < ledgers_to_read(); i++) {
            struct ledger ledger = ledger_to_read(i);

            for (size_t e = 0; e < some_events.count; e++) {
                struct decision decision;

                take(&policies[p], IN_VARIABLE, &ledger, &some_events.list[e], &decision);
            }
        }
    }
    print_message("%zu ledgers, %lu decisions\n", ledgers_to_read(), decisions);
    assert_true(decisions > 0);
}

/* Whatever bytes lie in the struct, and whatever policy a caller clamped. */
static void illegal_states_become_canonical(void **state)
{
    uint32_t random = 2463534242u;

    (void)state;
    for (unsigned round = 0; round < 300000; round++) {
        struct known known;
        struct decision decision;
        struct policy policy;
        struct step step = {&policy, &known, &decision, {0}, IN_VARIABLE};
        uint8_t bytes[sizeof known.nv];
        uint8_t record[LEDGER_SIZE];
        struct ledger back;

        memset(&known, 0, sizeof known);
        memset(&policy, 0, sizeof policy);
        for (size_t i = 0; i < sizeof bytes; i++) {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            bytes[i] = (uint8_t)random;
        }
        memcpy(&known.nv, bytes, sizeof bytes);
        memcpy(&known.esp, bytes, sizeof bytes);
        known.esp.number += random >> 30;
        known.nv_state = (enum record_state)(random >> 8 & 3);
        known.esp_state = (enum record_state)(random >> 10 & 3);
        known.receipt_state = (enum record_state)(random >> 12 & 3);
        known.receipt.number = known.nv.number + (random >> 14 & 1);
        known.receipt.phase = bytes[0] % PHASE_COUNT;
        known.receipt.applied = bytes[1] % APPLIED_COUNT;
        known.receipt.named = bytes[2] & 1;
        known.receipt.go_normal = bytes[3] & 1;
        known.receipt.outcome = reported[(random >> 16) % ROWS(reported)];
        memcpy(&policy, bytes, sizeof policy < sizeof bytes ? sizeof policy : sizeof bytes);
        policy_clamp(&policy);
        decide(&known, &policy, &decision);
        check_ranges(&step);
        check_ticket(&step);
        ledger_encode(&decision.ledger, record);
        assert_int_equal(ledger_decode(&back, record, sizeof record, 0), RECORD_VALID);
    }
}

/* ---- 3. records ------------------------------------------------------------------------------ */

static void check_record(const struct ledger *ledger)
{
    uint8_t bytes[LEDGER_SIZE];
    uint8_t again[LEDGER_SIZE];
    struct ledger back;

    ledger_encode(ledger, bytes);
    assert_int_equal(ledger_decode(&back, bytes, sizeof bytes, 0), RECORD_VALID);
    ledger_encode(&back, again);
    assert_memory_equal(bytes, again, sizeof bytes);
    assert_int_equal(back.number, ledger->number);
    assert_int_equal(key_of(&back), key_of(ledger));
    for (size_t bit = 0; bit < LEDGER_SIZE * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (ledger_decode(&back, bytes, sizeof bytes, 0) != RECORD_DAMAGED ||
            ledger_decode(&back, bytes, sizeof bytes, 1) != RECORD_DAMAGED)
            fail_msg("bit %zu may flip", bit);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* With values for what relative() has made the same. */
static struct ledger spread(const struct ledger *ledger, uint32_t seed)
{
    struct ledger result = *ledger;

    result.number = seed * 2654435761u + 1;
    result.case_number = seed * 40503u;
    result.dumps = (uint16_t)(seed * 31u);
    result.dumps_seen = seed * 2246822519u;
    result.last_outcome = (uint8_t)(seed % OUTCOME_COUNT);
    result.last_phase = (uint8_t)(seed / OUTCOME_COUNT % PHASE_COUNT);
    result.last_reason = (uint8_t)(seed % REASON_COUNT);
    return result;
}

static void reachable_ledgers_survive_and_no_bit_may_flip(void **state)
{
    uint32_t checked = 0;

    (void)state;
    for (size_t p = 0; p < policy_count; p++) {
        set_empty();
        begin_machines(&policies[p]);
        for (size_t i = 0; i < entry_count; i++) {
            struct ledger ledger = entries[order[i]].ledger;
            struct ledger whole = spread(&ledger, ++checked);

            check_record(&whole);
            for (size_t e = 0; e < some_events.count; e++) {
                struct decision decision;

                take(&policies[p], IN_VARIABLE, &ledger, &some_events.list[e], &decision);
                set_entry(&decision.ledger);
            }
        }
    }
    print_message("%u ledgers, %u flips each\n", checked, LEDGER_SIZE * 8);
    assert_true(checked > 1000);
}

/* ---- 4. the bound -----------------------------------------------------------------------------
 */

static int holds(const struct ledger *ledger)
{
    return ledger->rung == RUNG_HOLD && ledger->stance == STANCE_RECOVERY;
}

typedef int count_boots(const struct policy *policy, const struct ledger *ledger, int depth);

/* The most that can come of any of these events. */
static int worst_of(const struct events *events, const struct policy *policy,
                    const struct ledger *ledger, int depth, count_boots *count)
{
    int worst = 0;

    if (depth > 40)
        fail_msg("no end of it");
    for (size_t i = 0; i < events->count; i++) {
        struct decision decision;
        int boots;

        take(policy, IN_VARIABLE, ledger, &events->list[i], &decision);
        decision.ledger = relative(&decision.ledger);
        boots = count(policy, &decision.ledger, depth + 1);
        worst = boots > worst ? boots : worst;
    }
    return worst;
}

/* Boots still to come until one holds, if every boot fails. */
static int boots_all_fail(const struct policy *policy, const struct ledger *ledger, int depth)
{
    int boots;

    if (holds(ledger))
        return 0;
    if (set_entry(ledger)->boots < 0) {
        boots = 1 + worst_of(&fail_events, policy, ledger, depth, boots_all_fail);
        set_entry(ledger)->boots = (int8_t)boots;
    }
    return set_entry(ledger)->boots;
}

/* Of the boots still to come until one holds, those that fail, if a boot in safe mode may be good
 * and a normal one never is. Where a person is to return it, a good safe mode is where it stays. */
static int failures_safe_mode_good(const struct policy *policy, const struct ledger *ledger,
                                   int depth)
{
    int worst;
    int good;

    if (holds(ledger))
        return 0;
    if (set_entry(ledger)->boots < 0) {
        worst = 1 + worst_of(&fail_events, policy, ledger, depth, failures_safe_mode_good);
        if (ledger->stance == STANCE_RECOVERY && policy->return_how == RETURN_AUTO) {
            good = worst_of(&stay_events, policy, ledger, depth, failures_safe_mode_good);
            worst = good > worst ? good : worst;
        }
        set_entry(ledger)->boots = (int8_t)worst;
    }
    return set_entry(ledger)->boots;
}

/* All boots until one holds, if every boot in safe mode is good and no normal one ever. */
static int boots_safe_mode_good(const struct policy *policy, const struct ledger *ledger, int depth)
{
    int is_safe = ledger->stance == STANCE_RECOVERY;
    int boots;

    if (holds(ledger) || (is_safe && policy->return_how == RETURN_BY_HAND))
        return 0;
    if (set_entry(ledger)->boots < 0) {
        boots = 1 + worst_of(is_safe ? &stay_events : &fail_events, policy, ledger, depth,
                             boots_safe_mode_good);
        set_entry(ledger)->boots = (int8_t)boots;
    }
    return set_entry(ledger)->boots;
}

/* Worst over every ledger that could be read and whatever its last boot was; the first boot that
 * this decides is boot 1. */
static int worst_from_anywhere(const struct policy *policy, count_boots *count)
{
    int worst = 0;

    set_empty();
    for (size_t i = 0; i < ledgers_to_read(); i++) {
        struct ledger ledger = ledger_to_read(i);
        struct ledger from = relative(&ledger);
        int boots = count(policy, &from, 0);

        worst = boots > worst ? boots : worst;
    }
    return worst;
}

/* The ledger may be the one that stood when the last boot was good or ended in order: then the
 * boot that is decided first is one more. */
static void boots_that_all_fail_end_in_a_hold(void **state)
{
    (void)state;
    for (size_t p = 0; p < policy_count; p++) {
        const struct policy *policy = &policies[p];
        int bound = policy->threshold + 4 * policy->step;
        int worst = worst_from_anywhere(policy, boots_all_fail);

        assert_int_equal(worst, bound);
        assert_true(worst + 1 <= (int)BOOT_BOUND);
    }
}

static void nor_does_a_good_safe_mode_make_more_failures(void **state)
{
    (void)state;
    for (size_t p = 0; p < policy_count; p++) {
        int worst = worst_from_anywhere(&policies[p], failures_safe_mode_good);

        assert_in_range(worst, 1, BOOT_BOUND - 1);
    }
}

/* Each rung then costs a good boot in safe mode and a failed one on probation. */
static void loop_between_safe_mode_and_normal_ends(void **state)
{
    (void)state;
    for (size_t p = 0; p < policy_count; p++) {
        const struct policy *policy = &policies[p];
        int worst = worst_from_anywhere(policy, boots_safe_mode_good);

        if (policy->return_how == RETURN_BY_HAND)
            assert_int_equal(worst, policy->threshold);
        else
            assert_int_equal(worst, policy->threshold + 1 + 2 * 4);
        assert_in_range(worst, 1, BOOT_BOUND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reachable_ledger),
        cmocka_unit_test(every_readable_ledger),
        cmocka_unit_test(illegal_states_become_canonical),
        cmocka_unit_test(reachable_ledgers_survive_and_no_bit_may_flip),
        cmocka_unit_test(boots_that_all_fail_end_in_a_hold),
        cmocka_unit_test(nor_does_a_good_safe_mode_make_more_failures),
        cmocka_unit_test(loop_between_safe_mode_and_normal_ends),
    };
    return cmocka_run_group_tests_name("model", tests, make_events, free_set);
}
