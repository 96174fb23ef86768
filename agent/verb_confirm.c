/*
 * verb_confirm.c - `backstop confirm`: what units call in the course of a boot. See confirm.h.
 */
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "awake.h"
#include "confirm.h"
#include "health.h"
#include "limited.h"
#include "notify.h"
#include "patience.h"
#include "verb.h"

#define ANSWER_SECONDS 30u  /* for a question to systemd */
#define REQUEST_SECONDS 60u /* to ask for a restart, and then for it to end this program */
#define RECEIPT_SECONDS 60u
#define SYNC_SECONDS 10u

enum task {
    TASK_GOOD,
    TASK_START,
    TASK_END,
    TASK_DEADLINE,
    TASK_HEALTH,
    TASK_RETURN,
    TASK_TO_REBUILD,
    TASK_REBUILT
};

struct confirm_words {
    enum task task;
    bool now, no_reboot;
};

static bool parse_words(int argc, char **argv, struct confirm_words *words, struct diag *diag)
{
    static const struct option options[] = {
        {"start", no_argument, NULL, TASK_START},
        {"end", no_argument, NULL, TASK_END},
        {"deadline", no_argument, NULL, TASK_DEADLINE},
        {"health", no_argument, NULL, TASK_HEALTH},
        {"return", no_argument, NULL, TASK_RETURN},
        {"to-rebuild", no_argument, NULL, TASK_TO_REBUILD},
        {"rebuilt", no_argument, NULL, TASK_REBUILT},
        {"now", no_argument, NULL, 'n'},
        {"no-reboot", no_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    unsigned tasks = 0;
    int option;

    opterr = 0;
    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1 && option != '?') {
        if (option == 'n') {
            words->now = true;
        } else if (option == 'r') {
            words->no_reboot = true;
        } else {
            words->task = (enum task)option;
            tasks++;
        }
    }
    if (option == -1 && optind == argc && tasks <= 1)
        return true;
    diag_report(diag, DIAG_ERROR, "confirm: %s; `backstop confirm --help`",
                tasks > 1 ? "one thing at a time" : "those words are not understood");
    return false;
}

static int ask_restart(void *option)
{
    execlp("systemctl", "systemctl", "reboot", (const char *)option, (char *)NULL);
    return 127;
}

/* option: a text that stays as it is. */
static bool run_systemctl(char *option)
{
    return limited_call(ask_restart, option, REQUEST_SECONDS) == 0;
}

static void notify_good(const struct confirm *confirm)
{
    char message[160];

    if (confirm->taken.generation && !confirm->taken.unchanged) {
        snprintf(message, sizeof message, "Good generation %u was taken: %zu files became good.",
                 confirm->taken.generation, confirm->taken.promoted);
        notify(NOTICE_GENERATION, &confirm->boot, message);
    }
    if (confirm->boot.has_receipt && confirm->boot.receipt.outcome == OUTCOME_GOOD)
        notify(NOTICE_GOOD, &confirm->boot, NULL);
    if (confirm->case_ended)
        notify(NOTICE_CASE_END, &confirm->boot, NULL);
}

static int good(struct confirm *confirm, const struct confirm_words *words)
{
    int error;

    if (confirm->boot.mode != MODE_NORMAL)
        notify(NOTICE_SAFE_MODE, &confirm->boot, NULL);
    if (confirm->boot.ticket_state == RECORD_VALID && confirm->boot.ticket.stored == STORED_NOWHERE)
        notify(NOTICE_UNCOUNTED, &confirm->boot, NULL);
    if (!words->now && !awake_wait(confirm->policy.stability, confirm->diag))
        return 0;
    /* what was receipted or asked for while we waited */
    this_boot_probe(confirm->run_dir, &confirm->boot);
    error = confirm_good(confirm);
    notify_good(confirm);
    /* not with a receipt that nothing took: the stage would choose safe mode again */
    if (!error && confirm_returns(confirm) && confirm->boot.has_receipt &&
        confirm->boot.receipt.outcome == OUTCOME_GOOD && !words->no_reboot) {
        notify(NOTICE_RETURNING, &confirm->boot, NULL);
        if (!run_systemctl((char[]){"--no-wall"}))
            diag_report(confirm->diag, DIAG_ERROR,
                        "the machine could not be restarted into normal "
                        "mode; do it by hand: systemctl reboot");
    }
    return error;
}

/* Returns when the boot has had all its time, or has proved good; or why it cannot prove good. */
static const char *wait_patiently(struct confirm *confirm)
{
    static const struct patience_places places = {
        .asked = "/run/systemd/ask-password",
        .cgroup = "/sys/fs/cgroup/system.slice",
        .proc = "/proc",
        .answer_seconds = ANSWER_SECONDS,
    };
    uint64_t begun = awake_us(), now = begun;
    struct waiting waiting = {0};

    while (!confirm_is_good(confirm)) {
        const char *hopeless;
        unsigned seconds;

        patience_probe(&places, &waiting);
        hopeless = patience_hopeless(&waiting);
        seconds =
            patience_seconds(&waiting, now, (unsigned)((now - begun) / 1000000u), &confirm->policy);
        if (hopeless)
            return hopeless;
        if (seconds == 0)
            return NULL;
        sleep(seconds);
        now = awake_us();
        this_boot_probe(confirm->run_dir, &confirm->boot);
    }
    return NULL;
}

static int fail_boot(struct confirm *confirm, bool *restart)
{
    int error = confirm_deadline(confirm, restart);

    if (*restart)
        notify(NOTICE_DEADLINE, &confirm->boot, NULL);
    return error;
}

/* True if this boot is to be ended. */
static int end_boot(void *argument)
{
    bool restart;

    fail_boot(argument, &restart);
    return restart;
}

static int sync_all(void *argument)
{
    (void)argument;
    sync();
    return 0;
}

/*
 * Each step is left behind where it does not come to its end, the receipt too: without one the boot
 * counts as failed all the same. A system that cannot even be restarted in order is what the
 * deadline is for.
 */
static int restart_in_time(struct confirm *confirm)
{
    if (limited_call(end_boot, confirm, RECEIPT_SECONDS) == 0)
        return 0; /* it has proved good meanwhile */
    if (run_systemctl((char[]){"--force"}))
        sleep(REQUEST_SECONDS); /* the restart ends this program */
    limited_call(sync_all, NULL, SYNC_SECONDS);
    return reboot(RB_AUTOBOOT) < 0 ? -errno : 0;
}

static int deadline(struct confirm *confirm, const struct confirm_words *words)
{
    const char *hopeless = wait_patiently(confirm);
    bool restart;

    if (hopeless) {
        diag_report(confirm->diag, DIAG_WARNING, "no deadline for this boot: %s", hopeless);
        return 0;
    }
    if (confirm_may_end(confirm) && !words->no_reboot)
        return restart_in_time(confirm);
    return fail_boot(confirm, &restart);
}

static int health(struct confirm *confirm)
{
    struct health found = {0};
    int error;

    setenv("BACKSTOP_MODE", mode_string(confirm->boot.mode), 1); /* for the checks */
    error = health_run(confirm->place, HEALTH_TIME_LIMIT, &found, confirm->diag);
    if (error) {
        diag_report(confirm->diag, DIAG_WARNING, "the health checks could not be listed: %s",
                    strerror(-error));
        return 0; /* fail open */
    }
    if (found.failed_required && !confirm_needs_checks(&confirm->boot)) {
        diag_report(confirm->diag, DIAG_WARNING,
                    "in safe mode what the checks ask for may be off: this boot can be good all "
                    "the same");
    } else if (found.failed_required) {
        notify(NOTICE_HEALTH_FAILED, &confirm->boot, NULL);
        error = -EAGAIN;
    }
    health_free(&found);
    return error;
}

static int ask_return(struct confirm *confirm)
{
    int error = confirm_return(confirm);

    if (!error)
        puts("The next boot is a normal one: systemctl reboot");
    return error;
}

/* Prints the kernels whose images are to be made anew, or notes that they were. */
static int rebuild(struct confirm *confirm, bool done)
{
    const struct needs_source kernel = {.sys = "/sys", .mounts = "/proc/self/mountinfo"};
    struct due_images due = {0};
    int error = rebuild_probe(confirm->place, &kernel, &due, done ? NULL : confirm->diag);

    if (!error && !done)
        confirm_to_rebuild(confirm, &due); /* reported; they are to be made anew all the same */
    for (size_t i = 0; !error && !done && i < due.count; i++)
        if (!due.items[i].missing)
            puts(due.items[i].release);
    if (!error && done)
        error = confirm_rebuilt(confirm, &due);
    due_images_free(&due);
    return error;
}

static int run_task(struct confirm *confirm, const struct confirm_words *words)
{
    switch (words->task) {
    case TASK_GOOD:
        return good(confirm, words);
    case TASK_START:
        return confirm_start(confirm);
    case TASK_END:
        return confirm_end(confirm);
    case TASK_DEADLINE:
        return deadline(confirm, words);
    case TASK_HEALTH:
        return health(confirm);
    case TASK_RETURN:
        return ask_return(confirm);
    case TASK_TO_REBUILD:
        return rebuild(confirm, false);
    case TASK_REBUILT:
        return rebuild(confirm, true);
    }
    return -EINVAL;
}

int verb_confirm(int argc, char **argv, struct diag *diag)
{
    struct confirm_words words = {.task = TASK_GOOD};
    struct confirm confirm;
    struct place place;
    int error;

    if (!parse_words(argc, argv, &words, diag))
        return EXIT_USAGE;
    if (geteuid() != 0) {
        diag_report(diag, DIAG_ERROR, "confirm: only root may do this");
        return EXIT_NOT_HERE;
    }
    error = place_open(&place, NULL);
    if (error) {
        diag_report(diag, DIAG_ERROR, "/: %s", strerror(-error));
        return EXIT_FAILED;
    }
    if (words.task == TASK_REBUILT || words.task == TASK_TO_REBUILD)
        place_open_state(&place, true);
    confirm_open(&confirm, &place, RUN_DIR, diag);
    error = run_task(&confirm, &words);
    place_close(&place);
    if (error == -EAGAIN && words.task == TASK_HEALTH)
        return EXIT_ATTENTION;
    if (error == -EINVAL && words.task == TASK_RETURN)
        return EXIT_USAGE;
    return error ? EXIT_FAILED : EXIT_OK;
}
