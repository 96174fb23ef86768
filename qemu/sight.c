#include "sight.h"
#include "chain.h"

#include <stdlib.h>
#include <string.h>

#define STATE "/var/lib/backstop"
#define STORE STATE "/store/"
#define UNFINISHED "/.records.jsonl.new" /* of records that are being written */
#define CONTENT "/opt/acme-sentry/content/"
#define IDENTITY "/opt/acme-sentry/identity"

static const char *const live_roots[] = {"/opt/acme-sentry", "/etc/modules-load.d",
                                         "/etc/modprobe.d"};

/* taking */

static char *newest_manifest(const struct disk *disk)
{
    TEXT_AUTO names = disk_names(disk, STATE "/generations");
    char *line, *rest = names, *newest = NULL;

    while ((line = strsep(&rest, "\n")) != NULL)
        if (text_ends(line, ".manifest"))
            newest = line; /* names are sorted, numbers of one width */
    return newest != NULL ? disk_read(disk, newest, NULL) : NULL;
}

/* Drivers lie under the kernel's version. */
static void add_drivers(const struct disk *disk, const char *names, char **live)
{
    TEXT_AUTO copy = text_copy(names);
    char *line, *rest = copy;

    while ((line = strsep(&rest, "\n")) != NULL) {
        if (text_starts(line, "/usr/lib/modules/") && text_ends(line, "/updates")) {
            TEXT_AUTO more = disk_listing(disk, line);

            text_append(live, more);
        }
    }
}

void sight_take(struct sight *sight, const struct disk *disk)
{
    memset(sight, 0, sizeof *sight);
    sight->names = disk_names(disk, "/");
    sight->live = text_copy("");
    for (size_t i = 0; i < sizeof live_roots / sizeof *live_roots; i++) {
        TEXT_AUTO more = disk_listing(disk, live_roots[i]);

        text_append(&sight->live, more);
    }
    add_drivers(disk, sight->names, &sight->live);
    sight->quarantine = disk_listing(disk, STATE "/quarantine");
    sight->store = disk_listing(disk, STATE "/store");
    sight->manifest = newest_manifest(disk);
    sight->journal = disk_read(disk, STATE "/journal.jsonl", &sight->journal_size);
}

void sight_free(struct sight *sight)
{
    free(sight->live);
    free(sight->quarantine);
    free(sight->store);
    free(sight->manifest);
    free(sight->journal);
    free(sight->names);
    memset(sight, 0, sizeof *sight);
}

/* listings */

/* One thing of a listing. */
struct item {
    char *path;
    char *what; /* kind and attributes; without ctime, which a rename moves */
    bool is_directory;
};

struct items {
    struct item *items;
    size_t count;
    char *buffer;
};

static void item_take(struct items *items, char *line)
{
    char *end = strstr(line, " ino="), *ctime;
    struct item *item;

    while (end != NULL && end > line && end[-1] != ' ')
        end--;
    if (end == NULL || end == line)
        return;
    items->items = realloc(items->items, (items->count + 1) * sizeof *items->items);
    if (items->items == NULL)
        abort();
    item = &items->items[items->count++];
    end[-1] = '\0';
    item->path = line;
    item->what = end;
    item->is_directory = text_starts(end, "directory");
    ctime = strstr(end, " ctime=");
    if (ctime != NULL) {
        const char *behind = strchr(ctime + 1, ' ');

        memmove(ctime, behind, strlen(behind) + 1);
    }
}

static struct items items_of(const char *listing)
{
    struct items items = {.buffer = text_copy(listing)};
    char *line, *rest = items.buffer;

    while ((line = strsep(&rest, "\n")) != NULL)
        item_take(&items, line);
    return items;
}

static void items_free(struct items *items)
{
    free(items->items);
    free(items->buffer);
}

static const struct item *at_path(const struct items *items, const char *path)
{
    for (size_t i = 0; i < items->count; i++)
        if (strcmp(items->items[i].path, path) == 0)
            return &items->items[i];
    return NULL;
}

/* The same inode with the same attributes and content, wherever it lies. */
static bool lies_in(const struct items *items, const struct item *item)
{
    for (size_t i = 0; i < items->count; i++)
        if (strcmp(items->items[i].what, item->what) == 0)
            return true;
    return false;
}

