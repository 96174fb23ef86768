/*
 * machine.h - one boot of one virtual machine: a QEMU process from power-on to its end.
 *
 * -no-reboot makes every reset the end of the process, so that no reset goes unseen and volatile
 * EFI variables vanish as in a real one; a machine with a screen stands still first until its
 * picture is taken. Console, QMP and the guest's agent are socket pairs; QEMU writes the console to
 * a log file as well.
 */
#ifndef BACKSTOP_RIG_MACHINE_H
#define BACKSTOP_RIG_MACHINE_H

#include <sys/types.h>
#include "channel.h"
#include "qmp.h"
#include "text.h"

#define OVMF_CODE "/usr/share/OVMF/OVMF_CODE_4M.fd"
#define OVMF_VARS "/usr/share/OVMF/OVMF_VARS_4M.fd"

/* TCG with one processor, and guest time that advances by 1 ns an instruction. */
#define ACCEL_COUNTED "counted"

struct machine_setup {
    const char *accel;    /* "kvm", "tcg" or ACCEL_COUNTED */
    const char *disk;     /* raw image, written to; NULL: none */
    const char *vars;     /* this machine's own copy of OVMF_VARS */
    const char *payload;  /* raw image, read only; NULL: none */
    const char *vars_log; /* each program and erasure of vars, see writelog.h; NULL: none is kept */
    /*
     * The flash is in memory alone: vars is loaded into it and not written; machine_flash_save()
     * gives what became of it. A program then costs a hundredth, which garbage collections are made
     * of. The machine stays, stopped, when it has switched itself off or was reset.
     */
    bool vars_in_memory;
    bool small;       /* firmware and what it starts are all that runs: no channel, little memory */
    const char *seed; /* FAT image for cloud-init, read only; NULL: none */
    bool pvpanic;     /* a device by which the guest's kernel tells of its panic */
    const char *console; /* log of the serial console, created */
    const char *debug;   /* file for what the guest writes to QEMU's debug console; NULL: none */
    const char *screen;  /* PNG of the screen at the boot's end; NULL: the machine has no screen */
    const char *errors;  /* what QEMU itself says, appended */

    const char *disk_rules; /* file of blkdebug's rules for the disk, or NULL */
    bool disk_stops;        /* the machine stops where a write fails */
    bool disk_read_only;
    bool network;      /* an interface whose network nobody else is on */
    const char *clock; /* date that the clock starts with, or NULL */
};

/* Called by machine_pump(). */
struct machine_taker {
    void (*console)(void *context, const char *line);
    void (*channel)(void *context, const struct channel_message *message);
    void (*qmp)(void *context, const struct qmp_message *message);
    void *context;
};

enum { MACHINE_CONSOLE = 0, MACHINE_CHANNEL, MACHINE_QMP, MACHINE_STREAMS };

struct machine {
    pid_t pid;  /* 0: off */
    double cpu; /* s of the host's processors that it took; known once it is off */
    int fds[MACHINE_STREAMS];
    struct line_stream streams[MACHINE_STREAMS];
    struct machine_taker taker;
    char *screen; /* as in the setup */
    bool over;    /* its shutdown was seen: it stands still until its screen is taken */
};

/* 0 or -errno. Whatever the caller's end, QEMU dies with the calling process. */
int machine_start(struct machine *machine, const struct machine_setup *setup,
                  const struct machine_taker *taker);
/*
 * Takes what came within timeout_ms and hands it on by line. Number of bytes, 0 for none,
 * -ESHUTDOWN once QEMU has ended and everything it said has been handed on.
 */
long machine_pump(struct machine *machine, int timeout_ms);
/* Sends one line to the guest's agent. 0 or -errno; -EINVAL for more than one. */
int machine_send(struct machine *machine, const char *line);
/* Asks QEMU for a command without arguments; its answer comes as a message. */
void machine_qmp(struct machine *machine, const char *command);
/* Asks for a PNG of the screen in `path`; the machine runs on. */
void machine_picture(struct machine *machine, const char *path);
/*
 * Stops the machine and takes its screen, so that nothing goes on after the picture; for at most
 * MACHINE_SCREEN_MS of the host. Afterwards it can only be killed. Not for a power cut: stopping
 * completes the disk's writes.
 */
void machine_look(struct machine *machine);
#define MACHINE_SCREEN_MS 10000
/* Has QEMU write the flash, that of a machine with vars_in_memory, to a file: done when QMP
 * returns. 0 or -errno. */
int machine_flash_save(struct machine *machine, const char *path);
/*
 * Bytes that QEMU has read and written so far: what its guest does with its disks, even while it
 * says nothing. An idle or a hung guest adds a few dozen in ten seconds.
 */
uint64_t machine_io(const struct machine *machine);
/* SIGKILL, which is what a power cut is; nothing to do if it is off. */
void machine_kill(struct machine *machine);

/*
 * "kvm" where firmware is seen to boot under it, else "tcg". The answer is kept in
 * `cache` (a file), since a hanging KVM costs the whole time limit to find out.
 */
const char *machine_accel(const char *cache);

#endif
