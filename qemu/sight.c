/* sight.c - see sight.h; what must hold of sights is in rules.c */
#include "sight.h"

#include <stdlib.h>
#include <string.h>

#define STATE "/var/lib/backstop"

static const char *const live_roots[] = {"/opt/acme-sentry", "/etc/modules-load.d",
                                         "/etc/modprobe.d"};

/* The two newest good generations. */
static void take_manifests(struct sight *sight, const struct disk *disk)
{
    TEXT_AUTO names = disk_names(disk, STATE "/generations");
    char *line, *rest = names, *newest = NULL, *former = NULL;

    while ((line = strsep(&rest, "\n")) != NULL)
        if (text_ends(line, ".manifest")) {
            former = newest;
            newest = line; /* names are sorted, numbers of one width */
        }
    sight->manifest = newest != NULL ? disk_read(disk, newest, NULL) : NULL;
    sight->former = former != NULL ? disk_read(disk, former, NULL) : NULL;
}

#define MODULES "/usr/lib/modules/"
#define UPDATES "/updates"

bool is_live(const char *path)
{
    for (size_t i = 0; i < sizeof live_roots / sizeof *live_roots; i++)
        if (text_starts(path, live_roots[i]))
            return true;
    return text_starts(path, MODULES) && strstr(path, UPDATES) != NULL;
}

/* Drivers lie under the kernel's version. */
static void add_drivers(const struct disk *disk, const char *names, char **live)
{
    TEXT_AUTO copy = text_copy(names);
    char *line, *rest = copy;

    while ((line = strsep(&rest, "\n")) != NULL) {
        if (text_starts(line, MODULES) && text_ends(line, UPDATES)) {
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
    take_manifests(sight, disk);
    sight->journal = disk_read(disk, STATE "/journal.jsonl", &sight->journal_size);
}

void sight_free(struct sight *sight)
{
    free(sight->live);
    free(sight->quarantine);
    free(sight->store);
    free(sight->manifest);
    free(sight->former);
    free(sight->journal);
    free(sight->names);
    memset(sight, 0, sizeof *sight);
}
