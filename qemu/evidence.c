#include "evidence.h"

#include <errno.h>
#include <string.h>
#include "clean.h"
#include "markup.h"

#define STATE_DIR "/var/lib/backstop"

static void add_count(struct json_object *object, const char *key, size_t count)
{
    json_object_object_add(object, key, json_object_new_int64((int64_t)count));
}

static size_t count_lines(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n' || text[1] == '\0';
    return count;
}

/* Lines from number `first` on, at most `count`. */
static struct json_object *lines(const char *text, size_t first, size_t count)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; *text != '\0' && i < first + count; i++) {
        size_t length = strcspn(text, "\n"), kept = length > EVIDENCE_LINE ? EVIDENCE_LINE : length;

        if (i >= first) {
            TEXT_AUTO line = clean_text(text, kept);

            json_object_array_add(array, json_object_new_string(line));
        }
        text += length + (text[length] == '\n');
    }
    return array;
}

static void add_journal(struct json_object *evidence, const struct disk *disk)
{
    TEXT_AUTO journal = disk_read(disk, STATE_DIR "/journal.jsonl", NULL);
    const char *text = journal != NULL ? journal : "";
    size_t count = count_lines(text), first = count > EVIDENCE_LINES ? count - EVIDENCE_LINES : 0;

    json_object_object_add(evidence, "journal", lines(text, first, EVIDENCE_LINES));
    add_count(evidence, "journal-left-out", first);
}

static void add_quarantine(struct json_object *evidence, const struct disk *disk)
{
    TEXT_AUTO listing = disk_listing(disk, STATE_DIR "/quarantine");
    size_t count = count_lines(listing);

    json_object_object_add(evidence, "quarantine", lines(listing, 0, EVIDENCE_NAMES));
    add_count(evidence, "quarantine-left-out", count > EVIDENCE_NAMES ? count - EVIDENCE_NAMES : 0);
}

struct json_object *evidence_unreadable(const char *reason)
{
    struct json_object *evidence = json_object_new_object();
    TEXT_AUTO clean = clean_text(reason, strlen(reason));

    json_object_object_add(evidence, "unreadable", json_object_new_string(clean));
    return evidence;
}

struct json_object *evidence_of(const struct disk *disk, bool *settled)
{
    struct json_object *evidence;
    TEXT_AUTO reason = NULL;

    if (!*settled && disk_settle(disk, &reason) < 0)
        return evidence_unreadable(reason != NULL ? reason : "the journal was not replayed");
    *settled = true;
    evidence = json_object_new_object();
    add_journal(evidence, disk);
    add_quarantine(evidence, disk);
    return evidence;
}

struct json_object *evidence_read(struct session *session)
{
    struct disk disk;
    int error = disk_open(&disk, session->disk_path);

    return error < 0 ? evidence_unreadable(strerror(-error))
                     : evidence_of(&disk, &session->settled);
}

struct json_object *evidence_record(const struct json_object *evidence, size_t index)
{
    struct json_object *line = member_item(evidence, "journal", index);
    struct json_object *record =
        line != NULL ? json_tokener_parse(json_object_get_string(line)) : NULL;

    if (json_object_is_type(record, json_type_object))
        return record;
    json_object_put(record);
    return NULL;
}

struct json_object *evidence_changes(const struct json_object *evidence)
{
    struct json_object *changes = json_object_new_array();

    for (size_t i = 0; i < member_count(evidence, "journal"); i++) {
        struct json_object *record = evidence_record(evidence, i);
        bool intends = strcmp(member_text(record, "event"), "intent") == 0;

        for (size_t k = 0; intends && k < member_count(record, "changes"); k++)
            json_object_array_add(changes, json_object_get(member_item(record, "changes", k)));
        json_object_put(record);
    }
    return changes;
}
