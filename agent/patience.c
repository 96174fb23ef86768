/* patience.c - see patience.h */
#include "patience.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN_SECONDS 10u
#define SECOND UINT64_C(1000000)

#define SHOW_UNITS                                                                                 \
    "systemctl show --property=Id,ActiveState,ActiveEnterTimestampMonotonic,UnitFileState "        \
    "'systemd-cryptsetup@*.service' 'systemd-fsck@*.service' systemd-fsck-root.service "           \
    "backstop-confirm.service 2>/dev/null"

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

struct unit {
    bool check, prompt, proof, starting, active, off;
    uint64_t entered;
};

/* A check that is over stays "active"; the confirmation is that while it runs. */
static void note_unit(const struct unit *unit, struct waiting *waiting)
{
    waiting->check |= unit->check && unit->starting;
    waiting->proof |= unit->proof && (unit->starting || unit->active);
    waiting->hopeless |= unit->proof && unit->off;
    if ((unit->check || unit->prompt) && unit->entered > waiting->ended)
        waiting->ended = unit->entered;
}

static void note_line(const char *line, struct unit *unit)
{
    if (begins(line, "Id=")) {
        unit->check = begins(line + 3, "systemd-fsck");
        unit->prompt = begins(line + 3, "systemd-cryptsetup@");
        unit->proof = begins(line + 3, "backstop-confirm.service");
    } else if (begins(line, "ActiveState=")) {
        unit->starting = begins(line + 12, "activating");
        unit->active = begins(line + 12, "active\n") || strcmp(line + 12, "active") == 0;
    } else if (begins(line, "UnitFileState=")) {
        unit->off = begins(line + 14, "disabled") || begins(line + 14, "masked");
    } else if (begins(line, "ActiveEnterTimestampMonotonic=")) {
        unit->entered = strtoull(line + 30, NULL, 10);
    }
}

void patience_parse_units(const char *text, struct waiting *waiting)
{
    struct unit unit = {0};

    while (*text) {
        size_t length = strcspn(text, "\n");

        if (length == 0) {
            note_unit(&unit, waiting);
            unit = (struct unit){0};
        }
        note_line(text, &unit);
        text += length + (text[length] == '\n');
    }
    note_unit(&unit, waiting);
}

static void ask_systemd(struct waiting *waiting)
{
    char text[65536];
    FILE *said = popen(SHOW_UNITS, "re");
    size_t size;

    if (!said)
        return;
    size = fread(text, 1, sizeof text - 1, said);
    text[size] = '\0';
    pclose(said);
    patience_parse_units(text, waiting);
}

static bool is_asked(const char *directory)
{
    DIR *dir = opendir(directory);
    struct dirent *item;
    bool found = false;

    while (dir && !found && (item = readdir(dir)))
        found = begins(item->d_name, "ask.");
    if (dir)
        closedir(dir);
    return found;
}

/* What stands there until the password has been given, and while nobody is there. */
static bool is_gatekeeper(const char *name)
{
    static const char *const names[] = {"sulogin", "systemd-sulogin", "plymouth"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (begins(name, names[i]))
            return true;
    return false;
}

static bool is_person(const char *proc, unsigned pid)
{
    char path[512], name[32] = "";
    FILE *file;
    bool read;

    snprintf(path, sizeof path, "%s/%u/comm", proc, pid);
    file = fopen(path, "re");
    if (!file)
        return false;
    read = fgets(name, sizeof name, file) != NULL;
    fclose(file);
    return read && !is_gatekeeper(name);
}

static bool person_in(const struct patience_places *places, const char *unit)
{
    char path[512];
    unsigned pid;
    bool found = false;
    FILE *file;

    snprintf(path, sizeof path, "%s/%s/cgroup.procs", places->cgroup, unit);
    file = fopen(path, "re");
    while (file && !found && fscanf(file, "%u", &pid) == 1)
        found = is_person(places->proc, pid);
    if (file)
        fclose(file);
    return found;
}

void patience_probe(const struct patience_places *places, struct waiting *waiting)
{
    *waiting = (struct waiting){
        .prompt = is_asked(places->asked),
        .person = person_in(places, "emergency.service") || person_in(places, "rescue.service"),
    };
    ask_systemd(waiting);
}

unsigned patience_seconds(const struct waiting *waiting, uint64_t now, unsigned waited,
                          unsigned deadline)
{
    uint64_t due = waiting->ended + deadline * SECOND;

    if (waiting->prompt || waiting->person || waiting->proof ||
        (waiting->check && waited < CHECK_LIMIT_SECONDS))
        return LOOK_AGAIN_SECONDS;
    if (waiting->check || waiting->ended == 0 || now >= due)
        return 0;
    return due - now < LOOK_AGAIN_SECONDS * SECOND ? (unsigned)((due - now) / SECOND) + 1
                                                   : LOOK_AGAIN_SECONDS;
}
