#include "sets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conftext.h"
#include "dropins.h"
#include "glob.h"

#define DEFAULT_MAX_SIZE (UINT64_C(4) << 30)
#define COMM_MAX 15   /* TASK_COMM_LEN - 1 */
#define DRIVER_MAX 55 /* MODULE_NAME_LEN - 1 on 64 bits */

int strings_add(struct strings *strings, const char *text)
{
    char **larger = realloc(strings->items, (strings->count + 1) * sizeof *larger);

    if (!larger)
        return -ENOMEM;
    strings->items = larger;
    larger[strings->count] = strdup(text);
    if (!larger[strings->count])
        return -ENOMEM;
    strings->count++;
    return 0;
}

void strings_free(struct strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct strings){0};
}

void set_free(struct set *set)
{
    free(set->name);
    free(set->file);
    free(set->description);
    strings_free(&set->detect);
    strings_free(&set->paths);
    strings_free(&set->never);
    strings_free(&set->drivers);
    strings_free(&set->comms);
    *set = (struct set){0};
}

/* A set under construction, and which single-valued keys it has had. */
struct parsing {
    struct set *set;
    bool has_class, has_description, has_soak, has_max_size, section_reported;
};

static void keep(struct conftext *text, struct strings *strings, const char *value)
{
    if (strings_add(strings, value) < 0)
        conftext_fault(text, "try again", "out of memory");
}

static bool is_repeated(struct conftext *text, const char *key, bool *before)
{
    if (*before)
        conftext_fault(text, "keep one of them", "%s is given a second time", key);
    return *before || (*before = true, false);
}

const char *const set_forbidden_places[] = {"/proc", "/sys", "/dev", "/run", STATE_DIR, NULL};

static const char *forbidden_reach(const struct glob *glob)
{
    for (const char *const *place = set_forbidden_places; *place; place++)
        if (glob_reaches(glob, *place))
            return *place;
    return NULL;
}

static bool has_double_star(const struct glob *glob)
{
    for (size_t i = 0; i < glob->count; i++)
        if (glob->parts[i].deep)
            return true;
    return false;
}

static bool glob_is_sound(struct conftext *text, const char *key, const char *value)
{
    struct glob glob;
    const char *why;
    bool deep = false;
    int error = glob_compile(value, &glob, &why);

    if (!error) {
        deep = has_double_star(&glob);
        glob_free(&glob);
    }
    deep = deep && strcmp(key, "detect") == 0;
    if (deep)
        conftext_fault(text, "name one directory or file", "detect=%s: '**' cannot be detected",
                       value);
    if (error)
        conftext_fault(text, "write an absolute path with *, ?, [...] or **", "%s=%s: %s", key,
                       value, error == -EINVAL ? why : "out of memory");
    return !error && !deep;
}

static void on_path(struct conftext *text, struct set *set, const char *value)
{
    struct glob glob;
    const char *why, *reach;

    if (!glob_is_sound(text, "path", value) || glob_compile(value, &glob, &why) != 0)
        return;
    reach = forbidden_reach(&glob);
    glob_free(&glob);
    if (reach)
        conftext_fault(text, "name the files' own directory", "path=%s reaches into %s", value,
                       reach);
    else
        keep(text, &set->paths, value);
}

static void on_class(struct conftext *text, struct parsing *parsing, const char *value)
{
    int set_class = set_class_from_string(value);

    if (is_repeated(text, "class", &parsing->has_class))
        return;
    if (set_class < 0)
        conftext_fault(text, "use content, driver, firmware, policy or loading",
                       "there is no class \"%s\"", value);
    else
        parsing->set->set_class = (enum set_class)set_class;
}

/* A number with one of the suffixes, which multiply it by the factors. 0 or -EINVAL. */
static int parse_quantity(const char *value, const char *suffixes, const uint64_t *factors,
                          uint64_t *quantity)
{
    const char *end = value, *suffix;
    uint64_t n = 0, factor = 1;

    for (; *end >= '0' && *end <= '9'; end++) {
        if (n > UINT64_C(1000000000000000))
            return -EINVAL;
        n = n * 10 + (uint64_t)(*end - '0');
    }
    if (end == value)
        return -EINVAL;
    if (*end) {
        suffix = strchr(suffixes, *end);
        if (!suffix || end[1])
            return -EINVAL;
        factor = factors[suffix - suffixes];
    }
    if (n > UINT64_MAX / factor)
        return -EINVAL;
    *quantity = n * factor;
    return 0;
}

