/* patience.c - see patience.h */
#include "patience.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limited.h"

#define LOOK_AGAIN_SECONDS 10u
#define SECOND UINT64_C(1000000)

#define SHOW_UNITS                                                                                 \
    "systemctl show --property=Id,Names,LoadState,ActiveState,ActiveEnterTimestampMonotonic,"      \
    "InactiveExitTimestampMonotonic,StateChangeTimestampMonotonic,UnitFileState,Job "              \
    "'systemd-cryptsetup@*.service' 'systemd-fsck@*.service' systemd-fsck-root.service "           \
    "backstop-rebuild.service backstop-confirm.service backstop-health.service "                   \
    "boot-complete.target sysinit.target system-update.target selinux-autorelabel.target "         \
    "default.target 2>/dev/null"

/* All of the list or nothing: half of one would lack what is wanted. */
#define LIST_WANTED                                                                                \
    "list=$(systemctl list-dependencies --plain --no-pager default.target 2>/dev/null) && "        \
    "printf '%s\\n' \"$list\" | grep -e '\\.target' -e 'backstop-confirm\\.service'"

#define ASK_INHIBITED                                                                              \
    "busctl --timeout=5 get-property org.freedesktop.login1 /org/freedesktop/login1 "              \
    "org.freedesktop.login1.Manager BlockInhibited 2>/dev/null"

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

enum kind {
    KIND_OTHER = 0,
    KIND_CHECK,
    KIND_PROMPT,
    KIND_REBUILD,
    KIND_PROOF,
    KIND_GATE,
    KIND_UP,
    KIND_ERRAND
};

static const struct {
    const char *name;
    enum kind kind;
} kinds[] = {
    {"systemd-fsck", KIND_CHECK},
    {"systemd-cryptsetup@", KIND_PROMPT},
    {"backstop-rebuild.service", KIND_REBUILD},
    {"backstop-confirm.service", KIND_PROOF},
    /* the confirmation requires them */
    {"backstop-health.service", KIND_GATE},
    {"boot-complete.target", KIND_GATE},
    {"sysinit.target", KIND_UP},
    /* systemd.offline-updates(7), and what relabels every file: default.target for one boot */
    {"system-update.target", KIND_ERRAND},
    {"selinux-autorelabel.target", KIND_ERRAND},
};

struct unit {
    enum kind kind;
    bool by_default; /* it is what default.target is another name of */
    bool loaded, masked, disabled, starting, active, job;
    uint64_t begun, entered, changed; /* us, monotonic; 0: never */
};

static enum kind kind_of(const char *id)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (begins(id, kinds[i].name))
            return kinds[i].kind;
    return KIND_OTHER;
}

/* A check that is over stays "active"; the confirmation is that while it runs. */
static void note_kind(const struct unit *unit, struct waiting *waiting)
{
    switch (unit->kind) {
    case KIND_CHECK:
        waiting->check |= unit->starting;
        break;
    case KIND_REBUILD:
        waiting->rebuild |= unit->starting;
        break;
    case KIND_PROOF:
        waiting->proof |= unit->starting || unit->active;
        waiting->disabled |= unit->disabled;
        waiting->off |= unit->masked;
        break;
    case KIND_GATE:
        waiting->off |= unit->masked;
        break;
    case KIND_UP:
        waiting->up |= unit->active;
        break;
    case KIND_ERRAND: /* a target that was chosen waits with a job for what it wants */
        waiting->errand |= unit->starting || unit->active || unit->job;
        break;
    case KIND_PROMPT:
    case KIND_OTHER:
        break;
    }
}

/* When what was waited for came to its end; 0: it did not, or there was none. An image that could
 * not be made keeps no boot from being good. */
static uint64_t end_of(const struct unit *unit)
{
    if (unit->kind == KIND_CHECK || unit->kind == KIND_PROMPT)
        return unit->entered;
    return unit->kind == KIND_REBUILD && !unit->starting ? unit->changed : 0;
}

static void note_unit(const struct unit *unit, struct waiting *waiting)
{
    note_kind(unit, waiting);
    waiting->goal |= unit->by_default && unit->loaded;
    if (end_of(unit) > waiting->ended)
        waiting->ended = end_of(unit);
    if (unit->kind == KIND_REBUILD || unit->kind == KIND_PROOF)
        waiting->begun = unit->begun > waiting->begun ? unit->begun : waiting->begun;
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = words; *at && *at != '\n'; at += strcspn(at, " \n")) {
        at += *at == ' ';
        if (begins(at, word) && strchr(" \n", at[length]))
            return true;
    }
    return false;
}

