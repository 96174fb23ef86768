/* rebuild.c - see rebuild.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "image.h"
#include "intents.h"
#include "json.h"
#include "masks.h"
#include "rebuild.h"

/* ---- which are due ---- */

struct wanted {
    bool all;
    struct strings releases; /* as masks_add() would not spell them: kept as they are */
    struct strings gone;     /* "RELEASE/MODULE" that a recovery left nothing in place of */
};

static bool is_noted(const struct strings *texts, const char *text, size_t length)
{
    for (size_t i = 0; i < texts->count; i++)
        if (strlen(texts->items[i]) == length && strncmp(texts->items[i], text, length) == 0)
            return true;
    return false;
}

static int note(struct strings *texts, const char *text, size_t length)
{
    if (is_noted(texts, text, length))
        return 0;
    char **items = realloc(texts->items, (texts->count + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    texts->items = items;
    items[texts->count] = strndup(text, length);
    if (!items[texts->count])
        return -ENOMEM;
    texts->count++;
    return 0;
}

/* Nothing stands at `path` any more, by the journal. What is no module is passed over. */
static int note_gone(struct wanted *wanted, const char *path)
{
    struct strings name = {0};
    size_t length = 0;
    char *key = NULL;
    const char *release = needs_release_of(path, &length);
    int err = release ? masks_add_file(&name, path) : -EINVAL;
    if (err == 0 && asprintf(&key, "%.*s/%s", (int)length, release, name.items[0]) < 0) {
        key = NULL;
        err = -ENOMEM;
    }
    if (err == 0)
        err = note(&wanted->gone, key, strlen(key));
    free(key);
    masks_free(&name);
    return err == -ENOMEM ? err : 0;
}

static bool is_gone(const struct wanted *wanted, const char *release, const char *module)
{
    char *key = NULL;
    if (asprintf(&key, "%s/%s", release, module) < 0)
        return false;
    bool found = is_noted(&wanted->gone, key, strlen(key));
    free(key);
    return found;
}

static int note_change(struct wanted *wanted, const struct json_object *change)
{
    size_t length = 0;
    int set_class = set_class_from_string(journal_text(change, "class"));
    const char *release = needs_release_of(journal_text(change, "path"), &length);
    if (set_class >= 0 && !class_is_in_image((uint8_t)set_class))
        return 0;
    wanted->all = wanted->all || !release;
    return release ? note(&wanted->releases, release, length) : 0;
}

static int note_taken_out(struct wanted *wanted, const struct json_object *change)
{
    if (strcmp(journal_text(change, "action"), plan_action_string(PLAN_TAKE_OUT)) != 0)
        return 0;
    return note_gone(wanted, journal_text(change, "path"));
}

static int note_lost(struct wanted *wanted, const struct json_object *lost)
{
    return note_gone(wanted, journal_text(lost, "path"));
}

/* Each of the array at key. */
static int note_each(struct wanted *wanted, const struct json_object *record, const char *key,
                     int (*note_one)(struct wanted *, const struct json_object *))
{
    struct json_object *array = NULL;
    int err = 0;
    if (!json_object_object_get_ex(record, key, &array) ||
        !json_object_is_type(array, json_type_array))
        return 0;
    for (size_t i = 0; err == 0 && i < json_object_array_length(array); i++)
        err = note_one(wanted, json_object_array_get_idx(array, i));
    return err;
}

/* A suspect that was to be replaced and could not be is "lost". */
static int note_record(struct wanted *wanted, const struct json_object *record)
{
    const char *event = journal_text(record, "event");
    int err = 0;
    if (strcmp(event, "intent") == 0) {
        err = note_each(wanted, record, "changes", note_change);
        if (err == 0)
            err = note_each(wanted, record, "changes", note_taken_out);
    }
    if (strcmp(event, "done") == 0)
        err = note_each(wanted, record, "lost", note_lost);
    return err;
}

/* Where the journal does not say, all are. */
static int read_wanted(const struct place *place, struct wanted *wanted, struct diag *diag)
{
    struct journal journal = {0};
    size_t first = 0;
    int err = journal_read(place, &journal, diag);
    if (err < 0) {
        wanted->all = true;
        return err == -ENOMEM ? err : 0;
    }
    for (size_t i = 0; i < journal.count; i++)
        if (strcmp(journal_text(journal.records[i], "event"), "rebuild") == 0)
            first = i + 1;
    for (size_t i = first; err == 0 && i < journal.count; i++)
        err = note_record(wanted, journal.records[i]);
    wanted->all = wanted->all || wanted->releases.count == 0 || journal.broken_line;
    journal_free(&journal);
    return err;
}

static bool is_wanted(const struct wanted *wanted, const char *release)
{
    bool found = wanted->all;
    for (size_t i = 0; i < wanted->releases.count && !found; i++)
        found = strcmp(wanted->releases.items[i], release) == 0;
    return found;
}

/* ---- modules ---- */

/* Adds the names of all modules in the directory and beneath. Closes dir_fd. */
static int tree_modules(int dir_fd, struct strings *names)
{
    DIR *dir = fdopendir(dir_fd);
    int err = dir ? 0 : -errno;
    if (!dir)
        close(dir_fd);
    for (struct dirent *entry; err != -ENOMEM && dir && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (masks_add_file(names, entry->d_name) == -ENOMEM)
            err = -ENOMEM;
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && tree_modules(fd, names) == -ENOMEM)
            err = -ENOMEM;
    }
    if (dir)
        closedir(dir);
    return err;
}

static int modules_of(const struct place *place, const char *release, struct strings *names)
{
    char *path = NULL;
    if (asprintf(&path, "/lib/modules/%s", release) < 0)
        return -ENOMEM;
    int fd = place_openat(place, path, O_RDONLY | O_DIRECTORY, 0, true);
    free(path);
    int err = fd < 0 ? fd : tree_modules(fd, names);
    return err == -ENOMEM ? err : 0; /* what cannot be read holds none */
}

struct image_modules {
    const char *release;
    struct strings names;
    int error;
};

static bool note_module(const char *name, void *user)
{
    struct image_modules *found = user;
    size_t length = 0;
    char *path = NULL;
    if (asprintf(&path, "/%s", name) < 0) {
        found->error = -ENOMEM;
        return true;
    }
    const char *release = needs_release_of(path, &length);
    if (release && strlen(found->release) == length &&
        strncmp(release, found->release, length) == 0 &&
        masks_add_file(&found->names, path) == -ENOMEM)
        found->error = -ENOMEM;
    free(path);
    return found->error != 0;
}

static bool is_loaded(const struct needs_source *kernel, const char *module)
{
    char *path = NULL;
    if (asprintf(&path, "%s/module/%s/initstate", kernel->sys, module) < 0)
        return true;
    bool loaded = access(path, F_OK) == 0;
    free(path);
    return loaded;
}

struct look {
    const struct place *place;
    const struct needs_source *kernel;
    const struct wanted *wanted;
    struct strings needed;
    struct diag *diag;
};

/*
 * Of an image that cannot be looked into no more is known than what the root needs now. A suspect
 * may be loaded, from this very image: that it was taken out says more.
 */
static bool would_be_missed(const struct look *look, const char *release, const char *module,
                            bool in_image)
{
    bool needed = masks_hold(&look->needed, module), loaded = is_loaded(look->kernel, module);
    bool in_use = loaded && !is_gone(look->wanted, release, module);
    return in_image ? needed || in_use : needed && loaded;
}

/* *missing: a module that a new image of this release would lack, or NULL. */
static int look_into(const struct look *look, int boot_fd, const char *name, char **missing)
{
    struct image_modules found = {.release = name + sizeof REBUILD_IMAGE_PREFIX - 1};
    struct strings tree = {0};
    int fd = openat(boot_fd, name, O_RDONLY | O_CLOEXEC);
    int read = fd < 0 ? -errno : image_file_each(fd, note_module, &found);
    int err = found.error ? found.error : modules_of(look->place, found.release, &tree);
    const struct strings *names = read < 0 ? &look->needed : &found.names;
    for (size_t i = 0; err == 0 && !*missing && i < names->count; i++)
        if (!masks_hold(&tree, names->items[i]) &&
            would_be_missed(look, found.release, names->items[i], read >= 0)) {
            *missing = strdup(names->items[i]);
            err = *missing ? 0 : -ENOMEM;
        }
    if (fd >= 0)
        close(fd);
    masks_free(&found.names);
    masks_free(&tree);
    return err;
}

/* ---- images ---- */

/* Takes ownership of missing. */
static int add_due(struct due_images *due, const char *release, char *missing)
{
    struct due_image *items = realloc(due->items, (due->count + 1) * sizeof *items);
    char *copy = strdup(release);
    if (items)
        due->items = items;
    if (!items || !copy) {
        free(copy);
        free(missing);
        return -ENOMEM;
    }
    items[due->count++] = (struct due_image){.release = copy, .missing = missing};
    return 0;
}

static bool is_image(const char *name)
{
    return strncmp(name, REBUILD_IMAGE_PREFIX, sizeof REBUILD_IMAGE_PREFIX - 1) == 0 &&
           name[sizeof REBUILD_IMAGE_PREFIX - 1];
}

static int add_image(const struct look *look, int boot_fd, const char *name, struct due_images *due)
{
    char *missing = NULL;
    const char *release = name + sizeof REBUILD_IMAGE_PREFIX - 1;
    int err = look_into(look, boot_fd, name, &missing);
    if (err < 0) {
        free(missing);
        return err;
    }
    if (missing)
        diag_report(look->diag, DIAG_WARNING,
                    "/boot/%s stays as it is: it holds the module %s, which /lib/modules/%s has "
                    "not; install that again, then update-initramfs -u -k %s",
                    name, missing, release, release);
    return add_due(due, release, missing);
}

static int compare_images(const void *a, const void *b)
{
    return strcmp(((const struct due_image *)a)->release, ((const struct due_image *)b)->release);
}

/* Without a tree there is nothing to make an image of: that of a kernel gone, or a copy that
 * somebody keeps (DKMS does). */
static bool has_tree(const struct place *place, const char *release)
{
    char *path = NULL;
    if (asprintf(&path, "/lib/modules/%s", release) < 0)
        return false;
    int fd = place_openat(place, path, O_PATH | O_DIRECTORY, 0, true);
    free(path);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int list_images(const struct look *look, const struct wanted *wanted, struct due_images *due)
{
    int fd = place_openat(look->place, "/boot", O_RDONLY | O_DIRECTORY, 0, true), err = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        err = fd < 0 ? fd : -errno;
        diag_report(look->diag, DIAG_WARNING, "/boot: %s", strerror(-err));
        if (fd >= 0)
            close(fd);
        return err;
    }
    for (struct dirent *entry; err == 0 && (entry = readdir(dir));)
        if (is_image(entry->d_name) &&
            is_wanted(wanted, entry->d_name + sizeof REBUILD_IMAGE_PREFIX - 1) &&
            has_tree(look->place, entry->d_name + sizeof REBUILD_IMAGE_PREFIX - 1))
            err = add_image(look, fd, entry->d_name, due);
    closedir(dir);
    if (due->count > 1)
        qsort(due->items, due->count, sizeof *due->items, compare_images);
    return err;
}

int rebuild_probe(const struct place *place, const struct needs_source *kernel,
                  struct due_images *due, struct diag *diag)
{
    struct wanted wanted = {0};
    struct look look = {.place = place, .kernel = kernel, .wanted = &wanted, .diag = diag};
    int err = needs_of_root(kernel, "/", &look.needed);
    if (err == 0)
        err = read_wanted(place, &wanted, diag);
    if (err == 0)
        err = list_images(&look, &wanted, due);
    masks_free(&look.needed);
    masks_free(&wanted.releases);
    masks_free(&wanted.gone);
    return err;
}

void due_images_free(struct due_images *due)
{
    for (size_t i = 0; i < due->count; i++) {
        free(due->items[i].release);
        free(due->items[i].missing);
    }
    free(due->items);
    *due = (struct due_images){0};
}

/* ---- the record ---- */

static struct json_object *left_to_json(const struct due_image *image)
{
    struct json_object *json = json_object_new_object();
    return json_whole(json_add_text(json, "kernel", image->release) &&
                          json_add_text(json, "module", image->missing),
                      json);
}

bool rebuild_describe(struct json_object *record, const struct due_images *due)
{
    struct json_object *kernels = json_object_new_array(), *left = json_object_new_array();
    bool whole = kernels && left;
    for (size_t i = 0; whole && i < due->count; i++)
        whole = due->items[i].missing
                    ? json_append(left, left_to_json(&due->items[i]))
                    : json_append(kernels, json_object_new_string(due->items[i].release));
    whole = json_add(record, "kernels", kernels) && whole;
    return json_add(record, "left", left) && whole;
}

static int add_left(const struct place *place, const struct json_object *item,
                    struct due_images *left)
{
    const char *release = journal_text(item, "kernel"), *module = journal_text(item, "module");
    struct strings tree = {0};
    if (!*release || strchr(release, '/') || !*module)
        return 0;
    int err = modules_of(place, release, &tree);
    bool back = err == 0 && masks_hold(&tree, module);
    masks_free(&tree);
    char *copy = err == 0 && !back ? strdup(module) : NULL;
    if (err < 0 || back)
        return err;
    return copy ? add_due(left, release, copy) : -ENOMEM;
}

int rebuild_left(const struct place *place, const struct journal *journal, struct due_images *left)
{
    struct json_object *list = NULL;
    int err = 0;
    for (size_t i = journal->count; i-- > 0;) {
        if (strcmp(journal_text(journal->records[i], "event"), "rebuild") != 0)
            continue;
        if (!json_object_object_get_ex(journal->records[i], "left", &list) ||
            !json_object_is_type(list, json_type_array))
            return 0;
        for (size_t k = 0; err == 0 && k < json_object_array_length(list); k++)
            err = add_left(place, json_object_array_get_idx(list, k), left);
        return err;
    }
    return 0;
}
