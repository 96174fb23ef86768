/*
 * verb_good.c - `backstop good`: the good generations kept, and taking one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "confirm.h"
#include "good.h"
#include "io.h"
#include "manifest.h"
#include "notify.h"
#include "options.h"
#include "reserve.h"
#include "text.h"

static uint64_t bytes_of(const struct inventory *good)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < good->count; i++)
        if (!good->entries[i].never && good->entries[i].hashed)
            bytes += good->entries[i].size;
    return bytes;
}

static struct json_object *generation_json(uint32_t generation, const struct inventory *good)
{
    struct json_object *object = json_object_new_object();

    json_add_number(object, "generation", generation);
    json_add_flag(object, "intact", good != NULL);
    if (good) {
        json_add_number(object, "boot", good->boot);
        json_add_number(object, "files", good->count);
        json_add_number(object, "bytes", bytes_of(good));
    }
    return object;
}

static void print_generation(uint32_t generation, const struct inventory *good)
{
    char size[SIZE_TEXT];

    if (good)
        printf("%10u %10u %10zu  %10s\n", generation, good->boot, good->count,
               size_text(bytes_of(good), size));
    else
        printf("%10u %10s\n", generation, "damaged: not used");
}

static void list_one(const struct place *place, uint32_t generation, bool json,
                     struct json_object *array, struct diag *diag)
{
    struct inventory good;
    bool intact = good_load(place, generation, &good, diag) == 0;

    if (json)
        json_append(array, generation_json(generation, intact ? &good : NULL));
    else
        print_generation(generation, intact ? &good : NULL);
    if (intact)
        inventory_free(&good);
}

static int list(const struct place *place, const struct options *options, struct diag *diag)
{
    struct json_object *object = NULL, *array = NULL;
    uint32_t *generations;
    size_t count;
    int error = good_list(place, &generations, &count);

    if (error) {
        diag_report(diag, DIAG_ERROR, STATE_DIR "/generations: %s; check the file system",
                    strerror(-error));
        return EXIT_FAILED;
    }
    if (options->json) {
        object = json_object_new_object();
        array = json_object_new_array();
    } else if (count) {
        printf("%10s %10s %10s  %10s\n", "GENERATION", "BOOT", "FILES", "SIZE");
    } else {
        puts("There is no good generation yet: nothing could be put back.\n"
             "The next good boot takes one; `backstop good take --now` does at once.");
    }
    for (size_t i = 0; i < count; i++)
        list_one(place, generations[i], options->json, array, diag);
    free(generations);
    if (options->json) {
        json_add(object, "generations", array);
        json_print(object);
    }
    return EXIT_OK;
}

static struct json_object *entry_json(const struct inventory *good, const struct entry *entry)
{
    struct json_object *object = json_object_new_object();
    char mode[8];

    json_add_name(object, "path", entry->path);
    json_add_text(object, "type", (char[]){entry->type, '\0'});
    json_add_text(object, "set", good->set_names[entry->set]);
    snprintf(mode, sizeof mode, "%04o", entry->mode & 07777);
    json_add_text(object, "mode", mode);
    json_add_number(object, "uid", entry->uid);
    json_add_number(object, "gid", entry->gid);
    json_add_number(object, "size", entry->size);
    json_add_flag(object, "never_touched", entry->never);
    if (entry->type == ENTRY_FILE && entry->hashed)
        json_add_hex(object, "sha256", entry->sha256, SHA256_SIZE);
    if (entry->target)
        json_add_name(object, "target", entry->target);
    return object;
}

static void print_entry(const struct entry *entry)
{
    char hex[2 * SHA256_SIZE + 1] = "-", size[SIZE_TEXT];

    if (entry->type == ENTRY_FILE && entry->hashed)
        hex_of(entry->sha256, SHA256_SIZE, hex);
    printf("%c %04o %5u:%-5u %10s %-12.12s ", entry->type, entry->mode & 07777, entry->uid,
           entry->gid, entry->type == ENTRY_FILE ? size_text(entry->size, size) : "-", hex);
    print_name(entry->path);
    if (entry->target) {
        fputs(" -> ", stdout);
        print_name(entry->target);
    }
    puts(entry->never ? "  (never touched)" : "");
}

static void show_entries(const struct inventory *good, bool json)
{
    struct json_object *object, *array;

    if (!json) {
        printf("good generation %u, of boot %u: %zu files\n", good->generation, good->boot,
               good->count);
        for (size_t i = 0; i < good->count; i++)
            print_entry(&good->entries[i]);
        return;
    }
    object = generation_json(good->generation, good);
    array = json_object_new_array();
    for (size_t i = 0; i < good->count; i++)
        json_append(array, entry_json(good, &good->entries[i]));
    json_add(object, "entries", array);
    json_print(object);
}

static int show(const struct place *place, const struct options *options, struct diag *diag)
{
    const char *word = options->word_count > 1 ? options->words[1] : NULL;
    struct inventory good;
    uint64_t generation = 0;
    int error;

    if (options->word_count > 2 ||
        (word && (text_number(word, strlen(word), UINT32_MAX, &generation) < 0 || !generation))) {
        diag_report(diag, DIAG_ERROR,
                    "good show: \"%s\" is not understood; `backstop good` lists the "
                    "numbers of the generations",
                    options->words[options->word_count - 1]);
        return EXIT_USAGE;
    }
    error = word ? good_load(place, (uint32_t)generation, &good, diag)
                 : good_load_newest(place, &good, diag);
    if (error) {
        diag_report(diag, DIAG_ERROR,
                    "there is no such good generation%s; `backstop good` lists them",
                    error == -EBADMSG ? " that is whole" : "");
        return EXIT_FAILED;
    }
    show_entries(&good, options->json);
    inventory_free(&good);
    return EXIT_OK;
}

static void print_taken(const struct good_result *result)
{
    char size[SIZE_TEXT];

    if (result->unchanged)
        printf("Nothing new is good: generation %u stands.\n", result->generation);
    else
        printf("Good generation %u: %zu entries became good, %s read.\n", result->generation,
               result->promoted, size_text(result->bytes_stored, size));
    if (result->held_back)
        printf("%zu that arrived after this boot began wait for a boot that runs with them.\n",
               result->held_back);
    if (result->other_kernels)
        printf("%zu modules of other kernels wait for a good boot of theirs.\n",
               result->other_kernels);
    if (result->lost)
        printf(
            "%zu that a recovery took out are still missing; their sets stay as they were good.\n",
            result->lost);
}

static int take_with(const struct place *place, const struct inventory *started, uint32_t boot,
                     struct diag *diag)
{
    struct good_result result;
    struct policy policy;
    struct sets sets;
    int error;

    config_load(place, &policy, diag);
    error = sets_load(place, &sets, diag);
    if (error) {
        diag_report(diag, DIAG_ERROR, "%s: the sets cannot be read: %s; check the file system",
                    SETS_DIR_LOCAL, strerror(-error));
        return EXIT_FAILED;
    }
    error = good_take(place, &sets, started, boot, &policy, &result, diag);
    sets_free(&sets);
    if (error)
        return EXIT_FAILED;
    reserve_keep(place); /* where there is room to spare; a recovery manages without */
    print_taken(&result);
    if (place->live && !result.unchanged) {
        struct this_boot here;

        this_boot_probe(RUN_DIR, &here);
        notify(NOTICE_GENERATION, &here, NULL);
    }
    return EXIT_OK;
}

