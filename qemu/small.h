/*
 * small.h - a machine of firmware, a boot disk and the EFI stage, with a small program as the
 * operating system (tests/ovmf_next.c): it prints the ticket and switches the machine off.
 *
 * The disk has an ESP alone, laid out as that of the rig's image, so that a boot entry made there
 * leads to this one as well.
 */
#ifndef BACKSTOP_RIG_SMALL_H
#define BACKSTOP_RIG_SMALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMALL_STAGE "/EFI/backstop/backstopx64.efi"
#define SMALL_FALLBACK "/EFI/BOOT/BOOTX64.EFI"

/* What a boot showed. */
struct small_boot {
    bool firmware; /* its boot manager has said something */
    bool started;  /* the next loader ran */
    bool off;      /* and switched the machine off */
    bool hangs;    /* or nothing came of it any more */
    bool ticket;   /* it found one */
    uint32_t number, failures, rung, stance, reason, found, stored; /* of the ticket */
    const char *end;                                                /* how it ended, in words */
};

/* Makes the disk: `stage` in its own place and as the removable-media file, `next` in \EFI\test,
 * slot files as they are laid out. 0, or -errno with a reason (caller frees). */
int small_disk_make(const char *disk, const char *stage, const char *next, char **reason);
/* Lays the slot files out again. */
int small_slots(const char *disk, char **reason);
/* Puts a file (of the host) at `path` on the ESP. */
int small_put(const char *disk, const char *file, const char *path, char **reason);
int small_put_bytes(const char *disk, const void *bytes, size_t size, const char *path,
                    char **reason);
/* A file of the ESP; NULL if there is none; caller frees. */
char *small_get(const char *disk, const char *path, size_t *size);
/* Deletes; none there is success. */
void small_delete(const char *disk, const char *path);
/* stage.conf with \EFI\test\NAME.efi as next, and retire=yes if it is to be so. */
int small_conf(const char *disk, const char *name, bool retire, char **reason);

/*
 * One boot of dir/disk.raw with dir/vars.fd; log: what it programs, see machine.h; NULL: none. Ends
 * when the machine does, or when it hangs: it has executed the instructions of two boots, garbage
 * collections and all, without a line on the console (a few behind one that tells of an exception
 * in the firmware), or none at all for a minute; `patience` times that. vars.fd is then as it was.
 * 0, or -errno where no boot could be made.
 */
int small_boot(const char *dir, const char *log, unsigned patience, struct small_boot *boot);

#endif
