/*
 * verb_status.c - `backstop status`.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "status.h"
#include "verb.h"

static int show(struct place *place, bool json, struct diag *diag)
{
    struct status status;
    int error = place_open_state(place, false);

    if (error && error != -ENOENT) {
        diag_report(diag, DIAG_ERROR, "%s: %s%s", STATE_DIR, strerror(-error),
                    error == -EACCES ? "; run this as root" : "");
        return error == -EACCES ? EXIT_NOT_HERE : EXIT_FAILED;
    }
    error = status_probe(place, RUN_DIR, &status, diag);
    if (error) {
        diag_report(diag, DIAG_ERROR, "%s: %s; `backstop doctor` looks closer", STATE_DIR,
                    strerror(-error));
        return EXIT_FAILED;
    }
    if (json)
        json_print(status_json(&status));
    else
        status_print(&status, stdout);
    return status_wants_attention(&status) ? EXIT_ATTENTION : EXIT_OK;
}

int verb_status(int argc, char **argv, struct diag *diag)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"root", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    const char *root = NULL;
    bool json = false;
    struct place place;
    int option, error, code;

    opterr = 0;
    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) == 'j' || option == 'r') {
        if (option == 'j')
            json = true;
        else
            root = optarg;
    }
    if (option != -1 || optind != argc) {
        diag_report(diag, DIAG_ERROR, "status: \"%s\" is not understood; `backstop status --help`",
                    option == -1 ? argv[optind] : argv[optind - 1]);
        return EXIT_USAGE;
    }
    error = place_open(&place, root);
    if (error) {
        diag_report(diag, DIAG_ERROR, "%s: %s", root ? root : "/", strerror(-error));
        return EXIT_USAGE;
    }
    code = show(&place, json, diag);
    place_close(&place);
    return code;
}
