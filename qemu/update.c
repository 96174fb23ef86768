#include "update.h"
#include "command.h"
#include "text.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first line that a tool prints. 0, or with its complaint as the cause -ENOENT where it is not
 * installed, -EINVAL where it is (caller frees either). */
static int tool_line(const char *const argv[], char **line, char **cause)
{
    struct output output;
    int code = command_run(argv, &output);

    if (code == 0) {
        output.out[strcspn(output.out, "\n")] = '\0';
        text_replace(line, text_copy(output.out));
    } else {
        text_replace(cause,
                     code < 0 ? command_complaint(argv[0], code, &output) : text_copy(output.err));
    }
    output_free(&output);
    return code == 0 ? 0 : code < 0 ? code : -EINVAL;
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

/* What came of a tool's look at it: of a tool that is missing that alone is said. */
static int judge(int error, char **reason, const char *path, const char *what, char **cause)
{
    if (error == 0 || error == -EINVAL)
        return error == 0 ? 0 : refuse(reason, path, what, cause);
    text_replace(reason, *cause);
    *cause = NULL;
    return error;
}

static int deb_inspect(struct update *update, char **reason)
{
    const char *arch[] = {"dpkg-deb", "-f", update->file, "Architecture", NULL};
    const char *name[] = {"dpkg-deb", "-f", update->file, "Package", NULL};
    /* All of it is unpacked: of one that was cut the head may be whole. */
    const char *files[] = {
        "sh",       "-c",         "exec dpkg-deb --fsys-tarfile \"$1\" >/dev/null",
        "dpkg-deb", update->file, NULL};
    TEXT_AUTO cause = NULL;
    TEXT_AUTO none = NULL;
    int error = tool_line(arch, &update->architecture, &cause);

    update->kind = UPDATE_DEB;
    if (error == 0)
        error = tool_line(name, &update->name, &cause);
    if (error == 0)
        error = tool_line(files, &none, &cause);
    return judge(error, reason, update->path, "a damaged package", &cause);
}

/* It becomes part of paths and of commands. */
static bool is_module_name(const char *name)
{
    return name[0] != '\0' && name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0';
}

/* vermagic is "RELEASE FLAGS...". Source: the kernel's include/linux/vermagic.h. */
static int module_inspect(struct update *update, char **reason)
{
    const char *magic[] = {"modinfo", "-F", "vermagic", update->file, NULL};
    const char *name[] = {"modinfo", "-F", "name", update->file, NULL};
    TEXT_AUTO cause = NULL;
    int error;

    update->kind = UPDATE_MODULE;
    /* modinfo takes any other name for that of an installed module. */
    if (!text_ends(update->file, ".ko"))
        return refuse(reason, update->path, "a module is a file whose name ends with .ko", &cause);
    error = tool_line(magic, &update->kernel, &cause);
    if (error == 0)
        error = tool_line(name, &update->name, &cause);
    if (error == 0 && (!is_module_name(update->name) || update->kernel[0] == '\0'))
        error = -EINVAL;
    if (error == 0)
        update->kernel[strcspn(update->kernel, " ")] = '\0';
    return judge(error, reason, update->path, "an object file, but not a kernel module", &cause);
}

/* A name that leads out of where it is unpacked; tar refuses to follow it. */
static bool climbs(const char *name)
{
    while (name != NULL && *name != '\0') {
        size_t length = strcspn(name, "/");

        if (length == 2 && name[0] == '.' && name[1] == '.')
            return true;
        name += length + (name[length] == '/');
    }
    return false;
}

/* 0, or -EINVAL with a reason: a member that the machine's tar would not unpack, or none at all. */
static int members_check(struct archive *archive, const struct update *update, char **reason)
{
    struct archive_entry *entry;
    size_t count = 0;
    TEXT_AUTO cause = NULL;
    int code;

    while ((code = archive_read_next_header(archive, &entry)) == ARCHIVE_OK ||
           code == ARCHIVE_WARN) {
        const char *name = archive_entry_pathname(entry);

        count++;
        if (!climbs(name) && !climbs(archive_entry_hardlink(entry)))
            continue;
        cause = text_copy(name != NULL ? name : "?");
        return refuse(reason, update->path, "a tar with '..' in the name of a member", &cause);
    }
    if (code != ARCHIVE_EOF)
        cause = text_copy(archive_error_string(archive));
    if (code != ARCHIVE_EOF || count == 0)
        return refuse(reason, update->path, count == 0 ? "a tar of nothing" : "a damaged tar",
                      &cause);
    return 0;
}

static int tar_members(const struct update *update, char **reason)
{
    struct archive *archive = archive_read_new();
    TEXT_AUTO cause = NULL;
    int error;

    if (archive == NULL)
        abort();
    archive_read_support_filter_all(archive);
    archive_read_support_format_tar(archive);
    archive_read_support_format_gnutar(archive);
    if (archive_read_open_filename(archive, update->file, 65536) == ARCHIVE_OK) {
        error = members_check(archive, update, reason);
    } else {
        cause = text_copy(archive_error_string(archive));
        error = refuse(reason, update->path, "a damaged tar", &cause);
    }
    archive_read_free(archive);
    return error;
}

static int tar_inspect(struct update *update, char **reason)
{
    const char *argv[] = {"tar", "-tf", update->file, NULL};
    TEXT_AUTO cause = NULL;
    TEXT_AUTO line = NULL;
    int error = tool_line(argv, &line, &cause);

    update->kind = UPDATE_TAR;
    if (error == 0 && line[0] == '\0')
        error = -EINVAL;
    error = judge(error, reason, update->path,
                  "neither a .deb, a kernel module (.ko, not compressed), a tar nor a directory",
                  &cause);
    return error == 0 ? tar_members(update, reason) : error;
}

static int directory_inspect(struct update *update, char **reason)
{
    DIR *dir = opendir(update->file);
    struct dirent *entry;
    TEXT_AUTO none = NULL;
    size_t count = 0;

    update->kind = UPDATE_DIRECTORY;
    if (dir == NULL)
        return refuse(reason, update->path, strerror(errno), &none);
    while ((entry = readdir(dir)) != NULL)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count > 0 ? 0 : refuse(reason, update->path, "an empty directory", &none);
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

static int file_inspect(struct update *update, char **reason)
{
    static const char deb[] = "!<arch>\ndebian-binary";
    unsigned char head[sizeof(Elf64_Ehdr)] = {0};
    TEXT_AUTO none = NULL;
    int error = head_read(update->file, head, sizeof head);

    if (error < 0)
        return refuse(reason, update->path, strerror(-error), &none);
    if (memcmp(head, deb, sizeof deb - 1) == 0)
        return deb_inspect(update, reason);
    if (memcmp(head, ELFMAG, SELFMAG) == 0 &&
        ((const Elf64_Ehdr *)(const void *)head)->e_type == ET_REL)
        return module_inspect(update, reason);
    return tar_inspect(update, reason);
}

/* tar takes a name with a colon for one of another machine, unless a slash is before it. */
static char *absolute(const char *path)
{
    TEXT_AUTO here = path[0] == '/' ? NULL : get_current_dir_name();

    return here == NULL ? text_copy(path) : text_format("%s/%s", here, path);
}

int update_inspect(struct update *update, const char *path, char **reason)
{
    TEXT_AUTO none = NULL;
    struct stat st;

    memset(update, 0, sizeof *update);
    update->path = path;
    update->file = absolute(path);
    if (stat(update->file, &st) < 0)
        return refuse(reason, path, strerror(errno), &none);
    if (S_ISDIR(st.st_mode))
        return directory_inspect(update, reason);
    if (!S_ISREG(st.st_mode))
        return refuse(reason, path, "neither a file nor a directory", &none);
    return file_inspect(update, reason);
}

void update_free(struct update *update)
{
    free(update->file);
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
