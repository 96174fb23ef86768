/*
 * run.c - scenarios side by side, each in a process of its own, within a budget of time.
 *
 * A scenario that passed leaves out/NAME/passed with a key over all that went into it; a run that
 * resumes takes such a result as it stands.
 */
#include "run.h"
#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct tally {
    size_t passed, failed, left_out;
};

static char *passed_path(const struct rig *rig, const struct scenario *scenario)
{
    return text_format("%s/%s/passed", rig->out, scenario->name);
}

static bool passed_before(const struct rig *rig, const struct scenario *scenario)
{
    TEXT_AUTO path = passed_path(rig, scenario);
    TEXT_AUTO kept = file_read(path, NULL);
    TEXT_AUTO reason = NULL;
    TEXT_AUTO key = scenario_key(rig, scenario, &reason);

    return kept != NULL && key != NULL && strcmp(kept, key) == 0;
}

static void keep_passed(const struct rig *rig, const struct scenario *scenario, const char *key)
{
    TEXT_AUTO path = passed_path(rig, scenario);

    if (file_write(path, key, strlen(key)) < 0)
        fprintf(stderr, "rig: %s: cannot be written; --resume will run %s again\n", path,
                scenario->name);
}

static int perform(const struct rig *rig, struct session *session, const struct scenario *scenario,
                   const char *dir, char **reason)
{
    int error;

    directory_remove(dir);
    error = directory_make(dir);
    if (error == 0)
        error = state_copy(rig, scenario->start, dir, reason);
    if (error == 0)
        error = session_open(session, scenario, dir);
    if (error == 0) {
        error = session_perform(session);
        session_write_result(session);
    } else if (*reason == NULL) {
        *reason = text_copy(strerror(-error));
    }
    if (session->dir == NULL)
        result_write_unbegun(scenario, dir, *reason);
    return error;
}

static int run_one(const struct rig *rig, const struct scenario *scenario)
{
    TEXT_AUTO dir = text_format("%s/%s", rig->out, scenario->name);
    TEXT_AUTO payload = text_format("%s/payload.img", rig->dir);
    TEXT_AUTO outbox = text_format("%s/outbox", rig->dir);
    TEXT_AUTO reason = NULL;
    TEXT_AUTO key = scenario_key(rig, scenario, &reason);
    struct session session = {
        .accel = rig->accel, .payload = payload, .outbox = outbox, .live = rig->live};
    time_t start = time(NULL);
    int error = perform(rig, &session, scenario, dir, &reason);

    if (error == 0)
        printf("PASS %-24s %zu boots, %ld s\n", scenario->name, session.boot_count,
               (long)(time(NULL) - start));
    else
        printf("FAIL %-24s %s (logs: %s)\n", scenario->name,
               session.reason != NULL ? session.reason : reason, dir);
    fflush(stdout);
    if (error == 0 && key != NULL)
        keep_passed(rig, scenario, key);
    if (error == 0 && !rig->keep)
        unlink(session.disk_path);
    session_close(&session);
    return error;
}

static pid_t start_one(const struct rig *rig, const struct scenario *scenario)
{
    pid_t parent = getpid(), pid = fork();

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILED);
    _exit(run_one(rig, scenario) == 0 ? EXIT_PASSED : EXIT_FAILED);
}

static void reap_one(struct tally *tally)
{
    int status = 0;

    while (wait(&status) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PASSED)
        tally->passed++;
    else
        tally->failed++;
}

static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

/* True where the scenario needs no process: it passed before, or there is no time left for it. */
static bool settled(const struct rig *rig, const struct scenario *scenario, time_t start,
                    struct tally *tally)
{
    if (rig->resume && passed_before(rig, scenario)) {
        printf("PASS %-24s in an earlier run, of the same things\n", scenario->name);
        tally->passed++;
        return true;
    }
    if (rig->budget > 0 && now() - start >= rig->budget) {
        printf("LEFT %-24s no time left within the budget\n", scenario->name);
        tally->left_out++;
        return true;
    }
    return false;
}

static int run_all(const struct rig *rig, const struct scenario *const *chosen, size_t count,
                   time_t start)
{
    struct tally tally = {0};
    size_t next = 0, running = 0;

    while (next < count || running > 0) {
        if (next < count && running < (size_t)rig->jobs) {
            const struct scenario *scenario = chosen[next++];

            if (settled(rig, scenario, start, &tally))
                continue;
            if (start_one(rig, scenario) > 0)
                running++;
            else
                tally.failed++;
            continue;
        }
        reap_one(&tally);
        running--;
    }
    (void)report_make(rig, rig->out, rig->out);
    if (tally.left_out > 0)
        printf("rig: %zu scenarios, %zu ended well, %zu left out\n", count, tally.passed,
               tally.left_out);
    printf("%zu passed, %zu failed\n", tally.passed, tally.failed);
    return tally.failed == 0 ? EXIT_PASSED : EXIT_FAILED;
}

static int prepare_states(const struct rig *rig, const struct scenario *const *chosen, size_t count)
{
    TEXT_AUTO reason = NULL;

    for (size_t i = 0; i < count; i++) {
        if (rig->resume && passed_before(rig, chosen[i]))
            continue;
        if (state_prepare(rig, chosen[i]->start, &reason) < 0) {
            printf("%s\n", reason);
            (void)report_make(rig, rig->out, rig->out);
            printf("0 passed, %zu failed\n", count);
            return EXIT_FAILED;
        }
    }
    return EXIT_PASSED;
}

int run_scenarios(struct rig *rig, const struct scenario *const *chosen, size_t count)
{
    TEXT_AUTO cache = text_format("%s/accel", rig->dir);
    time_t start = now();

    if (directory_make(rig->dir) < 0 || directory_make(rig->out) < 0) {
        fprintf(stderr, "rig: %s or %s: cannot be made\n", rig->dir, rig->out);
        return EXIT_FAILED;
    }
    rig->accel = machine_accel(cache);
    printf("accel=%s\n", rig->accel);
    fflush(stdout);
    if (prepare_states(rig, chosen, count) != EXIT_PASSED)
        return EXIT_FAILED;
    return run_all(rig, chosen, count, start);
}
