/*
 * flashkept.h - what became of the points of one case of `rig flash`, in a file of points.h: a line
 * a point, its "id" being CASE:PROGRAMS.
 */
#ifndef BACKSTOP_RIG_FLASHKEPT_H
#define BACKSTOP_RIG_FLASHKEPT_H

#include "flash.h"

struct flash_point {
    size_t programs;
    enum flash_result result;
    bool hidden;          /* as in the verdict */
    char *detail, *flash; /* flash: hash of all of it, 16 digits */
};

struct flash_kept {
    const char *name; /* of the case */
    char *path;
    struct flash_point *items;
    size_t count;
};

/* Reads what there is of the same things under test in dir; `fresh`: forgets it. */
void flash_kept_open(struct flash_kept *kept, const char *dir, const struct flash_log *log,
                     bool fresh);
void flash_kept_close(struct flash_kept *kept);
/* Reads it anew: children add to the file. */
void flash_kept_read(struct flash_kept *kept);
/* NULL: none. They last until it is read anew. */
const struct flash_point *flash_kept_find(const struct flash_kept *kept, size_t programs);
const struct flash_point *flash_kept_like(const struct flash_kept *kept, const char *flash);
/* Appends to the file. 0 or -errno. */
int flash_kept_add(const struct flash_kept *kept, const struct flash_point *one);

#endif
