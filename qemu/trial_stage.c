/* What is made before the first boot: the disk, the variables, the payload, a way in. */
#include "trial.h"
#include "command.h"
#include "directory.h"
#include "enter.h"
#include "update_modules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file or a tree; links are what they lead to. */
static int copy(const char *from, const char *to, char **reason)
{
    const char *argv[] = {"cp", "-RL", "--", from, to, NULL};

    return command_must(argv, reason);
}

/* Makes it, where there is something for it. */
static int make(const char *dir, char **reason)
{
    int error = directory_make(dir);

    if (error < 0)
        text_replace(reason, text_format("%s: %s", dir, strerror(-error)));
    return error < 0 ? -EIO : 0;
}

/* Files of the caller's by their own names, in a directory of the payload. */
static int stage_files(const char *dir, const struct trial_files *files, const char *mode,
                       char **reason)
{
    int error = files->count > 0 ? make(dir, reason) : 0;

    for (size_t i = 0; i < files->count && error == 0; i++) {
        const char *argv[] = {"install", "-m", mode, "--", files->paths[i], dir, NULL};

        error = command_must(argv, reason);
    }
    return error;
}

/* A file, since what is asked of the guest's agent is a line. */
static int stage_command(const char *dir, const char *command, char **reason)
{
    TEXT_AUTO path = text_format("%s/command.sh", dir);
    TEXT_AUTO text = text_format("%s\n", command != NULL ? command : "");
    int error = command != NULL ? file_write(path, text, strlen(text)) : 0;

    if (error < 0)
        text_replace(reason, text_format("%s: %s", path, strerror(-error)));
    return error < 0 ? -EIO : 0;
}

/* Who packs the directory owns the files in it; in the machine root does. */
static int stage_directory(const char *path, const char *to, char **reason)
{
    const char *argv[] = {"tar",
                          "-C",
                          path,
                          "--owner=0",
                          "--group=0",
                          "--numeric-owner",
                          "--xattrs",
                          "--sort=name",
                          "--xattrs-include=*",
                          "-cf",
                          to,
                          ".",
                          NULL};

    return command_must(argv, reason);
}

static int stage_update(const char *dir, const struct update *update, size_t number, char **reason)
{
    TEXT_AUTO deb = text_format("%s/%02zu.deb", dir, number);
    TEXT_AUTO tree = text_format("%s/%02zu.tree", dir, number);
    TEXT_AUTO module = text_format("%s/%s.ko", dir, update->name != NULL ? update->name : "");

    switch (update->kind) {
    case UPDATE_DEB:
        return copy(update->file, deb, reason);
    case UPDATE_TAR:
        return copy(update->file, tree, reason);
    case UPDATE_MODULE:
        return copy(update->file, module, reason);
    case UPDATE_DIRECTORY:
        return stage_directory(update->file, tree, reason);
    }
    return -EINVAL;
}

static int stage_updates(const struct trial *trial, const char *dir, char **reason)
{
    int error = make(dir, reason);

    for (size_t i = 0; i < trial->options->updates.count && error == 0; i++)
        error = stage_update(dir, &trial->updates[i], i + 1, reason);
    return error;
}

/* The payload disk: what `make try-ready` made, and what was brought. */
static int payload_make(const struct trial *trial, const char *parts, char **reason)
{
    TEXT_AUTO stage = text_format("%s/" OUT_STAGE, trial->session.dir);
    TEXT_AUTO dir = text_format("%s/try", stage);
    TEXT_AUTO sets = text_format("%s/sets", dir);
    TEXT_AUTO checks = text_format("%s/checks", dir);
    TEXT_AUTO updates = text_format("%s/update", dir);
    TEXT_AUTO script = text_format("%s/mkpayload.sh", parts);
    const char *argv[] = {"sh", script, trial->session.payload, dir, NULL};
    int error = make(stage, reason);

    if (error == 0)
        error = copy(parts, dir, reason);
    if (error == 0)
        error = stage_files(sets, &trial->options->sets, "644", reason);
    if (error == 0)
        error = stage_files(checks, &trial->options->checks, "755", reason);
    if (error == 0)
        error = stage_command(dir, trial->options->command, reason);
    if (error == 0)
        error = stage_updates(trial, updates, reason);
    if (error == 0)
        error = command_must(argv, reason);
    directory_remove(stage);
    return error;
}

static int refuse(char **reason, const struct update *update, char *why)
{
    text_replace(reason, text_format("--update %s: %s", update->path, why));
    free(why);
    return -EINVAL;
}

/* What an update needs of the machine, as far as it can be seen from outside. */
static int update_fits(const struct update *update, const struct image *image, char **reason)
{
    if (!image->readable)
        return 0;
    if (update->kind == UPDATE_MODULE && !words_have(image->kernels, update->kernel))
        return refuse(reason, update,
                      text_format("is built for kernel %s; those of the image: %s", update->kernel,
                                  image->kernels[0] != '\0' ? image->kernels : "none"));
    if (update->kind != UPDATE_DEB)
        return 0;
    if (!image->dpkg)
        return refuse(reason, update,
                      text_format("a Debian package, but the image (%s) has no dpkg",
                                  image->system != NULL ? image->system : "its system is unknown"));
    if (strcmp(update->architecture, "amd64") != 0 && strcmp(update->architecture, "all") != 0 &&
        !words_have(image->foreign, update->architecture))
        return refuse(reason, update,
                      text_format("a package for %s; the image is amd64", update->architecture));
    return 0;
}

int trial_fits(const struct trial *trial, const struct image *image, char **reason)
{
    size_t count = trial->options->updates.count;
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++)
        error = update_fits(&trial->updates[i], image, reason);
    if (error == 0 && image->readable)
        error = update_modules_fit(trial->updates, count, image->kernels, reason);
    return error;
}

static int way_in(struct trial *trial, const char *parts, char **reason)
{
    TEXT_AUTO agent = text_format("%s/agent", parts);
    int error = 0;

    if (trial->image.readable)
        error = enter_root(&trial->image, agent, reason);
    if (error == 0 && (trial->image.cloud_init || !trial->image.readable)) {
        trial->seed = text_format("%s/seed.img", trial->session.dir);
        error = enter_seed(trial->seed, reason);
    }
    trial->session.seed = trial->seed;
    return error;
}

/* The rig's own machine is there with Backstop and a good generation, or without. */
static int own_disk(struct trial *trial, char **reason)
{
    const char *state = trial->options->backstop == WISH_NOT ? "base" : "ready";
    int error, out;

    /* What is told of the making of states is no part of the answer. */
    fflush(stdout);
    out = dup(STDOUT_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    error = state_prepare(trial->rig, state, reason);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    return error == 0 ? state_copy(trial->rig, state, trial->session.dir, reason) : error;
}

static int brought_disk(struct trial *trial, char **reason)
{
    int error = image_copy(trial->options->image, trial->session.disk_path, reason);

    return error == 0 ? file_copy(OVMF_VARS, trial->session.vars_path, reason) : error;
}

int trial_stage(struct trial *trial, char **reason)
{
    const struct trial_options *options = trial->options;
    TEXT_AUTO parts = text_format("%s/try", trial->rig->dir);
    const char *image = options->image != NULL ? options->image : trial->rig->dir;
    int error = options->image != NULL ? brought_disk(trial, reason) : own_disk(trial, reason);

    if (error == 0)
        error = image_inspect(&trial->image, trial->session.disk_path, image, reason);
    if (error == 0)
        error = trial_fits(trial, &trial->image, reason);
    if (error == 0)
        error = payload_make(trial, parts, reason);
    return error == 0 ? way_in(trial, parts, reason) : error;
}
