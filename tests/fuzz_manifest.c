/*
 * Whatever bytes: a manifest or a refusal; and what is taken is written again as the same bytes.
 * The hash that fits is put behind the input, or nothing would ever pass it.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *sealed(const uint8_t *data, size_t size, size_t *sealed_size)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char *text = malloc(size + 7 + 2 * SHA256_SIZE + 2);

    if (!text || !EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL))
        abort();
    if (size)
        memcpy(text, data, size);
    memcpy(text + size, "sha256 ", 7);
    hex_of(digest, SHA256_SIZE, text + size + 7);
    text[size + 7 + 2 * SHA256_SIZE] = '\n';
    *sealed_size = size + 7 + 2 * SHA256_SIZE + 1;
    return text;
}

static void check_again(const struct inventory *inventory, const char *text, size_t size)
{
    char *again;
    size_t again_size;

    if (manifest_format(inventory, &again, &again_size) != 0 || again_size != size ||
        memcmp(again, text, size) != 0)
        abort();
    for (size_t i = 0; i < inventory->count; i++)
        if (inventory_find(inventory, inventory->entries[i].path) != &inventory->entries[i])
            abort();
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inventory inventory;
    size_t sealed_size;
    char *text = sealed(data, size, &sealed_size);

    if (manifest_parse("fuzz", text, sealed_size, &inventory, NULL) == 0) {
        check_again(&inventory, text, sealed_size);
        inventory_free(&inventory);
    }
    free(text);
    if (manifest_parse("fuzz", (const char *)data, size, &inventory, NULL) == 0)
        inventory_free(&inventory);
    return 0;
}
