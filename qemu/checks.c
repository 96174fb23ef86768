/* The checks: each looks from outside at what the machine did or left behind. */
#include "steps.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

const char check_usage[] = "KIND WORDS..., see `rig steps`";

/* patterns */

static bool pattern_compiles(const char *pattern)
{
    regex_t regex;

    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) != 0)
        return false;
    regfree(&regex);
    return true;
}

static bool pattern_in(const char *pattern, const char *text)
{
    regex_t regex;
    bool found;

    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) != 0)
        return false;
    found = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

static const char *pattern_fault(char *const words[], int count)
{
    return pattern_compiles(words[count - 1]) ? NULL : "not an extended regular expression";
}

/* ledger, receipt */

static enum record_kind kind_named(const char *word)
{
    return strcmp(word, "ledger") == 0 ? RECORD_LEDGER : RECORD_RECEIPT;
}

/* Splits FIELD=VALUE, FIELD<=VALUE or FIELD>=VALUE; the relation, or 0. */
static char condition_split(const char *word, char *name, size_t size, const char **value)
{
    size_t length = strcspn(word, "<>=");
    char relation = word[length];

    if (length == 0 || length >= size || relation == '\0')
        return 0;
    memcpy(name, word, length);
    name[length] = '\0';
    if (relation == '=')
        *value = word + length + 1;
    else if (word[length + 1] == '=')
        *value = word + length + 2;
    else
        return 0;
    return relation;
}

static const char *record_fault(enum record_kind kind, char *const words[], int count)
{
    for (int i = 0; i < count; i++) {
        char name[32];
        const char *value;
        uint32_t number;

        if (condition_split(words[i], name, sizeof name, &value) == 0)
            return "not a condition FIELD=VALUE, FIELD<=VALUE or FIELD>=VALUE";
        if (!record_value(kind, name, value, &number))
            return "no such field, or not a value of it";
    }
    return NULL;
}

static const char *ledger_fault(char *const words[], int count)
{
    return record_fault(RECORD_LEDGER, words, count);
}

static const char *receipt_fault(char *const words[], int count)
{
    return record_fault(RECORD_RECEIPT, words, count);
}

static bool condition_holds(const struct record *record, const char *word)
{
    char name[32];
    const char *value = NULL;
    char relation = condition_split(word, name, sizeof name, &value);
    uint32_t is = 0, wanted = 0;

    if (relation == 0 || !record_field(record, name, &is) ||
        !record_value(record->kind, name, value, &wanted))
        return false;
    return relation == '=' ? is == wanted : relation == '<' ? is <= wanted : is >= wanted;
}

static int check_record(struct session *session, enum record_kind kind, char *const words[],
                        int count)
{
    struct boot *boot = session_boot(session);
    const struct record *record;
    TEXT_AUTO found = NULL;

    if (boot == NULL)
        return session_fail(session, "no boot yet");
    boot_read_records(session, boot, !session->on || boot->hello);
    record = kind == RECORD_LEDGER ? &boot->ledger : &boot->receipt;
    found = record_text(record);
    for (int i = 0; i < count; i++)
        if (!record->whole || !condition_holds(record, words[i]))
            return session_fail(session, "the %s has not %s: %s", record_kind_string(kind),
                                words[i], found);
    return 0;
}

static int check_ledger(struct session *session, char *const words[], int count)
{
    return check_record(session, kind_named("ledger"), words, count);
}

static int check_receipt(struct session *session, char *const words[], int count)
{
    return check_record(session, kind_named("receipt"), words, count);
}

/* NVRAM */

static int with_nvram(struct session *session, struct nvram *nvram)
{
    int error = nvram_load(nvram, session->vars_path);

    return error < 0 ? session_fail(session, "%s: %s", session->vars_path, strerror(-error)) : 0;
}

static const char *number_fault(char *const words[], int count)
{
    long value;

    return text_number(words[count - 1], 0, 100000, &value) < 0 ? "not a number" : NULL;
}

