#include "image.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "bytes.h"

#define NEWC_HEADER 110u /* cpio(5), "newc": magic and 13 fields of 8 hexadecimal digits */
#define NEWC_FILESIZE 54u
#define NEWC_NAMESIZE 94u

static bool is_newc(const uint8_t *p, size_t size)
{
    return size >= NEWC_HEADER && (memcmp(p, "070701", 6) == 0 || memcmp(p, "070702", 6) == 0);
}

static bool hex8(const uint8_t *p, uint32_t *value)
{
    uint32_t sum = 0;

    for (int i = 0; i < 8; i++) {
        uint32_t digit;

        if (p[i] >= '0' && p[i] <= '9')
            digit = p[i] - (uint32_t)'0';
        else if ((p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'f')
            digit = (p[i] | 0x20u) - 'a' + 10;
        else
            return false;
        sum = sum << 4 | digit;
    }
    *value = sum;
    return true;
}

struct visit {
    image_visitor *visit;
    void *user;
};

static bool visited(const struct visit *visit, const char *name)
{
    if (strncmp(name, "./", 2) == 0)
        name += 2;
    while (*name == '/')
        name++;
    return visit->visit(name, visit->user);
}

static uint64_t aligned(uint64_t at)
{
    return (at + 3) & ~(uint64_t)3;
}

/* One uncompressed archive at *at, up to behind its trailer. */
static int walk_newc(const uint8_t *image, size_t size, size_t *at, const struct visit *visit)
{
    while (is_newc(image + *at, size - *at)) {
        const uint8_t *header = image + *at;
        const char *name = (const char *)header + NEWC_HEADER;
        uint32_t name_size, file_size;
        uint64_t data, next;

        if (!hex8(header + NEWC_NAMESIZE, &name_size) || !hex8(header + NEWC_FILESIZE, &file_size))
            return -EBADMSG;
        data = aligned(*at + NEWC_HEADER + (uint64_t)name_size);
        next = aligned(data + file_size);
        if (name_size == 0 || data > size || data + file_size > size || name[name_size - 1] != '\0')
            return -EBADMSG;
        *at = next < size ? (size_t)next : size;
        if (strcmp(name, "TRAILER!!!") == 0)
            return 0;
        if (visited(visit, name))
            return 1;
    }
    return -EBADMSG;
}

static int walk_rest(const uint8_t *bytes, size_t size, const struct visit *visit)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    int result = -EBADMSG;

    if (!archive)
        return -ENOMEM;
    archive_read_support_filter_all(archive);
    archive_read_support_format_cpio(archive);
    if (archive_read_open_memory(archive, bytes, size) == ARCHIVE_OK) {
        int got;

        while ((got = archive_read_next_header(archive, &entry)) == ARCHIVE_OK ||
               got == ARCHIVE_WARN) {
            const char *name = archive_entry_pathname(entry);

            result = result < 0 ? 0 : result;
            if (name && visited(visit, name)) {
                result = 1;
                break;
            }
        }
        if (got != ARCHIVE_EOF && result == 0)
            result = -EBADMSG;
    }
    archive_read_free(archive);
    return result;
}

int image_each(const uint8_t *image, size_t size, image_visitor *visitor, void *user)
{
    const struct visit visit = {.visit = visitor, .user = user};
    size_t at = 0;
    bool any = false;

    for (;;) {
        int found;

        while (at < size && image[at] == 0)
            at++;
        if (at == size)
            return any ? 0 : -EBADMSG;
        if (!is_newc(image + at, size - at))
            return walk_rest(image + at, size - at, &visit);
        found = walk_newc(image, size, &at, &visit);
        if (found)
            return found;
        any = true;
    }
}

static bool is_path(const char *name, void *user)
{
    return strcmp(name, user) == 0;
}

int image_holds(const uint8_t *image, size_t size, const char *path)
{
    return image_each(image, size, is_path, (void *)(uintptr_t)path);
}

int image_file_holds(int fd, const char *path)
{
    return image_file_each(fd, is_path, (void *)(uintptr_t)path);
}

int image_file_each(int fd, image_visitor *visit, void *user)
{
    struct stat st;
    void *map;
    int result;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return -EBADMSG;
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    result = image_each(map, (size_t)st.st_size, visit, user);
    munmap(map, (size_t)st.st_size);
    return result;
}

/* PE/COFF: e_lfanew at 0x3c; optional header behind 24 bytes; PE32+ has its directories at 112. */
bool image_is_signed(const uint8_t *image, size_t size)
{
    uint32_t pe;
    size_t table;

    if (size < 0x40 || memcmp(image, "MZ", 2) != 0)
        return false;
    pe = get_le32(image + 0x3c);
    table = (size_t)pe + 24 + 112 + 4 * 8;
    if (table + 8 > size || memcmp(image + pe, "PE\0\0", 4) != 0 ||
        get_le16(image + pe + 24) != 0x20b)
        return false;
    return get_le32(image + table + 4) != 0;
}
