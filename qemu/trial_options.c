#include "trial.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char trial_usage[] =
    "usage: rig try [--image FILE] --update PATH... | --run COMMAND\n"
    "  --image FILE         disk image, raw or qcow2, that boots by UEFI (default: the rig's own\n"
    "                       Debian); it is copied, never written to\n"
    "  --update PATH        a .deb, a tar of files, a kernel module, or a directory of files laid\n"
    "                       over /; may repeat\n"
    "  --run COMMAND        run in the machine, as root, after the updates\n"
    "  --set FILE           a set definition for Backstop; may repeat\n"
    "  --check FILE         a program that succeeds where the machine is healthy; may repeat\n"
    "  --install-backstop   end with 1 where Backstop cannot be installed\n"
    "  --no-backstop        do not install it\n"
    "  --boots N            good boots in a row that make \"boots well\" (default 2)\n"
    "  --watch MINUTES      how long a good boot is watched for a late crash (default 1)\n"
    "  --silence SECONDS    without any event for so long a machine hangs (default 300)\n"
    "  --update-limit SECONDS\n"
    "                       within which the updates, and then the command, must end: else there\n"
    "                       is no answer (default 3600)\n"
    "  --out DIR            logs and results (default RIG/out/try), a new directory or that of an\n"
    "                       earlier run; --keep: the disk as well\n"
    "  --json               the answer as JSON; --live: the timeline while it runs; not both\n"
    "exit code: 0 boots well; 10 crash-loops, and Backstop recovers; 11 crash-loops and does not\n"
    "recover; 12 hangs; 13 late crash; 14 crashes now and then; 1 no answer; 2 wrong use, or what\n"
    "was brought does not serve\n";

static int refuse(char **reason, char *why)
{
    text_replace(reason, why);
    return -EINVAL;
}

static int take_number(const char *option, const char *text, long min, long max, long *value,
                       char **reason)
{
    if (text_number(text, min, max, value) == 0)
        return 0;
    return refuse(reason,
                  text_format("--%s %s: not a number within %ld..%ld", option, text, min, max));
}

static int take_file(const char *option, struct trial_files *files, const char *path, char **reason)
{
    if (files->count == TRIAL_FILES)
        return refuse(reason,
                      text_format("--%s %s: %d of them are enough", option, path, TRIAL_FILES));
    if (access(path, R_OK) < 0)
        return refuse(reason, text_format("--%s %s: %s", option, path, strerror(errno)));
    files->paths[files->count++] = path;
    return 0;
}

static int take_minutes(struct trial_options *options, const char *text, char **reason)
{
    int error = take_number("watch", text, 0, 240, &options->watch, reason);

    options->watch *= 60;
    return error;
}

/* Of what there is but one of. */
static int take_once(const char *option, const char **target, const char *value, char **reason)
{
    if (*target != NULL)
        return refuse(reason, text_format("--%s: given twice", option));
    if (value[strspn(value, " \t\n")] == '\0')
        return refuse(reason, text_format("--%s: nothing is in it", option));
    *target = value;
    return 0;
}

static int take_image(struct trial_options *options, const char *path, char **reason)
{
    if (access(path, R_OK) < 0)
        return refuse(reason, text_format("--image %s: %s", path, strerror(errno)));
    return take_once("image", &options->image, path, reason);
}

static int take_backstop(struct trial_options *options, enum wish wish, char **reason)
{
    if (options->backstop != WISH_IF_POSSIBLE && options->backstop != wish)
        return refuse(reason, text_copy("--install-backstop and --no-backstop: one of them"));
    options->backstop = wish;
    return 0;
}

/* Above any character, since no option is one. */
enum option_name {
    OPTION_IMAGE = 256,
    OPTION_UPDATE,
    OPTION_RUN,
    OPTION_SET,
    OPTION_CHECK,
    OPTION_INSTALL,
    OPTION_WITHOUT,
    OPTION_BOOTS,
    OPTION_WATCH,
    OPTION_SILENCE,
    OPTION_UPDATE_LIMIT,
    OPTION_OUT,
    OPTION_KEEP,
    OPTION_JSON,
    OPTION_LIVE,
    OPTION_HELP,
};

