/*
 * jail.h - a tree as the root of the running system, for the programs that tell that from a
 * directory: a mount namespace of its own, with the tree as "/", in which the machine's libraries,
 * /proc and the programs are seen. The tree itself stays as it is: mounts are not part of it.
 */
#ifndef BACKSTOP_PROOF_JAIL_H
#define BACKSTOP_PROOF_JAIL_H

#include <stdbool.h>

#define JAIL_PROGRAMS "/programs"
#define JAIL_PROVER "/prover"
#define JAIL_VARIABLES "/vars" /* a directory that stands for efivarfs */

struct jail {
    const char *root;     /* the tree; NULL: no jail */
    const char *programs; /* directory seen as JAIL_PROGRAMS */
    const char *prover;   /* and as JAIL_PROVER: of proof-calls itself */
};

/* In the tree: what is mounted upon. */
void jail_plant(const char *root);
/* The calling process enters, with "/" as its directory. False: errno. */
bool jail_enter(const struct jail *jail);
/* This process may make one. */
bool jail_can_be(void);
/* From here on what this process and its children mount is theirs alone. False: errno. */
bool jail_own_mounts(void);

#endif
