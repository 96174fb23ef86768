#include "trial.h"
#include "breakoff.h"
#include "evidence.h"
#include "markup.h"
#include "report.h"
#include "run.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct trial_rules rules_of(const struct trial *trial)
{
    return (struct trial_rules){(size_t)trial->options->boots, trial->backstop};
}

static struct finding_of_trial judge(const struct trial *trial)
{
    struct trial_rules rules = rules_of(trial);

    return trial_judge(trial->boots, trial->count, &rules);
}

static int play(struct trial *trial, char **reason)
{
    int error = trial_stage(trial, reason);

    if (error == 0)
        error = trial_prepare(trial, reason);
    while (error == 0 && breakoff_signal() == 0 && judge(trial).verdict == TRIAL_UNDECIDED)
        error = trial_boot(trial, reason);
    boot_cut(&trial->session, "end of the trial");
    return error;
}

/* the answer */

static const char *first_fault(const struct session *session)
{
    for (size_t i = 0; i < session->boot_count; i++)
        if (session->boots[i].where != NULL)
            return session->boots[i].where;
    return NULL;
}

/* "/path" of what the recoveries took out of its place, "and N more", or NULL. */
static char *put_away(struct json_object *changes)
{
    const char *first = NULL;
    size_t count = 0;

    for (size_t i = 0; i < json_object_array_length(changes); i++) {
        struct json_object *change = json_object_array_get_idx(changes, i);

        if (strcmp(member_text(change, "kind"), "gone") == 0)
            continue;
        first = first != NULL ? first : member_text(change, "path");
        count++;
    }
    if (count < 2)
        return first != NULL ? text_copy(first) : NULL;
    return text_format("%s and %zu more", first, count - 1);
}

static char *answer_line(const struct trial *trial, struct json_object *changes)
{
    struct finding_of_trial finding = judge(trial);
    struct trial_rules rules = rules_of(trial);
    const char *fault = first_fault(&trial->session);
    TEXT_AUTO words = trial_words(&finding, &rules, trial->count);
    TEXT_AUTO away = put_away(changes);

    return text_format("%s%s%s%s%s%s%s%s%s", words, away != NULL ? "; put away: " : "",
                       away != NULL ? away : "", fault != NULL ? "; " : "",
                       fault != NULL ? fault : "", trial->itself != NULL ? "; " : "",
                       trial->itself != NULL ? trial->itself : "",
                       trial->without != NULL ? "; Backstop could not be installed: " : "",
                       trial->without != NULL ? trial->without : "");
}

static void put_text(struct json_object *object, const char *key, const char *value)
{
    json_object_object_add(object, key, value != NULL ? json_object_new_string(value) : NULL);
}

static void put_number(struct json_object *object, const char *key, size_t value)
{
    json_object_object_add(object, key, json_object_new_int64((int64_t)value));
}

/* Takes ownership of the changes. */
static struct json_object *answer_json(const struct trial *trial, const char *line,
                                       struct json_object *changes)
{
    struct finding_of_trial finding = judge(trial);
    struct json_object *object = json_object_new_object(), *boots = json_object_new_array();

    put_text(object, "verdict", trial_verdict_string(finding.verdict));
    put_number(object, "code", (size_t)finding.verdict);
    put_text(object, "answer", line);
    put_text(object, "system", trial->image.system);
    json_object_object_add(object, "backstop", json_object_new_boolean(trial->backstop));
    put_text(object, "without", trial->without);
    put_text(object, "itself", trial->itself);
    put_text(object, "fault", first_fault(&trial->session));
    put_number(object, "failed", finding.failed);
    put_number(object, "safe", finding.safe);
    put_number(object, "uncounted", finding.uncounted);
    put_number(object, "recovered_in", finding.recovered);
    json_object_object_add(object, "changes", changes);
    for (size_t i = 0; i < trial->count; i++)
        json_object_array_add(boots, json_object_new_string(ending_string(trial->boots[i].ending)));
    json_object_object_add(object, "boots", boots);
    return object;
}

static int keep(const struct out *out, const char *json)
{
    TEXT_AUTO path = text_format("%s/try.json", out->path);
    int error = file_write(path, json, strlen(json));

    if (error < 0)
        fprintf(stderr, "rig: %s: %s\n", path, strerror(-error));
    return error;
}

/* Beside the answer; without it there is still that. */
static void show(const struct trial *trial)
{
    struct report report;
    TEXT_AUTO reason = NULL;

    if (report_read(&report, trial->out.path, NULL, NULL, &reason) < 0 ||
        report_write(&report, trial->out.path, &reason) < 0)
        fprintf(stderr, "rig: try: no report: %s\n", reason);
    report_free(&report);
}

/* To where it belongs: the directory, if it is ours, and stdout. Frees the object. */
static void publish(const struct trial *trial, struct json_object *object, const char *line)
{
    const char *json = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE);

    if (trial->out.taken)
        (void)keep(&trial->out, json);
    if (trial->options->json)
        puts(json);
    else if (line != NULL)
        puts(line);
    json_object_put(object);
    if (trial->out.taken)
        show(trial);
}

static int answer(const struct trial *trial)
{
    struct json_object *changes = evidence_changes(trial->session.evidence);
    TEXT_AUTO line = answer_line(trial, changes);

    publish(trial, answer_json(trial, line, changes), line);
    return (int)judge(trial).verdict;
}

/* the verb */

#define REASON_LENGTH 600

