/* normal.c - see normal.h */
#include "normal.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 1024
#define HELD "held "
#define YARD "/.backstop-quarantine/" /* on a file system other than the state's */
#define SPARSE_FROM 65536

struct reading {
    const char *root;
    time_t since;
    enum form form;
    struct tree tree;
    struct lines *lines;
    struct record {
        char *held_at, *path, *state;
    } * records;
    size_t record_count;
};

/* ---- lines ---- */

/* Takes over text. A line comes once. */
static void add_line(struct lines *lines, char *text)
{
    for (size_t i = 0; i < lines->count; i++)
        if (strcmp(lines->items[i], text) == 0) {
            free(text);
            return;
        }
    lines->items = realloc(lines->items, (lines->count + 1) * sizeof *lines->items);
    if (!lines->items)
        abort();
    lines->items[lines->count++] = text;
}

/* The root's own path, which records may hold, is "@". */
static char *without_root(char *text, const char *root)
{
    size_t length = strlen(root);
    for (char *at = text; (at = strstr(at, root));) {
        memmove(at + 1, at + length, strlen(at + length) + 1);
        *at++ = '@';
    }
    return text;
}

__attribute__((format(printf, 2, 3))) static void say(struct reading *reading, const char *format,
                                                      ...)
{
    char *text = NULL;
    va_list more;
    va_start(more, format);
    if (vasprintf(&text, format, more) < 0)
        abort();
    va_end(more);
    add_line(reading->lines, without_root(text, reading->root));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void lines_free(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i]);
    free(lines->items);
    *lines = (struct lines){0};
}

/* ---- files ---- */

/* The first path of those that share the inode, where that is another. */
static const char *first_name(const struct tree *tree, const struct tree_item *item)
{
    for (size_t i = 0; i < tree->count && &tree->items[i] != item; i++)
        if (tree->items[i].st.st_ino == item->st.st_ino &&
            tree->items[i].st.st_dev == item->st.st_dev)
            return tree->items[i].path;
    return NULL;
}

/* Path of an item in the quarantine by what it was, ids aside. Caller frees. */
static char *path_as_held(const struct reading *reading, const char *path)
{
    char *made = NULL;
    for (size_t i = 0; i < reading->record_count; i++) {
        const struct record *record = &reading->records[i];
        size_t length = strlen(record->held_at);
        if (!length || strncmp(path, record->held_at, length) != 0 ||
            (path[length] && path[length] != '/'))
            continue;
        if (asprintf(&made, HELD "%s%s%s", record->path, path[length] ? " : " : "", path + length) <
            0)
            abort();
        return made;
    }
    return strdup(path);
}

static void time_text(const struct reading *reading, struct timespec time, char text[48])
{
    if (time.tv_sec >= reading->since)
        strcpy(text, "now");
    else
        snprintf(text, 48, "%lld.%09ld", (long long)time.tv_sec, time.tv_nsec);
}

static bool is_sparse(const struct stat *st)
{
    return st->st_size >= SPARSE_FROM && st->st_blocks * 512 < st->st_size / 2;
}

static void say_item(struct reading *reading, const struct tree_item *item)
{
    const struct stat *st = &item->st;
    const char *first = S_ISDIR(st->st_mode) ? NULL : first_name(&reading->tree, item);
    char mtime[48];
    char *path =
        reading->form == FORM_FAULT ? path_as_held(reading, item->path) : strdup(item->path);
    char *link = first && reading->form == FORM_FAULT ? path_as_held(reading, first)
                 : first                              ? strdup(first)
                                                      : NULL;
    time_text(reading, st->st_mtim, mtime);
    say(reading, "%s %o %u:%u%s%s%s%s%s%s mtime=%s %s", path, st->st_mode, st->st_uid, st->st_gid,
        link ? " same-as=" : "", link ? link : "", *item->sha256 ? " sha256=" : "", item->sha256,
        item->target ? " -> " : "", item->target ? item->target : "", mtime, item->xattrs);
    if (item->flags)
        say(reading, "%s%s%s", path, item->flags & FS_IMMUTABLE_FL ? " is immutable" : "",
            item->flags & FS_APPEND_FL ? " is to be added to alone" : "");
    if (S_ISREG(st->st_mode) && is_sparse(st))
        say(reading, "%s is sparse", path);
    free(path);
    free(link);
}