static int take_flag(bool *flag)
{
    *flag = true;
    return 0;
}

static int take(struct trial_options *options, enum option_name option, const char *value,
                char **reason)
{
    switch (option) {
    case OPTION_IMAGE:
        return take_image(options, value, reason);
    case OPTION_UPDATE:
        return take_file("update", &options->updates, value, reason);
    case OPTION_SET:
        return take_file("set", &options->sets, value, reason);
    case OPTION_CHECK:
        return take_file("check", &options->checks, value, reason);
    case OPTION_RUN:
        return take_once("run", &options->command, value, reason);
    case OPTION_INSTALL:
        return take_backstop(options, WISH_INSISTED, reason);
    case OPTION_WITHOUT:
        return take_backstop(options, WISH_NOT, reason);
    case OPTION_BOOTS:
        return take_number("boots", value, 1, TRIAL_WANTED_MAX, &options->boots, reason);
    case OPTION_WATCH:
        return take_minutes(options, value, reason);
    case OPTION_SILENCE:
        return take_number("silence", value, 30, 3600, &options->silence, reason);
    case OPTION_UPDATE_LIMIT:
        return take_number("update-limit", value, 10, 86400, &options->update_limit, reason);
    case OPTION_OUT:
        return take_once("out", &options->out, value, reason);
    case OPTION_KEEP:
        return take_flag(&options->keep);
    case OPTION_JSON:
        return take_flag(&options->json);
    case OPTION_LIVE:
        return take_flag(&options->live);
    case OPTION_HELP:
        return take_flag(&options->help);
    }
    return -EINVAL;
}

static const struct option longs[] = {
    {"image", required_argument, NULL, OPTION_IMAGE},
    {"update", required_argument, NULL, OPTION_UPDATE},
    {"run", required_argument, NULL, OPTION_RUN},
    {"set", required_argument, NULL, OPTION_SET},
    {"check", required_argument, NULL, OPTION_CHECK},
    {"install-backstop", no_argument, NULL, OPTION_INSTALL},
    {"no-backstop", no_argument, NULL, OPTION_WITHOUT},
    {"boots", required_argument, NULL, OPTION_BOOTS},
    {"watch", required_argument, NULL, OPTION_WATCH},
    {"silence", required_argument, NULL, OPTION_SILENCE},
    {"update-limit", required_argument, NULL, OPTION_UPDATE_LIMIT},
    {"out", required_argument, NULL, OPTION_OUT},
    {"keep", no_argument, NULL, OPTION_KEEP},
    {"json", no_argument, NULL, OPTION_JSON},
    {"live", no_argument, NULL, OPTION_LIVE},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* A word that getopt does not know. Of letters behind one '-' the word may not be behind it yet. */
static int refuse_word(char *const argv[], char **reason)
{
    if (optopt > 0 && optopt < OPTION_IMAGE)
        return refuse(reason, text_format("-%c: not an option of try", optopt));
    if (optopt >= OPTION_IMAGE)
        return refuse(reason, text_format("%s: takes no value", argv[optind - 1]));
    return refuse(reason, text_format("%s: not an option of try", argv[optind - 1]));
}

int trial_parse(struct trial_options *options, int argc, char *const argv[], char **reason)
{
    int option, error = 0;

    *options =
        (struct trial_options){.boots = 2, .watch = 60, .silence = 300, .update_limit = 3600};
    optind = 0; /* begins anew */
    opterr = 0;
    while (error == 0 && (option = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
        if (option == ':')
            return refuse(reason, text_format("%s: its value is missing", argv[optind - 1]));
        if (option == '?')
            return refuse_word(argv, reason);
        error = take(options, (enum option_name)option, optarg, reason);
    }
    if (error < 0 || options->help)
        return error;
    if (optind < argc)
        return refuse(reason,
                      text_format("%s: what is it? files are given with --update", argv[optind]));
    if (options->updates.count == 0 && options->command == NULL)
        return refuse(reason, text_copy("nothing to try: give --update PATH or --run COMMAND"));
    if (options->json && options->live)
        return refuse(reason, text_copy("--json and --live: one of them; stdout is for one"));
    return 0;
}
