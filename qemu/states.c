/*
 * States that scenarios start from: a disk and its NVRAM, kept under a hash of all that went in.
 * "base" is the image as it was built; every other is the end of the scenario that provides it.
 */
#include "rig.h"
#include "breakoff.h"
#include "command.h"
#include "directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct scenario *)a)->name, ((const struct scenario *)b)->name);
}

int rig_add(struct rig *rig, const char *path, char **reason)
{
    rig->items = realloc(rig->items, (rig->count + 1) * sizeof *rig->items);
    if (rig->items == NULL)
        abort();
    return scenario_load(&rig->items[rig->count++], path, verbs, reason);
}

int rig_load(struct rig *rig, char **reason)
{
    DIR *dir = opendir(rig->scenarios);
    struct dirent *entry;
    int error = 0;

    if (dir == NULL) {
        text_replace(reason, text_format("%s: %s: say where with --scenarios DIR", rig->scenarios,
                                         strerror(errno)));
        return -EINVAL;
    }
    while (error == 0 && (entry = readdir(dir)) != NULL)
        if (text_ends(entry->d_name, ".scn")) {
            TEXT_AUTO path = text_format("%s/%s", rig->scenarios, entry->d_name);

            error = rig_add(rig, path, reason);
        }
    closedir(dir);
    if (error == 0 && rig->count > 0)
        qsort(rig->items, rig->count, sizeof *rig->items, by_name);
    return error == 0 ? rig_check_starts(rig, reason) : error;
}

void rig_free(struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++)
        scenario_free(&rig->items[i]);
    free(rig->items);
    rig->items = NULL;
    rig->count = 0;
}

const struct scenario *rig_find(const struct rig *rig, const char *name)
{
    for (size_t i = 0; i < rig->count; i++)
        if (strcmp(rig->items[i].name, name) == 0)
            return &rig->items[i];
    return NULL;
}

static const struct scenario *provider_of(const struct rig *rig, const char *state)
{
    for (size_t i = 0; i < rig->count; i++)
        if (rig->items[i].provides != NULL && strcmp(rig->items[i].provides, state) == 0)
            return &rig->items[i];
    return NULL;
}

/* Its start leads to the base, over states that are provided. */
static int start_check(const struct rig *rig, const struct scenario *scenario, char **reason)
{
    const char *state = scenario->start;

    for (size_t i = 0; i <= rig->count; i++) {
        const struct scenario *provider = provider_of(rig, state);

        if (strcmp(state, "base") == 0)
            return 0;
        if (provider == NULL && state != scenario->start)
            return 0; /* said where that one is looked at */
        if (provider == NULL) {
            text_replace(reason, text_format("%s:%u: no scenario provides the state '%s': `rig "
                                             "list` names the states; name its file as well",
                                             scenario->file, scenario->start_line, state));
            return -EINVAL;
        }
        state = provider->start;
    }
    text_replace(reason, text_format("%s:%u: the state '%s' starts from itself: let one of its "
                                     "scenarios start from base",
                                     scenario->file, scenario->start_line, scenario->start));
    return -EINVAL;
}

int rig_check_starts(const struct rig *rig, char **reason)
{
    int error = 0;

    for (size_t i = 0; i < rig->count && error == 0; i++)
        error = start_check(rig, &rig->items[i], reason);
    return error;
}

