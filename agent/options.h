/*
 * options.h - what the verbs about files have in common: their options, their place, how they show
 * names and sizes.
 */
#ifndef BACKSTOP_AGENT_OPTIONS_H
#define BACKSTOP_AGENT_OPTIONS_H

#include <stdint.h>
#include "json.h"
#include "place.h"
#include "verb.h"

#define OPTION_JSON 1u
#define OPTION_ROOT 2u
#define OPTION_NOW 4u
#define OPTION_DRIVERS 8u
#define OPTION_MODULES 16u

struct options {
    bool json, now, drivers, modules;
    const char *root; /* or NULL */
    char **words;     /* after the verb, options taken out */
    int word_count;
};

/* False after reporting what is not understood. `allowed`: OPTION_* */
bool options_parse(int argc, char **argv, unsigned allowed, struct options *options,
                   struct diag *diag);

/*
 * Opens the place, and its state where `state` is true. EXIT_OK, or the exit code after reporting:
 * nothing is open then.
 */
int options_open(const struct options *options, bool state, struct place *place, struct diag *diag);

/* For `verb`, that acts on the machine: root's alone, or anybody's on a tree of their own (`root`,
 * or NULL). As options_open(), without the state. */
int options_open_as_root(const char *verb, const char *root, struct place *place,
                         struct diag *diag);

#define SIZE_TEXT 16
/* "12.3 MiB" */
const char *size_text(uint64_t bytes, char text[SIZE_TEXT]);
/* Prints a name with its control characters as %XX, so that it stays on its line. */
void print_name(const char *name);
/* Adds `key`: the name, or, where it is no UTF-8, its form of MANIFEST.md and KEY_escaped: true. */
void json_add_name(struct json_object *object, const char *key, const char *name);
/* Prints and frees it. */
void json_print(struct json_object *object);

#endif
