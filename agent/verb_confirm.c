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
#include <sys/wait.h>
#include <unistd.h>

#include "awake.h"
#include "confirm.h"
#include "health.h"
#include "notify.h"
#include "patience.h"
#include "verb.h"

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

static bool run_systemctl(const char *option)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        execlp("systemctl", "systemctl", "reboot", option, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
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
        if (!run_systemctl("--no-wall"))
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
    };
    uint64_t begun = awake_us(), now = begun;

    while (!confirm_is_good(confirm)) {
        struct waiting waiting;
        const char *hopeless;
        unsigned seconds;

        patience_probe(&places, &waiting);
        hopeless = patience_hopeless(&waiting);
        seconds = patience_seconds(&waiting, now, (unsigned)((now - begun) / 1000000u),
                                   confirm->policy.deadline);
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

static int deadline(struct confirm *confirm, const struct confirm_words *words)
{
    const char *hopeless = wait_patiently(confirm);
    bool restart;
    int error;

    if (hopeless) {
        diag_report(confirm->diag, DIAG_WARNING, "no deadline for this boot: %s", hopeless);
        return 0;
    }
    error = confirm_deadline(confirm, &restart);
    if (!restart)
        return error;
    notify(NOTICE_DEADLINE, &confirm->boot, NULL);
    if (words->no_reboot || run_systemctl("--force"))
        return error;
    /* a system that cannot even be restarted in order is what the deadline is for */
    sync();
    return reboot(RB_AUTOBOOT) < 0 ? -errno : 0;
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
