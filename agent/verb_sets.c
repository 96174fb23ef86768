/*
 * verb_sets.c - `backstop sets`: what is watched, and whether a set file is right.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers.h"
#include "dropins.h"
#include "inventory.h"
#include "io.h"
#include "masks.h"
#include "options.h"

struct tally {
    uint64_t files, bytes;
};

static void count_files(const struct inventory *inventory, struct tally *tallies)
{
    for (size_t i = 0; i < inventory->count; i++) {
        const struct entry *entry = &inventory->entries[i];

        if (entry->type != ENTRY_DIR)
            tallies[entry->set].files++;
        tallies[entry->set].bytes += entry->size;
    }
}

static struct json_object *strings_json(const struct strings *strings)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < strings->count; i++)
        json_append(list, json_object_new_string(strings->items[i]));
    return list;
}

static struct json_object *set_json(const struct set *set, const struct tally *tally)
{
    struct json_object *object = json_object_new_object();

    json_add_text(object, "name", set->name);
    json_add_text(object, "class", set_class_string(set->set_class));
    json_add_text(object, "description", set->description);
    json_add_text(object, "file", set->file);
    json_add_flag(object, "present", set->present);
    json_add_number(object, "files", tally->files);
    json_add_number(object, "bytes", tally->bytes);
    json_add(object, "max_size", json_object_new_uint64(set->max_size));
    json_add(object, "soak", json_object_new_uint64(set->soak));
    json_add(object, "drivers", strings_json(&set->drivers));
    json_add(object, "paths", strings_json(&set->paths));
    json_add(object, "never", strings_json(&set->never));
    return object;
}

static void print_json(const struct sets *sets, const struct tally *tallies)
{
    struct json_object *object = json_object_new_object(), *list = json_object_new_array();

    for (size_t i = 0; i < sets->count; i++)
        json_append(list, set_json(&sets->items[i], &tallies[i]));
    json_add(object, "sets", list);
    json_add(object, "bad", strings_json(&sets->bad));
    json_print(object);
}

static void print_set(const struct set *set, const struct tally *tally)
{
    char size[SIZE_TEXT];

    printf("%-24s %-9s", set->name, set_class_string(set->set_class));
    if (set->present)
        printf(" %8llu  %10s", (unsigned long long)tally->files, size_text(tally->bytes, size));
    else
        printf(" %8s  %10s", "-", "not here");
    for (size_t i = 0; i < set->drivers.count; i++)
        printf("%s%s", i ? " " : "  ", set->drivers.items[i]);
    putchar('\n');
}

static void print_people(const struct sets *sets, const struct tally *tallies)
{
    if (sets->count)
        printf("%-24s %-9s %8s  %10s  %s\n", "SET", "CLASS", "FILES", "SIZE", "DRIVERS");
    else
        puts("No set is defined: nothing is watched.");
    for (size_t i = 0; i < sets->count; i++)
        print_set(&sets->items[i], &tallies[i]);
    for (size_t i = 0; i < sets->bad.count; i++)
        printf("%-24s is not used: its file has a mistake\n", sets->bad.items[i]);
}

/* One a line, for the initramfs hook and scripts. */
static void print_drivers(const struct sets *sets)
{
    for (size_t i = 0; i < sets->count; i++)
        for (size_t k = 0; sets->items[i].present && k < sets->items[i].drivers.count; k++)
            puts(sets->items[i].drivers.items[k]);
}

/* Of the files that are there, as modprobe knows them. */
static int print_modules(const struct place *place, const struct sets *sets, struct diag *diag)
{
    struct strings names = {0};
    int error = drivers_held(place, sets, &names, diag);

    for (size_t i = 0; i < names.count; i++)
        puts(names.items[i]);
    masks_free(&names);
    if (error)
        diag_report(diag, DIAG_ERROR, "the sets' modules cannot be listed: %s; try again",
                    strerror(-error));
    return error ? EXIT_FAILED : EXIT_OK;
}

