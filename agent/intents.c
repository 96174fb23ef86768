/* intents.c - see intents.h */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "intents.h"
#include "json.h"
#include "lost.h"

static bool event_is(const struct json_object *record, const char *event)
{
    return strcmp(journal_text(record, "event"), event) == 0;
}

/* The array at key, or NULL. */
static struct json_object *array_of(const struct json_object *record, const char *key)
{
    struct json_object *array = NULL;
    json_object_object_get_ex(record, key, &array);
    return json_object_is_type(array, json_type_array) ? array : NULL;
}

static size_t length_of(const struct json_object *array)
{
    return array ? json_object_array_length(array) : 0;
}

/* That the record at index `at` of the journal names intent `seq` as done. */
struct naming {
    int64_t seq;
    size_t at;
};

static int compare_namings(const void *a, const void *b)
{
    const struct naming *x = a, *y = b;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* All that was done, by seq; caller frees. NULL: no memory. */
static struct naming *namings_of(const struct journal *journal, size_t *count)
{
    size_t room = 1;
    for (size_t i = 0; i < journal->count; i++)
        if (event_is(journal->records[i], "done"))
            room += length_of(array_of(journal->records[i], "intents"));
    struct naming *namings = calloc(room, sizeof *namings);
    *count = 0;
    for (size_t i = 0; namings && i < journal->count; i++) {
        struct json_object *seqs =
            event_is(journal->records[i], "done") ? array_of(journal->records[i], "intents") : NULL;
        for (size_t k = 0; k < length_of(seqs); k++)
            namings[(*count)++] = (struct naming){
                .seq = json_object_get_int64(json_object_array_get_idx(seqs, k)), .at = i};
    }
    if (namings)
        qsort(namings, *count, sizeof *namings, compare_namings);
    return namings;
}

/* By a record that follows `at`. */
static bool was_done(const struct naming *namings, size_t count, size_t at, int64_t seq)
{
    struct naming wanted = {.seq = seq, .at = at};
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_namings(&namings[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && namings[low].seq == seq;
}

static int add_items(struct intents *intents, const struct json_object *record, bool pending)
{
    struct json_object *changes = array_of(record, "changes");
    size_t count = length_of(changes);
    struct intended *items = realloc(intents->items, (intents->count + count + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    intents->items = items;
    for (size_t i = 0; i < count; i++) {
        const struct json_object *change = json_object_array_get_idx(changes, i);
        if (!json_object_is_type(change, json_type_object))
            continue;
        items[intents->count++] = (struct intended){
            .case_number = (uint32_t)journal_number(record, "case"),
            .id = (uint32_t)journal_number(change, "id"),
            .path = journal_text(change, "path"),
            .from = journal_text(change, "from"),
            .to = journal_text(change, "to"),
            .directory_flags = flags_parse(journal_text(change, "directory-flags")),
            .seq = journal_number(record, "seq"),
            .pending = pending,
        };
    }
    return 0;
}

static int add_pending(struct intents *intents, int64_t seq)
{
    int64_t *seqs = realloc(intents->pending, (intents->pending_count + 1) * sizeof *seqs);
    if (!seqs)
        return -ENOMEM;
    intents->pending = seqs;
    seqs[intents->pending_count++] = seq;
    return 0;
}

/* Of one path in the journal's order. */
static int compare_paths(const void *a, const void *b)
{
    const struct intended *const *x = a, *const *y = b;
    int order = strcmp((*x)->path, (*y)->path);
    return order ? order : (*x > *y) - (*x < *y);
}

static int compare_ids(uint32_t case_number, uint32_t id, const struct intended *item)
{
    if (case_number != item->case_number)
        return case_number < item->case_number ? -1 : 1;
    return (id > item->id) - (id < item->id);
}

static int compare_numbers(const void *a, const void *b)
{
    const struct intended *const *x = a, *const *y = b;
    return compare_ids((*x)->case_number, (*x)->id, *y);
}

static int sort_pending(struct intents *intents)
{
    intents->by_path = calloc(intents->count + 1, sizeof(struct intended *));
    intents->by_id = calloc(intents->count + 1, sizeof(struct intended *));
    if (!intents->by_path || !intents->by_id)
        return -ENOMEM;
    for (size_t i = 0; i < intents->count; i++) {
        if (!intents->items[i].pending)
            continue;
        intents->by_path[intents->open_count] = &intents->items[i];
        intents->by_id[intents->open_count++] = &intents->items[i];
    }
    qsort(intents->by_path, intents->open_count, sizeof(struct intended *), compare_paths);
    qsort(intents->by_id, intents->open_count, sizeof(struct intended *), compare_numbers);
    return 0;
}

/* What the last recovery could not lock again, as its record has it. */
static void note_owed(const struct journal *journal, struct intents *intents)
{
    const struct json_object *last = NULL;
    for (size_t i = journal->count; i-- > 0 && !last;)
        last = event_is(journal->records[i], "done") ? journal->records[i] : NULL;
    const struct json_object *owed = last ? array_of(last, "unlocked") : NULL;
    intents->owed_case = last ? (uint32_t)journal_number(last, "case") : 0;
    for (size_t i = 0; i < length_of(owed); i++) {
        const struct json_object *one = json_object_array_get_idx(owed, i);
        uint32_t case_number = (uint32_t)journal_number(one, "case");
        uint32_t id = (uint32_t)journal_number(one, "id");
        for (size_t k = 0; k < intents->count; k++)
            if (compare_ids(case_number, id, &intents->items[k]) == 0)
                intents->items[k].owed = intents->owes = true;
    }
}

static int load_all(const struct journal *journal, struct intents *intents,
                    const struct naming *namings, size_t count)
{
    int err = 0;
    for (size_t i = 0; err == 0 && i < journal->count; i++) {
        const struct json_object *record = journal->records[i];
        if (!event_is(record, "intent"))
            continue;
        int64_t seq = journal_number(record, "seq");
        bool pending = !was_done(namings, count, i, seq);
        err = add_items(intents, record, pending);
        if (err == 0 && pending)
            err = add_pending(intents, seq);
    }
    note_owed(journal, intents);
    return err == 0 ? sort_pending(intents) : err;
}

int intents_load(const struct journal *journal, struct intents *intents)
{
    struct intents found = {0};
    size_t count = 0;
    struct naming *namings = namings_of(journal, &count);
    int err = namings ? load_all(journal, &found, namings, count) : -ENOMEM;
    free(namings);
    if (err < 0)
        intents_free(&found);
    else
        *intents = found;
    return err;
}

void intents_free(struct intents *intents)
{
    free(intents->items);
    free(intents->by_path);
    free(intents->by_id);
    free(intents->pending);
    *intents = (struct intents){0};
}

const struct intended *intents_find(const struct intents *intents, const char *path)
{
    size_t low = 0, high = intents->open_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(intents->by_path[middle]->path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < intents->open_count && strcmp(intents->by_path[low]->path, path) == 0; low++)
        if (!intents->by_path[low]->taken)
            return intents->by_path[low];
    return NULL;
}

/* The item's suspect is what the move is about, not another file that came to its path. */
static bool is_suspect_of(const struct move *move, const struct intended *item)
{
    bool same = move->case_number == item->case_number && move->id == item->id;
    return same || (item->inode && move->now && move->now->inode == item->inode);
}

void intents_add_owed(const struct intents *intents, struct move *move)
{
    for (size_t i = 0; intents->owes && i < intents->count; i++) {
        const struct intended *item = &intents->items[i];
        if (!item->owed || strcmp(item->path, move->path) != 0)
            continue;
        if (item->lock_error && is_suspect_of(move, item))
            move->flags |= item->flags;
        if (item->directory_error)
            move->directory_flags |= item->directory_flags;
    }
}

uint32_t journal_last_id(const struct journal *journal, uint32_t case_number)
{
    int64_t last = 0;
    for (size_t i = 0; i < journal->count; i++) {
        const struct json_object *record = journal->records[i];
        struct json_object *changes = array_of(record, "changes");
        if (journal_number(record, "case") != case_number)
            continue;
        if (journal_number(record, "displaced") > last)
            last = journal_number(record, "displaced");
        for (size_t k = 0; k < length_of(changes); k++) {
            int64_t id = journal_number(json_object_array_get_idx(changes, k), "id");
            last = id > last ? id : last;
        }
    }
    return last > 0 && last < UINT32_MAX ? (uint32_t)last : 0;
}

static bool is_recovery(const struct json_object *record)
{
    return event_is(record, "intent") || event_is(record, "done");
}

static uint32_t ticket_case_of(const struct json_object *record)
{
    int64_t given = journal_number(record, "ticket-case");
    return (uint32_t)(given ? given : journal_number(record, "case"));
}

/* No number of this kind goes down while the stage keeps its records; they wrap. */
static bool is_later(uint32_t a, uint32_t b)
{
    return a != b && a - b < 0x80000000u;
}

static bool is_of_former_life(const struct json_object *record, const struct ticket *ticket)
{
    uint32_t boot = (uint32_t)journal_number(record, "boot");
    return event_is(record, "uninstall") || event_is(record, "recount") ||
           (boot && is_later(boot, ticket->number)) ||
           (is_recovery(record) && is_later(ticket_case_of(record), ticket->case_number));
}

static bool ends_case_of(const struct json_object *record, const struct ticket *ticket)
{
    return event_is(record, "case-end") && ticket_case_of(record) == ticket->case_number;
}

/* First record that may be of the ticket's incident. The stage never opens a case again: one that
 * ended and is open is another. */
static size_t incident_begin(const struct journal *journal, const struct ticket *ticket)
{
    size_t begin = 0;
    for (size_t i = 0; i < journal->count; i++)
        if (is_of_former_life(journal->records[i], ticket) ||
            ends_case_of(journal->records[i], ticket))
            begin = i + 1;
    return begin;
}

bool journal_case_ended(const struct journal *journal, const struct ticket *ticket)
{
    bool ended = false;
    for (size_t i = 0; i < journal->count; i++)
        ended = !is_of_former_life(journal->records[i], ticket) &&
                (ended || ends_case_of(journal->records[i], ticket));
    return ended;
}

bool journal_has_cases(const struct journal *journal)
{
    bool any = false;
    for (size_t i = 0; i < journal->count; i++) {
        const struct json_object *record = journal->records[i];
        any = !event_is(record, "uninstall") && !event_is(record, "recount") &&
              (any || is_recovery(record) || event_is(record, "case-end"));
    }
    return any;
}

static uint32_t highest_case(const struct place *place, const struct journal *journal)
{
    uint32_t highest = held_last_case(place);
    for (size_t i = 0; i < journal->count; i++) {
        int64_t number = journal_number(journal->records[i], "case");
        if (number > highest && number < UINT32_MAX)
            highest = (uint32_t)number;
    }
    return highest;
}

uint32_t incident_of(const struct place *place, const struct journal *journal,
                     const struct ticket *ticket)
{
    uint32_t number = ticket->case_number;
    for (size_t i = incident_begin(journal, ticket); i < journal->count; i++)
        if (is_recovery(journal->records[i]) && ticket_case_of(journal->records[i]) == number)
            return (uint32_t)journal_number(journal->records[i], "case");
    uint32_t highest = highest_case(place, journal);
    return number > highest ? number : highest + 1;
}

bool journal_case_acted(const struct journal *journal, uint32_t case_number)
{
    for (size_t i = 0; i < journal->count; i++) {
        const struct json_object *record = journal->records[i];
        if (event_is(record, "done") && journal_number(record, "case") == case_number &&
            journal_number(record, "moved") > 0)
            return true;
    }
    return false;
}

bool journal_rebuild_due(const struct journal *journal, uint32_t case_number)
{
    bool due = false;
    for (size_t i = 0; i < journal->count; i++) {
        const struct json_object *record = journal->records[i];
        struct json_object *rebuild = NULL;
        if (event_is(record, "rebuild"))
            due = false;
        if (event_is(record, "intent") && journal_number(record, "case") == case_number &&
            json_object_object_get_ex(record, "rebuild", &rebuild))
            due = due || json_object_get_boolean(rebuild);
    }
    return due;
}

bool class_is_in_image(uint8_t set_class)
{
    switch ((enum set_class)set_class) {
    case CLASS_DRIVER:
    case CLASS_FIRMWARE:
    case CLASS_LOADING:
        return true;
    case CLASS_CONTENT:
    case CLASS_POLICY:
        return false;
    }
    return false;
}

/* ---- records ---- */

static bool add_hash(struct json_object *json, const char *key, const struct entry *entry)
{
    bool has_hash = entry && entry->type == ENTRY_FILE && entry->hashed;
    return json_add_hex(json, key, has_hash ? entry->sha256 : NULL, SHA256_SIZE);
}

static struct json_object *move_to_json(const struct move *move)
{
    struct json_object *json = json_object_new_object();
    return json_whole(
        json_add_number(json, "id", move->id) && json_add_text(json, "path", move->path) &&
            json_add_text(json, "set", move->set_name) &&
            json_add_text(json, "class", set_class_string((enum set_class)move->set_class)) &&
            json_add_text(json, "kind", change_kind_string(move->kind)) &&
            json_add_text(json, "action", plan_action_string(move->action)) &&
            add_hash(json, "from", move->now) && add_hash(json, "to", move->good) &&
            json_add_number(json, "generation", move->generation) &&
            (!move->directory_flags ||
             json_add_text(json, "directory-flags", flags_text(move->directory_flags))) &&
            (!move->holds || json_add(json, "holds", json_object_get(move->holds))),
        json);
}

static struct json_object *record_of(const char *event, const struct ticket *ticket)
{
    struct json_object *record = journal_record(event, ticket->number, ticket->case_number,
                                                reason_string((enum reason)ticket->first_reason));
    return json_whole(json_add_text(record, "rung", rung_string((enum rung)ticket->rung)) &&
                          json_add_number(record, "failures", ticket->failures),
                      record);
}

static bool is_pending(const struct intents *intents, const struct move *move)
{
    size_t low = 0, high = intents->open_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_ids(move->case_number, move->id, intents->by_id[middle]);
        if (order == 0)
            return true;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

struct json_object *intent_describe(const struct ticket *ticket, const struct move *moves,
                                    size_t count, const struct intents *pending)
{
    struct json_object *record = record_of("intent", ticket);
    struct json_object *changes = json_object_new_array();
    bool rebuild = false, whole = true;
    for (size_t i = 0; whole && i < count; i++) {
        if (is_pending(pending, &moves[i]))
            continue;
        rebuild = rebuild || class_is_in_image(moves[i].set_class);
        whole = json_append(changes, move_to_json(&moves[i]));
    }
    whole = json_add_flag(record, "rebuild", rebuild) && whole;
    return json_whole(json_add(record, "changes", changes) && whole, record);
}

static struct json_object *failure_to_json(const struct move *move)
{
    struct json_object *json = json_object_new_object();
    return json_whole(json_add_number(json, "id", move->id) &&
                          json_add_text(json, "path", move->path) &&
                          json_add_text(json, "error", strerror(-move->error)),
                      json);
}

static bool add_failed(struct json_object *record, const struct move *moves, size_t count)
{
    struct json_object *failed = json_object_new_array();
    bool whole = true;
    for (size_t i = 0; whole && i < count; i++)
        whole = !moves[i].error || json_append(failed, failure_to_json(&moves[i]));
    return json_add(record, "failed", failed) && whole;
}

static bool add_unlocked_one(struct json_object **unlocked, uint32_t case_number, uint32_t id,
                             const char *path, int error)
{
    struct json_object *one = json_object_new_object();
    if (!*unlocked)
        *unlocked = json_object_new_array();
    one = json_whole(json_add_number(one, "case", case_number) && json_add_number(one, "id", id) &&
                         json_add_text(one, "path", path) &&
                         json_add_text(one, "error", strerror(-error)),
                     one);
    return json_append(*unlocked, one);
}

/* What a move has not told: one that was made has set flags again, or says why not. 0: nothing. */
static int still_owed(const struct move *moves, size_t count, const struct intended *item)
{
    int error = item->lock_error, directory_error = item->directory_error;
    for (size_t i = 0; (error || directory_error) && i < count; i++) {
        bool tells = moves[i].moved || moves[i].lock_error;
        if (!tells || strcmp(moves[i].path, item->path) != 0)
            continue;
        directory_error = 0;
        error = is_suspect_of(&moves[i], item) ? 0 : error;
    }
    return error ? error : directory_error;
}

static bool add_unlocked(struct json_object *record, const struct move *moves, size_t count,
                         const struct intents *intents)
{
    struct json_object *unlocked = NULL;
    bool whole = true;
    for (size_t i = 0; whole && i < count; i++)
        whole =
            !moves[i].lock_error || add_unlocked_one(&unlocked, moves[i].case_number, moves[i].id,
                                                     moves[i].path, moves[i].lock_error);
    for (size_t i = 0; whole && intents && i < intents->count; i++) {
        const struct intended *item = &intents->items[i];
        int error = still_owed(moves, count, item);
        if (error)
            whole = add_unlocked_one(&unlocked, item->case_number, item->id, item->path, error);
    }
    return (!unlocked || json_add(record, "unlocked", unlocked)) && whole;
}

/* Good before, and now nothing stands there. */
static bool leaves_nothing(const struct move *move)
{
    switch (move->kind) {
    case CHANGE_ADDED:
        return false;
    case CHANGE_ALTERED:
        return move->action == PLAN_TAKE_OUT && move->moved;
    case CHANGE_GONE:
        return move->error != 0;
    }
    return false;
}

static bool add_lost(struct json_object *record, const struct move *moves, size_t count,
                     struct json_object *beyond_help)
{
    struct json_object *lost = json_object_get(beyond_help);
    bool whole = true;
    for (size_t i = 0; whole && i < count; i++)
        whole = !leaves_nothing(&moves[i]) || lost_note(&lost, moves[i].path, moves[i].set_name);
    return (!lost || json_add(record, "lost", lost)) && whole;
}

static bool add_left(struct json_object *record, struct json_object *left)
{
    return !left || json_add(record, "left", json_object_get(left));
}

static size_t moved_count(const struct move *moves, size_t count)
{
    size_t moved = 0;
    for (size_t i = 0; i < count; i++)
        moved += moves[i].moved;
    return moved;
}

static struct json_object *numbers_to_json(const int64_t *numbers, size_t count)
{
    struct json_object *list = json_object_new_array();
    bool whole = list != NULL;
    for (size_t i = 0; whole && i < count; i++)
        whole = json_append(list, json_object_new_int64(numbers[i]));
    return json_whole(whole, list);
}

struct json_object *done_describe(const struct ticket *ticket, const struct move *moves,
                                  size_t count, size_t before, const struct plan_summary *summary,
                                  struct json_object *lost, struct json_object *left,
                                  const struct intents *intents)
{
    struct json_object *record = record_of("done", ticket);
    return json_whole(
        json_add(record, "intents", numbers_to_json(intents->pending, intents->pending_count)) &&
            json_add_number(record, "moved", before + moved_count(moves, count)) &&
            json_add_number(record, "put-back", summary->put_back) &&
            json_add_number(record, "taken-out", summary->taken_out) &&
            json_add_number(record, "unprotected", summary->unprotected) &&
            json_add_number(record, "beyond-help", summary->beyond_help) &&
            add_failed(record, moves, count) && add_unlocked(record, moves, count, intents) &&
            add_lost(record, moves, count, lost) && add_left(record, left),
        record);
}

struct json_object *nothing_describe(const struct ticket *ticket, enum applied applied,
                                     struct json_object *lost, struct json_object *left,
                                     const struct intents *intents, const char *note)
{
    struct json_object *record = record_of("done", ticket);
    return json_whole(json_add(record, "intents", json_object_new_array()) &&
                          json_add_number(record, "moved", 0) &&
                          json_add_text(record, "applied", applied_string(applied)) &&
                          json_add_text(record, "note", note) &&
                          add_unlocked(record, NULL, 0, intents) &&
                          add_lost(record, NULL, 0, lost) && add_left(record, left),
                      record);
}
