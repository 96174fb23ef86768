#include "chaos.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int session_open(struct session *session, const struct scenario *scenario, const char *dir)
{
    TEXT_AUTO timeline = text_format("%s/timeline.txt", dir);

    session->scenario = scenario;
    session->dir = text_copy(dir);
    session->disk_path = text_format("%s/disk.raw", dir);
    session->vars_path = text_format("%s/vars.fd", dir);
    session->started = now();
    session->timeline = fopen(timeline, "we");
    return session->timeline != NULL ? 0 : -errno;
}

static void boot_free(struct boot *boot)
{
    for (size_t i = 0; i < boot->phase_count; i++)
        free(boot->phases[i].what);
    free(boot->phases);
    free(boot->console);
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
    double at = now() - session->started;

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
    boot_cut(session, "end of the scenario");
    return failed ? -EPROTO : 0;
}

static void put_text(struct json_object *object, const char *key, const char *value)
{
    json_object_object_add(object, key, value != NULL ? json_object_new_string(value) : NULL);
}

static void put_seconds(struct json_object *object, const char *key, double seconds)
{
    char text[32];

    snprintf(text, sizeof text, "%.1f", seconds);
    json_object_object_add(object, key, json_object_new_double_s(seconds, text));
}

static void put_record(struct json_object *object, const char *key, const struct record *record)
{
    struct json_object *fields = json_object_new_object();
    const char *name;

    for (size_t i = 0; (name = record_field_name(record->kind, i)) != NULL && record->whole; i++) {
        const char *word = record_word(record, name);
        uint32_t value = 0;

        record_field(record, name, &value);
        json_object_object_add(fields, name,
                               word != NULL ? json_object_new_string(word)
                                            : json_object_new_int64((int64_t)value));
    }
    json_object_object_add(object, key, fields);
}

static struct json_object *boot_json(const struct boot *boot)
{
    struct json_object *object = json_object_new_object(), *phases = json_object_new_array();

    json_object_object_add(object, "boot", json_object_new_int64((int64_t)boot->index));
    put_text(object, "console", boot->console);
    put_text(object, "end", boot->end);
    put_text(object, "target", boot->hello ? boot->target : NULL);
    put_text(object, "fault", boot->where);
    json_object_object_add(object, "panic", json_object_new_boolean(boot->panic));
    json_object_object_add(object, "good", json_object_new_boolean(boot->good));
    json_object_object_add(object, "counted", json_object_new_boolean(boot->counted));
    put_seconds(object, "seconds", boot->ended - boot->started);
    put_record(object, "ledger", &boot->ledger);
    put_record(object, "receipt", &boot->receipt);
    for (size_t i = 0; i < boot->phase_count; i++) {
        struct json_object *phase = json_object_new_object();

        put_seconds(phase, "at", boot->phases[i].at);
        put_text(phase, "what", boot->phases[i].what);
        json_object_array_add(phases, phase);
    }
    json_object_object_add(object, "phases", phases);
    return object;
}

static struct json_object *finding_json(const struct finding *finding)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "line", json_object_new_int64((int64_t)finding->step->line));
    put_text(object, "step", finding->step->text);
    json_object_object_add(object, "passed", json_object_new_boolean(finding->passed));
    put_text(object, "reason", finding->reason);
    return object;
}

int session_write_result(const struct session *session)
{
    struct json_object *object = json_object_new_object();
    struct json_object *boots = json_object_new_array(), *steps = json_object_new_array();
    TEXT_AUTO path = text_format("%s/result.json", session->dir);
    const char *text;
    int error;

    put_text(object, "scenario", session->scenario->name);
    put_text(object, "title", session->scenario->title);
    put_text(object, "proves", session->scenario->proves);
    json_object_object_add(object, "passed", json_object_new_boolean(session->reason == NULL));
    put_text(object, "reason", session->reason);
    put_text(object, "accel", session->accel);
    put_seconds(object, "seconds", now() - session->started);
    for (size_t i = 0; i < session->boot_count; i++)
        json_object_array_add(boots, boot_json(&session->boots[i]));
    for (size_t i = 0; i < session->finding_count; i++)
        json_object_array_add(steps, finding_json(&session->findings[i]));
    json_object_object_add(object, "boots", boots);
    json_object_object_add(object, "steps", steps);
    text = json_object_to_json_string_ext(object,
                                          JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
    error = file_write(path, text, strlen(text));
    json_object_put(object);
    return error;
}
