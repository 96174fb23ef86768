/*
 * verb_doctor.c - `backstop doctor`.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "options.h"
#include "verb.h"

static void print_findings(const struct findings *findings, FILE *out)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];

        fprintf(out, "%-8s %-14s %s\n", finding_level_string(finding->level), finding->name,
                finding->text);
        if (*finding->mend)
            fprintf(out, "%-8s %-14s mend: %s\n", "", "", finding->mend);
    }
    if (findings->faults)
        fprintf(out, "\n%zu fault%s would keep recovery from working.\n", findings->faults,
                findings->faults == 1 ? "" : "s");
    else
        fputs("\nRecovery can work on this machine.\n", out);
}

static struct json_object *findings_json(const struct findings *findings)
{
    struct json_object *list = json_object_new_array(), *object = json_object_new_object();

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        struct json_object *one = json_object_new_object();

        json_add_text(one, "name", finding->name);
        json_add_text(one, "level", finding_level_string(finding->level));
        json_add_text(one, "text", finding->text);
        if (*finding->mend)
            json_add_text(one, "mend", finding->mend);
        json_append(list, one);
    }
    json_add_number(object, "faults", findings->faults);
    json_add_number(object, "warnings", findings->warnings);
    json_add(object, "findings", list);
    return object;
}

static int examine(struct place *place, const char *esp_dir, bool json, struct diag *diag)
{
    struct findings findings;
    struct doctor doctor = {
        .place = place, .running = place->live, .run_dir = RUN_DIR, .esp_dir = esp_dir};
    int error = place_open_state(place, false);

    if (error && error != -ENOENT)
        diag_report(diag, DIAG_WARNING, "%s: %s", STATE_DIR, strerror(-error));
    error = doctor_run(&doctor, &findings);
    if (error) {
        diag_report(diag, DIAG_ERROR, "doctor: %s", strerror(-error));
        return EXIT_FAILED;
    }
    if (json)
        json_print(findings_json(&findings));
    else
        print_findings(&findings, stdout);
    return findings.faults ? EXIT_ATTENTION : EXIT_OK;
}

int verb_doctor(int argc, char **argv, struct diag *diag)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"root", required_argument, NULL, 'r'},
                                            {"esp", required_argument, NULL, 'e'},
                                            {NULL, 0, NULL, 0}};
    const char *root = NULL, *esp_dir = NULL;
    bool json = false;
    struct place place;
    int option, error, code;

    opterr = 0;
    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1 && option != '?') {
        if (option == 'j')
            json = true;
        else if (option == 'r')
            root = optarg;
        else
            esp_dir = optarg;
    }
    if (option != -1 || optind != argc) {
        diag_report(diag, DIAG_ERROR, "doctor: \"%s\" is not understood; `backstop doctor --help`",
                    option == -1 ? argv[optind] : argv[optind - 1]);
        return EXIT_USAGE;
    }
    if (!root && geteuid() != 0) {
        diag_report(diag, DIAG_ERROR, "doctor: only root can see all that it looks at");
        return EXIT_NOT_HERE;
    }
    error = place_open(&place, root);
    if (error) {
        diag_report(diag, DIAG_ERROR, "%s: %s", root ? root : "/", strerror(-error));
        return EXIT_USAGE;
    }
    code = examine(&place, esp_dir, json, diag);
    place_close(&place);
    return code;
}
