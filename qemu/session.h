/*
 * session.h - one scenario on one machine: its disk, its NVRAM, its boots, what was found.
 */
#ifndef BACKSTOP_RIG_SESSION_H
#define BACKSTOP_RIG_SESSION_H

#include <json-c/json.h>
#include <stdio.h>
#include "disk.h"
#include "faults.h"
#include "machine.h"
#include "record.h"
#include "scenario.h"
#include "view.h"

/* No console line, event or answer for so long, in s of the host: the machine is taken as stuck. */
#define SILENCE_LIMIT 600
/* After a panic a reset follows within kernel.panic seconds, or never. */
#define PANIC_LIMIT 180
/* However much it says, no boot may take longer. */
#define BOOT_LIMIT 3600

/* Where a record may lie. */
enum source { SOURCE_NVRAM = 0, SOURCE_ESP, SOURCES };

struct chaos_watch;
/* What a boot went through. */
enum stage { STAGE_FIRMWARE = 0, STAGE_KERNEL, STAGE_INITRAMFS, STAGE_EARLY, STAGE_BOOTED, STAGES };
const char *stage_string(enum stage stage);

struct phase {
    double at;       /* s since power-on, host time */
    const char *who; /* "stage", "kernel", "driver", "says", "system", "agent", "qemu" */
    char *what;
};

/* One boot, from power-on to the end of its QEMU. */
struct boot {
    unsigned index; /* from 1 */
    char *console;  /* file name of its log */
    char *screen;   /* file name of the picture of its screen, or NULL */
    enum stage stage;
    double reached[STAGES];     /* s since power-on, host time */
    double guest;               /* the last time that its kernel gave, s; 0: none */
    double started, ended, cpu; /* cpu: s of the host's processors */
    struct phase *phases;
    size_t phase_count;
    struct nvram before;             /* the variable store at power-on */
    struct record ledger, receipt;   /* what counts now */
    struct record found[2][SOURCES]; /* by kind: what lay there at power-on */
    struct record seen[2][SOURCES];  /* what was last found there */
    bool counted, good;              /* a new ledger was stored; a new receipt says good */
    bool kernel, initramfs, early, network, panic, hello, marked, reset, poweroff, gone;
    bool farewell; /* its kernel said that it reboots or powers off, as it does in order */
    double hello_at;
    char target[64];    /* default target of the running system, as its agent says */
    char *where;        /* "RIP: ..." of the first fault, or NULL */
    const char *marker; /* console text that sets `marked`, or NULL */
    const char *end;    /* how it ended, for people; NULL: not yet */
};

struct finding {
    const struct step *step;
    bool passed;
    char *reason; /* NULL if passed */
};

struct snapshot {
    char *name;
    char **paths;
    size_t path_count;
    char *listing;
};

struct session {
    const struct scenario *scenario;
    const char *accel;
    const char *seed; /* NoCloud disk, or NULL */
    bool pvpanic;     /* the machine has a device that tells of panics */
    struct {
        long silence, panic, boot;
    } limits;    /* instead of the LIMITs above, in s; 0: as there */
    bool helped; /* where a fault struck, a panic without a reset is no failure: it is switched off
                  */
    const char *payload, *outbox; /* image; directory of what the vendor delivers, on the host */
    char *dir;                    /* where all of this session's files lie */
    char *disk_path, *vars_path;
    /* As in struct machine_setup, of the last boot; VARS_LOG.before: the flash as that found it. */
    const char *vars_log;
    FILE *timeline; /* dir/timeline.txt */
    bool live;      /* the timeline goes to stdout too */
    double started;
    struct view_row *row; /* of the live view, or NULL */

    struct machine machine;
    bool on;
    bool settled; /* the disk's journal was replayed since it was last on */
    struct boot *boots;
    size_t boot_count;

    long run_id, run_code;
    bool run_ended, run_shown;
    char *run_output;
    time_t heard; /* monotonic, s: when the machine last said something */
    unsigned ticks;
    uint64_t io; /* machine_io() when it was last an event */

    struct fault *faults;
    size_t fault_count;
    struct chaos_watch *watch; /* chaos.h; NULL where it is none */
    char *disk_rules;          /* file of blkdebug's rules for this boot, or NULL */

    struct finding *findings;
    size_t finding_count;
    struct snapshot *snapshots;
    size_t snapshot_count;
    char *reason;                 /* why it failed; NULL so far */
    struct json_object *evidence; /* what lies on the disk at the end; NULL: not read yet */
};

/* Opens the timeline; disk_path and vars_path are in place in dir. 0 or -errno. */
int session_open(struct session *session, const struct scenario *scenario, const char *dir);
/* Switches off what is on. */
void session_close(struct session *session);
/* Performs every step; 0 if all passed, else -EPROTO with session->reason. */
int session_perform(struct session *session);
/* result.c: writes dir/result.json. 0 or -errno. */
int session_write_result(const struct session *session);
/* The same for a scenario that could not be begun. */
int result_write_unbegun(const struct scenario *scenario, const char *dir, const char *reason);

/* Says why the scenario fails; always -EPROTO. The first reason is kept. */
int session_fail(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A line of the timeline: time, what speaks, what it says. */
void session_say(struct session *session, const char *who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* s of the host since it was opened. */
double session_seconds(const struct session *session);
/* The boot that is running or was the last; NULL before the first. */
struct boot *session_boot(const struct session *session);

/* boot.c */

/* Switches on. 0 or -EPROTO. */
int boot_start(struct session *session, const char *marker);
typedef bool boot_predicate(const struct boot *boot);
/* Follows the machine until `done` holds: 0, or -EPROTO with a reason once it cannot come to that.
 */
int boot_follow(struct session *session, boot_predicate *done, const char *awaited);
/* Follows it until it is off (by its own reset or power-off) or fails. */
int boot_follow_end(struct session *session);
/* Follows until `done` holds, it is off, or so many seconds of the host are over. 0 or -EPROTO. */
int boot_watch(struct session *session, boot_predicate *done, int seconds);
/* Follows for so many seconds of the host. */
void boot_follow_for(struct session *session, int seconds);
/* Cuts the power. */
void boot_cut(struct session *session, const char *end);
/* Runs a command in the guest, output in session->run_output. 0 or -EPROTO. */
int boot_run(struct session *session, const char *command);
/* Reads ledger and receipt, from NVRAM and from the ESP where `esp`. */
void boot_read_records(struct session *session, struct boot *boot, bool esp);

/* screen.c */

/* Where the running boot's picture goes; `which` is "" or "-up". Caller frees. */
char *screen_path(const struct session *session, const char *which);
/* Takes the machine's picture as it stands now: for a boot that ends in order, whose last screen is
 * blank. It runs on. */
void boot_picture(struct session *session);
/* Stops the machine for good and takes its picture; boot_cut() follows. Nothing if it is off. */
void boot_look(struct session *session);
/* After a boot's end: of one that ended in order the picture from before that end is kept, else
 * that of the end. */
void screen_keep(const struct session *session);

/* steps.c */
extern const struct verb verbs[];

#endif
