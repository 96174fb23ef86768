/* held_records.c - see held_records.h */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "io.h"
#include "journal.h"
#include "json.h"
#include "held_records.h"

#define RECORDS_LIMIT ((size_t)64 << 20) /* a tree of 100,000 names takes 16 MiB */

static const char *const state_names[] = {"held", "restored", "released", "purged"};

const char *held_state_string(enum held_state state)
{
    return state_names[state];
}

int held_state_from_string(const char *text)
{
    for (int i = 0; i <= HELD_PURGED; i++)
        if (strcmp(text, state_names[i]) == 0)
            return i;
    return -1;
}

/* ---- one record ---- */

/* As chattr(1) spells them. */
const char *flags_text(unsigned flags)
{
    static const char *const texts[] = {"", "i", "a", "ia"};
    return texts[flags & (ENTRY_IMMUTABLE | ENTRY_APPEND)];
}

unsigned flags_parse(const char *text)
{
    return (strchr(text, 'i') ? ENTRY_IMMUTABLE : 0u) | (strchr(text, 'a') ? ENTRY_APPEND : 0u);
}

static bool describe_entry(struct json_object *json, const struct entry *entry)
{
    char type[2] = {entry->type, '\0'};
    bool has_hash = entry->type == ENTRY_FILE && entry->hashed;
    return json_add_text(json, "type", type) &&
           json_add_number(json, "mode", entry->mode & 07777) &&
           json_add_number(json, "uid", entry->uid) && json_add_number(json, "gid", entry->gid) &&
           json_add_number(json, "size", entry->size) &&
           json_add_number(json, "inode", entry->inode) &&
           json_add_number(json, "mtime-ns", (uint64_t)entry->mtime_ns) &&
           json_add_text(json, "target", entry->target) &&
           (!entry->flags || json_add_text(json, "flags", flags_text(entry->flags))) &&
           json_add_hex(json, "sha256", has_hash ? entry->sha256 : NULL, SHA256_SIZE) &&
           json_add_hex(json, "xattrs", entry->xattrs, entry->xattrs_size);
}

static struct json_object *entry_to_json(const struct entry *entry)
{
    struct json_object *json = json_object_new_object();
    return json_whole(describe_entry(json, entry), json);
}

static bool describe(struct json_object *json, const struct held *held, const struct entry *entry)
{
    return json_add_number(json, "case", held->case_number) &&
           json_add_number(json, "id", held->id) && json_add_number(json, "boot", held->boot) &&
           json_add_text(json, "path", held->path) &&
           json_add_text(json, "held-at", held->held_at) &&
           json_add_text(json, "set", held->set_name) &&
           json_add_text(json, "state", held_state_string(held->state)) &&
           json_add_flag(json, "in-place", held->in_place) &&
           json_add_text(json, "from", held->from) &&
           (!held->instead_of || json_add_number(json, "instead-of", held->instead_of)) &&
           json_add_text(json, "replaced-by", held->replaced_by) &&
           json_add_number(json, "generation", held->generation) &&
           json_add(json, "suspect", entry_to_json(entry));
}

struct json_object *held_describe(const struct held *held, const struct entry *entry)
{
    struct json_object *json = json_object_new_object();
    return json_whole(describe(json, held, entry), json);
}

static const char *text_or_null(const struct json_object *json, const char *key)
{
    const char *text = journal_text(json, key);
    return *text ? text : NULL;
}

/* "/a/b": absolute, no empty part, no "." or "..". */
static bool path_is_plain(const char *path)
{
    if (*path != '/')
        return false;
    for (const char *part = path + 1;; part++) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += length;
        if (!*part)
            return true;
    }
}

static struct json_object *suspect_of(const struct json_object *json)
{
    struct json_object *suspect = NULL;
    json_object_object_get_ex(json, "suspect", &suspect);
    return json_object_is_type(suspect, json_type_object) ? suspect : NULL;
}

/* Where a yard may be, and nowhere else: in the quarantine of the state, or in YARD_NAME. */
static bool held_at_is_ours(const struct held *held)
{
    char end[sizeof STATE_DIR "/" QUARANTINE_NAME + 2 * HELD_NAME_SIZE];
    size_t length = strlen(held->held_at), size;
    snprintf(end, sizeof end, STATE_DIR "/" QUARANTINE_NAME "/%u/%u", held->case_number, held->id);
    if (strcmp(held->held_at, end) == 0)
        return true;
    snprintf(end, sizeof end, "/" YARD_NAME "/%u/%u", held->case_number, held->id);
    size = strlen(end);
    return length >= size && strcmp(held->held_at + length - size, end) == 0;
}

