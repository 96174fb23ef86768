/*
 * doctor_target.c - whether the target that boots lead to pulls in what confirms a boot. Told from
 * unit files, so that it can be told of a disk as well.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "io.h"

#define CONFIRM "backstop-confirm.service"
#define UNITS_MAX 128 /* targets looked at; a chain longer than that is left untold */
#define NAME_SIZE 256
#define UNIT_FILE_MAX (1u << 20)

static const char *const unit_dirs[] = {"/etc/systemd/system", "/usr/local/lib/systemd/system",
                                        "/usr/lib/systemd/system", "/lib/systemd/system"};
#define UNIT_DIRS (sizeof unit_dirs / sizeof *unit_dirs)

struct search {
    const struct place *place;
    char names[UNITS_MAX][NAME_SIZE]; /* targets, in the order in which they came up */
    size_t count;
    bool confirms, cut_short;
};

static void come_by(struct search *search, const char *name, size_t size)
{
    static const char target[] = ".target";

    if (size == sizeof CONFIRM - 1 && memcmp(name, CONFIRM, size) == 0)
        search->confirms = true;
    if (size >= NAME_SIZE || size < sizeof target ||
        memcmp(name + size - (sizeof target - 1), target, sizeof target - 1) != 0)
        return;
    for (size_t i = 0; i < search->count; i++)
        if (strlen(search->names[i]) == size && memcmp(search->names[i], name, size) == 0)
            return;
    if (search->count == UNITS_MAX) {
        search->cut_short = true;
        return;
    }
    memcpy(search->names[search->count], name, size);
    search->names[search->count++][size] = '\0';
}

/* "Wants=a.service b.target" and the like; anything else is passed over. */
static void read_line(struct search *search, const char *line, size_t size)
{
    static const char *const pulls[] = {
        "Wants=", "Requires=", "BindsTo=", "Requisite=", "Upholds="};
    const char *end = line + size;

    for (size_t i = 0; i < sizeof pulls / sizeof *pulls; i++) {
        size_t length = strlen(pulls[i]);

        if (size < length || memcmp(line, pulls[i], length) != 0)
            continue;
        for (const char *at = line + length; at < end;) {
            const char *word = at;

            while (at < end && *at != ' ' && *at != '\t')
                at++;
            come_by(search, word, (size_t)(at - word));
            at++;
        }
    }
}

static void read_unit(struct search *search, int dir_fd, const char *name)
{
    char *text;
    size_t size;

    if (io_read_all(dir_fd, name, UNIT_FILE_MAX, &text, &size) < 0)
        return;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at;

        read_line(search, text + at, length);
        at += length + 1;
    }
    free(text);
}

static DIR *open_listing(const struct place *place, const char *path)
{
    int fd = place_openat(place, path, O_RDONLY | O_DIRECTORY, 0, true);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

/* The names in NAME.wants and NAME.requires, and what the drop-ins in NAME.d say. */
static void read_beside(struct search *search, const char *base, const char *name,
                        const char *suffix)
{
    char path[512];
    struct dirent *item;
    DIR *dir;

    snprintf(path, sizeof path, "%s/%s%s", base, name, suffix);
    dir = open_listing(search->place, path);
    while (dir && (item = readdir(dir)))
        if (strcmp(suffix, ".d") == 0)
            read_unit(search, dirfd(dir), item->d_name);
        else
            come_by(search, item->d_name, strlen(item->d_name));
    if (dir)
        closedir(dir);
}

/* The unit's file, first of those of that name; a link is another name of what it leads to. True if
 * it is there. */
static bool read_own_file(struct search *search, const char *name)
{
    for (size_t i = 0; i < UNIT_DIRS; i++) {
        int fd = place_openat(search->place, unit_dirs[i], O_RDONLY | O_DIRECTORY, 0, true);
        char target[NAME_SIZE];
        ssize_t length;

        if (fd < 0)
            continue;
        length = readlinkat(fd, name, target, sizeof target - 1);
        if (length > 0) {
            const char *last;

            target[length] = '\0';
            last = strrchr(target, '/');
            last = last ? last + 1 : target;
            come_by(search, last, strlen(last));
        }
        if (length > 0 || faccessat(fd, name, F_OK, 0) == 0) {
            read_unit(search, fd, name);
            close(fd);
            return true;
        }
        close(fd);
    }
    return false;
}

/* The file first: the first name of all is what default.target is a link to. */
static bool look_at(struct search *search, const char *name)
{
    bool there = read_own_file(search, name);

    for (size_t i = 0; i < UNIT_DIRS; i++) {
        read_beside(search, unit_dirs[i], name, ".wants");
        read_beside(search, unit_dirs[i], name, ".requires");
        read_beside(search, unit_dirs[i], name, ".d");
    }
    return there;
}

static void report(const struct search *search, const char *name, struct findings *findings)
{
    char mend[240];

    if (search->confirms) {
        finding_add(findings, "default-target", FINDING_OK, NULL, "%s pulls in " CONFIRM, name);
    } else if (!search->cut_short) {
        snprintf(mend, sizeof mend, "systemctl add-wants %.180s " CONFIRM, name);
        finding_add(findings, "default-target", FINDING_FAULT, mend,
                    "%s, which boots lead to, does not pull in " CONFIRM
                    " (by way of multi-user.target or itself): no boot is ever confirmed, and good "
                    "ones count as failed",
                    name);
    }
}

void doctor_check_target(const struct doctor *doctor, struct findings *findings)
{
    struct search *search = calloc(1, sizeof *search);

    if (!search)
        return;
    search->place = doctor->place;
    if (look_at(search, "default.target")) {
        for (size_t i = 0; i < search->count && !search->confirms; i++)
            look_at(search, search->names[i]);
        report(search, search->count ? search->names[0] : "default.target", findings);
    }
    free(search);
}
