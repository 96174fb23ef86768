#include "update_modules.h"
#include "command.h"
#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_module(const char *path)
{
    return text_ends(path, ".ko") || text_ends(path, ".ko.xz") || text_ends(path, ".ko.zst") ||
           text_ends(path, ".ko.gz");
}

/* What is behind `start`, where the path begins so; NULL where it does not. */
static const char *behind(const char *path, const char *start)
{
    return text_starts(path, start) ? path + strlen(start) : NULL;
}

static void word_add(char **words, const char *word, size_t length)
{
    TEXT_AUTO one = text_format("%.*s", (int)length, word);

    if (length == 0 || words_have(*words, one))
        return;
    text_append(words, one);
    text_append(words, " ");
}

static void path_take(const char *path, char **modules, char **kernels)
{
    const char *in_modules, *kernel;
    size_t release;

    path += text_starts(path, "./") ? 2 : text_starts(path, "/") ? 1 : 0;
    kernel = behind(path, "boot/vmlinuz-");
    path += text_starts(path, "usr/") ? 4 : 0;
    in_modules = behind(path, "lib/modules/");
    if (kernel != NULL)
        word_add(kernels, kernel, strlen(kernel));
    if (in_modules == NULL)
        return;
    release = strcspn(in_modules, "/");
    if (is_module(in_modules + release))
        word_add(modules, in_modules, release);
    if (strcmp(in_modules + release, "/vmlinuz") == 0)
        word_add(kernels, in_modules, release);
}

void modules_listed(const char *paths, char **modules, char **kernels)
{
    TEXT_AUTO copy = text_copy(paths);
    char *rest = copy, *path;

    while ((path = strsep(&rest, "\n")) != NULL)
        path_take(path, modules, kernels);
}

/* What cannot be listed is judged elsewhere: it has nothing here. */
static void update_list(const struct update *update, char **modules, char **kernels)
{
    static const char deb[] = "dpkg-deb --fsys-tarfile \"$1\" | tar -t";
    const char *of_directory[] = {"find", "-H", update->file, "-printf", "%P\\n", NULL};
    const char *of_tar[] = {"tar", "-tf", update->file, NULL};
    const char *of_deb[] = {"sh", "-c", deb, "sh", update->file, NULL};
    struct output output = {0};

    switch (update->kind) {
    case UPDATE_MODULE:
        return;
    case UPDATE_DIRECTORY:
        command_run(of_directory, &output);
        break;
    case UPDATE_TAR:
        command_run(of_tar, &output);
        break;
    case UPDATE_DEB:
        command_run(of_deb, &output);
        break;
    }
    modules_listed(output.out, modules, kernels);
    output_free(&output);
}

/* One of the words is among the others. */
static bool words_meet(const char *words, const char *others)
{
    TEXT_AUTO copy = text_copy(words);
    char *rest = copy, *word;

    while ((word = strsep(&rest, " ")) != NULL)
        if (word[0] != '\0' && words_have(others, word))
            return true;
    return false;
}

int update_modules_fit(const struct update *updates, size_t count, const char *kernels,
                       char **reason)
{
    TEXT_AUTO all = text_copy(kernels);
    char **modules = calloc(count + 1, sizeof *modules);
    int error = 0;

    if (modules == NULL)
        abort();
    for (size_t i = 0; i < count; i++) {
        modules[i] = text_copy("");
        update_list(&updates[i], &modules[i], &all);
    }
    for (size_t i = 0; i < count && error == 0; i++) {
        if (modules[i][0] == '\0' || words_meet(modules[i], all))
            continue;
        modules[i][strlen(modules[i]) - 1] = '\0';
        text_replace(reason, text_format("--update %s: has modules for kernel %s alone; those of "
                                         "the image: %s",
                                         updates[i].path, modules[i],
                                         kernels[0] != '\0' ? kernels : "none"));
        error = -EINVAL;
    }
    for (size_t i = 0; i < count; i++)
        free(modules[i]);
    free(modules);
    return error;
}
