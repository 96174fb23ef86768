/* rebuild_note.c - which images are new: see rebuild.h */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "io.h"
#include "rebuild.h"
#include "text.h"

#define NOTE_LIMIT ((size_t)1 << 20)

static int64_t ns_of(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int open_boot(const struct place *place)
{
    return place_openat(place, "/boot", O_RDONLY | O_DIRECTORY, 0, true);
}

/* "RELEASE INODE MTIME CTIME", the release escaped as text.h has it; caller frees. */
static int describe(int boot_fd, const char *release, char **line)
{
    struct stat st;
    size_t length = strlen(release);
    char *name = NULL, *escaped = malloc(3 * length + 1);
    int err = escaped && asprintf(&name, REBUILD_IMAGE_PREFIX "%s", release) >= 0 ? 0 : -ENOMEM;
    if (err == 0 && fstatat(boot_fd, name, &st, 0) < 0)
        err = -errno;
    if (err == 0) {
        escaped[text_escape(release, length, escaped)] = '\0';
        if (asprintf(line, "%s %" PRIu64 " %" PRId64 " %" PRId64, escaped, (uint64_t)st.st_ino,
                     ns_of(st.st_mtim), ns_of(st.st_ctim)) < 0)
            err = -ENOMEM;
    }
    free(name);
    free(escaped);
    return err;
}

static int print_note(int boot_fd, const struct due_images *due, FILE *note)
{
    int err = 0;
    for (size_t i = 0; err == 0 && i < due->count; i++) {
        char *line = NULL;
        if (due->items[i].missing)
            continue;
        err = describe(boot_fd, due->items[i].release, &line);
        if (err == 0)
            fprintf(note, "%s\n", line);
        free(line);
    }
    return err;
}

int rebuild_note(const struct place *place, int run_fd, const struct due_images *due)
{
    char *text = NULL;
    size_t size = 0;
    FILE *note = open_memstream(&text, &size);
    int boot_fd = open_boot(place), err = boot_fd < 0 ? boot_fd : note ? 0 : -ENOMEM;
    if (err == 0)
        err = print_note(boot_fd, due, note);
    if (note && fclose(note) != 0)
        err = err ? err : -ENOMEM;
    if (err == 0)
        err = io_write_atomic(run_fd, REBUILD_NOTE_NAME, text, size, 0644);
    if (boot_fd >= 0)
        close(boot_fd);
    free(text);
    return err;
}

/* Three numbers, as describe() writes them. */
static bool is_identity(const char *text, size_t length)
{
    unsigned spaces = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == ' ')
            spaces++;
        else if ((text[i] < '0' || text[i] > '9') && text[i] != '-')
            return false;
    }
    return length > 4 && spaces == 2;
}

/* `now` is the image's line as it would be written now. 0, -ESTALE where the note has the same,
 * -ENOENT where it has none of this release, -EBADMSG. */
static int compare(const char *note, const char *now)
{
    size_t name = strcspn(now, " ") + 1;
    for (const char *line = note; *line;) {
        size_t length = strcspn(line, "\n");
        if (strncmp(line, now, name) == 0) {
            if (line[length] != '\n' || !is_identity(line + name, length - name))
                return -EBADMSG;
            return length == strlen(now) && strncmp(line, now, length) == 0 ? -ESTALE : 0;
        }
        line += length + (line[length] == '\n');
    }
    return -ENOENT;
}

static int check_image(const char *note, int boot_fd, const char *release, struct diag *diag)
{
    char *now = NULL;
    int err = describe(boot_fd, release, &now);
    if (err == 0)
        err = compare(note, now);
    free(now);
    if (err == -ESTALE)
        diag_report(diag, DIAG_ERROR,
                    "/boot/" REBUILD_IMAGE_PREFIX "%s was not made anew and may still hold a "
                    "suspect: is /boot read-only or full, or update_initramfs=no set in "
                    "/etc/initramfs-tools/update-initramfs.conf? Then: update-initramfs -u -k %s",
                    release, release);
    else if (err < 0)
        diag_report(diag, DIAG_ERROR,
                    "/boot/" REBUILD_IMAGE_PREFIX "%s: whether it was made anew is not known: %s; "
                    "systemctl restart backstop-rebuild.service",
                    release, strerror(-err));
    return err;
}

int rebuild_check(const struct place *place, int run_fd, const struct due_images *due,
                  struct diag *diag)
{
    char *note = NULL;
    size_t size = 0;
    int boot_fd = open_boot(place), err = 0;
    int read = io_read_all(run_fd, REBUILD_NOTE_NAME, NOTE_LIMIT, &note, &size);
    for (size_t i = 0; i < due->count; i++) {
        int image = due->items[i].missing
                        ? 0
                        : check_image(read < 0 ? "" : note, boot_fd, due->items[i].release, diag);
        err = err ? err : image;
    }
    if (boot_fd >= 0)
        close(boot_fd);
    free(note);
    return err;
}
