/*
 * flash.h - power cuts at every program of the variable flash: `rig flash`.
 *
 * A case is one update of a variable of ours, or one garbage collection of the firmware's, logged
 * in a boot of a machine. A point is a prefix of that log: the flash with so many of its programs,
 * which is what a power cut leaves. At each point the flash is read from outside, and the machine
 * is booted on it, twice.
 */
#ifndef BACKSTOP_RIG_FLASH_H
#define BACKSTOP_RIG_FLASH_H

#include "flashlog.h"
#include "record.h"
#include "rig.h"
#include "small.h"

struct flash_run {
    const char *dir;   /* results, cases, work */
    const char *stage; /* the EFI stage under test */
    const char *next;  /* tests/ovmf_next.c, built */
    const struct rig *rig;
};

/* What the update is, and so what a cut may leave of it. */
enum flash_kind {
    FLASH_LEDGER = 0, /* the stage's, before anything is started: the ESP is as it was before */
    FLASH_SYSTEM,     /* the system's: the stage's mark is on the ESP by then */
    FLASH_RETIRE,     /* the stage takes itself away: the variables first, then the slot files, then
                         the boot entry */
    FLASH_LEAVE,      /* the system's, so that the stage is started once more, or never */
    FLASH_COLLECTION, /* the firmware moves all variables */
};

struct flash_case {
    const char *name, *help;
    enum flash_kind kind;
    const uint8_t *guid;
    const char *variable; /* the one that is updated; NULL: none alone */
    /*
     * The boots up to the logged one: "good" and "next" are what the stage starts, of which good
     * hands back a good receipt and "install" makes the boot entry; in "retire" the stage is told
     * to; "age" brings the garbage collection near. The last word is logged. "linux NAME": that is
     * the last boot of scenarios/flash/NAME.scn, of the rig's image, instead.
     */
    const char *recipe;
};

extern const struct flash_case flash_cases[]; /* ends with one without a name */

struct flash_value {
    uint8_t *bytes; /* NULL: no such variable */
    size_t size;
};

/* A case that has been logged. */
struct flash_log {
    const struct flash_case *flash_case;
    /* Hash over the rig's own program, the stage, the next loader, the firmware and the recipe; of
     * one under Linux also over the image and the package. */
    char key[HASH_TEXT_SIZE];
    char *dir;           /* before.raw and after.raw: the disk before and after that boot */
    struct flashlog log; /* ends with what after.fd holds */
    struct record ledger[2], receipt[2]; /* before and after */
    struct flash_value value[2];         /* of the updated variable */
    size_t *points;                      /* numbers of programs */
    size_t count;
};

/* flashlinux.c: for a case that needs the rig's image. 0, or -errno with a reason. */
bool flash_is_linux(const struct flash_case *one);
int flash_linux_hash(const struct flash_run *run, const struct flash_case *one, struct hash *hash,
                     char **reason);
/* Makes before.fd, writes, after.raw and after.fd in dir. */
int flash_linux_log(const struct flash_run *run, const struct flash_case *one, const char *dir,
                    char **reason);

/* Logs a case unless there is a log of the same recipe and things. 0, or -errno with a
 * reason (caller frees). flash_log_free() in either case. */
int flash_log_make(const struct flash_run *run, const struct flash_case *one, struct flash_log *log,
                   char **reason);
void flash_log_free(struct flash_log *log);
/* The live variable, copied. flash_value_free() in any case. */
void flash_value_take(struct flash_value *value, const struct nvram *nvram,
                      const uint8_t guid[GUID_SIZE], const char *name);
void flash_value_free(struct flash_value *value);

enum flash_result {
    FLASH_WELL = 0,
    FLASH_FAILED,
    FLASH_FIRMWARE, /* a cut collection, and the firmware does not come up without the stage either
                     */
};
const char *flash_result_string(enum flash_result result);

struct flash_verdict {
    enum flash_result result;
    bool hidden;  /* the ledger was missing in the boot after the cut */
    char *detail; /* caller frees */
};

/* Judges one point in an empty directory `dir`. 0, or -errno with detail where it cannot be. */
int flash_judge(const struct flash_log *log, size_t programs, const char *dir,
                struct flash_verdict *verdict);

/* The verb. Exit code of the rig. */
int flash_main(const struct rig *rig, char *const words[]);

#endif
