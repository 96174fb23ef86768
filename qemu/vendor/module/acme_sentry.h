/*
 * acme_sentry.h - what the parts of the ACME Sentry driver share.
 *
 * Content (a channel file) is a list of criteria; the driver fills a table of
 * inputs with what it sees of an event and compares criterion n with input n.
 * judge.c differs between the versions of the driver.
 */
#ifndef ACME_SENTRY_H
#define ACME_SENTRY_H

#include <linux/mm.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define ACME_FIELDS 20
#define ACME_MAGIC 0x434d4341u /* "ACMC" */

/* One input of an event. */
struct acme_input {
    u8 kind;
    u8 length;
    u8 reserved[2];
    char value[200];
};

/* The inputs of one event: a page, so that it can be handed to user space by mmap. */
struct acme_inputs {
    u32 events;
    u8 reserved[12];
    struct acme_input input[ACME_FIELDS];
};
static_assert(sizeof(struct acme_inputs) == PAGE_SIZE);

/* A channel file: this header, then `count` criteria, all little-endian. */
struct acme_header {
    __le32 magic;
    __le32 version;
    __le32 count;
    __le32 reserved;
};

/* A criterion; length 0 matches anything. */
struct acme_criterion {
    u8 kind;
    u8 length;
    char pattern[14];
};

struct acme_content {
    struct acme_header header;
    struct acme_criterion criterion[];
};

struct acme_sentry {
    spinlock_t lock; /* inputs; events also arrive in softirqs, hence always with _bh */
    struct acme_inputs *inputs;
    struct acme_content *content;
    size_t content_size;
};

/* The driver's judgement of the event in the table: the number of criteria that match. */
u32 acme_judge(struct acme_sentry *sentry);

#endif