static bool held_fill(struct held *held, struct json_object *json)
{
    const struct json_object *suspect = suspect_of(json);
    int state = held_state_from_string(journal_text(json, "state"));
    *held = (struct held){
        .json = json,
        .case_number = (uint32_t)journal_number(json, "case"),
        .id = (uint32_t)journal_number(json, "id"),
        .boot = (uint32_t)journal_number(json, "boot"),
        .generation = (uint32_t)journal_number(json, "generation"),
        .path = journal_text(json, "path"),
        .held_at = journal_text(json, "held-at"),
        .set_name = journal_text(json, "set"),
        .state = (enum held_state)(state < 0 ? 0 : state),
        .in_place = json_flag(json, "in-place"),
        .from = journal_text(json, "from"),
        .instead_of = (uint32_t)journal_number(json, "instead-of"),
        .replaced_by = text_or_null(json, "replaced-by"),
    };
    if (!suspect || state < 0 || held->id == 0)
        return false;
    held->inode = (uint64_t)journal_number(suspect, "inode");
    held->flags = flags_parse(journal_text(suspect, "flags"));
    held->size = (uint64_t)journal_number(suspect, "size");
    held->sha256 = text_or_null(suspect, "sha256");
    return path_is_plain(held->path) && path_is_plain(held->held_at) && held_at_is_ours(held);
}

static int parse_xattrs(const char *hex, struct entry *entry)
{
    size_t size = strlen(hex) / 2;
    if (size == 0)
        return 0;
    entry->xattrs = malloc(size);
    if (!entry->xattrs)
        return -ENOMEM;
    entry->xattrs_size = size;
    return strlen(hex) == 2 * size ? hex_parse(hex, entry->xattrs, size) : -EINVAL;
}

int held_entry(const struct held *held, struct entry *entry)
{
    const struct json_object *json = suspect_of(held->json);
    const char *target = text_or_null(json, "target");
    struct entry made = {
        .path = strdup(held->path),
        .type = *journal_text(json, "type"),
        .mode = (uint32_t)journal_number(json, "mode"),
        .uid = (uint32_t)journal_number(json, "uid"),
        .gid = (uint32_t)journal_number(json, "gid"),
        .flags = (uint8_t)held->flags,
        .size = held->size,
        .inode = held->inode,
        .mtime_ns = journal_number(json, "mtime-ns"),
        .target = target ? strdup(target) : NULL,
    };
    int err = !made.path || (target && !made.target) ? -ENOMEM : 0;
    if (err == 0)
        err = parse_xattrs(journal_text(json, "xattrs"), &made);
    if (err == 0 && held->sha256) {
        err = strlen(held->sha256) == 2 * SHA256_SIZE
                  ? hex_parse(held->sha256, made.sha256, SHA256_SIZE)
                  : -EINVAL;
        made.hashed = true;
    }
    if (err < 0)
        entry_release(&made);
    else
        *entry = made;
    return err;
}

void entry_release(struct entry *entry)
{
    free(entry->path);
    free(entry->target);
    free(entry->xattrs);
    *entry = (struct entry){0};
}

/* ---- those of a case ---- */

static void held_free(struct held *held)
{
    if (held)
        json_object_put(held->json);
    free(held);
}

void records_free(struct records *records)
{
    for (size_t i = 0; i < records->count; i++)
        held_free(records->items[i]);
    for (size_t i = 0; i < records->damaged_count; i++)
        free(records->damaged[i].text);
    free(records->items);
    free(records->damaged);
    *records = (struct records){0};
}

