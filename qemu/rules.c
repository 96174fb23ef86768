/* rules.c - what must hold of two sights. See sight.h. */
#include "chain.h"
#include "due.h"
#include "items.h"
#include "sight.h"

#include <stdlib.h>
#include <string.h>

#define STATE "/var/lib/backstop"
#define STORE STATE "/store/"
#define UNFINISHED "/.records.jsonl.new" /* of records that are being written */
#define CONTENT "/opt/acme-sentry/content/"
#define IDENTITY "/opt/acme-sentry/identity"

/* What the vendor's updater replaces or removes by itself. */
static bool is_vendors(const char *path)
{
    return (text_starts(path, CONTENT "channel-") && text_ends(path, ".dat")) ||
           strcmp(path, CONTENT "current") == 0 || strcmp(path, IDENTITY) == 0 ||
           text_ends(path, "/updates/acme_sentry.ko") ||
           strcmp(path, "/etc/modules-load.d/acme-probe.conf") == 0;
}

/* Nothing is lost: what lay there lies there, or in quarantine, whole. A link that was exchanged is
 * told by the journal; its bytes are its target, which is kept. */
static char *rule_lost(const struct sight *before, const struct sight *after,
                       const struct circumstances *boot)
{
    struct items was = items_of(before->live), is = items_of(after->live);
    struct items kept = items_of(after->quarantine);
    char *fault = NULL;

    for (size_t i = 0; i < was.count && fault == NULL; i++) {
        const struct item *item = &was.items[i], *now = items_at(&is, item->path);

        if (item->is_directory || (now != NULL && strcmp(now->what, item->what) == 0) ||
            items_hold(&kept, item) || (boot->vendor && is_vendors(item->path)))
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
    const char *hash = item_hash(item), *last = strrchr(item->what, ' ');

    if (text_ends(item->path, UNFINISHED))
        return true;
    if (item->is_directory || text_ends(item->path, ".jsonl"))
        return items_at(quarantine, item->path) != NULL;
    if (items_hold(quarantine, item) || items_hold(live, item))
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

/* Not for a rule to judge: the vendor did it, or nobody may touch it at all. */
static bool is_exempt(const char *path, const struct circumstances *boot)
{
    return strcmp(path, IDENTITY) == 0 || (boot->vendor && is_vendors(path));
}

/* What Backstop puts in place is what the good generation has there, byte and attribute. */
static char *rule_whole(const struct sight *before, const struct sight *after,
                        const struct circumstances *boot)
{
    struct items was = items_of(before->live), is = items_of(after->live);
    char *fault = NULL;

    for (size_t i = 0; i < is.count && fault == NULL; i++) {
        const struct item *item = &is.items[i], *old = items_at(&was, item->path);
        const char *line = manifest_line(before->manifest, item->path);

        if (is_exempt(item->path, boot) || (old != NULL && strcmp(old->what, item->what) == 0) ||
            (item->is_directory && line == NULL))
            continue;
        if (line == NULL || !line_matches(line, item))
            fault = text_format("%s (%s) is not what the good generation has there", item->path,
                                item->what);
    }
    items_free(&was);
    items_free(&is);
    return fault;
}

/* Its content can be had. */
static bool is_in_store(const struct items *store, const char *line)
{
    TEXT_AUTO hash = line_hash(line);
    TEXT_AUTO path = hash != NULL ? text_format(STORE "%.2s/%s", hash, hash + 2) : NULL;

    return path != NULL && items_at(store, path) != NULL;
}

static bool can_be_put_back(const struct items *store, const char *line)
{
    return !line_is_directory(line) && !line_is_never(line) && is_in_store(store, line);
}

/* All of it, says the receipt of this very boot. */
static bool says_all_is_back(const struct sight *after, const struct circumstances *boot)
{
    const struct record *ledger = &after->ledger, *receipt = &after->receipt;
    uint32_t all_changes = 0;

    record_value(RECORD_LEDGER, "rung", "all-changes", &all_changes);
    return boot->counted && ledger->whole && receipt->whole &&
           record_number(receipt, "number") == record_number(ledger, "number") &&
           strcmp(record_word(receipt, "applied"), "put-back") == 0 &&
           strcmp(record_word(ledger, "stance"), "recovery") == 0 &&
           record_number(ledger, "rung") >= all_changes;
}

/*
 * Roll back, not off: nothing is taken out of which a good version is kept, and a recovery of all
 * changes that says it is done has put all of them back.
 */
static char *rule_back(const struct sight *before, const struct sight *after,
                       const struct circumstances *boot)
{
    struct items was = items_of(before->live), is = items_of(after->live);
    struct items store = items_of(before->store);
    bool all = says_all_is_back(after, boot);
    const char *line = NULL;
    char *fault = NULL;

    while (fault == NULL && (line = manifest_next(before->manifest, line)) != NULL) {
        TEXT_AUTO path = line_path(line);
        const struct item *old = items_at(&was, path), *now = items_at(&is, path);

        if (!is_live(path) || is_exempt(path, boot) || !can_be_put_back(&store, line))
            continue;
        if (now == NULL && old != NULL)
            fault = text_format("%s was taken out, and a good version is kept", path);
        else if (all && (now == NULL || !line_matches(line, now)))
            fault = text_format("%s is not as it was (%s), and the receipt says put back", path,
                                now != NULL ? now->what : "not there");
    }
    items_free(&was);
    items_free(&is);
    items_free(&store);
    return fault;
}

static char *rule_never_touch(const struct sight *before, const struct sight *after,
                              const struct circumstances *boot)
{
    struct items was = items_of(before->live), is = items_of(after->live);
    const struct item *old = items_at(&was, IDENTITY), *now = items_at(&is, IDENTITY);
    char *fault = NULL;

    if (!boot->vendor && (now == NULL || (old != NULL && strcmp(old->what, now->what) != 0)))
        fault = text_format(IDENTITY " is %s, was %s", now != NULL ? now->what : "gone",
                            old != NULL ? old->what : "not there");
    items_free(&was);
    items_free(&is);
    return fault;
}

/* The good generation has this path, and a file's content there. */
static bool manifest_has(const char *manifest, const struct item *item)
{
    const char *line = manifest_line(manifest, item->path), *hash = item_hash(item);
    TEXT_AUTO kept = line != NULL ? line_hash(line) : NULL;

    return line != NULL && (hash == NULL || (kept != NULL && strcmp(hash, kept) == 0));
}

/* Every file is as the good generation has it. Links are judged by what they lead to. */
static bool nothing_changed(const struct sight *sight)
{
    struct items live = items_of(sight->live);
    bool same = sight->manifest != NULL;

    for (size_t i = 0; i < live.count && same; i++)
        if (item_hash(&live.items[i]) != NULL && strcmp(live.items[i].path, IDENTITY) != 0)
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

/* What update-initramfs works in: it has a copy of our hook there, and leaves all behind where it
 * is cut, whoever began it; systemd-tmpfiles does away with it. */
#define IMAGE_WORK "/var/tmp/mkinitramfs"

/* Nothing of ours is new but in its own place. New files among the vendor's: rule_whole(). */
static char *rule_places(const struct sight *before, const struct sight *after,
                         const struct circumstances *boot)
{
    TEXT_AUTO old = text_format("\n%s", before->names);
    TEXT_AUTO names = text_copy(after->names);
    char *line, *rest = names, *fault = NULL;

    (void)boot;
    while ((line = strsep(&rest, "\n")) != NULL && fault == NULL) {
        TEXT_AUTO whole = text_format("\n%s\n", line);

        if (strstr(line, "ackstop") != NULL && !text_starts(line, STATE "/") &&
            !text_starts(line, "/var/lib/systemd/") && !text_starts(line, IMAGE_WORK) &&
            strstr(old, whole) == NULL)
            fault = text_format("%s is new and not in " STATE, line);
    }
    return fault;
}

static char *contents_missing(const struct items *objects, const char *manifest)
{
    const char *line = NULL;

    while ((line = manifest_next(manifest, line)) != NULL) {
        TEXT_AUTO hash = line_hash(line);

        if (hash != NULL && !is_in_store(objects, line))
            return text_format(STORE "%.2s/%s is not there", hash, hash + 2);
    }
    return NULL;
}

/* Two good generations are kept; what they name is in the store, and every object is what its name
 * says. */
static char *rule_store(const struct sight *before, const struct sight *after,
                        const struct circumstances *boot)
{
    struct items objects = items_of(after->store);
    char *fault = NULL;

    (void)boot;
    if (before->former != NULL && after->former == NULL)
        fault = text_copy("there were two good generations, and now there are not");
    for (size_t i = 0; i < objects.count && fault == NULL; i++) {
        const char *hash = item_hash(&objects.items[i]);
        const char *name = objects.items[i].path + strlen(STORE);

        if (hash != NULL && strlen(objects.items[i].path) > strlen(STORE) + 3 &&
            strlen(name) == 65 && !(strncmp(name, hash, 2) == 0 && strcmp(name + 3, hash + 2) == 0))
            fault = text_format("%s holds %s", objects.items[i].path, hash);
    }
    if (fault == NULL)
        fault = contents_missing(&objects, after->manifest);
    if (fault == NULL)
        fault = contents_missing(&objects, after->former);
    items_free(&objects);
    return fault;
}

/* Number and count of an attempt follow from what lay there at power-on, and from nothing else. */
static char *rule_count(const struct sight *before, const struct sight *after,
                        const struct circumstances *boot)
{
    const struct record *now = &after->ledger;
    struct due due;

    (void)before;
    if (!boot->counted)
        return NULL;
    if (!now->whole)
        return text_copy("the ledger that was stored is not whole");
    due_find(&boot->facts, &due);
    if (record_number(now, "number") == due.number &&
        record_number(now, "failures") == due.failures)
        return NULL;
    return text_format("boot %u is stored with %u failures before it; due are boot %u and %u",
                       record_number(now, "number"), record_number(now, "failures"), due.number,
                       due.failures);
}

/* The first reason of a case that is open stays. */
static char *rule_evidence(const struct sight *before, const struct sight *after,
                           const struct circumstances *boot)
{
    const struct record *old = &before->ledger, *now = &after->ledger;

    (void)boot;
    if (!old->whole || !now->whole || record_number(old, "case") != record_number(now, "case") ||
        record_number(old, "case-open") == 0 || record_number(now, "case-open") == 0 ||
        record_number(old, "first-reason") == record_number(now, "first-reason"))
        return NULL;
    return text_format("the first reason of case %u was %u and is %u", record_number(now, "case"),
                       record_number(old, "first-reason"), record_number(now, "first-reason"));
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
    return ledger->whole && record_number(ledger, "failures") == 0 &&
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
    {"counted", rule_counted},
    {"count", rule_count},
    {"lost", rule_lost},
    {"kept", rule_kept},
    {"never-touch", rule_never_touch},
    {"whole", rule_whole},
    {"back", rule_back},
    {"unchanged", rule_unchanged},
    {"places", rule_places},
    {"store", rule_store},
    {"writes", rule_writes},
    {"journal", rule_journal},
    {"evidence", rule_evidence},
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