/* What the vendor's updater replaces or removes by itself. */
static bool is_vendors(const char *path)
{
    return (text_starts(path, CONTENT "channel-") && text_ends(path, ".dat")) ||
           strcmp(path, CONTENT "current") == 0 || strcmp(path, IDENTITY) == 0 ||
           text_ends(path, "/updates/acme_sentry.ko") ||
           strcmp(path, "/etc/modules-load.d/acme-probe.conf") == 0;
}

/* Hash at the end of a file's line, or NULL. */
static const char *hash_of(const struct item *item)
{
    const char *last = strrchr(item->what, ' ');

    return text_starts(item->what, "file ") && last != NULL && strlen(last + 1) == 64 ? last + 1
                                                                                      : NULL;
}

/* the rules */

/* Nothing is lost: what lay there lies there, or in quarantine, whole. A link that was exchanged is
 * told by the journal; its bytes are its target, which is kept. */
static char *rule_lost(const struct sight *before, const struct sight *after,
                       const struct circumstances *boot)
{
    struct items was = items_of(before->live), is = items_of(after->live);
    struct items kept = items_of(after->quarantine);
    char *fault = NULL;

    for (size_t i = 0; i < was.count && fault == NULL; i++) {
        const struct item *item = &was.items[i], *now = at_path(&is, item->path);

        if (item->is_directory || (now != NULL && strcmp(now->what, item->what) == 0) ||
            lies_in(&kept, item) || (boot->vendor && is_vendors(item->path)))
            continue;
        fault = text_format("%s (%s) is neither in its place nor in quarantine", item->path,
                            item->what);
    }
    items_free(&was);
    items_free(&is);
    items_free(&kept);
    return fault;
}

/*
 * A suspect stays in quarantine, or, having been told good, comes back to its place. Beside them
 * lie their records, which may be written anew; those that a cut left half-written nobody knows of,
 * and they go. A good version made ready lies there for a while: as N.good, or as N until it and
 * the suspect change places.
 */
static bool is_kept(const struct item *item, const struct items *quarantine,
                    const struct items *live, const char *manifest)
{
    const char *hash = hash_of(item), *last = strrchr(item->what, ' ');

    if (text_ends(item->path, UNFINISHED))
        return true;
    if (item->is_directory || text_ends(item->path, ".jsonl"))
        return at_path(quarantine, item->path) != NULL;
    if (lies_in(quarantine, item) || lies_in(live, item))
        return true;
    if (hash == NULL && text_starts(item->what, "link ") && last != NULL)
        hash = last + 1; /* its target */
    return hash != NULL && manifest != NULL && strstr(manifest, hash) != NULL;
}

static char *rule_kept(const struct sight *before, const struct sight *after,
                       const struct circumstances *boot)
{
    struct items was = items_of(before->quarantine), is = items_of(after->quarantine);
    struct items live = items_of(after->live);
    char *fault = NULL;

    (void)boot;
    for (size_t i = 0; i < was.count && fault == NULL; i++)
        if (!is_kept(&was.items[i], &is, &live, before->manifest))
            fault = text_format("%s (%s) is gone from quarantine", was.items[i].path,
                                was.items[i].what);
    items_free(&was);
    items_free(&is);
    items_free(&live);
    return fault;
}

/* What Backstop puts in place is a content that was kept, whole. */
static char *rule_whole(const struct sight *before, const struct sight *after,
                        const struct circumstances *boot)
{
    struct items was = items_of(before->live), is = items_of(after->live);
    char *fault = NULL;

    for (size_t i = 0; i < is.count && fault == NULL; i++) {
        const struct item *item = &is.items[i], *old = at_path(&was, item->path);
        const char *hash = hash_of(item);

        if (hash == NULL || (boot->vendor && is_vendors(item->path)))
            continue;
        if (old != NULL && hash_of(old) != NULL && strcmp(hash_of(old), hash) == 0)
            continue;
        if (before->manifest == NULL || strstr(before->manifest, hash) == NULL)
            fault =
                text_format("%s (%s) is no content of the good generation", item->path, item->what);
    }
    items_free(&was);
    items_free(&is);
    return fault;
}

