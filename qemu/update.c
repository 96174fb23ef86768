#include "update.h"
#include "command.h"
#include "text.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first line that a tool prints, or NULL with its complaint as the reason; caller frees. */
static char *tool_line(const char *const argv[], char **reason)
{
    struct output output;
    int code = command_run(argv, &output);
    char *line = NULL;

    if (code == -ENOENT)
        text_replace(reason, text_format("%s: not installed: `make deps` brings it", argv[0]));
    else if (code != 0)
        text_replace(reason, text_format("%s: %s", argv[0], output.err));
    if (code == 0) {
        output.out[strcspn(output.out, "\n")] = '\0';
        line = text_copy(output.out);
    }
    output_free(&output);
    return line;
}

static int refuse(char **reason, const char *path, const char *what, char **cause)
{
    text_replace(reason, text_format("--update %s: %s%s%s", path, what, *cause != NULL ? ": " : "",
                                     *cause != NULL ? *cause : ""));
    /* A tool's complaint may have several lines: the reason is one. */
    for (char *at = *reason; *at != '\0'; at++)
        if (*at == '\n')
            *at = at[1] == '\0' ? '\0' : ' ';
    return -EINVAL;
}

static int deb_inspect(struct update *update, char **reason)
{
    const char *arch[] = {"dpkg-deb", "-f", update->path, "Architecture", NULL};
    const char *name[] = {"dpkg-deb", "-f", update->path, "Package", NULL};
    TEXT_AUTO cause = NULL;

    update->kind = UPDATE_DEB;
    update->architecture = tool_line(arch, &cause);
    update->name = update->architecture != NULL ? tool_line(name, &cause) : NULL;
    return update->name != NULL ? 0 : refuse(reason, update->path, "a damaged package", &cause);
}

/* vermagic is "RELEASE FLAGS...". Source: the kernel's include/linux/vermagic.h. */
static int module_inspect(struct update *update, char **reason)
{
    const char *magic[] = {"modinfo", "-F", "vermagic", update->path, NULL};
    const char *name[] = {"modinfo", "-F", "name", update->path, NULL};
    TEXT_AUTO cause = NULL;

    update->kind = UPDATE_MODULE;
    /* modinfo takes any other name for that of an installed module. */
    if (!text_ends(update->path, ".ko"))
        return refuse(reason, update->path, "a module is a file whose name ends with .ko", &cause);
    update->kernel = tool_line(magic, &cause);
    update->name = update->kernel != NULL ? tool_line(name, &cause) : NULL;
    if (update->name == NULL || update->name[0] == '\0' || update->kernel[0] == '\0')
        return refuse(reason, update->path, "an object file, but not a kernel module", &cause);
    update->kernel[strcspn(update->kernel, " ")] = '\0';
    return 0;
}

static int tar_inspect(struct update *update, char **reason)
{
    const char *argv[] = {"tar", "-tf", update->path, NULL};
    TEXT_AUTO cause = NULL;
    TEXT_AUTO line = tool_line(argv, &cause);

    update->kind = UPDATE_TAR;
    if (line != NULL && line[0] != '\0')
        return 0;
    return refuse(reason, update->path,
                  "neither a .deb, a kernel module (.ko, not compressed), a tar nor a directory",
                  &cause);
}

static int head_read(const char *path, unsigned char *head, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return -errno;
    got = read(fd, head, size);
    close(fd);
    return got < 0 ? -errno : 0;
}

int update_inspect(struct update *update, const char *path, char **reason)
{
    static const char deb[] = "!<arch>\ndebian-binary";
    unsigned char head[sizeof(Elf64_Ehdr)] = {0};
    TEXT_AUTO none = NULL;
    struct stat st;
    int error = stat(path, &st) < 0 ? -errno : 0;

    memset(update, 0, sizeof *update);
    update->path = path;
    if (error == 0 && S_ISDIR(st.st_mode)) {
        update->kind = UPDATE_DIRECTORY;
        return 0;
    }
    if (error == 0)
        error = head_read(path, head, sizeof head);
    if (error < 0)
        return refuse(reason, path, strerror(-error), &none);
    if (memcmp(head, deb, sizeof deb - 1) == 0)
        return deb_inspect(update, reason);
    if (memcmp(head, ELFMAG, SELFMAG) == 0 &&
        ((const Elf64_Ehdr *)(const void *)head)->e_type == ET_REL)
        return module_inspect(update, reason);
    return tar_inspect(update, reason);
}

void update_free(struct update *update)
{
    free(update->architecture);
    free(update->name);
    free(update->kernel);
    memset(update, 0, sizeof *update);
}

const char *update_kind_string(enum update_kind kind)
{
    switch (kind) {
    case UPDATE_DEB:
        return "deb";
    case UPDATE_TAR:
        return "tar";
    case UPDATE_MODULE:
        return "module";
    case UPDATE_DIRECTORY:
        return "directory";
    }
    return "tar";
}
