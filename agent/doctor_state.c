/*
 * doctor_state.c - state directory, generations, sets, journal.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "good.h"
#include "journal.h"
#include "leftout.h"
#include "sets.h"

static void check_directory(const struct doctor *doctor, struct findings *findings)
{
    struct stat root, state;

    if (doctor->place->state_fd < 0) {
        finding_add(findings, "state", FINDING_FAULT, "backstop install",
                    STATE_DIR " is not there: nothing is kept to recover with");
        return;
    }
    if (fstat(doctor->place->state_fd, &state) < 0 ||
        fstatat(doctor->place->root_fd, "", &root, AT_EMPTY_PATH) < 0)
        return;
    if (root.st_dev != state.st_dev)
        finding_add(findings, "state", FINDING_FAULT,
                    "move " STATE_DIR " to the root file system (umount, cp -a, edit /etc/fstab)",
                    STATE_DIR " is not on the root file system: it is not there when the initramfs "
                              "recovers");
    else
        finding_add(findings, "state", FINDING_OK, NULL, STATE_DIR " is on the root file system");
}

static void check_generations(const struct doctor *doctor, struct findings *findings)
{
    struct inventory good = {0};
    uint32_t *numbers = NULL;
    size_t count = 0;
    int error;

    if (doctor->place->state_fd < 0)
        return;
    error = good_list(doctor->place, &numbers, &count);
    if (error || count == 0) {
        finding_add(findings, "generation", FINDING_WARNING, "backstop good take --now",
                    "no good generation yet: there is nothing to go back to until a boot has been "
                    "confirmed");
    } else if (good_load_newest(doctor->place, &good, NULL) < 0) {
        finding_add(findings, "generation", FINDING_FAULT, "backstop good take --now",
                    "none of the %zu good generations can be read", count);
    } else {
        if (good.generation == numbers[0])
            finding_add(findings, "generation", FINDING_OK, NULL,
                        "good generation %u, %zu entries; %zu kept", good.generation, good.count,
                        count);
        else
            finding_add(findings, "generation", FINDING_WARNING, "backstop good list",
                        "generation %u is damaged; %u is used in its place", numbers[0],
                        good.generation);
        inventory_free(&good);
    }
    free(numbers);
}

static void check_command_line(const struct doctor *doctor, struct findings *findings)
{
    if (doctor->running && cmdline_leaves_out(doctor->place, NULL))
        finding_add(findings, "command-line", FINDING_WARNING,
                    "start without it, or have it at every start; else backstop good take --now",
                    "the kernel command line keeps something from starting (man backstop, good): "
                    "this boot makes no good generation");
}

/* The part of a glob before its first wildcard's name: a directory or file that may exist. */
static void fixed_part(const char *glob, char *out, size_t size)
{
    size_t length = strcspn(glob, "*?[");

    snprintf(out, size, "%.*s", (int)length, glob);
    if (glob[length]) {
        char *slash = strrchr(out, '/');

        if (slash)
            slash[slash == out] = '\0';
    }
}

static void check_file_systems(const struct doctor *doctor, const struct set *set,
                               struct findings *findings)
{
    struct stat root, st;

    if (fstatat(doctor->place->root_fd, "", &root, AT_EMPTY_PATH) < 0)
        return;
    for (size_t i = 0; i < set->paths.count; i++) {
        char path[4096];
        int fd;

        fixed_part(set->paths.items[i], path, sizeof path);
        fd = place_openat(doctor->place, path, O_PATH, 0, true);
        if (fd < 0)
            continue;
        if (fstat(fd, &st) == 0 && st.st_dev != root.st_dev)
            finding_add(findings, "file-systems", FINDING_WARNING, NULL,
                        "set %s: %s is on another file system than the root; its files are put "
                        "back only where the initramfs has that mounted",
                        set->name, path);
        close(fd);
    }
}

static bool is_in_a_set(const struct sets *sets, const char *path)
{
    for (size_t i = 0; i < sets->count; i++)
        for (size_t k = 0; sets->items[i].present && k < sets->items[i].paths.count; k++)
            if (glob_matches(sets->items[i].paths.items[k], path))
                return true;
    return false;
}