static char *rule_never_touch(const struct sight *before, const struct sight *after,
                              const struct circumstances *boot)
{
    struct items was = items_of(before->live), is = items_of(after->live);
    const struct item *old = at_path(&was, IDENTITY), *now = at_path(&is, IDENTITY);
    char *fault = NULL;

    if (!boot->vendor && (now == NULL || (old != NULL && strcmp(old->what, now->what) != 0)))
        fault = text_format(IDENTITY " is %s, was %s", now != NULL ? now->what : "gone",
                            old != NULL ? old->what : "not there");
    items_free(&was);
    items_free(&is);
    return fault;
}

/* Manifest paths are escaped; those of the rig's product need none of it. Fields end with TAB. */
static bool manifest_has(const char *manifest, const struct item *item)
{
    TEXT_AUTO end = text_format("\t%s\n", item->path);
    const char *at = strstr(manifest, end), *line = at;
    const char *hash = hash_of(item), *found;

    if (at == NULL)
        return false;
    while (line > manifest && line[-1] != '\n')
        line--;
    found = hash != NULL ? strstr(line, hash) : line;
    return found != NULL && found < at;
}

/* Every file is as the good generation has it. Links are judged by what they lead to. */
static bool nothing_changed(const struct sight *sight)
{
    struct items live = items_of(sight->live);
    bool same = sight->manifest != NULL;

    for (size_t i = 0; i < live.count && same; i++)
        if (hash_of(&live.items[i]) != NULL && strcmp(live.items[i].path, IDENTITY) != 0)
            same = manifest_has(sight->manifest, &live.items[i]);
    items_free(&live);
    return same;
}

static char *rule_unchanged(const struct sight *before, const struct sight *after,
                            const struct circumstances *boot)
{
    if (boot->vendor || !nothing_changed(before) || strcmp(before->live, after->live) == 0)
        return NULL;
    return text_copy("nothing had changed since the good generation, and files were moved");
}

/* Whether a path is new and in a place where nobody but Backstop could have put it. */
static char *rule_places(const struct sight *before, const struct sight *after,
                         const struct circumstances *boot)
{
    struct items was = items_of(before->live), is = items_of(after->live);
    TEXT_AUTO old = text_format("\n%s", before->names);
    TEXT_AUTO names = text_copy(after->names);
    char *line, *rest = names, *fault = NULL;

    for (size_t i = 0; i < is.count && fault == NULL; i++)
        if (at_path(&was, is.items[i].path) == NULL && !is_vendors(is.items[i].path) &&
            (before->manifest == NULL || !manifest_has(before->manifest, &is.items[i])))
            fault = text_format("%s is new in a place of the vendor's", is.items[i].path);
    while ((line = strsep(&rest, "\n")) != NULL && fault == NULL) {
        TEXT_AUTO whole = text_format("\n%s\n", line);

        if (strstr(line, "ackstop") != NULL && !text_starts(line, STATE "/") &&
            !text_starts(line, "/var/lib/systemd/") && strstr(old, whole) == NULL)
            fault = text_format("%s is new and not in " STATE, line);
    }
    (void)boot;
    items_free(&was);
    items_free(&is);
    return fault;
}

#define FIELD_FLAGS 3
#define FIELD_HASH 13

/* Field `number` (from 1) of a manifest's line, its length in *length. NULL if there are not so
 * many. */
static const char *manifest_field(const char *line, unsigned number, size_t *length)
{
    while (--number > 0) {
        line += strcspn(line, "\t\n");
        if (*line != '\t')
            return NULL;
        line++;
    }
    *length = strcspn(line, "\t\n");
    return line;
}

/* A manifest's file whose content is to be in the store is not. */
static char *content_missing(const struct items *objects, const char *line)
{
    size_t flags_length = 0, length = 0;
    const char *flags = manifest_field(line, FIELD_FLAGS, &flags_length);
    const char *hash = manifest_field(line, FIELD_HASH, &length);
    TEXT_AUTO path = NULL;

    if (line[0] != 'f' || hash == NULL || length != 64 || flags_length != 1 || flags[0] != 'h')
        return NULL;
    path = text_format(STORE "%.2s/%.62s", hash, hash + 2);
    return at_path(objects, path) == NULL ? text_format("%s is not there", path) : NULL;
}

