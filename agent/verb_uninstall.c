/*
 * verb_uninstall.c - `backstop uninstall`: the machine boots as it did before.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "install.h"
#include "options.h"

struct uninstall_words {
    struct uninstall_options options;
    const char *root;
};

static bool parse_words(int argc, char **argv, struct uninstall_words *words, struct diag *diag)
{
    static const struct option options[] = {
        {"esp", required_argument, NULL, 'e'},
        {"purge", no_argument, NULL, 'p'},
        {"keep-state", no_argument, NULL, 'k'},
        {"root", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    bool keep = false;
    int option;

    opterr = 0;
    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'e')
            words->options.esp_dir = optarg;
        else if (option == 'p')
            words->options.purge = true;
        else if (option == 'k')
            keep = true;
        else if (option == 'r')
            words->root = optarg;
        else
            break;
    }
    if (option == -1 && optind == argc && !(keep && words->options.purge))
        return true;
    if (keep && words->options.purge)
        diag_report(diag, DIAG_ERROR, "uninstall: --purge and --keep-state exclude each other");
    else
        diag_report(diag, DIAG_ERROR,
                    "uninstall: \"%s\" is not understood; `backstop uninstall --help`",
                    option == -1 ? argv[optind] : argv[optind - 1]);
    return false;
}

static void print_result(const struct uninstall_result *result, bool keeps)
{
    if (!result->was_there)
        puts("The stage was not installed.");
    else if (result->retiring)
        puts("BootOrder is as it was. The next start of this machine runs the stage once more, to\n"
             "delete its own record from the firmware, its boot entry and its last files.");
    else
        puts("The stage, its boot entry and its variables are gone.");
    if (keeps)
        puts("Good generations, quarantine and journal are kept in " STATE_DIR
             "; --purge deletes them.");
}

static int uninstall_at(struct place *place, const struct uninstall_words *words, struct diag *diag)
{
    struct uninstall_result result = {0};

    /* without a state directory there is still the ESP and the firmware to clear */
    place_open_state(place, false);
    if (uninstall_run(place, &words->options, &result, diag))
        return EXIT_FAILED;
    print_result(&result, place->state_fd >= 0 && !words->options.purge);
    return EXIT_OK;
}

int verb_uninstall(int argc, char **argv, struct diag *diag)
{
    struct uninstall_words words = {.options.run_dir = RUN_DIR};
    struct place place;
    int code;

    if (!parse_words(argc, argv, &words, diag))
        return EXIT_USAGE;
    code = options_open_as_root("uninstall", words.root, &place, diag);
    if (code != EXIT_OK)
        return code;
    code = uninstall_at(&place, &words, diag);
    place_close(&place);
    return code;
}