static char *text_of(const struct reading *reading, const struct tree_item *item, size_t *size)
{
    char full[PATH_SIZE];
    snprintf(full, sizeof full, "%s%s", reading->root, item->path);
    return file_text(full, size);
}

/* ---- records of the quarantine ---- */

static const char *string_at(struct json_object *json, const char *key)
{
    struct json_object *value = NULL;
    json_object_object_get_ex(json, key, &value);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static int64_t number_at(struct json_object *json, const char *key)
{
    struct json_object *value = NULL;
    json_object_object_get_ex(json, key, &value);
    return json_object_get_int64(value);
}

static const char *plain(struct json_object *json)
{
    return json_object_to_json_string_ext(json,
                                          JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* Calls `each` for every line of a file of records. */
static void for_records(struct reading *reading, const struct tree_item *item,
                        void (*each)(struct reading *reading, const char *path,
                                     struct json_object *json))
{
    char *text = text_of(reading, item, NULL), *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        struct json_object *json = *line ? json_tokener_parse(line) : NULL;
        if (*line)
            each(reading, item->path, json);
        json_object_put(json);
    }
    free(text);
}

static void collect_record(struct reading *reading, const char *path, struct json_object *json)
{
    (void)path;
    reading->records =
        realloc(reading->records, (reading->record_count + 1) * sizeof *reading->records);
    if (!reading->records)
        abort();
    reading->records[reading->record_count++] =
        (struct record){strdup(string_at(json, "held-at")), strdup(string_at(json, "path")),
                        strdup(string_at(json, "state"))};
}

static void collect_records(struct reading *reading)
{
    for (size_t i = 0; i < reading->tree.count; i++)
        if (path_are_records(reading->tree.items[i].path))
            for_records(reading, &reading->tree.items[i], collect_record);
}

static void say_record(struct reading *reading, const char *path, struct json_object *json)
{
    struct json_object *suspect = NULL;
    const char *held_at = string_at(json, "held-at");
    const struct tree_item *held = *held_at ? tree_find(&reading->tree, held_at) : NULL;
    if (!json_object_object_get_ex(json, "suspect", &suspect))
        say(reading, "%s: no record", path);
    else if (reading->form == FORM_FAULT && held)
        say(reading, HELD "%s: %s", string_at(json, "path"), string_at(json, "state"));
    else if (reading->form == FORM_CUT) {
        bool same = held && (uint64_t)number_at(suspect, "inode") == held->st.st_ino;
        json_object_object_add(suspect, "inode",
                               json_object_new_string(!held  ? "nothing"
                                                      : same ? "it"
                                                             : "another"));
        say(reading, "%s %s", path, plain(json));
    }
}

/* ---- manifests ---- */

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), size = strlen(end);
    return length >= size && strcmp(path + length - size, end) == 0;
}