/* The base's name is a hash of what went into it; its size and time tell a rebuilt one. */
static int hash_base(const struct rig *rig, struct hash *hash, char **reason)
{
    TEXT_AUTO path = text_format("%s/base.raw", rig->dir);
    TEXT_AUTO real = realpath(path, NULL);
    TEXT_AUTO text = NULL;
    struct stat st;

    if (real == NULL || stat(real, &st) < 0) {
        text_replace(reason,
                     text_format("%s: %s: make it with `make rig-image`", path, strerror(errno)));
        return -ENOENT;
    }
    text = text_format("%s %lld %lld.%09ld", real, (long long)st.st_size,
                       (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    hash_add_text(hash, text);
    if (hash_add_file(hash, OVMF_CODE) == 0 && hash_add_file(hash, OVMF_VARS) == 0)
        return 0;
    text_replace(reason, text_format("%s, %s: %s: `make deps` installs the firmware", OVMF_CODE,
                                     OVMF_VARS, strerror(errno)));
    return -ENOENT;
}

static int hash_payload(const struct rig *rig, struct hash *hash, char **reason)
{
    TEXT_AUTO path = text_format("%s/payload.img", rig->dir);

    if (hash_add_file(hash, path) == 0)
        return 0;
    text_replace(reason,
                 text_format("%s: %s: make it with `make rig-payload`", path, strerror(errno)));
    return -ENOENT;
}

static int hash_state(const struct rig *rig, const char *state, struct hash *hash, int depth,
                      char **reason)
{
    const struct scenario *provider;

    if (strcmp(state, "base") == 0)
        return hash_base(rig, hash, reason);
    provider = provider_of(rig, state);
    if (provider == NULL || depth > 8) {
        text_replace(reason,
                     text_format("state %s: no scenario provides it: see `rig list`", state));
        return -ENOENT;
    }
    if (hash_add_file(hash, provider->file) < 0)
        return -ENOENT;
    return hash_state(rig, provider->start, hash, depth + 1, reason);
}

/* Directory of a state, or NULL with a reason. */
static char *state_dir(const struct rig *rig, const char *state, char **reason)
{
    struct hash *hash = hash_new();
    char hex[HASH_TEXT_SIZE];
    int error = hash_state(rig, state, hash, 0, reason);

    if (error == 0)
        error = hash_payload(rig, hash, reason);
    hash_end(hash, hex);
    return error == 0 ? text_format("%s/state-%s-%.16s", rig->dir, state, hex) : NULL;
}

char *scenario_key(const struct rig *rig, const struct scenario *scenario, char **reason)
{
    struct hash *hash = hash_new();
    char hex[HASH_TEXT_SIZE];
    int error = hash_state(rig, scenario->start, hash, 0, reason);

    if (error == 0)
        error = hash_payload(rig, hash, reason);
    if (error == 0)
        error = hash_add_file(hash, scenario->file);
    hash_add_text(hash, rig_judge);
    hash_end(hash, hex);
    return error == 0 ? text_copy(hex) : NULL;
}

char *state_key(const struct rig *rig, const char *state, const char *more, char **reason)
{
    struct hash *hash = hash_new();
    char hex[HASH_TEXT_SIZE];
    int error = hash_state(rig, state, hash, 0, reason);

    if (error == 0)
        error = hash_payload(rig, hash, reason);
    hash_add_text(hash, more);
    hash_end(hash, hex);
    return error == 0 ? text_copy(hex) : NULL;
}

int state_copy(const struct rig *rig, const char *name, const char *dir, char **reason)
{
    bool base = strcmp(name, "base") == 0;
    TEXT_AUTO from = base ? text_copy(rig->dir) : state_dir(rig, name, reason);
    TEXT_AUTO disk = NULL;
    TEXT_AUTO vars = NULL;
    TEXT_AUTO to_disk = text_format("%s/disk.raw", dir);
    TEXT_AUTO to_vars = text_format("%s/vars.fd", dir);
    int error;

    if (from == NULL)
        return -ENOENT;
    disk = text_format("%s/%s", from, base ? "base.raw" : "disk.raw");
    vars = base ? text_copy(OVMF_VARS) : text_format("%s/vars.fd", from);
    error = file_copy(disk, to_disk, reason);
    return error == 0 ? file_copy(vars, to_vars, reason) : error;
}

/* Only one of each state is kept: the disks are large. */
static void remove_others(const struct rig *rig, const char *state)
{
    DIR *dir = opendir(rig->dir);
    TEXT_AUTO start = text_format("state-%s-", state);
    struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        if (text_starts(entry->d_name, start)) {
            TEXT_AUTO path = text_format("%s/%s", rig->dir, entry->d_name);

            directory_remove(path);
        }
    }
    closedir(dir);
}

static int run_provider(const struct rig *rig, const struct scenario *provider, const char *dir,
                        char **reason)
{
    TEXT_AUTO payload = text_format("%s/payload.img", rig->dir);
    TEXT_AUTO outbox = text_format("%s/outbox", rig->dir);
    struct session session = {
        .accel = rig->accel, .payload = payload, .outbox = outbox, .live = rig->live};
    TEXT_AUTO name = text_format("state %s", provider->provides);
    int error = session_open(&session, provider, dir);

    session.row = view_add(rig->view, name);
    view_begin(session.row);
    if (error == 0) {
        error = session_perform(&session);
        session_write_result(&session);
    }
    if (error < 0)
        text_replace(reason,
                     text_format("state %s: %s; its logs are in %s", provider->provides,
                                 session.reason != NULL ? session.reason : strerror(-error), dir));
    view_end(session.row, error == 0 ? VIEW_PASSED : VIEW_FAILED, error == 0 ? "" : *reason);
    session_close(&session);
    return error;
}

static int state_make(const struct rig *rig, const struct scenario *provider, const char *dir,
                      char **reason)
{
    TEXT_AUTO making = text_format("%s/making-%s", rig->dir, provider->provides);
    int error;

    directory_remove(making);
    error = directory_make(making);
    if (error == 0)
        error = state_copy(rig, provider->start, making, reason);
    if (error == 0)
        error = run_provider(rig, provider, making, reason);
    if (breakoff_signal() != 0)
        directory_remove(making);
    if (error < 0)
        return error;
    remove_others(rig, provider->provides);
    return rename(making, dir) < 0 ? -errno : 0;
}

/* Held until the descriptor is closed: another rig with the same directory waits. */
static int states_lock(const struct rig *rig, char **reason)
{
    TEXT_AUTO path = text_format("%s/states.lock", rig->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    text_replace(reason, text_format("%s: %s", path, strerror(errno)));
    if (fd >= 0)
        close(fd);
    return -EIO;
}

/* With the lock held. */
static int state_ensure(const struct rig *rig, const char *name, char **reason)
{
    TEXT_AUTO dir = state_dir(rig, name, reason);
    const struct scenario *provider = provider_of(rig, name);
    int error;

    if (dir == NULL)
        return -ENOENT;
    if (provider == NULL || access(dir, F_OK) == 0)
        return 0;
    error = state_ensure(rig, provider->start, reason);
    if (error < 0)
        return error;
    if (rig->view == NULL)
        printf("state %s: %s\n", name, provider->title);
    fflush(stdout);
    return state_make(rig, provider, dir, reason);
}

int state_prepare(const struct rig *rig, const char *name, char **reason)
{
    int error, lock = states_lock(rig, reason);

    if (lock < 0)
        return lock;
    error = state_ensure(rig, name, reason);
    close(lock);
    return error;
}
