#include "shrink.h"

#include <stdlib.h>
#include <string.h>

/* The steps but for those of piece `piece` of `pieces`. */
static size_t without(const size_t *steps, size_t count, size_t piece, size_t pieces, size_t *out)
{
    size_t begin = count * piece / pieces, end = count * (piece + 1) / pieces;

    memcpy(out, steps, begin * sizeof *out);
    memcpy(out + begin, steps + end, (count - end) * sizeof *out);
    return count - (end - begin);
}

/* Leaves out the first piece that need not be there. True if there was one. */
static bool drop_one(size_t *steps, size_t *count, size_t pieces, unsigned *tries,
                     still_fails *fails, void *context, size_t *candidate)
{
    for (size_t piece = 0; piece<pieces && * tries> 0; piece++) {
        size_t left = without(steps, *count, piece, pieces, candidate);

        (*tries)--;
        if (!fails(context, candidate, left))
            continue;
        memcpy(steps, candidate, left * sizeof *steps);
        *count = left;
        return true;
    }
    return false;
}

size_t shrink(size_t *steps, size_t count, unsigned *tries, still_fails *fails, void *context)
{
    size_t *candidate = calloc(count + 1, sizeof *candidate);
    size_t pieces = 2;

    if (candidate == NULL)
        abort();
    while (count > 1 && *tries > 0) {
        if (pieces > count)
            pieces = count;
        if (drop_one(steps, &count, pieces, tries, fails, context, candidate))
            pieces = pieces > 2 ? pieces - 1 : 2;
        else if (pieces == count)
            break;
        else
            pieces *= 2;
    }
    free(candidate);
    return count;
}
