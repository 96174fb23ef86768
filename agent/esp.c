#include "esp.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "io.h"
#include "vars.h"

#define PARTITIONS_MAX 128
#define MOUNT_POINT_MAX 1024

struct candidates {
    struct partition partitions[PARTITIONS_MAX];
    bool mounted[PARTITIONS_MAX];
    char *mount_points[PARTITIONS_MAX];
    size_t count;
};

/* ---- paths on the ESP ---- */

/* The name in dir_fd that equals `name` but for case, into name; unchanged if there is none. */
static void settle_case(int dir_fd, char *name)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *item;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((item = readdir(dir))) {
        if (strcasecmp(item->d_name, name) != 0)
            continue;
        memcpy(name, item->d_name, strlen(name));
        break;
    }
    closedir(dir);
}

/* "\EFI\debian\x.efi" to "EFI/debian/x.efi", each part as it is spelt on disk if it is there. */
static int resolve(const struct esp *esp, const char *path, char out[PATH_MAX])
{
    size_t length = 0;

    if (path[0] != '\\' || strlen(path) >= PATH_MAX)
        return -EINVAL;
    while (*path) {
        size_t part = strcspn(++path, "\\");
        char name[NAME_MAX + 1];
        int dir_fd;

        if (part == 0 || part > NAME_MAX || memchr(path, '/', part) || path[0] == '.')
            return -EINVAL;
        memcpy(name, path, part);
        name[part] = '\0';
        out[length] = '\0';
        dir_fd = openat(esp->fd, length ? out : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd >= 0) {
            if (faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                settle_case(dir_fd, name);
            close(dir_fd);
        }
        if (length)
            out[length++] = '/';
        memcpy(out + length, name, part + 1);
        length += part;
        path += part;
    }
    return 0;
}

bool esp_has(const struct esp *esp, const char *path)
{
    char relative[PATH_MAX];
    struct stat st;

    return resolve(esp, path, relative) == 0 && fstatat(esp->fd, relative, &st, 0) == 0 &&
           S_ISREG(st.st_mode) && st.st_size > 0;
}

int esp_read(const struct esp *esp, const char *path, char **bytes, size_t *size)
{
    char relative[PATH_MAX];
    int error = resolve(esp, path, relative);

    return error ? error : io_read_all(esp->fd, relative, ESP_FILE_MAX, bytes, size);
}

static bool already_so(int dir_fd, const char *name, const void *bytes, size_t size)
{
    char *now = NULL;
    size_t now_size = 0;
    bool same;

    if (io_read_all(dir_fd, name, ESP_FILE_MAX, &now, &now_size) < 0)
        return false;
    same = now_size == size && memcmp(now, bytes, size) == 0;
    free(now);
    return same;
}

/* Opens the directory of a resolved path, made if it lacks; *name is the last part. fd or -errno.
 */
static int open_parent(const struct esp *esp, char *relative, bool make, const char **name)
{
    char *slash = strrchr(relative, '/');
    int error = 0, fd;

    if (slash) {
        *slash = '\0';
        *name = slash + 1;
        error = make ? io_mkdir_p(esp->fd, relative, 0755) : 0;
    } else {
        *name = relative;
    }
    if (error)
        return error;
    fd = openat(esp->fd, slash ? relative : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* The file's directory entry, which Linux's FAT counts to the file and not to the directory. */
static int sync_entry(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) < 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return error;
}

/*
 * FAT has no order of its own: an entry that still names the former file may meet clusters that are
 * free already, and a loader is gone. So the former file is held, which keeps its clusters, until
 * the new entry is on the medium. The directory is synced before that, and the temporary name gone:
 * two entries of the same clusters are what fsck.fat cuts one of to nothing.
 */
static int replace(int dir_fd, const char *name, const void *bytes, size_t size)
{
    int former = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int error = io_write_atomic(dir_fd, name, bytes, size, 0600);

    if (!error)
        error = sync_entry(dir_fd, name);
    if (former >= 0)
        close(former);
    return error;
}

int esp_write(const struct esp *esp, const char *path, const void *bytes, size_t size,
              bool *changed)
{
    char relative[PATH_MAX];
    const char *name;
    int error = resolve(esp, path, relative), fd;

    if (error)
        return error;
    fd = open_parent(esp, relative, true, &name);
    if (fd < 0)
        return fd;
    if (already_so(fd, name, bytes, size)) {
        if (changed)
            *changed = false;
    } else {
        /* a directory just made is not durable by what is synced in it */
        error = syncfs(fd) < 0 ? -errno : replace(fd, name, bytes, size);
        if (!error && changed)
            *changed = true;
    }
    close(fd);
    return error;
}

/* As replace(): what goes is held, which keeps its clusters, until its entry is off the medium. */
static int remove_held(int dir_fd, const char *name, int flags)
{
    int held = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int error = 0;

    if (unlinkat(dir_fd, name, flags) < 0)
        error = errno == ENOENT ? 0 : -errno;
    else if (fsync(dir_fd) < 0)
        error = -errno;
    if (held >= 0)
        close(held);
    return error;
}

static int remove_at(const struct esp *esp, const char *path, int flags)
{
    char relative[PATH_MAX];
    const char *name;
    int error = resolve(esp, path, relative), fd;

    if (error)
        return error;
    fd = open_parent(esp, relative, false, &name);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    error = remove_held(fd, name, flags);
    close(fd);
    return error;
}

int esp_remove(const struct esp *esp, const char *path)
{
    return remove_at(esp, path, 0);
}

int esp_remove_dir(const struct esp *esp, const char *path)
{
    return remove_at(esp, path, AT_REMOVEDIR);
}

/* ---- slots ---- */

static int slots_size_of(const struct esp *esp, const char *path, off_t *size)
{
    char relative[PATH_MAX];
    struct stat st;
    int error = resolve(esp, path, relative);

    if (error)
        return error;
    if (fstatat(esp->fd, relative, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    *size = S_ISREG(st.st_mode) ? st.st_size : -1;
    return 0;
}

static bool slots_are_there(const struct esp *esp, const char *path)
{
    off_t size = 0;

    return slots_size_of(esp, path, &size) == 0 && size == (off_t)SLOTS_SIZE;
}

bool esp_has_slots(const struct esp *esp)
{
    return slots_are_there(esp, ESP_DIR "\\" LEDGER_SLOTS_NAME) &&
           slots_are_there(esp, ESP_DIR "\\" RECEIPT_SLOTS_NAME);
}

int esp_lay_out_slots(const struct esp *esp, bool *changed)
{
    static const char *const paths[] = {ESP_DIR "\\" LEDGER_SLOTS_NAME,
                                        ESP_DIR "\\" RECEIPT_SLOTS_NAME};
    static const uint8_t zeros[SLOTS_SIZE];
    bool any = false;

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int error;

        if (slots_are_there(esp, paths[i]))
            continue;
        error = esp_write(esp, paths[i], zeros, sizeof zeros, NULL);
        if (error)
            return error;
        any = true;
    }
    *changed = any;
    return 0;
}

static int read_whole(int fd, uint8_t file[SLOTS_SIZE])
{
    size_t done = 0;

    while (done < SLOTS_SIZE) {
        ssize_t got = pread(fd, file + done, SLOTS_SIZE - done, (off_t)done);

        if (got < 0)
            return -errno;
        if (got == 0)
            return -EBADMSG;
        done += (size_t)got;
    }
    return 0;
}

static int open_receipt_slots(const struct esp *esp, int flags, uint8_t file[SLOTS_SIZE])
{
    char relative[PATH_MAX];
    int error, fd;

    if (!slots_are_there(esp, ESP_DIR "\\" RECEIPT_SLOTS_NAME))
        return -ENOENT;
    error = resolve(esp, ESP_DIR "\\" RECEIPT_SLOTS_NAME, relative);
    if (error)
        return error;
    fd = openat(esp->fd, relative, flags | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    error = read_whole(fd, file);
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

int esp_read_receipt(const struct esp *esp, struct receipt *receipt, enum record_state *state)
{
    uint8_t file[SLOTS_SIZE];
    unsigned next;
    int fd = open_receipt_slots(esp, O_RDONLY, file);

    if (fd == -ENOENT) {
        *state = RECORD_ABSENT;
        return 0;
    }
    if (fd < 0)
        return fd;
    close(fd);
    *state = slots_newest_receipt(receipt, file, sizeof file, &next);
    return 0;
}

int esp_write_receipt(const struct esp *esp, const struct receipt *receipt)
{
    uint8_t file[SLOTS_SIZE], record[RECEIPT_SIZE], newest[RECEIPT_SIZE], slot[SLOT_STRIDE] = {0};
    struct receipt now;
    unsigned next = 0;
    int error = 0, fd = open_receipt_slots(esp, O_RDWR, file);

    if (fd < 0)
        return fd;
    receipt_encode(receipt, record);
    if (slots_newest_receipt(&now, file, sizeof file, &next) == RECORD_VALID) {
        receipt_encode(&now, newest);
        if (memcmp(newest, record, sizeof record) == 0) {
            close(fd);
            return 0;
        }
    }
    memcpy(slot, record, sizeof record);
    if (pwrite(fd, slot, sizeof slot, (off_t)(next * SLOT_STRIDE)) != (ssize_t)sizeof slot)
        error = errno ? -errno : -EIO;
    else if (fsync(fd) < 0)
        error = -errno;
    close(fd);
    return error;
}

/* ---- finding it ---- */

static int octal_at(const char *text)
{
    for (int i = 0; i < 3; i++)
        if (text[i] < '0' || text[i] > '7')
            return -1;
    return (text[0] - '0') * 64 + (text[1] - '0') * 8 + (text[2] - '0');
}

/* proc(5): space, tab, LF and backslash stand as \ooo. */
static bool unescape(const char *text, char *out, size_t size)
{
    size_t length = 0;

    while (*text) {
        int code = *text == '\\' ? octal_at(text + 1) : -1;

        if (length + 1 >= size)
            return false;
        out[length++] = code > 0 ? (char)code : *text;
        text += code > 0 ? 4 : 1;
    }
    out[length] = '\0';
    return true;
}

bool esp_parse_mount(const char *line, dev_t *devno, char *mount_point, size_t size)
{
    unsigned major_number, minor_number;
    char root[256], escaped[MOUNT_POINT_MAX], type[32];
    const char *tail = strstr(line, " - ");
    char unescaped[MOUNT_POINT_MAX];

    if (!tail || sscanf(tail, " - %31s", type) != 1 || strcmp(type, "vfat") != 0)
        return false;
    if (sscanf(line, "%*u %*u %u:%u %255s %1023s", &major_number, &minor_number, root, escaped) !=
        4)
        return false;
    if (strcmp(root, "/") != 0 || !unescape(escaped, unescaped, sizeof unescaped) ||
        strlen(unescaped) >= size)
        return false;
    memcpy(mount_point, unescaped, strlen(unescaped) + 1);
    *devno = makedev(major_number, minor_number);
    return true;
}

static bool same_uuid(const char *a, const char *b)
{
    return a && b && *a && strcasecmp(a, b) == 0;
}

/* Smaller is better; -1: not a candidate. */
static int merit(const struct partition *partition, bool mounted, const char *loader,
                 const char *preferred)
{
    if (same_uuid(partition->partuuid, loader) && partition->is_esp)
        return 0;
    if (same_uuid(partition->partuuid, preferred))
        return 1;
    if (!partition->is_esp)
        return -1;
    return mounted ? 2 : 3;
}

int esp_rank(const struct partition *partitions, const bool *mounted, size_t count,
             const char *loader, const char *preferred, size_t n)
{
    for (int wanted = 0; wanted <= 3; wanted++)
        for (size_t i = 0; i < count; i++)
            if (merit(&partitions[i], mounted[i], loader, preferred) == wanted && n-- == 0)
                return (int)i;
    return -1;
}

bool esp_in_chroot(void)
{
    struct stat ours, first;

    if (stat("/", &ours) < 0 || stat("/proc/1/root/", &first) < 0)
        return true;
    return ours.st_dev != first.st_dev || ours.st_ino != first.st_ino;
}

static const char *lookup(blkid_probe probe, const char *name)
{
    const char *value = NULL;

    return blkid_probe_lookup_value(probe, name, &value, NULL) == 0 && value ? value : "";
}

static void fill_partition(blkid_probe probe, struct partition *partition)
{
    const char *type = lookup(probe, "PART_ENTRY_TYPE");
    unsigned sector = blkid_probe_get_sectorsize(probe);
    unsigned per_block = sector > 512 ? sector / 512 : 1;

    partition->gpt = strcmp(lookup(probe, "PART_ENTRY_SCHEME"), "gpt") == 0;
    partition->is_esp = strcasecmp(type, partition->gpt ? ESP_TYPE_GPT : ESP_TYPE_MBR) == 0;
    snprintf(partition->partuuid, sizeof partition->partuuid, "%s",
             lookup(probe, "PART_ENTRY_UUID"));
    partition->number = (uint32_t)strtoul(lookup(probe, "PART_ENTRY_NUMBER"), NULL, 10);
    /* blkid counts in 512 bytes, a device path in the disk's own blocks */
    partition->start = strtoull(lookup(probe, "PART_ENTRY_OFFSET"), NULL, 10) / per_block;
    partition->size = strtoull(lookup(probe, "PART_ENTRY_SIZE"), NULL, 10) / per_block;
}

static int probe_partition(const char *device, struct partition *partition)
{
    struct stat st;
    blkid_probe probe;
    int error = 0;

    *partition = (struct partition){0};
    if (strlen(device) >= sizeof partition->device || stat(device, &st) < 0)
        return -ENODEV;
    memcpy(partition->device, device, strlen(device) + 1);
    partition->devno = st.st_rdev;
    probe = blkid_new_probe_from_filename(device);
    if (!probe)
        return -ENODEV;
    blkid_probe_enable_superblocks(probe, 0);
    blkid_probe_enable_partitions(probe, 1);
    blkid_probe_set_partitions_flags(probe, BLKID_PARTS_ENTRY_DETAILS);
    if (blkid_do_safeprobe(probe) < 0 && !*lookup(probe, "PART_ENTRY_TYPE"))
        error = -ENODEV;
    else
        fill_partition(probe, partition);
    blkid_free_probe(probe);
    return error;
}

static void scan_partitions(struct candidates *found)
{
    DIR *dir = opendir("/sys/class/block");
    struct dirent *item;

    while (dir && (item = readdir(dir)) && found->count < PARTITIONS_MAX) {
        char path[NAME_MAX + 64], device[NAME_MAX + 8];

        snprintf(path, sizeof path, "/sys/class/block/%s/partition", item->d_name);
        if (item->d_name[0] == '.' || access(path, F_OK) < 0)
            continue;
        snprintf(device, sizeof device, "/dev/%s", item->d_name);
        if (probe_partition(device, &found->partitions[found->count]) == 0)
            found->count++;
    }
    if (dir)
        closedir(dir);
}

static void note_mounts(struct candidates *found)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL, mount_point[MOUNT_POINT_MAX];
    size_t capacity = 0;
    dev_t devno;

    while (file && getline(&line, &capacity, file) > 0) {
        if (!esp_parse_mount(line, &devno, mount_point, sizeof mount_point))
            continue;
        for (size_t i = 0; i < found->count; i++) {
            if (found->partitions[i].devno != devno || found->mounted[i])
                continue;
            found->mount_points[i] = strdup(mount_point);
            found->mounted[i] = found->mount_points[i] != NULL;
        }
    }
    free(line);
    if (file)
        fclose(file);
}

/* systemd's Boot Loader Interface: the PARTUUID as UTF-16LE text. */
static bool loader_partuuid(char out[37])
{
    struct variable variable = {0};
    size_t length = 0;

    if (vars_get(LOADER_GUID_TEXT, "LoaderDevicePartUUID", &variable) < 0)
        return false;
    while (length < 36 && 2 * length + 1 < variable.size && variable.bytes[2 * length + 1] == 0 &&
           variable.bytes[2 * length] > 0x20 && variable.bytes[2 * length] < 0x7f) {
        out[length] = (char)variable.bytes[2 * length];
        length++;
    }
    out[length] = '\0';
    variable_free(&variable);
    return length == 36;
}

/* Takes fd, which may be -errno. */
static int take_root(struct esp *esp, int fd, const char *path)
{
    if (fd < 0)
        return fd;
    esp->path = strdup(path);
    if (!esp->path) {
        close(fd);
        return -ENOMEM;
    }
    esp->fd = fd;
    return 0;
}

static int open_directory(struct esp *esp, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return take_root(esp, fd < 0 ? -errno : fd, path);
}

static int make_mount(int context, const char *device, const char *option, const char *value)
{
    int mount;

    if (fsconfig(context, FSCONFIG_SET_STRING, "source", device, 0) < 0 ||
        fsconfig(context, FSCONFIG_SET_STRING, option, value, 0) < 0 ||
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    mount =
        fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return mount < 0 ? -errno : mount;
}

int esp_mount(const char *device, const char *type, const char *option, const char *value)
{
    int context = fsopen(type, FSOPEN_CLOEXEC), mount, fd;

    if (context < 0)
        return -errno;
    mount = make_mount(context, device, option, value);
    close(context);
    if (mount < 0)
        return mount;
    /* what fsmount gives is O_PATH; this one keeps the mount alive by itself */
    fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fd = -errno;
    close(mount);
    return fd;
}

static int mount_here(struct esp *esp)
{
    const char *device = esp->partition.device;

    return take_root(esp, esp_mount(device, "vfat", "umask", "0077"), device);
}

static bool is_installed(const struct esp *esp)
{
    char relative[PATH_MAX];
    struct stat st;

    return resolve(esp, ESP_DIR, relative) == 0 && fstatat(esp->fd, relative, &st, 0) == 0 &&
           S_ISDIR(st.st_mode);
}

static int open_candidate(const struct candidates *found, int index, const struct esp_query *query,
                          struct esp *esp, struct diag *diag)
{
    struct esp here = {.fd = -1, .partition = found->partitions[index]};
    int error = found->mounted[index] ? open_directory(&here, found->mount_points[index])
                                      : mount_here(&here);

    if (error) {
        diag_report(diag, DIAG_WARNING, "the ESP %s cannot be reached: %s; mount it and try again",
                    here.partition.device, strerror(-error));
        return error;
    }
    if (query->installed && !is_installed(&here)) {
        esp_close(&here);
        return -ENOENT;
    }
    *esp = here;
    return 0;
}

static int open_best(const struct candidates *found, const struct esp_query *query, struct esp *esp,
                     struct diag *diag)
{
    char loader[37];
    bool known = loader_partuuid(loader);
    bool chroot = esp_in_chroot();
    int error = -ENOENT;

    for (size_t n = 0;; n++) {
        int index = esp_rank(found->partitions, found->mounted, found->count, known ? loader : NULL,
                             query->preferred, n),
            tried;

        if (index < 0)
            return error;
        if (chroot && !found->mounted[index])
            continue;
        tried = open_candidate(found, index, query, esp, diag);
        if (tried == 0)
            return 0;
        if (error == -ENOENT)
            error = tried;
    }
}

/* What of the partition can be known behind a directory given by hand. */
static void identify(struct esp *esp)
{
    struct candidates *found = calloc(1, sizeof *found);
    struct stat st;

    if (found && fstat(esp->fd, &st) == 0) {
        scan_partitions(found);
        for (size_t i = 0; i < found->count; i++)
            if (found->partitions[i].devno == st.st_dev)
                esp->partition = found->partitions[i];
    }
    free(found);
}

static int open_given(const struct esp_query *query, struct esp *esp, struct diag *diag)
{
    struct esp here = {.fd = -1};
    int error = open_directory(&here, query->dir);

    if (error) {
        diag_report(diag, DIAG_ERROR,
                    "%s: %s; give the directory where the ESP is mounted behind --esp", query->dir,
                    strerror(-error));
        return error;
    }
    if (query->installed && !is_installed(&here)) {
        esp_close(&here);
        diag_report(diag, DIAG_ERROR, "%s has no " ESP_DIR ": run `backstop install`", query->dir);
        return -ENOENT;
    }
    identify(&here);
    *esp = here;
    return 0;
}

int esp_open(const struct place *place, const struct esp_query *query, struct esp *esp,
             struct diag *diag)
{
    struct candidates *found;
    int error;

    if (query->dir)
        return open_given(query, esp, diag);
    if (!place->live) {
        diag_report(diag, DIAG_ERROR,
                    "%s is not the running system: say where its ESP is, --esp DIR", place->root);
        return -ENOENT;
    }
    found = calloc(1, sizeof *found);
    if (!found)
        return -ENOMEM;
    scan_partitions(found);
    note_mounts(found);
    error = open_best(found, query, esp, diag);
    if (error == -ENOENT)
        diag_report(
            diag, DIAG_ERROR,
            query->installed
                ? "no ESP with " ESP_DIR " on it was found: run `backstop install`"
                : "no EFI system partition was found: mount it, and give it with --esp DIR");
    for (size_t i = 0; i < found->count; i++)
        free(found->mount_points[i]);
    free(found);
    return error;
}

void esp_close(struct esp *esp)
{
    if (esp->fd >= 0)
        close(esp->fd);
    free(esp->path);
    *esp = (struct esp){.fd = -1};
}