static void on_soak(struct conftext *text, struct parsing *parsing, const char *value)
{
    static const uint64_t factors[] = {1, 60, 3600, 86400};

    if (!is_repeated(text, "soak", &parsing->has_soak) &&
        parse_quantity(value, "smhd", factors, &parsing->set->soak) < 0)
        conftext_fault(text, "write a number with s, m, h or d", "soak=%s is no time", value);
}

static void on_max_size(struct conftext *text, struct parsing *parsing, const char *value)
{
    static const uint64_t factors[] = {UINT64_C(1) << 10, UINT64_C(1) << 20, UINT64_C(1) << 30,
                                       UINT64_C(1) << 40};

    if (!is_repeated(text, "max-size", &parsing->has_max_size) &&
        parse_quantity(value, "KMGT", factors, &parsing->set->max_size) < 0)
        conftext_fault(text, "write a number with K, M, G or T", "max-size=%s is no size", value);
}

/* Names go into modprobe's configuration: nothing but a name may pass. */
static void on_driver(struct conftext *text, struct set *set, const char *value)
{
    size_t size = strlen(value);

    if (!size || size > DRIVER_MAX ||
        strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != size)
        conftext_fault(text, "write it as lsmod does", "driver=%s is no module's name", value);
    else
        keep(text, &set->drivers, value);
}

static void on_comm(struct conftext *text, struct set *set, const char *value)
{
    size_t size = strlen(value);

    if (!size || size > COMM_MAX)
        conftext_fault(text, "the kernel keeps the first 15: write those",
                       "comm=%s has not 1 to 15 characters", value);
    else
        keep(text, &set->comms, value);
}

static void on_description(struct conftext *text, struct parsing *parsing, const char *value)
{
    if (is_repeated(text, "description", &parsing->has_description))
        return;
    free(parsing->set->description);
    parsing->set->description = strdup(value);
}

static void on_key(struct conftext *text, const char *section, const char *key, const char *value)
{
    struct parsing *parsing = text->user;
    struct set *set = parsing->set;

    if (strcmp(section, "set") != 0) {
        if (!parsing->section_reported)
            conftext_fault(text, "begin the file with [set]", "\"%s\" is in section [%s]", key,
                           section);
        parsing->section_reported = true;
    } else if (strcmp(key, "description") == 0) {
        on_description(text, parsing, value);
    } else if (strcmp(key, "class") == 0) {
        on_class(text, parsing, value);
    } else if (strcmp(key, "path") == 0) {
        on_path(text, set, value);
    } else if (strcmp(key, "never") == 0 || strcmp(key, "detect") == 0) {
        if (glob_is_sound(text, key, value))
            keep(text, *key == 'n' ? &set->never : &set->detect, value);
    } else if (strcmp(key, "driver") == 0) {
        on_driver(text, set, value);
    } else if (strcmp(key, "comm") == 0) {
        on_comm(text, set, value);
    } else if (strcmp(key, "soak") == 0) {
        on_soak(text, parsing, value);
    } else if (strcmp(key, "max-size") == 0) {
        on_max_size(text, parsing, value);
    } else {
        conftext_fault(text,
                       "the keys are description, class, detect, path, never, driver, comm, soak "
                       "and max-size",
                       "there is no key \"%s\"", key);
    }
}

