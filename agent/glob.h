/*
 * glob.h - the globs of set files (sets.h says what they mean). No I/O.
 *
 * A glob is matched name by name, as a walk comes by them: the state is the
 * set of parts that the next name may match, a bit each.
 */
#ifndef BACKSTOP_AGENT_GLOB_H
#define BACKSTOP_AGENT_GLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GLOB_PARTS_MAX 63u

struct glob_part {
    char *text;   /* one name; a literal one has its backslashes taken out */
    bool literal; /* no pattern in it */
    bool deep;    /* double star: any number of names */
};

struct glob {
    struct glob_part *parts;
    size_t count;  /* at least 1 */
    size_t prefix; /* leading literal parts, the last part never among them */
    char *memory;
};

/* 0, -ENOMEM, or -EINVAL and why (a sentence fragment). */
int glob_compile(const char *text, struct glob *glob, const char **why);
void glob_free(struct glob *glob);

/* State with the parts from `part` on still to match. */
uint64_t glob_state(const struct glob *glob, size_t part);
/*
 * State after `name`; 0: nothing beneath it can match. *matched: this name matches the whole
 * glob; *deep: it does so by a double star (which is what lists directories).
 */
uint64_t glob_step(const struct glob *glob, uint64_t state, const char *name, size_t size,
                   bool *matched, bool *deep);
/* A glob matches `path` (absolute), or with `beneath` the path or a directory above it. */
bool glob_covers(const struct glob *glob, const char *path, bool beneath);
/* Something at `directory` (absolute) or beneath it could match. */
bool glob_reaches(const struct glob *glob, const char *directory);

/* The literal prefix as a path, "/" where there is none. Caller frees; NULL: no memory. */
char *glob_prefix(const struct glob *glob);

/* 1 if path (absolute) matches the glob; 0 also where the glob is none. */
int glob_matches(const char *glob, const char *path);

#endif
