/* sha256.c - io_sha256(), and libcrypto made ready for it and for io_copy_hash(). */
#include <errno.h>
#include <malloc.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "io.h"

/*
 * libcrypto 3 takes 200 kB as it sets itself up for its first hash, and crashes where it is refused
 * some of them; later it only fails. So that much is had beforehand, from the heap, which keeps it.
 */
#define SETUP_ROOM (512 << 10)

static bool make_room(void)
{
    void *volatile room;

    mallopt(M_MMAP_THRESHOLD, 2 * SETUP_ROOM); /* another allocator may not know these */
    mallopt(M_TRIM_THRESHOLD, 4 * SETUP_ROOM);
    room = malloc(SETUP_ROOM);
    free(room);
    return room != NULL;
}

bool io_can_hash(void)
{
    static atomic_bool ready;
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (!ready && make_room())
        ready = EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL) == 1;
    return ready;
}

int io_sha256(const void *bytes, size_t size, uint8_t sha256[SHA256_SIZE])
{
    if (!io_can_hash())
        return -ENOMEM;
    return EVP_Digest(bytes, size, sha256, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}