static int show_files(const struct place *place, const struct options *options,
                      const struct sets *sets, struct diag *diag)
{
    struct inventory inventory;
    struct tally *tallies = calloc(sets->count + 1, sizeof *tallies);
    int error = tallies ? inventory_take(place, sets, &inventory, diag) : -ENOMEM;

    if (error) {
        diag_report(diag, DIAG_ERROR, "the sets' files cannot be listed: %s; try again",
                    strerror(-error));
        free(tallies);
        return EXIT_FAILED;
    }
    count_files(&inventory, tallies);
    if (options->json)
        print_json(sets, tallies);
    else
        print_people(sets, tallies);
    inventory_free(&inventory);
    free(tallies);
    return sets->bad_files ? EXIT_ATTENTION : EXIT_OK;
}

static int list(const struct options *options, struct diag *diag)
{
    struct place place;
    struct sets sets;
    int code = options_open(options, false, &place, diag), error;

    if (code != EXIT_OK)
        return code;
    error = sets_load(&place, &sets, diag);
    if (error) {
        diag_report(diag, DIAG_ERROR, "%s: the sets cannot be read: %s; check the file system",
                    SETS_DIR_LOCAL, strerror(-error));
        place_close(&place);
        return EXIT_FAILED;
    }
    if (options->drivers)
        print_drivers(&sets);
    else if (options->modules)
        code = print_modules(&place, &sets, diag);
    else
        code = show_files(&place, options, &sets, diag);
    sets_free(&sets);
    place_close(&place);
    return code;
}

/* The set's name as it would be: of the file, without .conf. */
static char *set_name(const char *file)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    size_t size = strlen(base);

    if (size > 5 && strcmp(base + size - 5, ".conf") == 0)
        size -= 5;
    return strndup(base, size);
}

static bool check_one(const char *file, struct diag *diag)
{
    struct set set;
    char *name = set_name(file), *text = NULL;
    size_t size = 0, length = strlen(file);
    int error = name ? io_read_all(AT_FDCWD, file, DROPIN_MAX_SIZE, &text, &size) : -ENOMEM;

    if (error) {
        diag_report(diag, DIAG_ERROR, "%s: cannot be read: %s; name a set file", file,
                    strerror(-error));
    } else {
        if (length < 5 || strcmp(file + length - 5, ".conf") != 0)
            diag_report(diag, DIAG_WARNING, "%s: only files named *.conf are read; rename it",
                        file);
        error = set_parse(name, file, text, size, &set, diag);
    }
    if (!error) {
        printf("%s: set %s is right\n", file, set.name);
        set_free(&set);
    }
    free(text);
    free(name);
    return !error;
}

static int check(const struct options *options, struct diag *diag)
{
    bool right = true;

    if (options->word_count < 2 || options->root || options->json || options->drivers ||
        options->modules) {
        diag_report(diag, DIAG_ERROR, "sets check: name the files to check, and no options");
        return EXIT_USAGE;
    }
    for (int i = 1; i < options->word_count; i++)
        right &= check_one(options->words[i], diag);
    return right ? EXIT_OK : EXIT_USAGE;
}

int verb_sets(int argc, char **argv, struct diag *diag)
{
    struct options options;

    if (!options_parse(argc, argv, OPTION_JSON | OPTION_ROOT | OPTION_DRIVERS | OPTION_MODULES,
                       &options, diag))
        return EXIT_USAGE;
    if (options.word_count && strcmp(options.words[0], "check") == 0)
        return check(&options, diag);
    if (options.word_count || options.json + options.drivers + options.modules > 1) {
        diag_report(diag, DIAG_ERROR,
                    "sets: %s is not understood; it takes check FILE..., or one of --json, "
                    "--drivers and --modules",
                    options.word_count ? options.words[0] : "more than one of them");
        return EXIT_USAGE;
    }
    return list(&options, diag);
}
