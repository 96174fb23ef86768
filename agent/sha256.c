/* sha256.c - io_sha256_text(), and libcrypto made ready for it and for io_copy_hash(). */
#include <errno.h>
#include <openssl/evp.h>
#include <stdatomic.h>

#include "io.h"
#include "spare.h"

/*
 * libcrypto 3 takes 200 kB as it sets itself up for its first hash, and crashes where it is refused
 * some of them; later it only fails.
 */
#define SETUP_ROOM ((size_t)512 << 10)

bool io_can_hash(void)
{
    static atomic_bool ready;
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (!ready && memory_to_spare(SETUP_ROOM))
        ready = EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL) == 1;
    return ready;
}

int io_sha256_text(const void *bytes, size_t size, char text[SHA256_TEXT_SIZE])
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (!io_can_hash())
        return -ENOMEM;
    if (EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL) != 1)
        return -EIO;
    hex_of(digest, SHA256_SIZE, text);
    return 0;
}