static const char *writes_fault(char *const words[], int count)
{
    long value;

    (void)count;
    return text_number(words[0], 1, 100000, &value) < 0 ? "not a number of writes, 1 or more"
                                                        : NULL;
}

static int check_variables(struct session *session, char *const words[], int count)
{
    struct nvram nvram;
    long wanted = 0;
    size_t found;

    (void)count;
    text_number(words[0], 0, 100000, &wanted);
    if (with_nvram(session, &nvram) < 0)
        return -EPROTO;
    found = nvram_count(&nvram, guid_backstop, "");
    nvram_free(&nvram);
    return found == (size_t)wanted
               ? 0
               : session_fail(session, "%zu variables of ours are in NVRAM", found);
}

static int check_boot_entries(struct session *session, char *const words[], int count)
{
    struct nvram nvram;
    long wanted = 0;
    size_t found;

    (void)count;
    text_number(words[0], 0, 100000, &wanted);
    if (with_nvram(session, &nvram) < 0)
        return -EPROTO;
    found = nvram_boot_entries(&nvram, "Backstop");
    nvram_free(&nvram);
    return found == (size_t)wanted
               ? 0
               : session_fail(session, "%zu boot entries \"Backstop\" are in NVRAM", found);
}

static int check_boot_first(struct session *session, char *const words[], int count)
{
    struct nvram nvram;
    char description[128] = "";
    bool found;

    (void)count;
    if (with_nvram(session, &nvram) < 0)
        return -EPROTO;
    found = nvram_first_boot_entry(&nvram, description, sizeof description);
    nvram_free(&nvram);
    if (found && strcmp(description, words[0]) == 0)
        return 0;
    return session_fail(session, "first in BootOrder is \"%s\"", description);
}

/* At most so many writes of ours since the last power-on, and at least one, else nothing counted.
 */
static int check_writes(struct session *session, char *const words[], int count)
{
    struct nvram nvram;
    const struct boot *boot = session_boot(session);
    long most = 0, writes;

    (void)count;
    text_number(words[0], 1, 100000, &most);
    if (boot == NULL)
        return session_fail(session, "no boot yet");
    if (with_nvram(session, &nvram) < 0)
        return -EPROTO;
    writes = nvram_writes(&boot->before, &nvram, guid_backstop);
    nvram_free(&nvram);
    if (writes == -EAGAIN)
        return session_fail(session, "the firmware reclaimed its store: writes cannot be counted");
    session_say(session, "rig", "writes of ours to NVRAM in boot %u: %ld", boot->index, writes);
    return writes >= 1 && writes <= most
               ? 0
               : session_fail(session, "%ld writes of ours in boot %u", writes, boot->index);
}

/* files */

static const char *path_fault(char *const words[], int count)
{
    static const char *const kinds[] = {
        "contains=", "lacks=", "links-to=", "same-as=", "delivered="};

    if (words[0][0] != '/')
        return "the path does not begin with /";
    if (count != 2)
        return "too few or too many words";
    if (strcmp(words[1], "exists") == 0 || strcmp(words[1], "absent") == 0)
        return NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const char *value = words[1] + strlen(kinds[i]);

        if (text_starts(words[1], kinds[i]))
            return i < 2 && !pattern_compiles(value) ? "not an extended regular expression" : NULL;
    }
    return "not something to check of a file";
}

struct content {
    char *bytes;
    size_t size;
};

