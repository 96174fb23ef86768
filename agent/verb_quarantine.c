/*
 * verb_quarantine.c - `backstop quarantine`: what was taken out, and what becomes of it.
 */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "options.h"
#include "quarantine.h"
#include "verb.h"

struct quarantine_words {
    const char *root;
    bool json, yes;
    char **words; /* after the options */
    int count;
};

static bool parse_options(int argc, char **argv, struct quarantine_words *words, struct diag *diag)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"root", required_argument, NULL, 'r'},
        {"yes", no_argument, NULL, 'y'},
        {NULL, 0, NULL, 0},
    };
    int option;
    opterr = 0;
    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'j')
            words->json = true;
        else if (option == 'r')
            words->root = optarg;
        else if (option == 'y')
            words->yes = true;
        else {
            diag_report(diag, DIAG_ERROR,
                        "quarantine: \"%s\" is not understood; `backstop quarantine --help`",
                        argv[optind - 1]);
            return false;
        }
    }
    words->words = argv + optind;
    words->count = argc - optind;
    return true;
}

/* "7/3", or where `whole_case` "7" with *id 0. */
static bool parse_id(const char *text, bool whole_case, uint32_t *case_number, uint32_t *id)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long first = strtoul(text, &end, 10), second = 0;
    if (*end == '/' && end[1] >= '0' && end[1] <= '9') {
        second = strtoul(end + 1, &end, 10);
        if (second == 0)
            return false;
    } else if (!whole_case) {
        return false;
    }
    if (*end || first > UINT32_MAX || second > UINT32_MAX)
        return false;
    *case_number = (uint32_t)first;
    *id = (uint32_t)second;
    return true;
}

static struct json_object *item_to_json(const struct quarantined *item)
{
    struct json_object *json = json_object_new_object();
    char id[32];
    snprintf(id, sizeof id, "%u/%u", item->case_number, item->id);
    json_add_text(json, "id", id);
    json_add_text(json, "state", item->state);
    json_add_text(json, "path", item->path);
    json_add_text(json, "set", item->set_name);
    json_add_text(json, "held-at", item->held_at);
    json_add_number(json, "size", item->size);
    json_add_text(json, "sha256", item->sha256);
    json_add_text(json, "replaced-by", item->replaced_by);
    json_add_number(json, "generation", item->generation);
    return json;
}

static void list_as_json(const struct quarantine *list)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < list->count; i++)
        json_append(array, item_to_json(&list->items[i]));
    json_print(array);
}

static void list_as_text(const struct quarantine *list)
{
    if (list->count == 0)
        puts("The quarantine is empty.");
    for (size_t i = 0; i < list->count; i++) {
        const struct quarantined *item = &list->items[i];
        char id[32];
        snprintf(id, sizeof id, "%u/%u", item->case_number, item->id);
        printf("%-8s %-9s %-16s %s\n", id, item->state, item->set_name, item->path);
    }
}

static int run_list(const struct place *place, const struct quarantine_words *words,
                    struct diag *diag)
{
    struct quarantine list;
    int err = quarantine_list(place, &list, diag);
    if (err < 0) {
        diag_report(diag, DIAG_ERROR, STATE_DIR "/quarantine: %s", strerror(-err));
        return EXIT_FAILED;
    }
    if (words->json)
        list_as_json(&list);
    else
        list_as_text(&list);
    quarantine_free(&list);
    return EXIT_OK;
}

static void show_as_text(const struct quarantined *item)
{
    printf("item         %u/%u\nstate        %s\npath         %s\nset          %s\n",
           item->case_number, item->id, item->state, item->path, item->set_name);
    printf("lies at      %s\nsize         %llu\n", item->held_at, (unsigned long long)item->size);
    if (item->sha256)
        printf("sha256       %s\n", item->sha256);
    if (item->replaced_by)
        printf("replaced by  %s", item->replaced_by);
    if (item->replaced_by && item->generation)
        printf(" of good generation %u", item->generation);
    if (item->replaced_by)
        putchar('\n');
}

