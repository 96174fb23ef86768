/*
 * nvram.h - EDK II's variable store, read and edited from outside the machine.
 *
 * The store is a firmware volume ("_FVH") whose body is a VARIABLE_STORE_HEADER and, behind it, a
 * log of variables: header, name (UCS-2), data, aligned to 4. An update appends the new version
 * and clears bits of the old one's state, so superseded ones stay until the firmware reclaims the
 * store. Source: EDK II, MdeModulePkg/Include/Guid/VariableFormat.h and MdePkg/Include/Pi/
 * PiFirmwareVolume.h.
 */
#ifndef BACKSTOP_RIG_NVRAM_H
#define BACKSTOP_RIG_NVRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUID_SIZE 16u
#define NVRAM_NAME_MAX 64u

extern const uint8_t guid_backstop[GUID_SIZE]; /* 79bf4a28-fd19-47e3-bb3c-67b65c2f4dd4 */
extern const uint8_t guid_global[GUID_SIZE];   /* EFI_GLOBAL_VARIABLE: Boot####, BootOrder */
extern const uint8_t guid_pstore[GUID_SIZE];   /* Linux's dump-type* */

struct nvram {
    uint8_t *bytes; /* the whole flash file */
    size_t size;
    size_t first; /* offset of the first variable */
    size_t end;   /* end of the variable store */
};

struct variable {
    size_t offset; /* of its header in the file */
    size_t next;   /* of the header after it */
    bool live;     /* added, and not deleted or superseded */
    uint8_t state;
    uint32_t attributes;
    uint8_t guid[GUID_SIZE];
    char name[NVRAM_NAME_MAX]; /* '?' for what is not ASCII; cut */
    const uint8_t *data;       /* within nvram->bytes */
    size_t data_size;
};

/* 0; -errno for the file; -EBADMSG where it is not an authenticated variable store. */
int nvram_load(struct nvram *nvram, const char *path);
/* The same of bytes in memory, which it owns from then on if it gives 0. */
int nvram_take(struct nvram *nvram, uint8_t *bytes, size_t size);
int nvram_save(const struct nvram *nvram, const char *path);
void nvram_free(struct nvram *nvram);

/* Steps through all variables, dead ones too. *offset is 0 at first. False at the end. */
bool nvram_next(const struct nvram *nvram, size_t *offset, struct variable *variable);
/* The live variable of that name. */
bool nvram_find(const struct nvram *nvram, const uint8_t guid[GUID_SIZE], const char *name,
                struct variable *variable);
/* Live variables under guid whose name starts with `start`. */
size_t nvram_count(const struct nvram *nvram, const uint8_t guid[GUID_SIZE], const char *start);
/* Bytes behind the last variable. */
size_t nvram_room(const struct nvram *nvram);

/*
 * Writes under `guid` between two states of one store: variables appended, and live ones deleted
 * with no successor. -EAGAIN where the store was reclaimed between, which hides the number.
 */
long nvram_writes(const struct nvram *before, const struct nvram *after,
                  const uint8_t guid[GUID_SIZE]);

/* Edits, in memory. Numbers are of variables touched. */
size_t nvram_delete(struct nvram *nvram, const uint8_t guid[GUID_SIZE], const char *start);
/* Deletes the live variable of exactly that name. False if there is none. */
bool nvram_delete_one(struct nvram *nvram, const uint8_t guid[GUID_SIZE], const char *name);
/* Flips bits of data byte `at`. False if there is no such byte. */
bool nvram_damage(struct nvram *nvram, const uint8_t guid[GUID_SIZE], const char *name, size_t at,
                  uint8_t flip);
/* Drops what is dead, as the firmware would to make room, and appends variables of nobody's (NV+BS)
 * until about `room` bytes are left. */
size_t nvram_fill(struct nvram *nvram, size_t room);
/* Appends deleted variables until about `room` bytes are left, as many updates would: the
 * firmware's next garbage collection is then near, and finds what to collect. */
size_t nvram_age(struct nvram *nvram, size_t room);

/* Description of the first entry in BootOrder, as ASCII, or false. */
bool nvram_first_boot_entry(const struct nvram *nvram, char *description, size_t size);
/* Moves the entries of this description to the end of BootOrder. False if none is in it. */
bool nvram_boot_entry_last(struct nvram *nvram, const char *description);
/* Description of each Boot#### is compared: entries that have this one. */
size_t nvram_boot_entries(const struct nvram *nvram, const char *description);

#endif