static char *contents_missing(const struct items *objects, const char *manifest)
{
    char *fault = NULL;

    while (manifest != NULL && fault == NULL && *manifest != '\0') {
        fault = content_missing(objects, manifest);
        manifest = strchr(manifest, '\n');
        manifest = manifest != NULL ? manifest + 1 : NULL;
    }
    return fault;
}

/* What the newest good generation names is in the store, and every object is what its name says. */
static char *rule_store(const struct sight *before, const struct sight *after,
                        const struct circumstances *boot)
{
    struct items objects = items_of(after->store);
    char *fault = NULL;

    (void)before, (void)boot;
    for (size_t i = 0; i < objects.count && fault == NULL; i++) {
        const char *hash = hash_of(&objects.items[i]);
        const char *name = objects.items[i].path + strlen(STORE);

        if (hash != NULL && strlen(objects.items[i].path) > strlen(STORE) + 3 &&
            strlen(name) == 65 && !(strncmp(name, hash, 2) == 0 && strcmp(name + 3, hash + 2) == 0))
            fault = text_format("%s holds %s", objects.items[i].path, hash);
    }
    if (fault == NULL)
        fault = contents_missing(&objects, after->manifest);
    items_free(&objects);
    return fault;
}

static uint32_t field(const struct record *record, const char *name)
{
    uint32_t value = 0;

    record_field(record, name, &value);
    return value;
}

/* The count goes down by a good receipt of the boot that the ledger names, and by nothing else. */
static char *rule_count(const struct sight *before, const struct sight *after,
                        const struct circumstances *boot)
{
    const struct record *old = &before->ledger, *now = &after->ledger;
    bool answered;

    if (!boot->counted || boot->flash_touched || !old->whole || !now->whole)
        return NULL;
    if (field(now, "number") != field(old, "number") + 1)
        return text_format("boot %u is stored behind boot %u", field(now, "number"),
                           field(old, "number"));
    answered = before->receipt.whole && field(&before->receipt, "number") == field(old, "number") &&
               strcmp(record_word(&before->receipt, "outcome"), "good") == 0;
    if (field(now, "failures") >= field(old, "failures") || answered)
        return NULL;
    return text_format("the count fell from %u to %u without a good receipt",
                       field(old, "failures"), field(now, "failures"));
}

static char *rule_counted(const struct sight *before, const struct sight *after,
                          const struct circumstances *boot)
{
    (void)before, (void)after;
    return boot->linux_started && !boot->counted
               ? text_copy("a kernel was started and no attempt was stored")
               : NULL;
}

static bool is_calm(const struct record *ledger)
{
    return ledger->whole && field(ledger, "failures") == 0 &&
           strcmp(record_word(ledger, "stance"), "normal") == 0;
}

static char *rule_writes(const struct sight *before, const struct sight *after,
                         const struct circumstances *boot)
{
    if (!boot->normal || boot->disturbed || boot->flash_touched || !is_calm(&before->ledger) ||
        !is_calm(&after->ledger) || boot->writes <= 2)
        return NULL;
    return text_format("%ld writes of ours to NVRAM in a healthy boot", boot->writes);
}

static char *rule_journal(const struct sight *before, const struct sight *after,
                          const struct circumstances *boot)
{
    (void)boot;
    if (after->journal == NULL)
        return before->journal != NULL ? text_copy("the journal is gone") : NULL;
    if (before->journal != NULL &&
        (after->journal_size < before->journal_size ||
         memcmp(after->journal, before->journal, before->journal_size) != 0))
        return text_copy("the journal was rewritten");
    return chain_fault(after->journal, after->journal_size);
}

static const struct {
    const char *name;
    char *(*judge)(const struct sight *before, const struct sight *after,
                   const struct circumstances *boot);
} rules[] = {
    {"counted", rule_counted},     {"count", rule_count},     {"lost", rule_lost},
    {"kept", rule_kept},           {"whole", rule_whole},     {"never-touch", rule_never_touch},
    {"unchanged", rule_unchanged}, {"places", rule_places},   {"store", rule_store},
    {"writes", rule_writes},       {"journal", rule_journal},
};

char *sight_judge(const struct sight *before, const struct sight *after,
                  const struct circumstances *boot)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        TEXT_AUTO fault = rules[i].judge(before, after, boot);

        if (fault != NULL)
            return text_format("%s: %s", rules[i].name, fault);
    }
    return NULL;
}
