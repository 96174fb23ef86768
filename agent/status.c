#include "status.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "banner.h"
#include "config.h"
#include "good.h"
#include "install.h"
#include "journal.h"
#include "json.h"
#include "lost.h"
#include "quarantine.h"
#include "rebuild.h"
#include "vars.h"

/* ---- probe ---- */

static void note_set(struct status_case *last, const char *name)
{
    for (size_t i = 0; i < last->set_count; i++)
        if (strcmp(last->sets[i], name) == 0)
            return;
    if (last->set_count < STATUS_SETS_MAX)
        snprintf(last->sets[last->set_count++], sizeof last->sets[0], "%s", name);
}

/* The first one that stands for the fault: what came or was altered, before what went for it. */
static void note_path(struct status_case *last, struct json_object *change)
{
    bool gone = strcmp(journal_text(change, "kind"), change_kind_string(CHANGE_GONE)) == 0;

    if (last->paths++ > 0 && (gone || !last->path_gone))
        return;
    snprintf(last->path, sizeof last->path, "%s", journal_text(change, "path"));
    last->path_gone = gone;
}

static void note_intent(struct status_case *last, struct json_object *record)
{
    struct json_object *changes;

    if (!json_object_object_get_ex(record, "changes", &changes) ||
        !json_object_is_type(changes, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(changes); i++) {
        struct json_object *change = json_object_array_get_idx(changes, i);

        note_set(last, journal_text(change, "set"));
        note_path(last, change);
        if (journal_number(change, "generation") > (int64_t)last->generation)
            last->generation = (uint32_t)journal_number(change, "generation");
    }
}

/* The last run's word counts: each looks at all of them. */
static void note_left(struct status_case *last, struct json_object *record)
{
    struct json_object *left;

    last->left = 0;
    if (!json_object_object_get_ex(record, "left", &left) ||
        !json_object_is_type(left, json_type_array))
        return;
    for (size_t i = json_object_array_length(left); i-- > 0;) {
        const struct json_object *one = json_object_array_get_idx(left, i);

        last->left += (size_t)journal_number(one, "files");
        snprintf(last->left_set, sizeof last->left_set, "%s", journal_text(one, "set"));
        snprintf(last->left_why, sizeof last->left_why, "%s", journal_text(one, "why"));
    }
}

static size_t length_at(struct json_object *record, const char *key)
{
    struct json_object *array;

    return json_object_object_get_ex(record, key, &array) &&
                   json_object_is_type(array, json_type_array)
               ? json_object_array_length(array)
               : 0;
}

static void note_done(struct status_case *last, struct json_object *record)
{
    last->moved += (size_t)journal_number(record, "moved");
    last->put_back += (size_t)journal_number(record, "put-back");
    last->taken_out += (size_t)journal_number(record, "taken-out");
    last->unprotected += (size_t)journal_number(record, "unprotected");
    last->beyond_help += (size_t)journal_number(record, "beyond-help");
    last->failed += length_at(record, "failed");
    last->unlocked = length_at(record, "unlocked");
    note_left(last, record);
}

void status_case_of(const struct journal *journal, struct status_case *last)
{
    struct status_case found = {0};

    for (size_t i = 0; i < journal->count; i++) {
        struct json_object *record = journal->records[i];
        const char *event = journal_text(record, "event");
        uint32_t number = (uint32_t)journal_number(record, "case");
        bool intent = strcmp(event, "intent") == 0;

        if (number == 0 || number < found.number || (!intent && strcmp(event, "done") != 0))
            continue;
        if (number > found.number)
            found = (struct status_case){.number = number};
        found.boot = (uint32_t)journal_number(record, "boot");
        found.failures = (unsigned)journal_number(record, "failures");
        snprintf(found.reason, sizeof found.reason, "%s", journal_text(record, "reason"));
        snprintf(found.rung, sizeof found.rung, "%s", journal_text(record, "rung"));
        if (intent)
            note_intent(&found, record);
        else
            note_done(&found, record);
    }
    *last = found;
}

static int probe_lost(const struct place *place, const struct journal *journal,
                      struct status *status)
{
    struct lost lost = {0};
    int error = lost_of(journal, &lost);

    if (error)
        return error;
    lost_forget_standing(place, &lost);
    status->lost = lost.count;
    if (lost.count) {
        snprintf(status->lost_set, sizeof status->lost_set, "%s", lost.items[0].set);
        snprintf(status->lost_path, sizeof status->lost_path, "%s", lost.items[0].path);
    }
    lost_free(&lost);
    return 0;
}

static int probe_images(const struct place *place, const struct journal *journal,
                        struct status *status)
{
    struct due_images left = {0};
    int error = rebuild_left(place, journal, &left);

    status->images_left = left.count;
    if (left.count) {
        snprintf(status->image_kernel, sizeof status->image_kernel, "%s", left.items[0].release);
        snprintf(status->image_module, sizeof status->image_module, "%s", left.items[0].missing);
    }
    due_images_free(&left);
    return error;
}

static int probe_journal(const struct place *place, struct status *status, struct diag *diag)
{
    struct journal journal = {0};
    int error = journal_read(place, &journal, diag);

    if (error)
        return error;
    status_case_of(&journal, &status->last);
    status->journal_broken_line = journal.broken_line;
    error = probe_lost(place, &journal, status);
    if (!error)
        error = probe_images(place, &journal, status);
    journal_free(&journal);
    return error;
}

static int probe_generations(const struct place *place, struct status *status)
{
    uint32_t *numbers = NULL;
    size_t count = 0;
    int error = good_list(place, &numbers, &count);

    if (error)
        return error;
    status->generations = count;
    status->generation = count ? numbers[0] : 0;
    free(numbers);
    return 0;
}

static int probe_quarantine(const struct place *place, struct status *status, struct diag *diag)
{
    struct quarantine quarantine = {0};
    int error = quarantine_list(place, &quarantine, diag);

    if (error)
        return error;
    for (size_t i = 0; i < quarantine.count; i++)
        status->held += strcmp(quarantine.items[i].state, "held") == 0;
    quarantine_free(&quarantine);
    return 0;
}

static void probe_this_boot(const char *run_dir, struct status *status)
{
    struct receipt receipt;
    enum record_state state = RECORD_ABSENT;
    struct this_boot *boot = &status->boot;

    this_boot_probe(run_dir, boot);
    if (!boot->has_receipt && boot->ticket_state == RECORD_VALID &&
        vars_read_receipt(&receipt, &state) == 0 && state == RECORD_VALID &&
        receipt.number == boot->ticket.number) {
        boot->receipt = receipt;
        boot->has_receipt = true;
    }
    status->receipt_good = boot->has_receipt && boot->receipt.outcome == OUTCOME_GOOD;
    status->installed = status->installed || boot->ticket_state == RECORD_VALID;
}

int status_probe(const struct place *place, const char *run_dir, struct status *status,
                 struct diag *diag)
{
    struct status found = {.live = place->live};
    struct install_state state = {0};
    int error = 0;

    config_load(place, &found.policy, diag);
    if (place->state_fd >= 0) {
        if (install_state_read(place, &state, diag) == 0)
            found.installed = state.complete;
        error = probe_journal(place, &found, diag);
        if (!error)
            error = probe_generations(place, &found);
        if (!error)
            error = probe_quarantine(place, &found, diag);
    }
    if (error)
        return error;
    if (place->live)
        probe_this_boot(run_dir, &found);
    *status = found;
    return 0;
}

/* Not in the normal state. */
static bool is_away_from_normal(const struct status *status)
{
    const struct this_boot *boot = &status->boot;

    if (!status->live)
        return false;
    if (boot->mode != MODE_NORMAL)
        return true;
    return boot->ticket_state == RECORD_VALID && boot->ticket.stance == STANCE_PROBATION &&
           !status->receipt_good;
}

bool status_wants_attention(const struct status *status)
{
    return is_away_from_normal(status) ||
           (status->live && (status->lost > 0 || status->images_left > 0));
}

/* ---- words ---- */

static const char *state_words(const struct status *status)
{
    switch (status->boot.mode) {
    case MODE_NORMAL:
        break;
    case MODE_SAFE:
        return "SAFE MODE";
    case MODE_MINIMAL:
        return "MINIMAL SAFE MODE";
    case MODE_HOLD:
        return "ON HOLD: every step of recovery has been tried";
    }
    if (status->boot.ticket_state == RECORD_VALID &&
        status->boot.ticket.stance == STANCE_PROBATION && !status->receipt_good)
        return "on probation: first normal boot after a recovery";
    return "normal";
}

static void print_state(const struct status *status, FILE *out)
{
    const struct this_boot *boot = &status->boot;

    if (!status->live) {
        fputs("State:  a disk that is not running; its firmware's count is not known here\n", out);
        return;
    }
    fprintf(out, "State:  %s", state_words(status));
    if (boot->ticket_state != RECORD_VALID)
        fprintf(out, "; this boot was not started by the stage and is not counted%s\n",
                status->installed ? ": backstop doctor" : " (backstop install)");
    else
        fprintf(out, "; boot %u%s%s\n", boot->ticket.number,
                status->receipt_good ? " has proved good" : " has not proved good yet",
                boot->ticket.stored == STORED_NOWHERE
                    ? ", and could not be counted: backstop doctor"
                    : "");
}

static void print_good(const struct status *status, FILE *out)
{
    if (status->generation)
        fprintf(out, "Good:   generation %u is the newest of %zu kept\n", status->generation,
                status->generations);
    else
        fputs("Good:   no good generation yet; the first good boot takes one\n", out);
}

static void print_code(const struct status *status, FILE *out)
{
    const struct status_case *last = &status->last;
    char code[SHORT_CODE_SIZE];

    if (status->boot.ticket_state == RECORD_VALID &&
        this_boot_case(&status->boot) == last->number) {
        ticket_short_code(&status->boot.ticket, code);
        fprintf(out, "Case:   %u (%s), boot %u", last->number, code, last->boot);
    } else {
        fprintf(out, "Case:   %u, boot %u", last->number, last->boot);
    }
    fprintf(out, "%s\n", is_away_from_normal(status) ? "" : ", over");
}

static void print_sets(const struct status_case *last, FILE *out)
{
    if (last->set_count == 0)
        return;
    fputs("What:   ", out);
    for (size_t i = 0; i < last->set_count; i++)
        fprintf(out, "%s%s", i ? ", " : "", last->sets[i]);
    if (last->paths > 1)
        fprintf(out, ": %s and %zu more\n", last->path, last->paths - 1);
    else
        fprintf(out, ": %s\n", last->path);
}

static void print_deed(const struct status_case *last, FILE *out)
{
    if (last->moved == 0 && last->put_back == 0 && last->taken_out == 0) {
        fputs(last->paths         ? "Done:   not finished; it goes on at the next boot\n"
              : last->beyond_help ? "Done:   nothing: no good version is left of what went\n"
              : last->left
                  ? "Done:   nothing: nothing is known to have changed since the last good boot\n"
                  : "Done:   nothing: nothing had changed since the last good boot\n",
              out);
        return;
    }
    fprintf(out, "Done:   %zu put back", last->put_back);
    if (last->generation)
        fprintf(out, " as good generation %u has it", last->generation);
    fprintf(out, ", %zu taken out", last->taken_out);
    if (last->unprotected)
        fprintf(out, "; %zu of them without a good version", last->unprotected);
    if (last->beyond_help)
        fprintf(out, "; %zu gone without a good version", last->beyond_help);
    if (last->failed)
        fprintf(out, "; %zu FAILED", last->failed);
    if (last->unlocked)
        fprintf(out, "; %zu not locked again (chattr)", last->unlocked);
    fputc('\n', out);
}

static void print_left(const struct status_case *last, FILE *out)
{
    if (!last->left)
        return;
    fprintf(out, "Left:   %s: %s", last->left_set, last->left_why);
    fprintf(out, " (%zu file%s in all; backstop changes)\n", last->left,
            last->left == 1 ? "" : "s");
}

static void print_case(const struct status *status, FILE *out)
{
    const struct status_case *last = &status->last;

    print_code(status, out);
    fprintf(out, "Why:    %u failed boot%s in a row; %s\n", last->failures,
            last->failures == 1 ? "" : "s", last->reason);
    print_sets(last, out);
    print_deed(last, out);
    print_left(last, out);
}

/* A case that the ticket names and our journal does not: nothing was done, or nothing written. */
static void print_ticket_case(const struct status *status, FILE *out)
{
    char text[256], code[SHORT_CODE_SIZE];

    ticket_short_code(&status->boot.ticket, code);
    fprintf(out, "Case:   %u (%s)\n", this_boot_case(&status->boot), code);
    banner_cause(&status->boot, text, sizeof text);
    fprintf(out, "Why:    %s\n", text);
    banner_deed(&status->boot, text, sizeof text);
    fprintf(out, "Done:   %s\n", text);
}

static void print_lost(const struct status *status, FILE *out)
{
    if (!status->lost)
        return;
    fprintf(out, "Lost:   %s is WITHOUT PROTECTION: %s", status->lost_set, status->lost_path);
    if (status->lost > 1)
        fprintf(out, " and %zu more are", status->lost - 1);
    else
        fputs(" is", out);
    fputs(" not there, and no good version is left\n", out);
}

static void print_images(const struct status *status, FILE *out)
{
    if (!status->images_left)
        return;
    fprintf(out,
            "Image:  /boot/" REBUILD_IMAGE_PREFIX "%s was left as it is: it holds the module %s, "
            "which /lib/modules/%s has not. Install that again, then update-initramfs -u -k %s",
            status->image_kernel, status->image_module, status->image_kernel, status->image_kernel);
    if (status->images_left > 1)
        fprintf(out, "; and %zu more", status->images_left - 1);
    fputc('\n', out);
}

static void print_next(const struct status *status, FILE *out)
{
    char text[256];

    if (status->held)
        fprintf(out, "Held:   %zu in quarantine: backstop quarantine list\n", status->held);
    if (status->live && status->boot.mode != MODE_NORMAL) {
        banner_next(&status->boot, &status->policy, text, sizeof text);
        fprintf(out, "Next:   %s\n", text);
    } else if (status->lost) {
        fprintf(out,
                "Next:   install %s again; until then it makes no good generation. If it is to "
                "stay as it is: backstop good take --now\n",
                status->lost_set);
    } else if (status->live && status->held && status->last.set_count) {
        fprintf(out, "Next:   nothing now. Tell whoever supplies %s; give the case number\n",
                status->last.sets[0]);
    }
}

void status_print(const struct status *status, FILE *out)
{
    const struct this_boot *boot = &status->boot;
    bool open_case = boot->ticket_state == RECORD_VALID && boot->mode != MODE_NORMAL;

    print_state(status, out);
    if (open_case && this_boot_case(boot) != status->last.number)
        print_ticket_case(status, out);
    else if (status->last.number)
        print_case(status, out);
    print_lost(status, out);
    print_images(status, out);
    print_next(status, out);
    print_good(status, out);
    if (status->journal_broken_line)
        fprintf(out, "Note:   the journal's chain does not hold from line %zu on\n",
                status->journal_broken_line);
}

/* ---- json ---- */

static struct json_object *case_json(const struct status_case *last)
{
    struct json_object *object = json_object_new_object(), *sets = json_object_new_array();

    json_add_number(object, "number", last->number);
    json_add_number(object, "boot", last->boot);
    json_add_number(object, "failures", last->failures);
    json_add_text(object, "reason", last->reason);
    json_add_text(object, "rung", last->rung);
    json_add_number(object, "put-back", last->put_back);
    json_add_number(object, "taken-out", last->taken_out);
    json_add_number(object, "unprotected", last->unprotected);
    json_add_number(object, "beyond-help", last->beyond_help);
    json_add_number(object, "failed", last->failed);
    json_add_number(object, "unlocked", last->unlocked);
    json_add_number(object, "left", last->left);
    if (last->left) {
        json_add_text(object, "left-set", last->left_set);
        json_add_text(object, "left-why", last->left_why);
    }
    json_add_number(object, "generation", last->generation);
    for (size_t i = 0; i < last->set_count; i++)
        json_append(sets, json_object_new_string(last->sets[i]));
    json_add(object, "sets", sets);
    json_add_number(object, "paths", last->paths);
    json_add_text(object, "path", last->path);
    return object;
}

static struct json_object *boot_json(const struct status *status)
{
    const struct this_boot *boot = &status->boot;
    struct json_object *object = json_object_new_object();
    char code[SHORT_CODE_SIZE];

    json_add_text(object, "mode", mode_string(boot->mode));
    json_add_text(object, "ticket", record_state_string(boot->ticket_state));
    json_add_flag(object, "good", status->receipt_good);
    if (boot->ticket_state != RECORD_VALID)
        return object;
    ticket_short_code(&boot->ticket, code);
    json_add_number(object, "number", boot->ticket.number);
    json_add_number(object, "failures", boot->ticket.failures);
    json_add_number(object, "case", this_boot_case(boot));
    json_add_text(object, "code", code);
    json_add_text(object, "rung", rung_string((enum rung)boot->ticket.rung));
    json_add_text(object, "stance", stance_string((enum stance)boot->ticket.stance));
    json_add_text(object, "reason", reason_string((enum reason)boot->ticket.last_reason));
    json_add_text(object, "stored", stored_string((enum stored)boot->ticket.stored));
    return object;
}

struct json_object *status_json(const struct status *status)
{
    struct json_object *object = json_object_new_object();

    json_add_flag(object, "attention", status_wants_attention(status));
    json_add_flag(object, "installed", status->installed);
    if (status->live)
        json_add(object, "boot", boot_json(status));
    if (status->last.number)
        json_add(object, "case", case_json(&status->last));
    json_add_number(object, "generation", status->generation);
    json_add_number(object, "generations", status->generations);
    json_add_number(object, "quarantined", status->held);
    json_add_number(object, "lost", status->lost);
    if (status->lost) {
        json_add_text(object, "lost-set", status->lost_set);
        json_add_text(object, "lost-path", status->lost_path);
    }
    json_add_number(object, "images-left", status->images_left);
    json_add_number(object, "journal-broken-line", status->journal_broken_line);
    return object;
}