static void hex_of_bytes(const char *bytes, size_t size, char hex[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* agent/MANIFEST.md: fields 9, 10 and 12 are inode, dev and ctime; the path is the last. */
static void say_entry(struct reading *reading, const char *path, char *line)
{
    char *fields[16], *at = line;
    size_t count = 0;
    while (count < 16 && (fields[count] = strsep(&at, "\t")))
        count++;
    if (count < 16) {
        if (reading->form == FORM_CUT)
            say(reading, "%s: %s", path, line);
        return;
    }
    const struct tree_item *item = tree_find(&reading->tree, fields[15]);
    bool same = item && strtoull(fields[8], NULL, 10) == item->st.st_ino;
    long long mtime = strtoll(fields[10], NULL, 10);
    say(reading, "%s: %s %s %s %s %s:%s %s %s %s %s %s %s %s is %s", path, fields[15], fields[0],
        fields[1], fields[2], fields[3], fields[4], fields[5], fields[6], fields[7],
        mtime / 1000000000 >= reading->since ? "now" : fields[10], fields[12], fields[13],
        fields[14], same ? "that" : "another");
}

/* In FORM_FAULT the newest generation alone, whatever its number. */
static const char *manifest_name(const struct reading *reading, const struct tree_item *item)
{
    if (reading->form == FORM_CUT)
        return item->path;
    for (size_t i = 0; i < reading->tree.count; i++)
        if (ends_with(reading->tree.items[i].path, ".manifest") &&
            strcmp(reading->tree.items[i].path, item->path) > 0)
            return NULL;
    return "the newest generation";
}

static void say_manifest(struct reading *reading, const struct tree_item *item)
{
    const char *name = manifest_name(reading, item);
    if (!name)
        return;
    size_t size = 0;
    char *text = text_of(reading, item, &size), hex[65];
    char *last = text ? strstr(text, "\nsha256 ") : NULL, *rest = text;
    if (!last) {
        say(reading, "%s is no manifest", name);
        free(text);
        return;
    }
    hex_of_bytes(text, (size_t)(last + 1 - text), hex);
    say(reading, "%s %s", name,
        strncmp(last + strlen("\nsha256 "), hex, 64) == 0 ? "whole" : "damaged");
    *last = '\0';
    for (char *line; (line = strsep(&rest, "\n"));)
        say_entry(reading, name, line);
    free(text);
}

/* ---- the journal ---- */

struct chain {
    char prev[65];
    int64_t seq;
    bool torn; /* unreadable lines came before */
};

/* NULL: the line is no record. */
static struct json_object *journal_line(struct reading *reading, struct chain *chain,
                                        const char *line)
{
    struct json_object *json = json_tokener_parse(line);
    if (!json_object_is_type(json, json_type_object)) {
        json_object_put(json);
        chain->torn = true;
        return NULL;
    }
    if (strcmp(string_at(json, "prev"), chain->prev) != 0 ||
        number_at(json, "seq") != chain->seq + 1 ||
        chain->torn != (number_at(json, "after-torn") != 0))
        say(reading, "journal: the chain is broken at seq %lld", (long long)number_at(json, "seq"));
    hex_of_bytes(line, strlen(line), chain->prev);
    chain->seq = number_at(json, "seq");
    chain->torn = false;
    return json;
}

static bool names_seq(struct json_object *done, int64_t seq)
{
    struct json_object *seqs = NULL;
    json_object_object_get_ex(done, "intents", &seqs);
    for (size_t i = 0; seqs && i < json_object_array_length(seqs); i++)
        if (json_object_get_int64(json_object_array_get_idx(seqs, i)) == seq)
            return true;
    return false;
}

static bool ends_begun(struct json_object *record, struct json_object *begun)
{
    const char *event = string_at(record, "event");
    if (strcmp(string_at(begun, "event"), "intent") == 0)
        return strcmp(event, "done") == 0 && names_seq(record, number_at(begun, "seq"));
    return strcmp(event, string_at(begun, "event")) == 0 &&
           strcmp(string_at(record, "step"), "done") == 0 &&
           number_at(record, "id") == number_at(begun, "id");
}

static bool is_begun(struct json_object *record)
{
    return strcmp(string_at(record, "event"), "intent") == 0 ||
           strcmp(string_at(record, "step"), "intent") == 0;
}

static void say_intent(struct reading *reading, struct json_object *record)
{
    struct json_object *changes = NULL;
    json_object_object_get_ex(record, "changes", &changes);
    for (size_t i = 0;
         reading->form == FORM_CUT && changes && i < json_object_array_length(changes); i++)
        say(reading, "journal: case %lld %s", (long long)number_at(record, "case"),
            plain(json_object_array_get_idx(changes, i)));
}

/* What a person asked for, or an installation: the record but for its place in the chain. */
static void say_event(struct reading *reading, struct json_object *record)
{
    json_object_object_del(record, "seq");
    json_object_object_del(record, "prev");
    json_object_object_del(record, "after-torn");
    if (reading->form == FORM_CUT)
        say(reading, "journal: %s", plain(record));
}

static void say_records(struct reading *reading, struct json_object **records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool ended = !is_begun(records[i]);
        for (size_t k = i + 1; k < count && !ended; k++)
            ended = ends_begun(records[k], records[i]);
        if (!ended)
            say(reading, "journal: never ended: %s", plain(records[i]));
    }
    for (size_t i = 0; i < count; i++) {
        const char *event = string_at(records[i], "event");
        if (strcmp(event, "intent") == 0)
            say_intent(reading, records[i]);
        else if (strcmp(event, "done") != 0)
            say_event(reading, records[i]);
        json_object_put(records[i]);
    }
}

static void say_journal(struct reading *reading, const struct tree_item *item)
{
    size_t size = 0;
    char *text = text_of(reading, item, &size), *rest = text;
    struct chain chain = {0};
    struct json_object **records = NULL, *json;
    size_t count = 0;
    memset(chain.prev, '0', 64);
    for (size_t i = 0; i < size; i++) /* a line that was never written, on a disk that had room */
        text[i] = text[i] ? text[i] : '?';
    for (char *line; text && (line = strsep(&rest, "\n"));) {
        if (!*line && !rest)
            break;
        json = journal_line(reading, &chain, line);
        records = json ? realloc(records, (count + 1) * sizeof(struct json_object *)) : records;
        if (json)
            records[count++] = json;
    }
    if (chain.torn)
        say(reading, "journal: its last line is torn");
    say_records(reading, records, count);
    free(records);
    free(text);
}

/* ---- the whole ---- */

static void say_early(struct reading *reading, const struct tree_item *item)
{
    char *text = text_of(reading, item, NULL);
    struct json_object *json = text ? json_tokener_parse(text) : NULL;
    if (reading->form == FORM_CUT)
        say(reading, "%s mode %s, %s, case %lld, error %lld", item->path, string_at(json, "mode"),
            string_at(json, "applied"), (long long)number_at(json, "case"),
            (long long)number_at(json, "error"));
    else
        say(reading, "%s case %lld, error %lld", item->path, (long long)number_at(json, "case"),
            (long long)number_at(json, "error"));
    json_object_put(json);
    free(text);
}

static void say_one(struct reading *reading, const struct tree_item *item)
{
    if (strcmp(item->path, TREE_STATE "/journal.jsonl") == 0)
        say_journal(reading, item);
    else if (path_are_records(item->path))
        for_records(reading, item, say_record);
    else if (ends_with(item->path, ".manifest"))
        say_manifest(reading, item);
    else if (ends_with(item->path, "/early.json"))
        say_early(reading, item);
    else if (reading->form == FORM_CUT || strcmp(item->path, "/run/modprobe.d") != 0)
        say_item(reading, item);
}

int normal_read(const char *root, time_t since, enum form form, struct lines *lines)
{
    struct reading reading = {.root = root, .since = since, .form = form, .lines = lines};
    *lines = (struct lines){0};
    int err = tree_read(root, &reading.tree);
    if (err < 0)
        return err;
    collect_records(&reading);
    for (size_t i = 0; i < reading.tree.count; i++)
        say_one(&reading, &reading.tree.items[i]);
    qsort(lines->items, lines->count, sizeof *lines->items, by_text);
    for (size_t i = 0; i < reading.record_count; i++) {
        free(reading.records[i].held_at);
        free(reading.records[i].path);
        free(reading.records[i].state);
    }
    free(reading.records);
    tree_free(&reading.tree);
    return 0;
}

static bool begins(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

/* A line's path is its first word. */
static bool is_in_yard(const char *line)
{
    const char *yard = strstr(line, YARD);
    return yard && yard < line + strcspn(line, " ");
}

static bool may_be_more(const char *line, const struct tolerance *tolerance)
{
    if (tolerance->spare &&
        (begins(line, TREE_STATE "/store/") || begins(line, TREE_STATE "/generations/") ||
         begins(line, "journal: its last line is torn")))
        return true;
    return tolerance->form == FORM_FAULT &&
           (begins(line, HELD) || begins(line, TREE_STATE) || is_in_yard(line));
}

static bool may_be_missing(const char *line, const struct tolerance *tolerance)
{
    if (tolerance->spare && begins(line, "journal: {\"event\":\"good\""))
        return true;
    return tolerance->live && may_be_more(line, tolerance);
}

static char *difference(const char *what, const char *line)
{
    char *text = NULL;
    return asprintf(&text, "%s: %s", what, line) < 0 ? NULL : text;
}

char *lines_differ(const struct lines *wanted, const struct lines *found,
                   const struct tolerance *tolerance)
{
    size_t w = 0, f = 0;
    while (w < wanted->count || f < found->count) {
        int order = w == wanted->count  ? 1
                    : f == found->count ? -1
                                        : strcmp(wanted->items[w], found->items[f]);
        if (order < 0 && !may_be_missing(wanted->items[w], tolerance))
            return difference("not there", wanted->items[w]);
        if (order > 0 && !may_be_more(found->items[f], tolerance))
            return difference("too much", found->items[f]);
        w += order <= 0;
        f += order >= 0;
    }
    return NULL;
}

/* ---- nothing lost ---- */

static bool is_evidence(const struct tree_item *item)
{
    const char *path = item->path;
    if (!S_ISREG(item->st.st_mode) || item->st.st_size == 0 || strncmp(path, "/run/", 5) == 0 ||
        strncmp(path, "/vars/", 6) == 0 || path_are_records(path))
        return false;
    return strncmp(path, TREE_STATE "/", sizeof TREE_STATE) != 0 || strstr(path, "/quarantine/");
}

static bool has_bytes(const struct tree *tree, const char *sha256)
{
    for (size_t i = 0; i < tree->count; i++)
        if (strcmp(tree->items[i].sha256, sha256) == 0)
            return true;
    return false;
}

/* A name that is not the program's to take away for a moment: of the machine's files, and of the
 * generations kept and their contents. */
static bool is_steady(const struct tree_item *item)
{
    const char *path = item->path, *state = path + sizeof TREE_STATE - 1;
    if (strncmp(path, "/run/", 5) == 0)
        return false;
    return strncmp(path, TREE_STATE "/", sizeof TREE_STATE) != 0 ||
           strncmp(state, "/store/", 7) == 0 || strncmp(state, "/generations/", 13) == 0;
}

char *tree_lost(const struct tree *before, const struct tree *end, const struct tree *after)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct tree_item *item = &before->items[i];
        if (is_evidence(item) && !has_bytes(after, item->sha256))
            return difference("lost its bytes", item->path);
        if (end && is_steady(item) && tree_find(end, item->path) && !tree_find(after, item->path))
            return difference("neither the old nor the new is there", item->path);
    }
    return NULL;
}

