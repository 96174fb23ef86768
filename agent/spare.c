/* spare.c - see spare.h */
#include <malloc.h>
#include <stdlib.h>

#include "spare.h"

#define KEPT (1 << 20) /* bytes */

bool memory_to_spare(size_t size)
{
    void *volatile room;

    mallopt(M_MMAP_THRESHOLD, KEPT + 1); /* another allocator may not know these */
    mallopt(M_TRIM_THRESHOLD, 2 * KEPT);
    room = malloc(size);
    free(room);
    return room != NULL;
}
