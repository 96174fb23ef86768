#include "how.h"

#include <string.h>
#include "session.h"

static const struct {
    const char *word, *words;
    char letter;
} table[HOWS] = {
    [HOW_RUNNING] = {"running", "running", '>'},
    [HOW_GOOD] = {"good", "proved good", 'G'},
    [HOW_SAFE] = {"safe", "up in safe mode", 'S'},
    [HOW_UP] = {"up", "came up, not yet proved good", 'U'},
    [HOW_PANIC] = {"panic", "kernel panic", 'P'},
    [HOW_HANG] = {"hang", "hung, switched off", 'H'},
    [HOW_CUT] = {"cut", "power cut", 'C'},
    [HOW_RESET] = {"reset", "reset before it came up", 'R'},
    [HOW_OFF] = {"off", "ended before it came up", 'O'},
};

static bool was_hung(const char *end)
{
    return text_starts(end, "hung") || text_starts(end, "stuck") || text_starts(end, "too long");
}

enum how boot_how(const struct boot *boot)
{
    if (boot->panic)
        return HOW_PANIC;
    if (boot->end == NULL)
        return HOW_RUNNING;
    if (was_hung(boot->end))
        return HOW_HANG;
    if (text_starts(boot->end, "power cut"))
        return HOW_CUT;
    if (boot->hello)
        return strcmp(boot->target, "safe") == 0 ? HOW_SAFE : boot->good ? HOW_GOOD : HOW_UP;
    return boot->reset ? HOW_RESET : HOW_OFF;
}

const char *how_string(enum how how)
{
    return table[how].word;
}

const char *how_words(enum how how)
{
    return table[how].words;
}

char how_letter(enum how how)
{
    return table[how].letter;
}

bool how_from_string(const char *word, enum how *how)
{
    for (enum how i = HOW_RUNNING; i < HOWS; i++) {
        if (strcmp(table[i].word, word) == 0) {
            *how = i;
            return true;
        }
    }
    return false;
}
