/*
 * how.h - how a boot ended, in one word: what the live view and the report show of it.
 */
#ifndef BACKSTOP_RIG_HOW_H
#define BACKSTOP_RIG_HOW_H

#include <stdbool.h>

struct boot;

enum how {
    HOW_RUNNING = 0, /* it goes on */
    HOW_GOOD,        /* its receipt says good, and it ended in order */
    HOW_SAFE,        /* it came up in safe mode */
    HOW_UP,          /* it came up and was ended in order before it proved good */
    HOW_PANIC,
    HOW_HANG,  /* it stood still and was switched off */
    HOW_CUT,   /* power was cut */
    HOW_RESET, /* it reset without a panic and was never up */
    HOW_OFF,   /* it ended in another way and was never up */
    HOWS,
};

enum how boot_how(const struct boot *boot);
/* "panic": as in result.json. */
const char *how_string(enum how how);
/* The same for people: "kernel panic". */
const char *how_words(enum how how);
/* One letter, upper case. */
char how_letter(enum how how);
/* False for what is none. */
bool how_from_string(const char *word, enum how *how);

#endif
