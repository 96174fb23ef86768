/*
 * run.c - scenarios side by side, each in a process of its own, within a budget of time.
 *
 * A scenario that passed leaves out/NAME/passed with a key over all that went into it; a run that
 * resumes takes such a result as it stands.
 */
#include "run.h"
#include "child.h"
#include "clock.h"
#include "directory.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* In dir, which is empty. */
static int perform(const struct rig *rig, struct session *session, const struct scenario *scenario,
                   const char *dir, char **reason)
{
    int error = state_copy(rig, scenario->start, dir, reason);

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

/* Said at once, or at the end where the live view has the terminal. */
static void tell(struct view_row *row, enum view_state state, const char *line)
{
    view_end(row, state, line);
    if (row == NULL) {
        printf("%s\n", line);
        fflush(stdout);
    }
}

static int run_one(const struct rig *rig, const struct scenario *scenario, struct view_row *row)
{
    TEXT_AUTO dir = text_format("%s/%s", rig->out, scenario->name);
    TEXT_AUTO payload = text_format("%s/payload.img", rig->dir);
    TEXT_AUTO outbox = text_format("%s/outbox", rig->dir);
    TEXT_AUTO reason = NULL;
    TEXT_AUTO line = NULL;
    TEXT_AUTO key = scenario_key(rig, scenario, &reason);
    struct session session = {
        .accel = rig->accel, .payload = payload, .outbox = outbox, .live = rig->live, .row = row};
    time_t start = time(NULL);
    int held = directory_claim(dir, &reason);
    int error = held < 0 ? held : perform(rig, &session, scenario, dir, &reason);

    if (error == 0)
        line = text_format("PASS %-24s %zu boots, %ld s", scenario->name, session.boot_count,
                           (long)(time(NULL) - start));
    else
        line = text_format("FAIL %-24s %s (logs: %s)", scenario->name,
                           session.reason != NULL ? session.reason : reason, dir);
    tell(row, error == 0 ? VIEW_PASSED : VIEW_FAILED, line);
    if (error == 0 && key != NULL)
        keep_passed(rig, scenario, key);
    if (error == 0 && !rig->keep)
        unlink(session.disk_path);
    session_close(&session);
    if (held >= 0)
        close(held);
    return error;
}

static pid_t start_one(const struct rig *rig, const struct scenario *scenario, struct view_row *row)
{
    pid_t pid;

    view_begin(row);
    pid = child_fork();
    if (pid == 0)
        _exit(run_one(rig, scenario, row) == 0 ? EXIT_PASSED : EXIT_FAILED);
    if (pid < 0)
        tell(row, VIEW_FAILED, "no process could be started for it");
    else if (row != NULL)
        row->pid = pid;
    return pid;
}

/* True if the process that ended next ended well. The view is drawn meanwhile. */
static bool await_one(const struct rig *rig)
{
    int status = 0;

    return view_wait(rig->view, &status) > 0 && WIFEXITED(status) &&
           WEXITSTATUS(status) == EXIT_PASSED;
}

/* True where the scenario needs no process: it passed before, or there is no time left for it. */
static bool settled(const struct rig *rig, const struct scenario *scenario, double start,
                    struct view_row *row, struct tally *tally)
{
    TEXT_AUTO line = NULL;

    if (rig->resume && passed_before(rig, scenario)) {
        line = text_format("PASS %-24s in an earlier run, of the same things", scenario->name);
        view_begin(row);
        tell(row, VIEW_PASSED, line);
        tally->passed++;
        return true;
    }
    if (clock_is_over(start, rig->budget)) {
        line = text_format("LEFT %-24s no time left within the budget", scenario->name);
        tell(row, VIEW_LEFT_OUT, line);
        tally->left_out++;
        return true;
    }
    return false;
}

static int sum_up(const struct rig *rig, const struct tally *tally, size_t count)
{
    if (rig->view != NULL)
        view_finish(rig->view);
    (void)report_make(rig, rig->out, rig->out);
    if (tally->left_out > 0)
        printf("rig: %zu scenarios, %zu ended well, %zu left out\n", count, tally->passed,
               tally->left_out);
    printf("%zu passed, %zu failed\n", tally->passed, tally->failed);
    return tally->failed == 0 ? EXIT_PASSED : EXIT_FAILED;
}

static int run_all(const struct rig *rig, const struct scenario *const *chosen, size_t count,
                   double start)
{
    struct view_row **rows = calloc(count + 1, sizeof(struct view_row *));
    struct tally tally = {0};
    size_t next = 0, running = 0;

    if (rows == NULL)
        abort();
    for (size_t i = 0; i < count; i++)
        rows[i] = view_add(rig->view, chosen[i]->name);
    while (next < count || running > 0) {
        if (next < count && running < (size_t)rig->jobs) {
            size_t i = next++;

            if (settled(rig, chosen[i], start, rows[i], &tally))
                continue;
            if (start_one(rig, chosen[i], rows[i]) > 0)
                running++;
            else
                tally.failed++;
            continue;
        }
        if (await_one(rig))
            tally.passed++;
        else
            tally.failed++;
        running--;
    }
    free(rows);
    return sum_up(rig, &tally, count);
}

static int prepare_states(const struct rig *rig, const struct scenario *const *chosen, size_t count,
                          char **reason)
{
    for (size_t i = 0; i < count; i++) {
        if (rig->resume && passed_before(rig, chosen[i]))
            continue;
        if (state_prepare(rig, chosen[i]->start, reason) < 0)
            return EXIT_FAILED;
    }
    return EXIT_PASSED;
}

/* In a process of its own where this one has to draw. */
static int prepare(const struct rig *rig, const struct scenario *const *chosen, size_t count)
{
    TEXT_AUTO reason = NULL;
    pid_t pid = rig->view != NULL ? child_fork() : -1;
    bool ready;

    if (pid > 0) {
        ready = await_one(rig);
        reason = text_copy(rig->view->said);
    } else {
        ready = prepare_states(rig, chosen, count, &reason) == EXIT_PASSED;
    }
    if (pid == 0) {
        snprintf(rig->view->said, sizeof rig->view->said, "%s", reason != NULL ? reason : "");
        _exit(ready ? EXIT_PASSED : EXIT_FAILED);
    }
    if (ready)
        return EXIT_PASSED;
    if (rig->view != NULL)
        view_draw(rig->view, true);
    printf("%s\n", reason);
    (void)report_make(rig, rig->out, rig->out);
    printf("0 passed, %zu failed\n", count);
    return EXIT_FAILED;
}

int run_scenarios(struct rig *rig, const struct scenario *const *chosen, size_t count)
{
    TEXT_AUTO cache = text_format("%s/accel", rig->dir);
    double start = clock_now();
    int code;

    if (directory_make(rig->dir) < 0 || directory_make(rig->out) < 0) {
        fprintf(stderr, "rig: %s or %s: cannot be made\n", rig->dir, rig->out);
        return EXIT_FAILED;
    }
    rig->accel = machine_accel(cache);
    printf("accel=%s\n", rig->accel);
    fflush(stdout);
    rig->view = rig->wants_view ? view_new(count + rig->count) : NULL;
    code = prepare(rig, chosen, count);
    if (code == EXIT_PASSED)
        code = run_all(rig, chosen, count, start);
    view_free(rig->view);
    rig->view = NULL;
    return code;
}
