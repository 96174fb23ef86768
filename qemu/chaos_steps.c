/*
 * The step `chaos`: acts on a machine in whatever state it is, and judges it each time it is off.
 *
 * Every act first brings the machine to where it can be done, so that any step can be left out of a
 * sequence and the rest still means something.
 */
#include "chaos.h"
#include "steps.h"

#include <stdlib.h>
#include <string.h>

#define BOUND 12u      /* the promise: boots until it stays up or holds, from any ledger */
#define HANG_SECONDS 3 /* the marker's driver does not come back */
#define GOOD_SECONDS 900
#define PATIENCE 300 /* with a machine whose disk fails */
#define HANG_MARKER "acme_sentry: driver 2.1"

void chaos_watch_free(struct chaos_watch *watch)
{
    for (size_t i = 0; watch != NULL && i < watch->fault_count; i++)
        free(watch->faults[i].name);
    if (watch != NULL)
        sight_free(&watch->sight);
    free(watch);
}

/* looking */

static int broken(struct session *session, const char *what)
{
    session_say(session, "BROKEN", "%s", what);
    return session_fail(session, "broken: %s", what);
}

static long writes_of(const struct session *session)
{
    struct nvram nvram;
    long writes;

    if (nvram_load(&nvram, session->vars_path) < 0)
        return -1;
    writes = nvram_writes(&session_boot(session)->before, &nvram, guid_backstop);
    nvram_free(&nvram);
    return writes;
}

static int take(struct session *session, struct sight *sight)
{
    const struct boot *boot = session_boot(session);
    struct disk disk;

    if (session_disk(session, &disk) < 0)
        return -1;
    sight_take(sight, &disk);
    if (boot != NULL) {
        sight->ledger = boot->ledger;
        sight->receipt = boot->receipt;
    }
    return 0;
}

static struct due_facts facts_of(const struct boot *boot)
{
    const struct record *nvram = &boot->found[RECORD_RECEIPT][SOURCE_NVRAM],
                        *esp = &boot->found[RECORD_RECEIPT][SOURCE_ESP];

    return (struct due_facts){.ledger = boot->found[RECORD_LEDGER][SOURCE_NVRAM],
                              .slot = boot->found[RECORD_LEDGER][SOURCE_ESP],
                              .receipt = esp->whole && record_is_newer(esp, nvram) ? *esp : *nvram};
}

/* Safe mode that ends by itself is no end of an incident; somebody who interferes begins another.
 */
static int count_down(struct session *session, struct chaos_watch *watch)
{
    if (watch->boot.stays || watch->boot.disturbed || watch->boot.vendor)
        watch->down = 0;
    else
        watch->down++;
    return watch->down < BOUND
               ? 0
               : broken(session, "bound: 12 boots in a row, and it neither stays up nor holds");
}

/* Proved good, and on hold all the same. */
static bool is_held(const struct boot *boot)
{
    const struct record *ledger = &boot->ledger;

    return boot->good && ledger->whole && strcmp(record_word(ledger, "stance"), "recovery") == 0 &&
           strcmp(record_word(ledger, "rung"), "hold") == 0;
}

/* A boot is over: what it left is judged against what the one before left. */
static int look(struct session *session)
{
    struct chaos_watch *watch = session->watch;
    const struct boot *boot = session_boot(session);
    struct sight sight;
    TEXT_AUTO fault = NULL;

    if (session->reason != NULL || take(session, &sight) < 0)
        return -1;
    watch->boot.counted = boot->counted;
    watch->boot.linux_started = boot->kernel;
    watch->boot.normal = boot->hello && strcmp(boot->target, "safe") != 0;
    watch->boot.stays = watch->boot.asked || is_held(boot) || (watch->boot.normal && boot->good);
    watch->boot.writes = writes_of(session);
    watch->boot.facts = facts_of(boot);
    watch->boot.disturbed = watch->boot.disturbed || faults_struck(session);
    if (watch->seen)
        fault = sight_judge(&watch->sight, &sight, &watch->boot);
    sight_free(&watch->sight);
    watch->sight = sight;
    watch->seen = true;
    if (fault != NULL || count_down(session, watch) < 0) {
        memset(&watch->boot, 0, sizeof watch->boot);
        return fault != NULL ? broken(session, fault) : -1;
    }
    memset(&watch->boot, 0, sizeof watch->boot);
    return 0;
}

