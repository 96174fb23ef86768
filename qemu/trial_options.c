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
    "  --out DIR            logs and results (default RIG/out/try); --keep: the disk as well\n"
    "  --json               the answer as JSON; --live: the timeline while it runs\n"
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

static int take_image(struct trial_options *options, const char *path, char **reason)
{
    if (access(path, R_OK) < 0)
        return refuse(reason, text_format("--image %s: %s", path, strerror(errno)));
    options->image = path;
    return 0;
}

static int take_backstop(struct trial_options *options, enum wish wish, char **reason)
{
    if (options->backstop != WISH_IF_POSSIBLE && options->backstop != wish)
        return refuse(reason, text_copy("--install-backstop and --no-backstop: one of them"));
    options->backstop = wish;
    return 0;
}

/* Options without a value of their own kind. */
static void take_flag(struct trial_options *options, int option)
{
    options->keep = options->keep || option == 'k';
    options->json = options->json || option == 'j';
    options->live = options->live || option == 'l';
    options->help = options->help || option == 'h';
}

static int take(struct trial_options *options, int option, const char *value, char **reason)
{
    switch (option) {
    case 'i':
        return take_image(options, value, reason);
    case 'u':
        return take_file("update", &options->updates, value, reason);
    case 's':
        return take_file("set", &options->sets, value, reason);
    case 'c':
        return take_file("check", &options->checks, value, reason);
    case 'r':
        options->command = value;
        return 0;
    case 'B':
        return take_backstop(options, WISH_INSISTED, reason);
    case 'N':
        return take_backstop(options, WISH_NOT, reason);
    case 'b':
        return take_number("boots", value, 1, TRIAL_WANTED_MAX, &options->boots, reason);
    case 'w':
        return take_minutes(options, value, reason);
    case 'S':
        return take_number("silence", value, 30, 3600, &options->silence, reason);
    case 'U':
        return take_number("update-limit", value, 10, 86400, &options->update_limit, reason);
    case 'o':
        options->out = value;
        return 0;
    }
    take_flag(options, option);
    return 0;
}

static const struct option longs[] = {
    {"image", required_argument, NULL, 'i'},
    {"update", required_argument, NULL, 'u'},
    {"run", required_argument, NULL, 'r'},
    {"set", required_argument, NULL, 's'},
    {"check", required_argument, NULL, 'c'},
    {"install-backstop", no_argument, NULL, 'B'},
    {"no-backstop", no_argument, NULL, 'N'},
    {"boots", required_argument, NULL, 'b'},
    {"watch", required_argument, NULL, 'w'},
    {"silence", required_argument, NULL, 'S'},
    {"out", required_argument, NULL, 'o'},
    {"keep", no_argument, NULL, 'k'},
    {"json", no_argument, NULL, 'j'},
    {"live", no_argument, NULL, 'l'},
    {"help", no_argument, NULL, 'h'},
    {"update-limit", required_argument, NULL, 'U'},
    {NULL, 0, NULL, 0},
};

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
            return refuse(reason, text_format("%s: not an option of try", argv[optind - 1]));
        error = take(options, option, optarg, reason);
    }
    if (error < 0 || options->help)
        return error;
    if (optind < argc)
        return refuse(reason,
                      text_format("%s: what is it? files are given with --update", argv[optind]));
    if (options->updates.count == 0 && options->command == NULL)
        return refuse(reason, text_copy("nothing to try: give --update PATH or --run COMMAND"));
    return 0;
}
