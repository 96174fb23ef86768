#include "image.h"
#include "command.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512
#define LOADER "/EFI/BOOT/BOOTX64.EFI"
/* Partition types of an ESP: in a GPT, and in an MBR. */
#define ESP_GPT "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define ESP_MBR "0xef"

static int refuse(char **reason, const char *name, char *why)
{
    text_replace(reason, text_format("--image %s: %s", name, why));
    free(why);
    for (char *at = *reason; *at != '\0'; at++)
        if (*at == '\n')
            *at = at[1] == '\0' ? '\0' : ' ';
    return -EINVAL;
}

static const struct {
    const char *name, *unpack;
    unsigned char magic[6];
    size_t length;
} packers[] = {
    {"xz", "xz -d", {0xfd, '7', 'z', 'X', 'Z', 0}, 6},
    {"gzip", "gzip -d", {0x1f, 0x8b}, 2},
    {"zstd", "zstd -d", {0x28, 0xb5, 0x2f, 0xfd}, 4},
    {"bzip2", "bzip2 -d", {'B', 'Z', 'h'}, 3},
    {"zip", "unzip", {'P', 'K', 3, 4}, 4},
};

static int packed_check(const char *path, char **reason)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char head[6] = {0};

    if (fd < 0)
        return refuse(reason, path, text_copy(strerror(errno)));
    if (read(fd, head, sizeof head) < 0) {
        close(fd);
        return refuse(reason, path, text_copy(strerror(errno)));
    }
    close(fd);
    for (size_t i = 0; i < sizeof packers / sizeof *packers; i++)
        if (memcmp(head, packers[i].magic, packers[i].length) == 0)
            return refuse(reason, path,
                          text_format("it is compressed (%s): unpack it first, with `%s`",
                                      packers[i].name, packers[i].unpack));
    return 0;
}

/* Runs qemu-img; what it says of the image is a reason to refuse it where `blame` is in that. */
static int qemu_img(const char *const argv[], const char *path, const char *blame,
                    struct output *output, char **reason)
{
    int code = command_run(argv, output);

    if (code == 0)
        return 0;
    if (code > 0 && strstr(output->err, blame) != NULL)
        return refuse(reason, path, text_copy(output->err));
    text_replace(reason, command_complaint(argv[0], code, output));
    return code == -ENOENT ? -ENOENT : -EIO;
}

/* Where the image is raw it can be looked into as it lies there, unless a tool would take part of
 * its name for an offset. */
static int raw_check(const char *path, const char *name, const char *info, char **reason)
{
    const char *format = strstr(info, "file format: ");
    struct image image;
    int error;

    if (format == NULL || !text_starts(format, "file format: raw\n") || strchr(path, '?') != NULL ||
        strstr(path, "@@") != NULL)
        return 0;
    error = image_inspect(&image, path, name, reason);
    image_free(&image);
    return error;
}

int image_look(const char *path, char **reason)
{
    TEXT_AUTO real = realpath(path, NULL);
    const char *argv[] = {"qemu-img", "info", "--backing-chain", real, NULL};
    struct output output = {0};
    struct stat st;
    int error;

    if (real == NULL || stat(real, &st) < 0)
        return refuse(reason, path, text_copy(strerror(errno)));
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return refuse(reason, path, text_copy("not a file"));
    error = packed_check(path, reason);
    if (error < 0)
        return error;
    error = qemu_img(argv, path, "", &output, reason);
    if (error == 0)
        error = raw_check(real, path, output.out, reason);
    output_free(&output);
    return error;
}

int image_copy(const char *path, const char *raw, char **reason)
{
    TEXT_AUTO real = realpath(path, NULL);
    const char *argv[] = {"qemu-img", "convert", "-O", "raw", real, raw, NULL};
    struct output output = {0};
    int error;

    if (real == NULL)
        return refuse(reason, path, text_copy(strerror(errno)));
    error = qemu_img(argv, path, "error while reading", &output, reason);
    output_free(&output);
    return error;
}

/* What lies at an offset: "ext4", "vfat", "crypto_LUKS" ...; NULL where nothing is known. */
static char *type_at(int fd, uint64_t offset, uint64_t size)
{
    blkid_probe probe = blkid_new_probe();
    const char *value = NULL;
    char *type = NULL;

    if (probe != NULL && blkid_probe_set_device(probe, fd, (off_t)offset, (off_t)size) == 0 &&
        blkid_do_safeprobe(probe) == 0 &&
        blkid_probe_lookup_value(probe, "TYPE", &value, NULL) == 0)
        type = text_copy(value);
    blkid_free_probe(probe);
    return type;
}

static bool is_esp(blkid_partition part)
{
    const char *type = blkid_partition_get_type_string(part);
    TEXT_AUTO number = text_format("0x%x", (unsigned)blkid_partition_get_type(part));

    return (type != NULL && strcmp(type, ESP_GPT) == 0) || strcmp(number, ESP_MBR) == 0;
}

/* The root is the ext4 file system that says what system it is; /boot does not. */
static bool is_root(const struct disk *disk)
{
    return disk_kind(disk, "/etc/os-release") != NULL ||
           disk_kind(disk, "/usr/lib/os-release") != NULL;
}

static void partition_take(struct image *image, int fd, blkid_partition part, uint64_t *largest)
{
    uint64_t offset = (uint64_t)blkid_partition_get_start(part) * SECTOR;
    uint64_t size = (uint64_t)blkid_partition_get_size(part) * SECTOR;
    struct disk as_root = {.path = image->disk.path, .root_offset = offset};
    char *type = type_at(fd, offset, size);

    if (is_esp(part)) {
        if (image->disk.esp_offset == 0)
            image->disk.esp_offset = offset;
    } else if (type != NULL && strcmp(type, "ext4") == 0 && !image->readable && is_root(&as_root)) {
        image->disk.root_offset = offset;
        image->readable = true;
        text_replace(&image->root_type, text_copy(type));
    } else if (type != NULL && !image->readable && size > *largest) {
        *largest = size;
        text_replace(&image->root_type, text_copy(type));
    }
    free(type);
}