/* One line, however many a tool has said. */
static void reason_tidy(char *reason)
{
    size_t length = strnlen(reason, REASON_LENGTH);

    reason[length] = '\0';
    for (char *at = reason; *at != '\0'; at++)
        if (*at == '\n')
            *at = ' ';
    while (length > 0 && reason[length - 1] == ' ')
        reason[--length] = '\0';
}

/* There is no answer. */
static int complain(const struct trial *trial, int error, char *reason)
{
    int code = error == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
    struct json_object *object = json_object_new_object();

    reason_tidy(reason);
    put_text(object, "verdict", NULL);
    put_number(object, "code", (size_t)code);
    put_text(object, "error", reason);
    fprintf(stderr, "rig: try: %s\n", reason);
    publish(trial, object, NULL);
    return code;
}

static void tidy(const struct trial *trial)
{
    if (!trial->options->keep || breakoff_signal() != 0)
        out_thin(&trial->out);
}

static void trial_free(struct trial *trial)
{
    for (size_t i = 0; i < trial->options->updates.count; i++)
        update_free(&trial->updates[i]);
    image_free(&trial->image);
    session_close(&trial->session);
    out_close(&trial->out);
    free(trial->seed);
    free(trial->without);
    free(trial->itself);
}

/* Whatever else it led to, that is what happened. */
static int broken_off(int error, char **reason)
{
    if (breakoff_signal() == 0)
        return error;
    text_replace(reason, text_format("broken off: %s", strsignal(breakoff_signal())));
    return -EINTR;
}

/* Of what Backstop did, from outside; NULL: it was not there. */
static struct json_object *evidence(struct trial *trial)
{
    if (!trial->backstop)
        return NULL;
    return trial->image.readable
               ? evidence_of(&trial->image.disk, &trial->session.settled)
               : evidence_unreadable("its root is not ext4, which is read from outside alone");
}

/* In a directory that is taken. */
static int carry_out(struct trial *trial, char **reason)
{
    int error = session_open(&trial->session, &trial->scenario, trial->out.path);

    if (error < 0) {
        text_replace(reason, text_format("%s: %s", trial->out.path, strerror(-error)));
        return -EIO;
    }
    error = broken_off(play(trial, reason), reason);
    trial->session.evidence = evidence(trial);
    text_replace(&trial->session.reason, *reason != NULL ? text_copy(*reason) : NULL);
    session_write_result(&trial->session);
    tidy(trial);
    return error;
}

static int perform(struct trial *trial, char **reason)
{
    TEXT_AUTO cache = text_format("%s/accel", trial->rig->dir);
    int error = broken_off(trial_look(trial, reason), reason);

    if (error == 0)
        error = out_take(&trial->out, reason);
    if (error < 0)
        return error;
    trial->session.accel = trial->rig->accel = machine_accel(cache);
    return carry_out(trial, reason);
}

/* What is tried, for who looks at the results later. */
static char *title_of(const struct trial_options *options)
{
    char *title = text_copy("");

    for (size_t i = 0; i < options->updates.count; i++) {
        text_append(&title, text_file_name(options->updates.paths[i]));
        text_append(&title, i + 1 < options->updates.count ? ", " : "");
    }
    if (options->command != NULL) {
        text_append(&title, options->updates.count > 0 ? ", then: " : "the command: ");
        text_append(&title, options->command);
    }
    text_append(&title, options->image != NULL ? ", on " : ", on the rig's own image");
    text_append(&title, options->image != NULL ? text_file_name(options->image) : "");
    return title;
}

static int try(struct rig *rig, const struct trial_options *options)
{
    TEXT_AUTO dir =
        options->out != NULL ? text_copy(options->out) : text_format("%s/try", rig->out);
    TEXT_AUTO payload = NULL;
    TEXT_AUTO reason = NULL;
    char name[] = "try", proves[] = "", none[] = "";
    TEXT_AUTO title = title_of(options);
    struct trial trial = {.rig = rig,
                          .options = options,
                          .scenario = {.name = name,
                                       .title = title,
                                       .proves = proves,
                                       .start = none,
                                       .tags = none,
                                       .file = none},
                          .session = {.live = options->live, .pvpanic = true}};
    int error, code;

    breakoff_watch();
    error = out_look(&trial.out, dir, &reason);
    payload = text_format("%s/payload.img", trial.out.path);
    trial.session.payload = payload;
    if (error == 0)
        error = perform(&trial, &reason);
    if (error < 0 && reason == NULL)
        reason = text_copy(strerror(-error));
    code = error == 0 ? answer(&trial) : complain(&trial, error, reason);
    trial_free(&trial);
    breakoff_end();
    return code;
}

/* What cannot be parsed may have --json in it all the same. */
static bool wants_json(char *const words[])
{
    for (; *words != NULL; words++)
        if (strcmp(*words, "--json") == 0)
            return true;
    return false;
}

int trial_run(struct rig *rig, char *const words[])
{
    /* words[-1] is the verb itself, which getopt wants in front. */
    char *const *argv = words - 1;
    struct trial_options options;
    TEXT_AUTO reason = NULL;
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    if (trial_parse(&options, argc, argv, &reason) < 0) {
        struct trial none = {.options = &options};

        options.json = wants_json(words);
        text_append(&reason, "; `rig try --help` tells how it is used");
        return complain(&none, -EINVAL, reason);
    }
    if (options.help) {
        fputs(trial_usage, stdout);
        return EXIT_PASSED;
    }
    return try(rig, &options);
}