static int judge_content(struct session *session, const char *path, const char *condition,
                         const struct content *content, const struct content *other)
{
    if (content->bytes == NULL)
        return session_fail(session, "%s is not there to read", path);
    if (text_starts(condition, "contains="))
        return pattern_in(condition + strlen("contains="), content->bytes)
                   ? 0
                   : session_fail(session, "%s holds: %.300s", path, content->bytes);
    if (text_starts(condition, "lacks="))
        return pattern_in(condition + strlen("lacks="), content->bytes)
                   ? session_fail(session, "%s holds: %.300s", path, content->bytes)
                   : 0;
    if (other->bytes == NULL)
        return session_fail(session, "nothing to compare %s with", path);
    return content->size == other->size && memcmp(content->bytes, other->bytes, other->size) == 0
               ? 0
               : session_fail(session, "%s (%zu bytes) differs from that (%zu bytes)", path,
                              content->size, other->size);
}

/* What the vendor delivered lies on the host. */
static struct content other_content(const struct session *session, const struct disk *disk,
                                    const char *condition)
{
    struct content other = {NULL, 0};

    if (text_starts(condition, "same-as="))
        other.bytes = disk_read(disk, condition + strlen("same-as="), &other.size);
    if (text_starts(condition, "delivered=")) {
        TEXT_AUTO path = text_format("%s/%s", session->outbox, condition + strlen("delivered="));

        other.bytes = file_read(path, &other.size);
    }
    return other;
}

static int judge_link(struct session *session, const struct disk *disk, const char *path,
                      const char *target)
{
    TEXT_AUTO listing = disk_listing(disk, path);
    TEXT_AUTO end = text_format(" -> %s\n", target);

    return text_ends(listing, end) ? 0 : session_fail(session, "%s is: %s", path, listing);
}

static int judge_presence(struct session *session, const char *path, bool found, bool wanted)
{
    return found == wanted ? 0
                           : session_fail(session, "%s is %s", path, found ? "there" : "not there");
}

static int check_file(struct session *session, char *const words[], int count)
{
    struct disk disk;
    struct content content = {NULL, 0}, other;
    int error = session_disk(session, &disk);

    (void)count;
    if (error < 0)
        return error;
    if (strcmp(words[1], "exists") == 0 || strcmp(words[1], "absent") == 0)
        return judge_presence(session, words[0], disk_kind(&disk, words[0]) != NULL,
                              words[1][0] == 'e');
    if (text_starts(words[1], "links-to="))
        return judge_link(session, &disk, words[0], words[1] + strlen("links-to="));
    content.bytes = disk_read(&disk, words[0], &content.size);
    other = other_content(session, &disk, words[1]);
    error = judge_content(session, words[0], words[1], &content, &other);
    free(content.bytes);
    free(other.bytes);
    return error;
}

static int check_esp(struct session *session, char *const words[], int count)
{
    struct disk disk;
    struct content content = {NULL, 0}, other = {NULL, 0};
    int error = session_disk(session, &disk);

    (void)count;
    if (error < 0)
        return error;
    if (strcmp(words[1], "exists") == 0 || strcmp(words[1], "absent") == 0)
        return judge_presence(session, words[0], esp_has(&disk, words[0]), words[1][0] == 'e');
    content.bytes = esp_read(&disk, words[0], &content.size);
    error = judge_content(session, words[0], words[1], &content, &other);
    free(content.bytes);
    return error;
}

/* snapshots */

static const struct snapshot *snapshot_named(struct session *session, const char *name)
{
    for (size_t i = 0; i < session->snapshot_count; i++)
        if (strcmp(session->snapshots[i].name, name) == 0)
            return &session->snapshots[i];
    session_fail(session, "no snapshot is called %s", name);
    return NULL;
}

/* The first line that stands in one listing and not at its place in the other. */
static int first_difference(struct session *session, const char *before, const char *after)
{
    TEXT_AUTO a_copy = text_copy(before);
    TEXT_AUTO b_copy = text_copy(after);
    char *a_rest = a_copy, *b_rest = b_copy;

    for (;;) {
        char *a = strsep(&a_rest, "\n"), *b = strsep(&b_rest, "\n");

        if (a == NULL && b == NULL)
            return 0;
        if (a == NULL || b == NULL || strcmp(a, b) != 0)
            return session_fail(session, "before: %s; now: %s", a != NULL ? a : "nothing",
                                b != NULL ? b : "nothing");
    }
}