/* ---- what a manifest promises ---- */

static bool is_stored(const struct tree *tree, const char *sha256)
{
    for (size_t i = 0; i < tree->count; i++)
        if (begins(tree->items[i].path, TREE_STATE "/store/") &&
            !begins(tree->items[i].path, TREE_STATE "/store/new-") &&
            strcmp(tree->items[i].sha256, sha256) == 0)
            return true;
    return false;
}

static char *entry_missing(const struct tree *tree, char *line)
{
    char *fields[16], *at = line;
    size_t count = 0;
    while (count < 16 && (fields[count] = strsep(&at, "\t")))
        count++;
    if (count < 16 || *fields[0] != 'f' || !strchr(fields[2], 'h') || strchr(fields[2], 'n') ||
        is_stored(tree, fields[12]))
        return NULL;
    return difference("a good generation names contents that are not kept, of", fields[15]);
}

char *tree_promises(const char *root, const struct tree *tree)
{
    char *missing = NULL;
    for (size_t i = 0; i < tree->count && !missing; i++) {
        char path[2 * PATH_SIZE];
        if (!ends_with(tree->items[i].path, ".manifest"))
            continue;
        snprintf(path, sizeof path, "%s%s", root, tree->items[i].path);
        char *text = file_text(path, NULL), *rest = text;
        for (char *line; !missing && (line = strsep(&rest, "\n"));)
            missing = entry_missing(tree, line);
        free(text);
    }
    return missing;
}
