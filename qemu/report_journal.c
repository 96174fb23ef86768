/* What Backstop's journal, read from the disk, says that a boot did. */
#include "report.h"

#include <string.h>
#include "evidence.h"
#include "markup.h"
#include "text.h"

struct json_object *journal_line(const struct result *result, size_t index)
{
    return evidence_record(member(result->json, "evidence"), index);
}

static void note_add(struct notes *notes, const char *kind, const char *text)
{
    size_t most = NOTE_LENGTH;

    if (*text == '\0' || notes->count == NOTES_MAX)
        return;
    if (strlen(text) > most)
        snprintf(notes->text[notes->count++], sizeof notes->text[0], "%s: %.*s ...", kind,
                 (int)most - 4, text);
    else
        snprintf(notes->text[notes->count++], sizeof notes->text[0], "%s: %s", kind, text);
}

/* Names of what was moved away, or of what came back, of an intent. */
static char *names(const struct json_object *intent, bool away)
{
    char *text = text_copy("");

    for (size_t i = 0; i < member_count(intent, "changes"); i++) {
        struct json_object *change = member_item(intent, "changes", i);
        bool was_there = strcmp(member_text(change, "kind"), "gone") != 0;
        bool back = strcmp(member_text(change, "action"), "put back") == 0;

        if (away ? !was_there : !back)
            continue;
        if (*text != '\0')
            text_append(&text, ", ");
        text_append(&text, text_file_name(member_text(change, "path")));
    }
    return text;
}

static void note_record(struct notes *notes, const struct json_object *record)
{
    const char *event = member_text(record, "event");

    if (strcmp(event, "intent") == 0) {
        TEXT_AUTO away = names(record, true);
        TEXT_AUTO back = names(record, false);

        note_add(notes, "put away", away);
        note_add(notes, "came back", back);
    } else if (strcmp(event, "done") == 0) {
        note_add(notes, "recovery", member_text(record, "note"));
    } else if (strcmp(event, "rebuild") == 0) {
        note_add(notes, "journal", "initramfs images rebuilt");
    } else if (strcmp(event, "restore") == 0 && strcmp(member_text(record, "step"), "done") == 0) {
        note_add(notes, "restored by hand", member_text(record, "path"));
    }
}

static void note_receipt(struct notes *notes, const struct json_object *boot)
{
    struct json_object *receipt = member(boot, "receipt");
    const char *outcome = member_text(receipt, "outcome"),
               *applied = member_text(receipt, "applied");
    double generation = member_number(receipt, "generation");
    TEXT_AUTO text = NULL;

    if (*outcome == '\0' || strcmp(outcome, "none") == 0 ||
        (int)member_number(receipt, "number") !=
            (int)member_number(member(boot, "ledger"), "number"))
        return;
    text = text_format("%s%s%s", outcome,
                       *applied != '\0' && strcmp(applied, "none") != 0 ? "; recovery: " : "",
                       strcmp(applied, "none") != 0 ? applied : "");
    if (generation > 0) {
        TEXT_AUTO kept = text_format("; good generation %.0f", generation);

        text_append(&text, kept);
    }
    note_add(notes, "receipt", text);
}

void journal_notes(const struct result *result, size_t index, struct notes *notes)
{
    struct json_object *boot = member_item(result->json, "boots", index);
    int number = (int)member_number(member(boot, "ledger"), "number");
    size_t lines = member_count(member(result->json, "evidence"), "journal");

    notes->count = 0;
    note_add(notes, "fault", member_text(boot, "fault"));
    for (size_t i = 0; i < lines && member_true(boot, "counted") && number > 0; i++) {
        struct json_object *record = journal_line(result, i);

        if (record != NULL && (int)member_number(record, "boot") == number)
            note_record(notes, record);
        json_object_put(record);
    }
    note_receipt(notes, boot);
}