static int check_same(struct session *session, char *const words[], int count)
{
    struct disk disk;
    const struct snapshot *snapshot;
    TEXT_AUTO listing = text_copy("");
    int error = session_disk(session, &disk);

    (void)count;
    if (error < 0)
        return error;
    snapshot = snapshot_named(session, words[0]);
    if (snapshot == NULL)
        return -EPROTO;
    for (size_t i = 0; i < snapshot->path_count; i++) {
        TEXT_AUTO more = disk_listing(&disk, snapshot->paths[i]);

        text_append(&listing, more);
    }
    return first_difference(session, snapshot->listing, listing);
}

/* From a line of a listing: " file ino=... mtime=..." and, behind ctime, the hash. */
static bool identity_in(const char *line, const char *listing)
{
    TEXT_AUTO start = text_copy(line);
    const char *hash = strrchr(line, ' '), *at;
    char *inode = strstr(start, " file ino="),
         *ctime = inode != NULL ? strstr(inode, " ctime=") : NULL;

    if (ctime == NULL || hash == NULL)
        return false;
    *ctime = '\0';
    for (at = strstr(listing, inode); at != NULL; at = strstr(at + 1, inode)) {
        const char *end = strchr(at, '\n');
        size_t length = strlen(hash);

        if (end != NULL && (size_t)(end - at) > length && strncmp(end - length, hash, length) == 0)
            return true;
    }
    return false;
}

/* Every file of the snapshot lies under a directory: same inode, mode, owner, mtime, content. */
static int check_moved(struct session *session, char *const words[], int count)
{
    struct disk disk;
    const struct snapshot *snapshot;
    int error = session_disk(session, &disk);
    TEXT_AUTO listing = NULL;
    TEXT_AUTO lines = NULL;
    char *rest, *line;

    (void)count;
    if (error < 0)
        return error;
    snapshot = snapshot_named(session, words[0]);
    if (snapshot == NULL)
        return -EPROTO;
    listing = disk_listing(&disk, words[1]);
    rest = lines = text_copy(snapshot->listing);
    while ((line = strsep(&rest, "\n")) != NULL)
        if (strstr(line, " file ino=") != NULL && !identity_in(line, listing))
            return session_fail(session, "not under %s: %s; there is: %s", words[1], line, listing);
    return 0;
}

/* The first path that the pattern finds is named. */
static int check_no_path(struct session *session, char *const words[], int count)
{
    struct disk disk;
    int error = session_disk(session, &disk);
    TEXT_AUTO names = NULL;
    char *rest, *name;

    (void)count;
    if (error < 0)
        return error;
    rest = names = disk_names(&disk, "/");
    while ((name = strsep(&rest, "\n")) != NULL)
        if (pattern_in(words[0], name))
            return session_fail(session, "there is %s", name);
    return 0;
}

/* console */

static void append_line(void *context, const char *line)
{
    char **text = context;

    text_append(text, line);
    text_append(text, "\n");
}

static char *console_text(const struct session *session, const struct boot *boot)
{
    TEXT_AUTO path = text_format("%s/%s", session->dir, boot->console);
    struct line_stream stream = {.used = 0};
    size_t size = 0;
    TEXT_AUTO bytes = file_read(path, &size);
    char *text = text_copy("");

    if (bytes != NULL) {
        line_stream_feed(&stream, bytes, size, append_line, &text);
        line_stream_feed(&stream, "\n", 1, append_line, &text);
    }
    return text;
}

static int judge_console(struct session *session, const char *pattern, bool wanted)
{
    const struct boot *boot = session_boot(session);
    TEXT_AUTO text = NULL;

    if (boot == NULL)
        return session_fail(session, "no boot yet");
    text = console_text(session, boot);
    return pattern_in(pattern, text) == wanted
               ? 0
               : session_fail(session, "%s has %s", boot->console,
                              wanted ? "no such line" : "such a line");
}

