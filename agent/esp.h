/*
 * esp.h - the EFI system partition: finding it, reaching its files, and \EFI\backstop on it.
 *
 * FAT has no journal. Whole files are replaced by the one atomic writer (temporary, fsync, rename);
 * the slot files are laid out once and then only written in place, one slot at a time.
 *
 * Paths on the ESP are given as firmware writes them, "\EFI\debian\shimx64.efi", and are looked up
 * without regard to case, so that a plain directory (--esp DIR) behaves as FAT does.
 */
#ifndef BACKSTOP_AGENT_ESP_H
#define BACKSTOP_AGENT_ESP_H

#include <stdint.h>
#include <sys/types.h>
#include "diag.h"
#include "place.h"
#include "slots.h"

#define ESP_TYPE_GPT "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" /* UEFI 2.10, 5.3.3 */
#define ESP_TYPE_MBR "0xef"

#if defined(__aarch64__)
#define EFI_ARCH "aa64"
#define EFI_ARCH_UPPER "AA64"
#else
#define EFI_ARCH "x64"
#define EFI_ARCH_UPPER "X64"
#endif

#define ESP_DIR "\\EFI\\backstop"
#define STAGE_NAME "backstop" EFI_ARCH ".efi"
#define STAGE_PATH ESP_DIR "\\" STAGE_NAME
#define STAGE_SOURCE "/usr/lib/backstop/" STAGE_NAME
#define STAGECONF_NAME "stage.conf"
#define REMOVABLE_PATH "\\EFI\\BOOT\\BOOT" EFI_ARCH_UPPER ".EFI"
#define FORMER_NAME "former-boot" EFI_ARCH ".efi"
#define FORMER_PATH ESP_DIR "\\" FORMER_NAME
#define ESP_FILE_MAX (64u << 20) /* no loader is longer */

struct partition {
    char device[64]; /* "/dev/vda1" */
    dev_t devno;
    char partuuid[37]; /* lower case; "" if unknown */
    bool gpt;          /* else MBR */
    bool is_esp;       /* by its partition type */
    uint32_t number;
    uint64_t start, size; /* in logical blocks of the disk, as a device path has them */
};

struct esp {
    int fd;                     /* its root directory */
    char *path;                 /* where that is mounted, or its device; for messages */
    struct partition partition; /* .device "" for a directory given by hand */
};

struct esp_query {
    const char *dir;       /* --esp DIR: this and nothing else; else NULL */
    const char *preferred; /* PARTUUID that install.json remembers, or NULL */
    bool installed;        /* only one that has \EFI\backstop */
};

/*
 * The ESP, best first: the one that this boot's loader came from (LoaderDevicePartUUID), then
 * `preferred`, then one that is mounted, then any. Not mounted: esp_mount(). In a chroot only what
 * is mounted there counts: the host's ESP is none of ours. 0; -ENOENT if there is none; -errno.
 * Failures are reported with what to do.
 */
int esp_open(const struct place *place, const struct esp_query *query, struct esp *esp,
             struct diag *diag);
void esp_close(struct esp *esp);
/*
 * The root directory of a file system that is mounted nowhere: nobody else sees it, nothing can
 * delete by way of it, and it is gone with this fd, however the process ends. One option and its
 * value. Linux 5.2. fd or -errno.
 */
int esp_mount(const char *device, const char *type, const char *option, const char *value);

/* True in a chroot, or where that cannot be known. */
bool esp_in_chroot(void);

/* 1 if a file of at least one byte is at path. */
bool esp_has(const struct esp *esp, const char *path);
/* Whole file; caller frees. 0 or -errno. */
int esp_read(const struct esp *esp, const char *path, char **bytes, size_t *size);
/* Atomically, making directories that lack; *changed (may be NULL) is false if it was already so.
 */
int esp_write(const struct esp *esp, const char *path, const void *bytes, size_t size,
              bool *changed);
/* 0 also where it was absent. */
int esp_remove(const struct esp *esp, const char *path);
/* Removes a directory if it is empty. 0 also where it was absent; -ENOTEMPTY. */
int esp_remove_dir(const struct esp *esp, const char *path);

/* ledger.esp and receipt.esp: SLOTS_SIZE zeros; an existing file of that size is kept. 0 or -errno.
 */
int esp_lay_out_slots(const struct esp *esp, bool *changed);
/* True if both slot files are there with the right size. */
bool esp_has_slots(const struct esp *esp);
/* Into the slot that does not hold the newest, in place, synced. Same record there: no write. */
int esp_write_receipt(const struct esp *esp, const struct receipt *receipt);
int esp_read_receipt(const struct esp *esp, struct receipt *receipt, enum record_state *state);

/* One line of /proc/self/mountinfo: device number and mount point of a mounted vfat, else false. */
bool esp_parse_mount(const char *line, dev_t *devno, char *mount_point, size_t size);
/*
 * Order of candidates: index into partitions[count] of the n-th best, or -1. `mounted` has one
 * flag a partition; loader and preferred are PARTUUIDs or NULL. Pure.
 */
int esp_rank(const struct partition *partitions, const bool *mounted, size_t count,
             const char *loader, const char *preferred, size_t n);

#endif
