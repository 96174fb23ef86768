/*
 * main.c - `backstop`: the table of verbs, and the usage text that follows from it.
 */
#include <stdio.h>
#include <string.h>

#include "verb.h"

#define TAKES_JSON 1u
#define TAKES_ROOT 2u

struct verb {
    const char *name;
    int (*run)(int argc, char **argv, struct diag *diag); /* argv[0] is the verb */
    unsigned takes;
    const char *words; /* its own words and options, after the common ones */
    const char *help;  /* one line */
};

static const struct verb verbs[] = {
    {"status", verb_status, TAKES_JSON | TAKES_ROOT, "",
     "how this machine stands: what broke, what was done, what to do next"},
    {"changes", verb_changes, TAKES_JSON | TAKES_ROOT, "",
     "files of sets that are not as the newest good generation has them"},
    {"sets", verb_sets, TAKES_JSON | TAKES_ROOT, "[--drivers|--modules] | check FILE...",
     "what is watched, and how much of it is here; whether a set file is right"},
    {"good", verb_good, TAKES_JSON | TAKES_ROOT, "[list | show [N] | take [--now]]",
     "good generations kept; take one, with --now of everything as it stands"},
    {"quarantine", verb_quarantine, TAKES_JSON | TAKES_ROOT,
     "list | show | restore | release | purge",
     "what was taken out: CASE/ID; put it back, hand it out (release: DESTINATION), delete it "
     "(--yes)"},
    {"confirm", verb_confirm, 0,
     "[--now] [--no-reboot] |\n          "
     "--start|--end|--deadline|--health|--return|--to-rebuild|--rebuilt",
     "this boot is good (units call it); --return leaves safe mode where policy says return=hand"},
    {"install", verb_install, TAKES_JSON | TAKES_ROOT,
     "[--esp DIR] [--removable]\n          [--no-variables] [--if-possible|--if-needed]",
     "put the stage on the ESP and its boot entry first; again: mend what is missing"},
    {"uninstall", verb_uninstall, TAKES_ROOT, "[--esp DIR] [--keep-state|--purge]",
     "boot as before; --purge also deletes good generations, quarantine and journal"},
    {"doctor", verb_doctor, TAKES_JSON | TAKES_ROOT, "[--esp DIR]",
     "what would keep recovery from working on this machine, and how to mend it"},
    {0},
};

static void print_verb(FILE *out, const struct verb *verb)
{
    fprintf(out, "  %s%s%s%s%s\n        %s\n", verb->name,
            verb->takes & TAKES_JSON ? " [--json]" : "",
            verb->takes & TAKES_ROOT ? " [--root DIR]" : "", *verb->words ? " " : "", verb->words,
            verb->help);
}

static void print_usage(FILE *out)
{
    fputs("usage: backstop VERB [OPTIONS]\n\n", out);
    for (const struct verb *verb = verbs; verb->name; verb++)
        print_verb(out, verb);
    fputs("\n  backstop --version, backstop VERB --help\n\n"
          "exit status: 0 all well, 1 look here, 2 wrong words or a bad file,\n"
          "             3 tried and could not, 4 this machine cannot\n",
          out);
}

static const struct verb *find_verb(const char *name)
{
    for (const struct verb *verb = verbs; verb->name; verb++)
        if (strcmp(verb->name, name) == 0)
            return verb;
    return NULL;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    const struct verb *verb = find_verb(word);
    struct diag diag;

    diag_to_stderr(&diag);
    if (strcmp(word, "--version") == 0) {
        puts("backstop " BACKSTOP_VERSION);
        return EXIT_OK;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_usage(stdout);
        return EXIT_OK;
    }
    if (!verb) {
        if (*word)
            diag_report(&diag, DIAG_ERROR, "there is no verb \"%s\"; `backstop --help` lists them",
                        word);
        else
            print_usage(stderr);
        return EXIT_USAGE;
    }
    if (wants_help(argc - 1, argv + 1)) {
        fputs("usage: backstop\n", stdout);
        print_verb(stdout, verb);
        return EXIT_OK;
    }
    return verb->run(argc - 1, argv + 1, &diag);
}