/* `path` without its last name; false where that was a name in the root. */
static bool cut_last_name(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash || slash == path)
        return false;
    *slash = '\0';
    return true;
}

/* Where it leads, or false: not a link. */
static bool is_link(const struct doctor *doctor, const char *path, char *target, size_t size)
{
    char parent[4096];
    const char *name = strrchr(path, '/') + 1;
    ssize_t length;
    int fd;

    snprintf(parent, sizeof parent, "%.*s", (int)(name - path), path);
    fd = place_openat(doctor->place, parent, O_PATH | O_DIRECTORY, 0, true);
    length = fd < 0 ? -1 : readlinkat(fd, name, target, size - 1);
    if (fd >= 0)
        close(fd);
    if (length > 0)
        target[length] = '\0';
    return length > 0;
}

/*
 * What a set is reached through is followed, not kept: an updater that turns the link is seen as
 * one whose files are all new, and the link itself is not turned back. Links in the root (/lib to
 * /usr/lib) are the distribution's, and no updater turns them.
 */
static void check_links(const struct doctor *doctor, const struct sets *sets, const struct set *set,
                        struct findings *findings)
{
    for (size_t i = 0; i < set->paths.count; i++) {
        char path[4096], target[256], mend[240];

        fixed_part(set->paths.items[i], path, sizeof path);
        for (bool deeper = strrchr(path, '/') != path; deeper;
             deeper = cut_last_name(path) && strrchr(path, '/') != path) {
            if (!is_link(doctor, path, target, sizeof target) || is_in_a_set(sets, path))
                continue;
            snprintf(mend, sizeof mend,
                     "in %.80s name what the link may lead to, and path=%.80s for the link itself",
                     set->file, path);
            finding_add(findings, "set-links", FINDING_WARNING, mend,
                        "set %s is reached through the link %s (to %s), which is in no set: should "
                        "an update turn it, it is not turned back",
                        set->name, path, target);
        }
    }
}

static void check_sets(const struct doctor *doctor, struct findings *findings)
{
    struct sets sets = {0};
    size_t present = 0;
    int error = sets_load(doctor->place, &sets, NULL);

    if (error) {
        finding_add(findings, "sets", FINDING_FAULT, "backstop sets", "the sets cannot be read: %s",
                    strerror(-error));
        return;
    }
    for (size_t i = 0; i < sets.count; i++) {
        present += sets.items[i].present;
        if (!sets.items[i].present)
            continue;
        check_file_systems(doctor, &sets.items[i], findings);
        check_links(doctor, &sets, &sets.items[i], findings);
    }
    if (sets.bad_files)
        finding_add(findings, "sets", FINDING_FAULT, "backstop sets",
                    "%zu set file%s cannot be used: what they describe is not recovered",
                    sets.bad_files, sets.bad_files == 1 ? "" : "s");
    else if (present == 0)
        finding_add(findings, "sets", FINDING_WARNING, "backstop sets",
                    "no set is on this machine: nothing would ever be put back");
    else
        finding_add(findings, "sets", FINDING_OK, NULL, "%zu of %zu sets are on this machine",
                    present, sets.count);
    sets_free(&sets);
}

static void check_journal(const struct doctor *doctor, struct findings *findings)
{
    struct journal journal = {0};

    if (doctor->place->state_fd < 0 || journal_read(doctor->place, &journal, NULL) < 0)
        return;
    if (journal.broken_line)
        finding_add(findings, "journal", FINDING_WARNING, NULL,
                    STATE_DIR "/" JOURNAL_NAME ": the chain does not hold at line %zu: it was "
                              "changed or damaged there",
                    journal.broken_line);
    else
        finding_add(findings, "journal", FINDING_OK, NULL, "the journal is whole, %zu records",
                    journal.count);
    journal_free(&journal);
}

void doctor_check_state(const struct doctor *doctor, struct findings *findings)
{
    check_directory(doctor, findings);
    check_generations(doctor, findings);
    check_command_line(doctor, findings);
    check_sets(doctor, findings);
    check_journal(doctor, findings);
}
