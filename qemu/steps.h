/*
 * steps.h - what the verbs' functions share.
 */
#ifndef BACKSTOP_RIG_STEPS_H
#define BACKSTOP_RIG_STEPS_H

#include "session.h"

/* Value of KEY=VALUE among the words, or NULL. */
const char *word_value(char *const words[], int count, const char *key);
/* The disk, settled, of a machine that is off. 0 or -EPROTO. */
int session_disk(struct session *session, struct disk *disk);

/* A path on the root file system as steps name it: "object=DELIVERED" is the object in Backstop's
 * store that holds what the vendor delivered as that file. Caller frees. */
char *session_path(const struct session *session, const char *word);

/* checks.c: one function a kind of check; words are those behind the kind. */
const char *check_fault(char *const words[], int count);
int check_perform(struct session *session, char *const words[], int count);
extern const char check_usage[];
/* For `rig steps`: kind, usage and help of check `index`; false past the end. */
bool check_describe(size_t index, const char **kind, const char **usage, const char **help);

#endif
