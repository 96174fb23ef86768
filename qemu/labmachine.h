/*
 * labmachine.h - one run of the lab (lab/lab.c) in a machine without firmware: the rig's kernel,
 * the lab as its initramfs, and disks.
 */
#ifndef BACKSTOP_RIG_LABMACHINE_H
#define BACKSTOP_RIG_LABMACHINE_H

#include "text.h"

struct lab_setup {
    const char *dir;  /* kernel/vmlinuz, initrd */
    const char *role; /* see lab/lab.c */
    const char *file_system;
    const char *disk;      /* raw image */
    bool read_only;        /* the disk */
    const char *log;       /* made here: the writes to the disk; NULL: they are not logged */
    const char *others[2]; /* more disks, read only; NULL: none */
    const char *console;   /* log of the console */
};

/*
 * Runs it to its end. `take` gets each line behind "LAB "; if it returns false the machine is
 * switched off. 0; -ETIMEDOUT after ten minutes without a line; -errno.
 */
int lab_machine_run(const struct lab_setup *setup, bool (*take)(void *context, const char *line),
                    void *context);

#endif
