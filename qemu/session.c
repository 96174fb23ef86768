#include "chaos.h"
#include "clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "evidence.h"

double session_seconds(const struct session *session)
{
    return clock_now() - session->started;
}

int session_open(struct session *session, const struct scenario *scenario, const char *dir)
{
    TEXT_AUTO timeline = text_format("%s/timeline.txt", dir);

    session->scenario = scenario;
    session->dir = text_copy(dir);
    session->disk_path = text_format("%s/disk.raw", dir);
    session->vars_path = text_format("%s/vars.fd", dir);
    session->started = clock_now();
    session->timeline = fopen(timeline, "we");
    return session->timeline != NULL ? 0 : -errno;
}

static void boot_free(struct boot *boot)
{
    for (size_t i = 0; i < boot->phase_count; i++)
        free(boot->phases[i].what);
    free(boot->phases);
    free(boot->console);
    free(boot->screen);
    free(boot->where);
    nvram_free(&boot->before);
}

static void snapshot_free(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->path_count; i++)
        free(snapshot->paths[i]);
    free(snapshot->paths);
    free(snapshot->name);
    free(snapshot->listing);
}

void session_close(struct session *session)
{
    machine_kill(&session->machine);
    for (size_t i = 0; i < session->boot_count; i++)
        boot_free(&session->boots[i]);
    for (size_t i = 0; i < session->finding_count; i++)
        free(session->findings[i].reason);
    for (size_t i = 0; i < session->snapshot_count; i++)
        snapshot_free(&session->snapshots[i]);
    faults_disarm(session);
    chaos_watch_free(session->watch);
    free(session->disk_rules);
    free(session->boots);
    free(session->findings);
    free(session->snapshots);
    if (session->timeline != NULL)
        fclose(session->timeline);
    free(session->dir);
    free(session->disk_path);
    free(session->vars_path);
    free(session->run_output);
    free(session->reason);
    json_object_put(session->evidence);
    memset(session, 0, sizeof *session);
}

int session_fail(struct session *session, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    if (session->reason == NULL)
        session->reason = text;
    else
        free(text);
    return -EPROTO;
}

static void say_to(FILE *file, double at, const char *who, const char *text, bool colour)
{
    const char *strong = colour ? "\033[1m" : "", *plain = colour ? "\033[0m" : "";
    unsigned seconds = (unsigned)at;

    if (who == NULL)
        fprintf(file, "%s%3u:%02u  %s%s\n", strong, seconds / 60, seconds % 60, text, plain);
    else
        fprintf(file, "%3u:%02u    %-7s %s\n", seconds / 60, seconds % 60, who, text);
    fflush(file);
}

void session_say(struct session *session, const char *who, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    double at = session_seconds(session);

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    say_to(session->timeline, at, who, text, false);
    if (session->live)
        say_to(stdout, at, who, text, isatty(1) == 1);
    free(text);
}

struct boot *session_boot(const struct session *session)
{
    return session->boot_count > 0 ? &session->boots[session->boot_count - 1] : NULL;
}

static void finding_add(struct session *session, const struct step *step, bool passed)
{
    struct finding finding = {.step = step, .passed = passed};

    if (!passed)
        finding.reason = text_copy(session->reason != NULL ? session->reason : "failed");
    session->findings =
        realloc(session->findings, (session->finding_count + 1) * sizeof *session->findings);
    if (session->findings == NULL)
        abort();
    session->findings[session->finding_count++] = finding;
}

/* The reason that the scenario fails with is that of its first failing step. */
static void reason_locate(struct session *session, const struct step *step)
{
    text_replace(&session->reason,
                 text_format("%s:%u: %s: %s", session->scenario->file, step->line, step->text,
                             session->reason != NULL ? session->reason : "failed"));
}

static int step_perform(struct session *session, const struct step *step)
{
    char *first = session->reason;
    int error;

    session->reason = NULL;
    error = step->verb->perform(session, step->words, step->count);
    finding_add(session, step, error == 0);
    if (error < 0)
        session_say(session, "FAILED", "%s: %s", step->text, session->reason);
    else if (step->verb->is_check)
        session_say(session, "ok", "%s", step->text);
    if (error < 0 && first == NULL)
        reason_locate(session, step);
    else
        text_replace(&session->reason, first);
    return error;
}

int session_perform(struct session *session)
{
    const struct scenario *scenario = session->scenario;
    bool failed = false;

    for (size_t i = 0; i < scenario->count; i++) {
        if (step_perform(session, &scenario->steps[i]) == 0)
            continue;
        failed = true;
        if (!scenario->steps[i].verb->is_check)
            break;
    }
    boot_look(session);
    boot_cut(session, "end of the scenario");
    session->evidence = evidence_read(session);
    return failed ? -EPROTO : 0;
}
