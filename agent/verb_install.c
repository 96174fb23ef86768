/*
 * verb_install.c - `backstop install`: the stage before the machine's loader.
 */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "install.h"
#include "options.h"

struct install_words {
    struct install_options options;
    const char *root;
    bool json, if_possible, if_needed;
};

static bool parse_words(int argc, char **argv, struct install_words *words, struct diag *diag)
{
    static const struct option options[] = {
        {"esp", required_argument, NULL, 'e'},    {"removable", no_argument, NULL, 'm'},
        {"no-variables", no_argument, NULL, 'v'}, {"root", required_argument, NULL, 'r'},
        {"json", no_argument, NULL, 'j'},         {"if-possible", no_argument, NULL, 'p'},
        {"if-needed", no_argument, NULL, 'n'},    {NULL, 0, NULL, 0},
    };
    int option;

    opterr = 0;
    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'e')
            words->options.esp_dir = optarg;
        else if (option == 'm')
            words->options.removable = true;
        else if (option == 'v')
            words->options.no_variables = true;
        else if (option == 'r')
            words->root = optarg;
        else if (option == 'j')
            words->json = true;
        else if (option == 'p')
            words->if_possible = true;
        else if (option == 'n')
            words->if_needed = true;
        else
            break;
    }
    if (option == -1 && optind == argc)
        return true;
    diag_report(diag, DIAG_ERROR, "install: \"%s\" is not understood; `backstop install --help`",
                option == -1 ? argv[optind] : argv[optind - 1]);
    return false;
}

static void print_json(const struct install_result *result)
{
    struct json_object *object = json_object_new_object(), *next = json_object_new_array();

    json_add_flag(object, "changed", result->changed);
    json_add_flag(object, "complete", result->complete);
    if (result->has_entry)
        json_add(object, "entry", json_object_new_int(result->entry));
    for (size_t i = 0; i < result->next.count; i++)
        json_append(next, json_object_new_string(result->next.paths[i]));
    json_add(object, "next", next);
    json_print(object);
}

static void print_result(const struct install_result *result)
{
    if (!result->changed && result->complete) {
        puts("Already installed: nothing to do.");
        return;
    }
    printf("The stage is on the ESP, in %s; it starts %s.\n", ESP_DIR, result->next.paths[0]);
    if (result->has_entry)
        printf("Boot%04X \"%s\" is first in BootOrder. Boots are counted from the next one on.\n",
               result->entry, BACKSTOP_ENTRY_NAME);
    else if (!result->complete)
        puts("The boot entry will be made at this system's first own boot.");
}

static int exit_code_of(int error, const struct install_words *words)
{
    if (error != -ENOTSUP && error != -ENOENT)
        return EXIT_FAILED;
    if (!words->if_possible && !words->if_needed)
        return EXIT_NOT_HERE;
    fputs("backstop: left for the next boot, when backstop-install.service tries again\n", stderr);
    return EXIT_OK;
}

/* Uninstalled by a person: a unit must not undo that. */
static bool is_retired(const struct place *place)
{
    struct install_state state;

    return install_state_read(place, &state, NULL) == 0 && state.retired;
}

static int install_at(struct place *place, const struct install_words *words, struct diag *diag)
{
    struct install_result result = {0};
    int error = place_open_state(place, true);

    if (error) {
        diag_report(diag, DIAG_ERROR, "%s: %s; is the root file system mounted read-write?",
                    STATE_DIR, strerror(-error));
        return EXIT_FAILED;
    }
    if (words->if_needed && is_retired(place))
        return EXIT_OK;
    error = install_run(place, &words->options, &result, diag);
    if (error)
        return exit_code_of(error, words);
    if (words->json)
        print_json(&result);
    else if (result.changed || !words->if_needed)
        print_result(&result);
    return EXIT_OK;
}

int verb_install(int argc, char **argv, struct diag *diag)
{
    struct install_words words = {.options.run_dir = RUN_DIR};
    struct place place;
    int code;

    if (!parse_words(argc, argv, &words, diag))
        return EXIT_USAGE;
    code = options_open_as_root("install", words.root, &place, diag);
    if (code != EXIT_OK)
        return code;
    code = install_at(&place, &words, diag);
    place_close(&place);
    return code;
}