static int check_console(struct session *session, char *const words[], int count)
{
    (void)count;
    return judge_console(session, words[0], true);
}

static int check_no_console(struct session *session, char *const words[], int count)
{
    (void)count;
    return judge_console(session, words[0], false);
}

static int check_output(struct session *session, char *const words[], int count)
{
    (void)count;
    if (session->run_output == NULL)
        return session_fail(session, "nothing was run");
    return pattern_in(words[0], session->run_output)
               ? 0
               : session_fail(session, "it printed: %s", session->run_output);
}

static const struct check {
    const char *kind;
    int min_words, max_words;
    const char *usage, *help;
    const char *(*fault)(char *const words[], int count);
    int (*perform)(struct session *session, char *const words[], int count);
} checks[] = {
    {"ledger", 1, 16, "FIELD=VALUE...", "the firmware's record, decoded from NVRAM or the ESP",
     ledger_fault, check_ledger},
    {"receipt", 1, 16, "FIELD=VALUE...", "the system's record, decoded from NVRAM or the ESP",
     receipt_fault, check_receipt},
    {"variables", 1, 1, "N", "so many variables of ours are in NVRAM", number_fault,
     check_variables},
    {"boot-entries", 1, 1, "N", "so many boot entries called Backstop are in NVRAM", number_fault,
     check_boot_entries},
    {"boot-first", 1, 1, "DESCRIPTION", "the entry that is first in BootOrder", NULL,
     check_boot_first},
    {"writes", 1, 1, "N", "1 to N NVRAM writes of ours since the last power-on", writes_fault,
     check_writes},
    {"file", 2, 2,
     "PATH exists|absent|contains=REGEX|lacks=REGEX|links-to=TEXT|same-as=PATH|delivered=FILE",
     "a file of the root file system; FILE is in what the vendor delivered", path_fault,
     check_file},
    {"esp", 2, 2, "PATH exists|absent|contains=REGEX|lacks=REGEX", "a file of the ESP", path_fault,
     check_esp},
    {"same", 1, 1, "SNAPSHOT", "all is as in the snapshot: inode, mode, owner, times, content",
     NULL, check_same},
    {"moved", 2, 2, "SNAPSHOT DIR",
     "its files lie under DIR now, with inode, mode, owner, mtime and content", NULL, check_moved},
    {"no-path", 1, 1, "REGEX", "no path on the root file system is like that", pattern_fault,
     check_no_path},
    {"console", 1, 1, "REGEX", "a line of the last boot's console", pattern_fault, check_console},
    {"no-console", 1, 1, "REGEX", "no line of the last boot's console", pattern_fault,
     check_no_console},
    {"output", 1, 1, "REGEX", "a line of what the last command printed", pattern_fault,
     check_output},
};
#define CHECKS (sizeof checks / sizeof checks[0])

static const struct check *check_find(const char *kind)
{
    for (size_t i = 0; i < CHECKS; i++)
        if (strcmp(checks[i].kind, kind) == 0)
            return &checks[i];
    return NULL;
}

const char *check_fault(char *const words[], int count)
{
    const struct check *check = check_find(words[0]);

    if (check == NULL)
        return "no such check";
    if (count - 1 < check->min_words || count - 1 > check->max_words)
        return "too few or too many words for this check";
    return check->fault != NULL ? check->fault(words + 1, count - 1) : NULL;
}

int check_perform(struct session *session, char *const words[], int count)
{
    return check_find(words[0])->perform(session, words + 1, count - 1);
}

bool check_describe(size_t index, const char **kind, const char **usage, const char **help)
{
    if (index >= CHECKS)
        return false;
    *kind = checks[index].kind;
    *usage = checks[index].usage;
    *help = checks[index].help;
    return true;
}