/* Index of the first record whose id is not below `id`. */
static size_t place_of_id(const struct records *records, uint32_t id)
{
    size_t low = 0, high = records->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (records->items[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool stands_at(const struct records *records, size_t at, uint32_t id)
{
    return at < records->count && records->items[at]->id == id;
}

int records_find(const struct records *records, uint32_t id, struct held **held)
{
    size_t at = place_of_id(records, id);
    *held = stands_at(records, at, id) ? records->items[at] : NULL;
    return *held || records->damaged_count == 0 ? 0 : -EBADMSG;
}

/* Room is always for a power of two. */
static bool is_full(size_t count)
{
    return (count & (count - 1)) == 0;
}

static int insert(struct records *records, size_t at, struct held *held)
{
    if (is_full(records->count)) {
        size_t room = records->count ? 2 * records->count : 1;
        struct held **items = realloc(records->items, room * sizeof(struct held *));
        if (!items)
            return -ENOMEM;
        records->items = items;
    }
    memmove(records->items + at + 1, records->items + at,
            (records->count - at) * sizeof(struct held *));
    records->items[at] = held;
    records->count++;
    return 0;
}

int records_put(struct records *records, struct json_object *json)
{
    struct held *held = calloc(1, sizeof *held);
    if (!held || !held_fill(held, json) || held->case_number != records->case_number) {
        json_object_put(json);
        int err = held ? -EINVAL : -ENOMEM;
        free(held);
        return err;
    }
    size_t at = place_of_id(records, held->id);
    if (stands_at(records, at, held->id)) {
        struct held *former = records->items[at], was = *former;
        *former = *held;
        *held = was;
        held_free(held);
        return 0;
    }
    int err = insert(records, at, held);
    if (err < 0)
        held_free(held);
    return err;
}

static int keep_damaged(struct records *records, const char *line, size_t size, size_t number)
{
    struct damaged_line *damaged =
        realloc(records->damaged, (records->damaged_count + 1) * sizeof *damaged);
    if (!damaged)
        return -ENOMEM;
    records->damaged = damaged;
    char *text = malloc(size);
    if (!text)
        return -ENOMEM;
    memcpy(text, line, size);
    damaged[records->damaged_count++] =
        (struct damaged_line){.text = text, .size = size, .number = number};
    return 0;
}

/* The first that names an id is the record of it: a second one would hide it. */
static int take_line(struct records *records, const char *line, size_t size, size_t number)
{
    struct held seen;
    struct json_object *json;
    int err = json_parse(line, size, &json);
    if (err < 0)
        return err;
    bool good = json && held_fill(&seen, json) && seen.case_number == records->case_number &&
                !stands_at(records, place_of_id(records, seen.id), seen.id);
    if (good)
        return records_put(records, json);
    json_object_put(json);
    return size ? keep_damaged(records, line, size, number) : 0;
}

int records_parse(const char *text, size_t size, uint32_t case_number, struct records *records)
{
    struct records found = {.case_number = case_number};
    size_t number = 1;
    int err = 0;
    for (size_t start = 0; err == 0 && start < size; number++) {
        const char *end = memchr(text + start, '\n', size - start);
        size_t length = end ? (size_t)(end - (text + start)) : size - start;
        err = take_line(&found, text + start, length, number);
        start += length + 1;
    }
    if (err < 0)
        records_free(&found);
    else
        *records = found;
    return err;
}

int records_read(int case_fd, uint32_t case_number, struct records *records)
{
    char *text = NULL;
    size_t size = 0;
    *records = (struct records){.case_number = case_number};
    int err = io_read_all(case_fd, RECORDS_NAME, RECORDS_LIMIT, &text, &size);
    if (err == -ENOENT)
        return 0;
    if (err == 0)
        err = records_parse(text, size, case_number, records);
    free(text);
    return err;
}

/* The text of all lines; caller frees. NULL: no memory. */
static char *text_of(const struct records *records, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < records->count; i++) {
        size_t length = 0;
        const char *line =
            json_text(records->items[i]->json,
                      JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
        if (!line || fwrite(line, 1, length, out) != length || putc('\n', out) == EOF) {
            fclose(out);
            free(text);
            return NULL;
        }
    }
    for (size_t i = 0; i < records->damaged_count; i++) {
        fwrite(records->damaged[i].text, 1, records->damaged[i].size, out);
        putc('\n', out);
    }
    bool whole = ferror(out) == 0;
    if (fclose(out) == 0 && whole)
        return text;
    free(text);
    return NULL;
}

int records_write(int case_fd, const struct records *records)
{
    size_t size = 0;
    char *text = text_of(records, &size);
    if (!text)
        return -ENOMEM;
    int err =
        size > RECORDS_LIMIT ? -EFBIG : io_write_atomic(case_fd, RECORDS_NAME, text, size, 0600);
    free(text);
    return err;
}

int records_set_state(struct held *held, enum held_state state)
{
    struct json_object *text = json_object_new_string(held_state_string(state));
    if (!text)
        return -ENOMEM;
    json_object_object_add(held->json, "state", text);
    held->state = state;
    return 0;
}

int records_write_state(int case_fd, const struct records *records, struct held *held,
                        enum held_state state)
{
    enum held_state former = held->state;
    int err = records_set_state(held, state);
    if (err == 0)
        err = records_write(case_fd, records);
    if (err < 0)
        records_set_state(held, former);
    return err;
}
