/* spare.c - see spare.h */
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "spare.h"

#define KEPT (32 << 20) /* bytes: glibc takes no more */

static void keep(void)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;

    if (atomic_flag_test_and_set(&said))
        return;
    mallopt(M_MMAP_THRESHOLD, KEPT); /* another allocator may not know these */
    mallopt(M_TRIM_THRESHOLD, 2 * KEPT);
}

bool memory_to_spare(size_t size)
{
    void *volatile room;

    keep();
    room = malloc(size);
    free(room);
    return room != NULL;
}
