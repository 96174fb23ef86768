/*
 * bootentry.h - Boot#### entries and BootOrder (UEFI 2.10, 3.1 and 3.3).
 *
 * Order and entry are values: decoded, edited and encoded by pure functions; the few functions at
 * the end read and write the variables. What firmware or others wrote is hostile until parsed.
 */
#ifndef BACKSTOP_AGENT_BOOTENTRY_H
#define BACKSTOP_AGENT_BOOTENTRY_H

#include <stdbool.h>
#include "esp.h"

#define BOOT_ORDER_MAX 512
#define BOOT_ENTRY_MAX 8192 /* bytes of a load option; a longer one is passed over */
#define BOOT_PATH_MAX 256
#define BACKSTOP_ENTRY_NAME "Backstop"
#define LOAD_OPTION_ACTIVE 1u

struct boot_order {
    size_t count;
    uint16_t items[BOOT_ORDER_MAX];
};

/* 0; -EBADMSG for an odd size; -E2BIG. Zero bytes are an empty order. */
int boot_order_decode(struct boot_order *order, const uint8_t *bytes, size_t size);
/* out[2 * BOOT_ORDER_MAX]; number of bytes. */
size_t boot_order_encode(const struct boot_order *order, uint8_t *out);
/* Puts entry first, once; what stood there keeps its sequence. True if that changed anything. */
bool boot_order_put_first(struct boot_order *order, uint16_t entry);
/* Takes entry out wherever it stands. True if that changed anything. */
bool boot_order_remove(struct boot_order *order, uint16_t entry);
bool boot_order_holds(const struct boot_order *order, uint16_t entry);

struct boot_entry {
    uint16_t number;
    uint32_t attributes;
    char description[128];    /* what is not ASCII stands as '?' */
    char partuuid[37];        /* of its hard drive node, lower case; "" if it has none */
    char path[BOOT_PATH_MAX]; /* file, with backslashes; "" if it names none */
    uint8_t *options;         /* optional data, owned; NULL if none */
    size_t options_size;
};

/* 0, or -EBADMSG for what is not a load option. */
int boot_entry_parse(const uint8_t *bytes, size_t size, struct boot_entry *entry);
void boot_entry_free(struct boot_entry *entry);
/* Load option for a file on a partition: HD(...)/File(...). caller frees *bytes. 0 or -errno. */
int boot_entry_make(const struct partition *partition, const char *description, const char *path,
                    const uint8_t *options, size_t options_size, uint8_t **bytes, size_t *size);
/* True for an entry that starts the stage: STAGE_PATH, whatever its partition. */
bool boot_entry_is_ours(const struct boot_entry *entry);
/* True if the optional data is a firmware's mark on an entry that it made itself: not to be copied.
 */
bool boot_entry_options_are_marks(const struct boot_entry *entry);

/*
 * What the stage shall start, best first, at most STAGECONF_NEXT_MAX paths: of `entries` (in the
 * order of preference: the one that booted, then BootOrder) those with a file on this ESP, then the
 * usual loaders. `exists` says what is on the ESP. Never the stage itself.
 */
struct next_list {
    size_t count;
    char paths[4][BOOT_PATH_MAX];
};
struct next_query {
    const struct boot_entry *entries;
    size_t count;
    bool first_booted;    /* entries[0] is the one that this boot came from */
    const char *partuuid; /* of the ESP; "" if unknown */
    const char *former;   /* with --removable: what stands for REMOVABLE_PATH; else NULL */
    bool (*exists)(const char *path, void *user);
    void *user;
};
void boot_choose_next(const struct next_query *query, struct next_list *next);

/* ---- variables; 0, -ENOENT, -ENOTSUP, -errno ---- */
int boot_order_read(struct boot_order *order);
int boot_order_write(const struct boot_order *order); /* an empty one is deleted */
int boot_current_read(uint16_t *entry);
int boot_next_read(uint16_t *entry);
int boot_next_write(uint16_t entry);
int boot_next_clear(void);
int boot_entry_read(uint16_t number, struct boot_entry *entry);
int boot_entry_write(uint16_t number, const uint8_t *bytes, size_t size);
int boot_entry_delete(uint16_t number);
/* An entry of ours, that on `partuuid` before any other; -ENOENT. */
int boot_entry_find_ours(const char *partuuid, struct boot_entry *entry);
/* Lowest number that no entry has and BootOrder does not name; -ENOSPC. */
int boot_entry_free_number(uint16_t *number);

#endif
