/* What a scenario leaves for others: result.json. README.md lists its fields. */
#include "clean.h"
#include "how.h"
#include "session.h"

#include <stdio.h>
#include <string.h>

#define RESULT_VERSION 2

/* Consoles and paths say anything: what is no UTF-8 must not make the file no JSON. */
static void put_text(struct json_object *object, const char *key, const char *value)
{
    TEXT_AUTO clean = value != NULL ? clean_text(value, strlen(value)) : NULL;

    json_object_object_add(object, key, clean != NULL ? json_object_new_string(clean) : NULL);
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

static struct json_object *reached_json(const struct boot *boot)
{
    struct json_object *object = json_object_new_object();

    for (enum stage stage = STAGE_FIRMWARE; stage < STAGES; stage++)
        if (stage == STAGE_FIRMWARE || boot->reached[stage] > 0)
            put_seconds(object, stage_string(stage), boot->reached[stage]);
    return object;
}

static struct json_object *boot_json(const struct boot *boot)
{
    struct json_object *object = json_object_new_object(), *phases = json_object_new_array();

    json_object_object_add(object, "boot", json_object_new_int64((int64_t)boot->index));
    put_text(object, "how", how_string(boot_how(boot)));
    put_text(object, "console", boot->console);
    put_text(object, "screen", boot->screen);
    put_text(object, "end", boot->end);
    put_text(object, "target", boot->hello ? boot->target : NULL);
    put_text(object, "fault", boot->where);
    json_object_object_add(object, "panic", json_object_new_boolean(boot->panic));
    json_object_object_add(object, "good", json_object_new_boolean(boot->good));
    json_object_object_add(object, "counted", json_object_new_boolean(boot->counted));
    put_seconds(object, "seconds", boot->ended - boot->started);
    put_seconds(object, "guest-seconds", boot->guest);
    json_object_object_add(object, "reached", reached_json(boot));
    put_record(object, "ledger", &boot->ledger);
    put_record(object, "receipt", &boot->receipt);
    for (size_t i = 0; i < boot->phase_count; i++) {
        struct json_object *phase = json_object_new_object();

        put_seconds(phase, "at", boot->phases[i].at);
        put_text(phase, "who", boot->phases[i].who);
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

static struct json_object *head_json(const struct scenario *scenario, const char *reason)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "version", json_object_new_int(RESULT_VERSION));
    put_text(object, "scenario", scenario->name);
    put_text(object, "title", scenario->title);
    put_text(object, "proves", scenario->proves);
    put_text(object, "start", scenario->start);
    put_text(object, "provides", scenario->provides);
    json_object_object_add(object, "passed", json_object_new_boolean(reason == NULL));
    put_text(object, "reason", reason);
    return object;
}

/* Takes ownership of the object. */
static int write_json(struct json_object *object, const char *dir)
{
    TEXT_AUTO path = text_format("%s/result.json", dir);
    const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE);
    int error = file_write(path, text, strlen(text));

    json_object_put(object);
    return error;
}

int session_write_result(const struct session *session)
{
    struct json_object *object = head_json(session->scenario, session->reason);
    struct json_object *boots = json_object_new_array(), *steps = json_object_new_array();

    put_text(object, "accel", session->accel);
    put_seconds(object, "seconds", session_seconds(session));
    for (size_t i = 0; i < session->boot_count; i++)
        json_object_array_add(boots, boot_json(&session->boots[i]));
    for (size_t i = 0; i < session->finding_count; i++)
        json_object_array_add(steps, finding_json(&session->findings[i]));
    json_object_object_add(object, "steps-in-all",
                           json_object_new_int64((int64_t)session->scenario->count));
    json_object_object_add(object, "boots", boots);
    json_object_object_add(object, "steps", steps);
    json_object_object_add(object, "evidence", json_object_get(session->evidence));
    return write_json(object, session->dir);
}

int result_write_unbegun(const struct scenario *scenario, const char *dir, const char *reason)
{
    return write_json(head_json(scenario, reason), dir);
}