/* following */

static bool never(const struct boot *boot)
{
    (void)boot;
    return false;
}

static bool is_known(const struct boot *boot)
{
    return boot->hello || boot->marked;
}

static bool is_proved(const struct boot *boot)
{
    return boot->good;
}

/* One boot, until it is up, off or hung; a hung one is switched off, as is one that a person whose
 * patience is so many seconds has waited for. 0 or -EPROTO. */
static int boot_one(struct session *session, int patience)
{
    const struct boot *boot;

    if (boot_start(session, HANG_MARKER) < 0 || boot_watch(session, is_known, patience) < 0)
        return -1;
    boot = session_boot(session);
    if (session->on && boot->marked && !boot->hello) {
        if (boot_watch(session, never, HANG_SECONDS) < 0)
            return -1;
        boot_look(session);
        boot_cut(session, "hung, switched off");
    }
    if (session->on && !boot->hello) {
        session->watch->boot.disturbed = true;
        boot_cut(session, "not up, switched off");
    }
    return session->on ? 0 : look(session);
}

/* Switches on until it is up. */
static int bring_up(struct session *session)
{
    while (!session->on)
        if (boot_one(session, BOOT_LIMIT) < 0)
            return -1;
    return 0;
}

static bool is_safe(const struct session *session)
{
    return session->on && strcmp(session_boot(session)->target, "safe") == 0;
}

static int end_in_order(struct session *session, const char *command)
{
    TEXT_AUTO line = text_format("run %ld %s", ++session->run_id, command);

    session->watch->boot.asked = session_boot(session)->hello;
    machine_send(&session->machine, line);
    if (boot_watch(session, never, GOOD_SECONDS) < 0)
        return -1;
    if (session->on)
        return session_fail(session, "%s: the machine does not end", command);
    return look(session);
}

/* Safe mode ends by itself; a machine on hold waits for somebody to do what it says on its screen.
 */
static int leave_safe_mode(struct session *session)
{
    if (boot_watch(session, is_held, GOOD_SECONDS) < 0)
        return -1;
    if (!session->on)
        return look(session);
    return is_held(session_boot(session))
               ? end_in_order(session, "systemctl reboot")
               : broken(session, "bound: safe mode is not left, and is no good boot on hold");
}

/* Up with its normal target. */
static int bring_up_normal(struct session *session)
{
    for (unsigned rounds = 0; rounds <= BOUND; rounds++) {
        if (bring_up(session) < 0)
            return -1;
        if (!is_safe(session))
            return 0;
        if (leave_safe_mode(session) < 0)
            return -1;
    }
    return broken(session, "bound: safe mode again and again");
}

/* acting */

static int act_update(struct session *session, const char *name)
{
    TEXT_AUTO command = text_format("/opt/acme-sentry/bin/acme-update /payload/%s && sync", name);

    if (bring_up_normal(session) < 0)
        return -1;
    session->watch->boot.vendor = true;
    session_say(session, "guest", "# %s", command);
    if (boot_run(session, command) < 0)
        return -1;
    if (!session->on)
        return look(session);
    return session->run_code == 0 ? 0
                                  : session_fail(session, "%s: exit code %ld: %s", command,
                                                 session->run_code, session->run_output);
}

/* "write=12 power-cut" -> "write power-cut". */
static void tally_fault(struct chaos_watch *watch, char *const words[], bool struck)
{
    TEXT_AUTO name = text_format("%.*s %s", (int)strcspn(words[0], "="), words[0], words[1]);
    struct fault_tally *tally = watch->faults;

    while (tally < watch->faults + watch->fault_count && strcmp(tally->name, name) != 0)
        tally++;
    if (tally == watch->faults + watch->fault_count) {
        if (watch->fault_count == FAULT_KINDS_MAX)
            return;
        watch->fault_count++;
        tally->name = text_copy(name);
    }
    tally->armed++;
    tally->struck += struck;
}

/* One boot with what is armed. Errors of the disk go on as long as the machine does, so it is
 * switched off then. */
