/*
 * plan.h - which changes a recovery puts back. Pure; called by backstop-early
 * and the tests.
 */
#ifndef BACKSTOP_CORE_PLAN_H
#define BACKSTOP_CORE_PLAN_H

#include <stddef.h>
#include "ledger.h"

/* What a set holds. Codes are stored in manifests: append only. */
enum set_class {
    CLASS_CONTENT = 0, /* what a driver or agent reads: signatures, rules, channel files */
    CLASS_DRIVER,      /* kernel modules, eBPF objects */
    CLASS_FIRMWARE,    /* blobs that drivers load */
    CLASS_POLICY,      /* PAM, NSS, SELinux, AppArmor, audit */
    CLASS_LOADING,     /* what decides on loading: modprobe.d, modules-load.d, sysctl.d, units */
};
#define CLASS_COUNT 5

enum change_kind { CHANGE_ADDED = 0, CHANGE_ALTERED, CHANGE_GONE };

/* Why a change may be none, or may not be this crash's: what is doubtful is never touched. */
enum change_doubt {
    DOUBT_NONE = 0,
    DOUBT_UNSEEN, /* added, where the good generation did not look: it may have stood there */
    DOUBT_UNKEPT, /* its content was not kept, and nothing but its inode tells it from the good one
                   */
    DOUBT_AWAY,   /* the file system that it lies on is not mounted now */
    DOUBT_KERNEL, /* of a kernel that is not the running one */
};
#define DOUBT_COUNT 5

struct plan_change {
    uint32_t set;      /* index of its set; one set is put back as a whole */
    uint8_t set_class; /* enum set_class */
    uint8_t kind;      /* enum change_kind */
    uint8_t named;     /* 1: the evidence names this set's driver or content */
    uint8_t has_good;  /* 1: an intact good version is in the store */
    uint8_t never;     /* 1: on the set's never-touch list */
    uint8_t doubt;     /* enum change_doubt */
    uint8_t needed;    /* 1: a kernel module that the root stands on */
};

enum plan_action {
    PLAN_LEAVE = 0,
    PLAN_PUT_BACK, /* quarantine what is there, if anything; good version in its place */
    PLAN_TAKE_OUT, /* quarantine it; nothing to put in its place */
};

struct plan_summary {
    size_t put_back;
    size_t taken_out;
    size_t unprotected; /* altered, but no good version left: that part is without protection */
    size_t beyond_help; /* gone, and no good version left */
    size_t stays;       /* to be taken out, but that may not be: change_must_stay() */
};

/* With nothing to put in its place it stays, suspect or not: without it a machine may not find its
 * root again. */
int change_must_stay(const struct plan_change *change);

/* Fills actions[count]. Rungs below RUNG_TARGETED leave everything. */
void plan(enum rung rung, const struct plan_change *changes, size_t count,
          enum plan_action *actions, struct plan_summary *summary);

const char *set_class_string(enum set_class set_class);   /* "content", "driver" ... */
int set_class_from_string(const char *text);              /* enum set_class or -1 */
const char *change_kind_string(enum change_kind kind);    /* "added", "altered", "gone" */
const char *change_doubt_string(enum change_doubt doubt); /* why, for people; "" for none */
const char *plan_action_string(enum plan_action action);

#endif
