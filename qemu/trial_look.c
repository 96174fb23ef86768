/* What was brought, looked at before anything is made. */
#include "trial.h"
#include "command.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(char **reason, const char *option, const char *path, const char *why)
{
    text_replace(reason, text_format("--%s %s: %s", option, path, why));
    return -EINVAL;
}

static bool is_same(const char *one, const char *other)
{
    struct stat a, b;

    return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static int updates_look(struct trial *trial, char **reason)
{
    const struct trial_files *files = &trial->options->updates;
    int error = 0;

    for (size_t i = 0; i < files->count && error == 0; i++) {
        error = update_inspect(&trial->updates[i], files->paths[i], reason);
        for (size_t before = 0; before < i && error == 0; before++)
            if (is_same(files->paths[before], files->paths[i]))
                error = refuse(reason, "update", files->paths[i], "given twice");
    }
    return error;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* They end up in one directory of the machine, each under its own name. */
static int names_differ(const char *option, const struct trial_files *files, char **reason)
{
    for (size_t i = 0; i < files->count; i++)
        for (size_t before = 0; before < i; before++)
            if (strcmp(name_of(files->paths[before]), name_of(files->paths[i])) == 0)
                return refuse(reason, option, files->paths[i],
                              "another of them has the same name: rename one");
    return 0;
}

static int file_look(const char *option, const char *path, char **reason)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return refuse(reason, option, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse(reason, option, path, "not a file");
    return 0;
}

static int set_look(const char *path, char **reason)
{
    int error = file_look("set", path, reason);

    if (error == 0 && !text_ends(path, ".conf"))
        error = refuse(reason, "set", path, "Backstop reads no file but *.conf: rename it");
    return error;
}

/* Backstop starts a check without a shell. */
static int check_look(const char *path, char **reason)
{
    int error = file_look("check", path, reason), fd;
    char head[SELFMAG] = {0};
    ssize_t got;

    if (error < 0)
        return error;
    if (name_of(path)[0] == '.')
        return refuse(reason, "check", path, "Backstop passes over names with a dot in front");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd >= 0 ? read(fd, head, sizeof head) : -1;
    if (fd >= 0)
        close(fd);
    if (got < 0)
        return refuse(reason, "check", path, strerror(errno));
    if (memcmp(head, "#!", 2) != 0 && memcmp(head, ELFMAG, SELFMAG) != 0)
        return refuse(reason, "check", path,
                      "neither a program nor a script: its first line has to be like #!/bin/sh");
    return 0;
}

static int files_look(const struct trial_options *options, char **reason)
{
    int error = names_differ("set", &options->sets, reason);

    if (error == 0)
        error = names_differ("check", &options->checks, reason);
    for (size_t i = 0; i < options->sets.count && error == 0; i++)
        error = set_look(options->sets.paths[i], reason);
    for (size_t i = 0; i < options->checks.count && error == 0; i++)
        error = check_look(options->checks.paths[i], reason);
    return error;
}

static int apart(const struct trial *trial, const char *option, const struct trial_files *files,
                 char **reason)
{
    int error = 0;

    for (size_t i = 0; i < files->count && error == 0; i++)
        error = out_apart(&trial->out, option, files->paths[i], reason);
    return error;
}

static int all_apart(const struct trial *trial, char **reason)
{
    const struct trial_options *options = trial->options;
    int error = apart(trial, "update", &options->updates, reason);

    if (error == 0)
        error = apart(trial, "set", &options->sets, reason);
    if (error == 0)
        error = apart(trial, "check", &options->checks, reason);
    if (error == 0 && options->image != NULL)
        error = out_apart(&trial->out, "image", options->image, reason);
    return error;
}

/* What is needed whatever was brought. */
static int tools_look(char **reason)
{
    static const char *const tools[] = {
        "qemu-system-x86_64", "mdir", "e2fsck", "debugfs", "mke2fs", "install", "tar"};
    int error = geteuid() == 0 ? 0 : command_there("fakeroot", reason);

    for (size_t i = 0; i < sizeof tools / sizeof *tools && error == 0; i++)
        error = command_there(tools[i], reason);
    return error;
}

static int ready(const struct rig *rig, char **reason)
{
    const char *argv[] = {"make", "-s", "-C", rig->tree, "try-ready", NULL};

    return rig->tree != NULL ? command_show(argv, reason) : 0;
}

/* By Backstop itself, as it was built for this machine. */
static int set_parse(const char *backstop, const char *path, char **reason)
{
    const char *argv[] = {backstop, "sets", "check", path, NULL};
    struct output output;
    int code = command_run(argv, &output), error = 0;

    if (code == 2) {
        output.err[strcspn(output.err, "\n")] = '\0';
        error = refuse(reason, "set", path, output.err);
    } else if (code != 0) {
        text_replace(reason, command_complaint(backstop, code, &output));
        error = -EIO;
    }
    output_free(&output);
    return error;
}

static int sets_parse(const struct trial_options *options, const char *backstop, char **reason)
{
    int error = 0;

    for (size_t i = 0; i < options->sets.count && error == 0; i++)
        error = set_parse(backstop, options->sets.paths[i], reason);
    return error;
}

/* The rig's own image is there by now, and no machine has been started from it. */
static int own_image_fits(const struct trial *trial, char **reason)
{
    TEXT_AUTO base = text_format("%s/base.raw", trial->rig->dir);
    struct image image;
    int error = image_inspect(&image, base, base, reason);

    if (error == 0)
        error = trial_fits(trial, &image, reason);
    image_free(&image);
    return error;
}

/* What takes long to be made is made only for what is right otherwise. */
int trial_look(struct trial *trial, char **reason)
{
    const struct trial_options *options = trial->options;
    TEXT_AUTO backstop = text_format("%s/../agent/backstop", trial->rig->dir);
    bool built = access(backstop, X_OK) == 0;
    int error = all_apart(trial, reason);

    if (error == 0)
        error = files_look(options, reason);
    if (error == 0 && built)
        error = sets_parse(options, backstop, reason);
    if (error == 0)
        error = updates_look(trial, reason);
    if (error == 0 && options->image != NULL)
        error = image_look(options->image, reason);
    if (error == 0)
        error = tools_look(reason);
    if (error == 0)
        error = ready(trial->rig, reason);
    if (error == 0 && !built)
        error = sets_parse(options, backstop, reason);
    return error == 0 && options->image == NULL ? own_image_fits(trial, reason) : error;
}
