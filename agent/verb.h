/*
 * verb.h - verbs of `backstop`: one file each (verb_NAME.c), one static table in main.c, from which
 * the usage text comes. A verb is: parse, act, clean up. Options go by getopt_long; every verb
 * takes --help; --json and --root DIR where noted in the table.
 */
#ifndef BACKSTOP_AGENT_VERB_H
#define BACKSTOP_AGENT_VERB_H

#include "diag.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_ATTENTION =
        1, /* the answer is "look here": changes found, doctor found faults, not in normal state */
    EXIT_USAGE = 2,    /* wrong words, or a bad file: nothing was done */
    EXIT_FAILED = 3,   /* tried and could not; nothing lost */
    EXIT_NOT_HERE = 4, /* this machine cannot: no EFI, not root, not installed */
};

int verb_status(int argc, char **argv, struct diag *diag);
int verb_changes(int argc, char **argv, struct diag *diag);
int verb_sets(int argc, char **argv, struct diag *diag);
int verb_good(int argc, char **argv, struct diag *diag);
int verb_quarantine(int argc, char **argv, struct diag *diag);
int verb_confirm(int argc, char **argv, struct diag *diag);
int verb_install(int argc, char **argv, struct diag *diag);
int verb_uninstall(int argc, char **argv, struct diag *diag);
int verb_doctor(int argc, char **argv, struct diag *diag);

#endif