static void note_line(const char *line, struct unit *unit)
{
    if (begins(line, "Id=")) {
        unit->kind = kind_of(line + 3);
    } else if (begins(line, "Names=")) {
        unit->by_default = has_word(line + 6, "default.target");
    } else if (begins(line, "LoadState=")) {
        unit->loaded = begins(line + 10, "loaded");
        unit->masked |= begins(line + 10, "masked");
    } else if (begins(line, "ActiveState=")) {
        unit->starting = begins(line + 12, "activating");
        unit->active = begins(line + 12, "active\n") || strcmp(line + 12, "active") == 0;
    } else if (begins(line, "UnitFileState=")) {
        unit->disabled = begins(line + 14, "disabled");
        unit->masked |= begins(line + 14, "masked");
    } else if (begins(line, "Job=")) {
        unit->job = strtoul(line + 4, NULL, 10) != 0;
    } else if (begins(line, "ActiveEnterTimestampMonotonic=")) {
        unit->entered = strtoull(line + 30, NULL, 10);
    } else if (begins(line, "InactiveExitTimestampMonotonic=")) {
        unit->begun = strtoull(line + 31, NULL, 10);
    } else if (begins(line, "StateChangeTimestampMonotonic=")) {
        unit->changed = strtoull(line + 30, NULL, 10);
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

void patience_parse_wanted(const char *text, struct waiting *waiting)
{
    waiting->unwanted = strstr(text, ".target") && !strstr(text, "backstop-confirm.service");
}

void patience_parse_inhibited(const char *text, struct waiting *waiting)
{
    waiting->busy = begins(text, "s \"") && strstr(text, "shutdown");
}

/* False: no answer came in time. One that says nothing is an answer. */
static bool ask_systemd(const char *command, unsigned limit,
                        void (*parse)(const char *text, struct waiting *), struct waiting *waiting)
{
    char text[65536];

    if (limited_read(command, limit, text, sizeof text) < 0)
        return false;
    parse(text, waiting);
    return true;
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
    unsigned unanswered = waiting->unanswered, limit = places->answer_seconds;
    bool answered;

    *waiting = (struct waiting){
        .prompt = is_asked(places->asked),
        .person = person_in(places, "emergency.service") || person_in(places, "rescue.service"),
    };
    answered = ask_systemd(SHOW_UNITS, limit, patience_parse_units, waiting);
    answered &= ask_systemd(LIST_WANTED, limit, patience_parse_wanted, waiting);
    answered &= ask_systemd(ASK_INHIBITED, limit, patience_parse_inhibited, waiting);
    waiting->unanswered = answered ? 0 : unanswered + 1;
}

const char *patience_hopeless(const struct waiting *waiting)
{
    if (waiting->off || (waiting->disabled && waiting->unwanted))
        return "backstop-confirm.service, or what it requires (boot-complete.target, "
               "backstop-health.service), is switched off, so no boot can prove good: "
               "`backstop doctor`";
    if (waiting->up && waiting->errand)
        return "it is an offline update or a relabelling of all files, which nothing may end "
               "half-way";
    if (waiting->up && waiting->goal && waiting->unwanted)
        return "it leads to a target that does not pull in backstop-confirm.service, so it cannot "
               "prove good: `backstop doctor`";
    return NULL;
}

/* One that is activating since nobody knows when began before the deadline was first looked at. */
static unsigned seconds_since(uint64_t begun, uint64_t now, unsigned waited)
{
    return begun == 0 ? waited : now > begun ? (unsigned)((now - begun) / SECOND) : 0;
}

/* What is waited for as long as it lasts, or until its own limit. */
static bool lasts(const struct waiting *waiting, uint64_t now, unsigned waited, unsigned stability)
{
    unsigned since = seconds_since(waiting->begun, now, waited);

    return waiting->prompt || waiting->person ||
           (waiting->unanswered > 0 && waiting->unanswered < UNANSWERED_LOOKS) ||
           (waiting->proof && since < stability + PROOF_LIMIT_SECONDS) ||
           (waiting->rebuild && since < REBUILD_LIMIT_SECONDS) ||
           (waiting->check && waited < CHECK_LIMIT_SECONDS) ||
           (waiting->busy && waited < BUSY_LIMIT_SECONDS);
}

unsigned patience_seconds(const struct waiting *waiting, uint64_t now, unsigned waited,
                          const struct policy *policy)
{
    uint64_t due = waiting->ended + policy->deadline * SECOND;

    if (lasts(waiting, now, waited, policy->stability))
        return LOOK_AGAIN_SECONDS;
    if (waiting->check || waiting->rebuild || waiting->proof || waiting->ended == 0 || now >= due)
        return 0;
    return due - now < LOOK_AGAIN_SECONDS * SECOND ? (unsigned)((due - now) / SECOND) + 1
                                                   : LOOK_AGAIN_SECONDS;
}