static int read_identities(const struct place *place, struct inventory *started, struct diag *diag)
{
    int run = place->live ? place_openat(place, RUN_DIR, O_RDONLY | O_DIRECTORY, 0, true) : -ENOENT;
    int error = run;

    if (run < 0)
        return error;
    error = manifest_read(run, IDENTITIES_NAME, started, diag);
    close(run);
    return error;
}

static int take_here(struct place *place, const struct options *options, struct diag *diag)
{
    struct inventory started;
    int error, code;

    if (place->live && !options->now && !confirm_boot_proves(place, RUN_DIR, diag)) {
        puts("Nothing was taken. If all that stands is known to be good: "
             "backstop good take --now");
        return EXIT_OK;
    }
    error = read_identities(place, &started, diag);
    if (error && !options->now) {
        diag_report(diag, DIAG_ERROR,
                    RUN_DIR "/" IDENTITIES_NAME
                            ": %s; without it nobody can say what this boot started "
                            "with: `backstop good take --now` takes all as it stands",
                    strerror(-error));
        return EXIT_NOT_HERE;
    }
    code = take_with(place, options->now ? NULL : &started, error ? 0 : started.boot, diag);
    if (!error)
        inventory_free(&started);
    return code;
}

static int take(const struct options *options, struct diag *diag)
{
    struct place place;
    int code, error;

    if (options->word_count > 1) {
        diag_report(diag, DIAG_ERROR, "good take: \"%s\" is not understood; it takes --now",
                    options->words[1]);
        return EXIT_USAGE;
    }
    if (geteuid() != 0 && !options->root) {
        diag_report(diag, DIAG_ERROR, "good take: only root can read and keep all files; use sudo");
        return EXIT_NOT_HERE;
    }
    code = options_open(options, false, &place, diag);
    if (code != EXIT_OK)
        return code;
    error = place_open_state(&place, true);
    if (error)
        diag_report(diag, DIAG_ERROR, STATE_DIR ": cannot be made: %s; check the file system",
                    strerror(-error));
    code = error ? EXIT_FAILED : take_here(&place, options, diag);
    place_close(&place);
    return code;
}

int verb_good(int argc, char **argv, struct diag *diag)
{
    struct options options;
    struct place place;
    const char *word;
    int code;

    if (!options_parse(argc, argv, OPTION_JSON | OPTION_ROOT | OPTION_NOW, &options, diag))
        return EXIT_USAGE;
    word = options.word_count ? options.words[0] : "list";
    if (strcmp(word, "take") == 0)
        return take(&options, diag);
    if ((strcmp(word, "list") != 0 && strcmp(word, "show") != 0) || options.now ||
        (*word == 'l' && options.word_count > 1)) {
        diag_report(diag, DIAG_ERROR,
                    "good: \"%s\" is not understood; it takes list, show [N] or "
                    "take [--now]",
                    options.now ? "--now" : options.words[options.word_count - 1]);
        return EXIT_USAGE;
    }
    code = options_open(&options, true, &place, diag);
    if (code != EXIT_OK)
        return code;
    code = *word == 'l' ? list(&place, &options, diag) : show(&place, &options, diag);
    place_close(&place);
    return code;
}