static int run_show(const struct place *place, const struct quarantine_words *words,
                    struct diag *diag)
{
    struct quarantine list;
    uint32_t case_number = 0, id = 0;
    int code = EXIT_FAILED;
    if (!parse_id(words->words[1], false, &case_number, &id))
        return EXIT_USAGE;
    if (quarantine_list(place, &list, diag) < 0)
        return EXIT_FAILED;
    for (size_t i = 0; i < list.count && code != EXIT_OK; i++) {
        if (list.items[i].case_number != case_number || list.items[i].id != id)
            continue;
        code = EXIT_OK;
        if (words->json)
            json_print(item_to_json(&list.items[i]));
        else
            show_as_text(&list.items[i]);
    }
    quarantine_free(&list);
    if (code != EXIT_OK)
        diag_report(diag, DIAG_ERROR,
                    "%u/%u: there is no such item in the quarantine; `backstop quarantine list` "
                    "shows all",
                    case_number, id);
    return code;
}

static int run_restore(const struct place *place, const struct quarantine_words *words,
                       struct diag *diag)
{
    uint32_t case_number, id;
    if (!parse_id(words->words[1], false, &case_number, &id))
        return EXIT_USAGE;
    if (quarantine_restore(place, case_number, id, diag) < 0)
        return EXIT_FAILED;
    printf("%u/%u is back in its place.\n", case_number, id);
    return EXIT_OK;
}

static int run_release(const struct place *place, const struct quarantine_words *words,
                       struct diag *diag)
{
    uint32_t case_number, id;
    if (!parse_id(words->words[1], false, &case_number, &id))
        return EXIT_USAGE;
    if (quarantine_release(place, case_number, id, words->words[2], diag) < 0)
        return EXIT_FAILED;
    printf("%u/%u is now %s.\n", case_number, id, words->words[2]);
    return EXIT_OK;
}

static bool agreed(const char *what)
{
    char answer[16];
    if (!isatty(STDIN_FILENO))
        return false;
    fprintf(stderr, "Delete %s for good? It cannot be put back after that. [y/N] ", what);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int run_purge(const struct place *place, const struct quarantine_words *words,
                     struct diag *diag)
{
    uint32_t case_number, id;
    const char *what = words->words[1];
    if (!parse_id(what, true, &case_number, &id))
        return EXIT_USAGE;
    if (!words->yes && !agreed(what)) {
        diag_report(diag, DIAG_ERROR, "%s is not deleted: nobody agreed; --yes does", what);
        return EXIT_USAGE;
    }
    if (quarantine_purge(place, case_number, id, diag) < 0)
        return EXIT_FAILED;
    printf("%s is deleted.\n", what);
    return EXIT_OK;
}

struct action {
    const char *name;
    int words; /* with its own name */
    int (*run)(const struct place *place, const struct quarantine_words *words, struct diag *diag);
};

static const struct action actions[] = {
    {"list", 1, run_list},       {"show", 2, run_show},   {"restore", 2, run_restore},
    {"release", 3, run_release}, {"purge", 2, run_purge},
};

static const struct action *find_action(const struct quarantine_words *words)
{
    const char *name = words->count > 0 ? words->words[0] : "list";
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].name, name) == 0 &&
            (words->count == actions[i].words || words->count == 0))
            return &actions[i];
    return NULL;
}

static int run_action(const struct action *action, const struct quarantine_words *words,
                      struct diag *diag)
{
    struct place place;
    int err = place_open(&place, words->root);
    if (err == 0)
        err = place_open_state(&place, false);
    if (err < 0) {
        bool absent = err == -ENOENT;
        diag_report(diag, DIAG_ERROR, "%s" STATE_DIR ": %s%s", words->root ? words->root : "",
                    strerror(-err),
                    absent ? "; Backstop has kept nothing on this machine yet"
                           : "; this takes root's rights");
        place_close(&place);
        return EXIT_NOT_HERE;
    }
    int code = action->run(&place, words, diag);
    place_close(&place);
    if (code == EXIT_USAGE && diag->errors == 0)
        diag_report(diag, DIAG_ERROR, "quarantine: \"%s\" is no item: write CASE/ID, as in 7/3",
                    words->words[1]);
    return code;
}

int verb_quarantine(int argc, char **argv, struct diag *diag)
{
    struct quarantine_words words = {0};
    if (!parse_options(argc, argv, &words, diag))
        return EXIT_USAGE;
    const struct action *action = find_action(&words);
    if (!action) {
        diag_report(diag, DIAG_ERROR,
                    "quarantine: list, show ID, restore ID, release ID DEST or purge ID|CASE; "
                    "`backstop quarantine --help`");
        return EXIT_USAGE;
    }
    return run_action(action, &words, diag);
}
