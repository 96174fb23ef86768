/* store_collect(): which objects the kept generations name, and the end of all others. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "good.h"
#include "io.h"
#include "store.h"

struct hashes {
    uint8_t (*items)[SHA256_SIZE];
    size_t count, room;
};

static int add_hash(struct hashes *hashes, const uint8_t sha256[SHA256_SIZE])
{
    if (hashes->count == hashes->room) {
        size_t room = hashes->room ? 2 * hashes->room : 1024;
        void *larger = realloc(hashes->items, room * SHA256_SIZE);

        if (!larger)
            return -ENOMEM;
        hashes->items = larger;
        hashes->room = room;
    }
    memcpy(hashes->items[hashes->count++], sha256, SHA256_SIZE);
    return 0;
}

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, SHA256_SIZE);
}

static int mark_generation(const struct place *place, uint32_t generation, struct hashes *kept,
                           struct diag *diag)
{
    struct inventory good;
    int error = good_load(place, generation, &good, diag);

    if (error)
        return error;
    for (size_t i = 0; i < good.count && !error; i++)
        if (good.entries[i].type == ENTRY_FILE && good.entries[i].hashed)
            error = add_hash(kept, good.entries[i].sha256);
    inventory_free(&good);
    return error;
}

static int mark_all(const struct place *place, struct hashes *kept, struct diag *diag)
{
    uint32_t *generations;
    size_t count;
    int error = good_list(place, &generations, &count);

    if (error)
        return error;
    for (size_t i = 0; i < count && !error; i++)
        error = mark_generation(place, generations[i], kept, diag);
    free(generations);
    if (!error && kept->count)
        qsort(kept->items, kept->count, SHA256_SIZE, compare_hashes);
    return error;
}

/* Objects of store/ab. What is there and is no object stays: it is not ours. */
static long sweep_directory(int store, const char *prefix, const struct hashes *kept)
{
    int fd = openat(store, prefix, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *found;
    long deleted = 0;

    if (!dir) {
        int error = -errno;

        if (fd >= 0)
            close(fd);
        return error;
    }
    while ((found = readdir(dir))) {
        char hex[2 * SHA256_SIZE + 1] = {prefix[0], prefix[1]};
        uint8_t sha256[SHA256_SIZE];

        if (strlen(found->d_name) != 2 * SHA256_SIZE - 2)
            continue;
        memcpy(hex + 2, found->d_name, 2 * SHA256_SIZE - 1);
        if (hex_parse(hex, sha256, SHA256_SIZE) < 0 ||
            (kept->count && bsearch(sha256, kept->items, kept->count, SHA256_SIZE, compare_hashes)))
            continue;
        if (unlinkat(fd, found->d_name, 0) == 0)
            deleted++;
    }
    closedir(dir);
    return deleted;
}

static long sweep(const struct place *place, const struct hashes *kept)
{
    int fd = openat(place->state_fd, "store", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *found;
    long deleted = 0;

    if (!dir) {
        long error = -errno;

        if (fd >= 0)
            close(fd);
        return error;
    }
    while (deleted >= 0 && (found = readdir(dir))) {
        long here;

        if (strlen(found->d_name) != 2 || found->d_name[0] == '.')
            continue;
        here = sweep_directory(fd, found->d_name, kept);
        deleted = here < 0 ? here : deleted + here;
    }
    closedir(dir);
    return deleted;
}

long store_collect_locked(const struct place *place, struct diag *diag)
{
    struct hashes kept = {0};
    int error = mark_all(place, &kept, diag);
    long deleted = 0;

    if (error == -EBADMSG)
        diag_report(diag, DIAG_WARNING,
                    "nothing is deleted from the store while a manifest is damaged; it goes when "
                    "enough newer generations are kept");
    else if (!error)
        deleted = sweep(place, &kept);
    free(kept.items);
    return error && error != -EBADMSG ? error : deleted;
}

long store_collect(const struct place *place, struct diag *diag)
{
    int lock = store_lock(place);
    long deleted;

    if (lock < 0)
        return lock;
    store_discard(place);
    deleted = store_collect_locked(place, diag);
    close(lock);
    return deleted;
}
