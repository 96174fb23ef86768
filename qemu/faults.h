/*
 * faults.h - faults on demand: when one strikes, what it is, how often.
 *
 * README.md has the vocabulary. Faults come from outside the machine: edits of flash and disk
 * before power-on, QEMU's settings for a boot, or an act on the running machine (an NMI that the
 * kernel answers with a panic, a reset, the power cut, a command to the guest's agent). So nothing
 * in the guest is built for them, and no file that Backstop looks at is changed to bring one about.
 */
#ifndef BACKSTOP_RIG_FAULTS_H
#define BACKSTOP_RIG_FAULTS_H

#include "machine.h"

struct session;
struct boot;

enum fault_when {
    WHEN_FIRMWARE = 0, /* before power-on; acts: as soon as the stage has stored the attempt */
    WHEN_KERNEL,       /* its first line */
    WHEN_INITRAMFS,    /* before the root file system is mounted */
    WHEN_EARLY,        /* PID 1 has started */
    WHEN_BOOTED,       /* the guest's agent says hello */
    WHEN_NETWORK,      /* the network interface has been brought up */
    WHEN_AFTER,        /* so many seconds of the host after booted */
    WHEN_WRITE,        /* at the Nth write to the disk since power-on */
    WHEN_CONSOLE,      /* a line with this text */
    WHENS
};

enum fault_what {
    WHAT_PANIC = 0,
    WHAT_OOPS,
    WHAT_HANG,
    WHAT_RESET,
    WHAT_POWER_CUT,
    WHAT_IO_ERROR, /* this write and all later ones */
    WHAT_IO_ERROR_ONCE,
    WHAT_BAD_SECTOR, /* reads of a file's first sector */
    WHAT_READ_ONLY,
    WHAT_DISK_FULL,
    WHAT_CORRUPT,
    WHAT_CLOCK,
    WHAT_NVRAM_FULL,
    WHAT_VARIABLE_LOST,
    WHAT_VARIABLE_DAMAGED,
    WHAT_BOOT_ORDER,
    WHATS
};

#define FAULT_WRITES_MAX 2000
/* Before a file of the vendor's deliveries: its object in Backstop's store. */
#define FAULT_OBJECT "object="

struct fault {
    enum fault_when when;
    long number;   /* seconds of WHEN_AFTER, count of WHEN_WRITE */
    char *text;    /* of WHEN_CONSOLE, or NULL */
    char *subject; /* path, variable or date, or NULL */
    enum fault_what what;
    uint64_t byte; /* of the disk, where the sector is that is bad; 0: not looked for yet */
    long left;     /* strikes to come; FAULT_ALWAYS: no end */
    bool due;      /* what it waits for has been seen in this boot */
    bool struck;   /* in the boot that is running or was the last */
};
#define FAULT_ALWAYS (-1)

/* What is wrong with "WHEN WHAT [count=N|always]", or NULL. For a scenario's reader. */
const char *fault_words_fault(char *const words[], int count);
/* Reads words that are without fault. Caller frees with fault_free(). */
void fault_read(struct fault *fault, char *const words[], int count);
void fault_free(struct fault *fault);
const char *fault_what_string(enum fault_what what);
const char *fault_when_string(enum fault_when when);

/*
 * blkdebug's rules for a fault at write N of a boot: one state a write, the error in the last.
 * Caller frees. Source: QEMU, docs/devel/blkdebug.rst.
 */
char *fault_disk_rules(const struct fault *fault);
/* The rule for a sector that cannot be read, by its byte on the disk; in every state. Caller frees.
 */
char *fault_sector_rule(uint64_t byte);

/* A step `fault` arms one, `fault none` disarms all. 0 or -EPROTO. */
int fault_arm(struct session *session, char *const words[], int count);
void faults_disarm(struct session *session);
/* Before power-on: edits, and settings for this boot. 0 or -EPROTO. */
int faults_prepare(struct session *session, struct machine_setup *setup);
/* While it runs: strikes where a fault's time has come. */
void faults_watch(struct session *session);
/* A line of the console. */
void faults_console(struct session *session, const char *line);
/* QEMU says that a read or a write of the disk failed. */
void faults_disk_failed(struct session *session, bool read);
/* A fault struck in the boot that is running or was the last. */
bool faults_struck(const struct session *session);
/* One has strikes to come. */
bool faults_to_come(const struct session *session);
/* What a disk was filled with goes; the machine is off. 0 or -EPROTO. */
int faults_make_room(struct session *session);

#endif