static void check_whole(struct conftext *text, const struct parsing *parsing)
{
    size_t size = strspn(parsing->set->name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    if (!*parsing->set->name || parsing->set->name[size] || *parsing->set->name == '-')
        conftext_fault(text, "rename the file", "a set's name is of a-z, 0-9 and '-', not \"%s\"",
                       parsing->set->name);
    if (!parsing->has_class)
        conftext_fault(text, "add class=content, driver, firmware, policy or loading",
                       "class is missing");
    if (!parsing->set->paths.count && !text->faults)
        conftext_fault(text, "add path=/...", "path is missing: the set would hold nothing");
}

int set_parse(const char *name, const char *file, const char *text, size_t size, struct set *set,
              struct diag *diag)
{
    struct set made = {.name = strdup(name), .file = strdup(file), .max_size = DEFAULT_MAX_SIZE};
    struct parsing parsing = {.set = &made};
    struct conftext reading = {.file = file, .user = &parsing, .diag = diag, .level = DIAG_ERROR};
    int error = made.name && made.file ? 0 : -ENOMEM;

    if (!error)
        error = conftext_read(&reading, text, size, on_key);
    if (error != -ENOMEM) {
        check_whole(&reading, &parsing);
        if (!made.description)
            made.description = strdup(name);
        error = reading.faults ? -EINVAL : made.description ? 0 : -ENOMEM;
    }
    if (error) {
        set_free(&made);
        return error;
    }
    *set = made;
    return 0;
}

/* Whether a part of the glob from `part` on exists beneath `directory` (no slash at its end). */
static bool part_exists(const struct place *place, const struct glob *glob, size_t part,
                        const char *directory);

static bool name_exists(const struct place *place, const struct glob *glob, size_t part,
                        const char *directory, const char *name)
{
    bool exists = false;
    char *path;

    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return false;
    if (part + 1 == glob->count) {
        int fd = place_openat(place, path, O_PATH, 0, true);

        exists = fd >= 0;
        if (fd >= 0)
            close(fd);
    } else {
        exists = part_exists(place, glob, part + 1, path);
    }
    free(path);
    return exists;
}

static bool part_exists(const struct place *place, const struct glob *glob, size_t part,
                        const char *directory)
{
    struct dirent *found;
    bool exists = false, deep, matched;
    int fd;
    DIR *dir;

    if (glob->parts[part].literal)
        return name_exists(place, glob, part, directory, glob->parts[part].text);
    fd = place_openat(place, *directory ? directory : "/", O_RDONLY | O_DIRECTORY, 0, true);
    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    while (!exists && (found = readdir(dir))) {
        const char *name = found->d_name;
        uint64_t next;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        next = glob_step(glob, UINT64_C(1) << part, name, strlen(name), &matched, &deep);
        if (next || matched)
            exists = name_exists(place, glob, part, directory, name);
    }
    closedir(dir);
    return exists;
}

static bool is_present(const struct place *place, const struct set *set)
{
    bool present = set->detect.count == 0;

    for (size_t i = 0; i < set->detect.count && !present; i++) {
        struct glob glob;
        const char *why;

        if (glob_compile(set->detect.items[i], &glob, &why) != 0)
            continue;
        present = part_exists(place, &glob, 0, "");
        glob_free(&glob);
    }
    return present;
}

static int load_one(const struct place *place, const struct dropin *item, struct sets *sets,
                    struct diag *diag)
{
    char *name = strndup(item->name, strlen(item->name) - strlen(".conf"));
    struct set *set = &sets->items[sets->count];
    int error = name ? item->error : -ENOMEM;

    if (item->error)
        diag_report(diag, DIAG_ERROR, "%s: cannot be read: %s; mend or remove it", item->path,
                    strerror(-item->error));
    else if (!error)
        error = set_parse(name, item->path, item->text, item->size, set, diag);
    if (error && error != -ENOMEM) {
        error = strings_add(&sets->bad, name);
        sets->bad_files++;
    } else if (!error) {
        set->present = is_present(place, set);
        sets->count++;
    }
    free(name);
    return error;
}

int sets_load(const struct place *place, struct sets *sets, struct diag *diag)
{
    struct dropins dropins;
    struct sets loaded = {0};
    int error = dropins_read(place, SETS_DIR_VENDOR, SETS_DIR_LOCAL, &dropins);

    if (error)
        return error;
    loaded.items = calloc(dropins.count + 1, sizeof *loaded.items);
    if (!loaded.items)
        error = -ENOMEM;
    for (size_t i = 0; i < dropins.count && !error; i++)
        error = load_one(place, &dropins.items[i], &loaded, diag);
    dropins_free(&dropins);
    if (error) {
        sets_free(&loaded);
        return error;
    }
    *sets = loaded;
    return 0;
}

void sets_free(struct sets *sets)
{
    for (size_t i = 0; i < sets->count; i++)
        set_free(&sets->items[i]);
    free(sets->items);
    strings_free(&sets->bad);
    *sets = (struct sets){0};
}

int sets_find(const struct sets *sets, const char *name)
{
    for (size_t i = 0; i < sets->count; i++)
        if (strcmp(sets->items[i].name, name) == 0)
            return (int)i;
    return -1;
}