static int partitions_take(struct image *image, int fd, const char *name, char **reason)
{
    blkid_probe probe = blkid_new_probe();
    blkid_partlist list = NULL;
    uint64_t largest = 0;
    int count = 0;

    if (probe != NULL && blkid_probe_set_device(probe, fd, 0, 0) == 0 &&
        blkid_probe_enable_partitions(probe, 1) == 0)
        list = blkid_probe_get_partitions(probe);
    if (list != NULL)
        count = blkid_partlist_numof_partitions(list);
    for (int i = 0; i < count; i++)
        partition_take(image, fd, blkid_partlist_get_partition(list, i), &largest);
    blkid_free_probe(probe);
    if (count <= 0)
        return refuse(reason, name, text_copy("no disk image: no partition table was found in it"));
    return 0;
}

/* With NVRAM as it leaves the factory nothing but the removable path is started. */
static int loader_check(const struct image *image, const char *name, char **reason)
{
    int error = command_there("mdir", reason);

    if (error < 0)
        return error;
    if (image->disk.esp_offset == 0)
        return refuse(reason, name,
                      text_copy("no EFI system partition: it does not boot by UEFI; a cloud image "
                                "for UEFI, or one for \"generic\" machines, has one"));
    if (!esp_has(&image->disk, LOADER))
        return refuse(reason, name,
                      text_copy("no \\EFI\\BOOT\\BOOTX64.EFI on its EFI system partition: firmware "
                                "that does not know this disk starts nothing else; "
                                "`grub-install --removable` or `bootctl install` puts it there, "
                                "and x86-64 is the machine that the rig has"));
    return 0;
}

static char *value_of(const char *text, const char *key)
{
    size_t length = strlen(key);

    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == '=') {
            const char *value = line + length + 1;
            size_t quoted = *value == '"' || *value == '\'';

            return text_format("%.*s", (int)strcspn(value + quoted, "\"'\n"), value + quoted);
        }
    }
    return NULL;
}

/* Each directory of modules with a `kernel` in it belongs to a kernel. */
static char *kernels_of(const struct disk *disk, const char *where)
{
    TEXT_AUTO names = disk_names(disk, where);
    char *rest = names, *line;
    char *kernels = text_copy("");

    while ((line = strsep(&rest, "\n")) != NULL) {
        size_t start = strlen(where) + 1;
        char *slash;

        if (strlen(line) <= start || (slash = strchr(line + start, '/')) == NULL ||
            strcmp(slash, "/kernel") != 0)
            continue;
        *slash = ' ';
        slash[1] = '\0';
        text_append(&kernels, line + start);
    }
    return kernels;
}

static bool any_of(const struct disk *disk, const char *one, const char *other)
{
    return disk_kind(disk, one) != NULL || disk_kind(disk, other) != NULL;
}

static void root_look(struct image *image)
{
    const struct disk *disk = &image->disk;
    TEXT_AUTO release = disk_read(disk, "/usr/lib/os-release", NULL);

    if (release == NULL)
        release = disk_read(disk, "/etc/os-release", NULL);
    if (release != NULL)
        image->system = value_of(release, "PRETTY_NAME");
    image->kernels = kernels_of(disk, "/usr/lib/modules");
    if (image->kernels[0] == '\0')
        text_replace(&image->kernels, kernels_of(disk, "/lib/modules"));
    image->foreign = disk_read(disk, "/var/lib/dpkg/arch", NULL);
    for (char *at = image->foreign; at != NULL && *at != '\0'; at++)
        if (*at == '\n')
            *at = ' ';
    image->dpkg = disk_kind(disk, "/usr/bin/dpkg") != NULL;
    image->systemd = any_of(disk, "/usr/lib/systemd/systemd", "/lib/systemd/systemd");
    image->cloud_init = any_of(disk, "/usr/bin/cloud-init", "/usr/bin/cloud-init-per");
}

static int root_check(const struct image *image, const char *name, char **reason)
{
    if (image->readable && !image->systemd)
        return refuse(reason, name,
                      text_format("%s has no systemd, which the rig's agent is started by",
                                  image->system != NULL ? image->system : "its system"));
    if (image->root_type != NULL && strcmp(image->root_type, "crypto_LUKS") == 0)
        return refuse(reason, name,
                      text_copy("its root is encrypted: nobody types the passphrase"));
    return 0;
}

int image_inspect(struct image *image, const char *raw, const char *name, char **reason)
{
    int fd = open(raw, O_RDONLY | O_CLOEXEC), error;

    memset(image, 0, sizeof *image);
    /* mtools is stricter with others' FAT than firmware is. */
    setenv("MTOOLS_SKIP_CHECK", "1", 0);
    if (fd < 0)
        return refuse(reason, name, text_copy(strerror(errno)));
    image->disk.path = raw;
    error = partitions_take(image, fd, name, reason);
    close(fd);
    if (error == 0)
        error = loader_check(image, name, reason);
    if (error == 0 && image->readable)
        root_look(image);
    return error == 0 ? root_check(image, name, reason) : error;
}

void image_free(struct image *image)
{
    free(image->root_type);
    free(image->system);
    free(image->kernels);
    free(image->foreign);
    memset(image, 0, sizeof *image);
}

bool words_have(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = words; at != NULL && *at != '\0';) {
        size_t one = strcspn(at, " ");

        if (one == length && memcmp(at, word, length) == 0)
            return true;
        at += one + (at[one] == ' ');
    }
    return false;
}