static int boot_with_fault(struct session *session, char *const words[])
{
    struct chaos_watch *watch = session->watch;
    bool of_disk = strstr(words[1], "io-error") != NULL || strcmp(words[1], "read-only") == 0;
    int error;

    watch->boot.flash_touched =
        strstr(words[1], "variable-") != NULL || strcmp(words[1], "nvram-full") == 0;
    error = boot_one(session, of_disk ? PATIENCE : BOOT_LIMIT);
    if (error == 0 && session->on && (of_disk || strcmp(words[0], "firmware") != 0)) {
        if (!of_disk && boot_watch(session, never, 60) < 0)
            return -1;
        watch->boot.disturbed = true;
        boot_cut(session, "power cut");
        error = look(session);
    }
    return error;
}

/* As often as it is to strike, one boot each; one in which it does not is the last. */
static int act_fault(struct session *session, char *const words[], int count)
{
    bool struck = true;
    int error = 0;

    if (session->on && end_in_order(session, "systemctl poweroff") < 0)
        return -1;
    fault_arm(session, words, count);
    while (error == 0 && struck && !session->on && faults_to_come(session)) {
        error = boot_with_fault(session, words);
        struck = faults_struck(session);
        tally_fault(session->watch, words, struck);
    }
    if (error == 0 && strcmp(words[1], "disk-full") == 0) {
        if (session->on && end_in_order(session, "systemctl poweroff") < 0)
            return -1;
        error = faults_make_room(session);
    }
    faults_disarm(session);
    return error;
}

static int act_cut(struct session *session)
{
    if (bring_up(session) < 0)
        return -1;
    session->watch->boot.disturbed = true;
    boot_cut(session, "power cut");
    return look(session);
}

static int act_good(struct session *session)
{
    if (bring_up_normal(session) < 0 || boot_watch(session, is_proved, GOOD_SECONDS) < 0)
        return -1;
    if (!session->on)
        return look(session);
    return session_boot(session)->good
               ? 0
               : session_fail(session, "boot %u is up and does not prove good",
                              session_boot(session)->index);
}

/* Left alone, the machine comes to a good normal boot, and that one is left alone as well. */
static int act_settle(struct session *session)
{
    for (unsigned tries = 0; tries <= BOUND; tries++) {
        if (act_good(session) < 0)
            return -1;
        if (session->on)
            return end_in_order(session, "systemctl poweroff");
    }
    return broken(session, "bound: no good normal boot, however often it is started");
}

static int act(struct session *session, char *const words[], int count)
{
    if (strcmp(words[0], "update") == 0)
        return act_update(session, words[1]);
    if (strcmp(words[0], "fault") == 0)
        return act_fault(session, words + 1, count - 1);
    if (strcmp(words[0], "cut") == 0)
        return act_cut(session);
    if (strcmp(words[0], "good") == 0)
        return act_good(session);
    if (strcmp(words[0], "settle") == 0)
        return act_settle(session);
    if (bring_up(session) < 0)
        return -1;
    return end_in_order(session, strcmp(words[0], "reboot") == 0 ? "systemctl reboot"
                                                                 : "systemctl poweroff");
}

int chaos_perform(struct session *session, char *const words[], int count)
{
    if (session->watch == NULL) {
        session->watch = calloc(1, sizeof *session->watch);
        if (session->watch == NULL)
            abort();
        session->helped = true; /* a kernel that panics with a lock held may hang */
        if (!session->on && take(session, &session->watch->sight) < 0)
            return -1;
        session->watch->seen = !session->on;
    }
    return act(session, words, count) < 0
               ? session_fail(session, "the machine is not where the step needs it")
               : 0;
}

const char *chaos_fault(char *const words[], int count)
{
    static const char *const alone[] = {"good", "reboot", "poweroff", "cut", "settle"};

    if (strcmp(words[0], "update") == 0)
        return count == 2 ? NULL : "which update is not said";
    if (strcmp(words[0], "fault") == 0)
        return count > 1 && strcmp(words[1], "none") != 0 ? fault_words_fault(words + 1, count - 1)
                                                          : "which fault is not said";
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (strcmp(words[0], alone[i]) == 0)
            return count == 1 ? NULL : "too many words";
    return "not a step of chaos";
}
