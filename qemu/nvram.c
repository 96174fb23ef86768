#include "nvram.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Firmware volume header. */
#define FV_SIGNATURE_AT 0x28u
#define FV_HEADER_LENGTH_AT 0x30u

/* VARIABLE_STORE_HEADER */
#define STORE_SIZE_AT 16u
#define STORE_HEADER_SIZE 28u

/* AUTHENTICATED_VARIABLE_HEADER */
#define VAR_START 0x55aau
#define VAR_STATE_AT 2u
#define VAR_ATTRIBUTES_AT 4u
#define VAR_NAME_SIZE_AT 36u
#define VAR_DATA_SIZE_AT 40u
#define VAR_GUID_AT 44u
#define VAR_HEADER_SIZE 60u

/* State bits are cleared, never set: flash. */
#define STATE_ADDED 0x3fu
#define STATE_IN_DELETION 0x3eu /* its successor is being written */
#define STATE_DELETED_BIT 0x02u
#define STATE_DELETED 0x3cu

#define ATTRIBUTES_NV_BS 3u

const uint8_t guid_backstop[GUID_SIZE] = {0x28, 0x4a, 0xbf, 0x79, 0x19, 0xfd, 0xe3, 0x47,
                                          0xbb, 0x3c, 0x67, 0xb6, 0x5c, 0x2f, 0x4d, 0xd4};
const uint8_t guid_global[GUID_SIZE] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                        0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
const uint8_t guid_pstore[GUID_SIZE] = {0xa0, 0x98, 0xc8, 0xcf, 0x2e, 0xbe, 0xdc, 0x4d,
                                        0x97, 0xf0, 0x9f, 0x98, 0xbf, 0xe2, 0x98, 0xa0};
static const uint8_t guid_filler[GUID_SIZE] = {'r', 'i', 'g', ' ', 'f', 'i', 'l', 'l',
                                               'e', 'r', '.', '.', '.', '.', '.', '.'};
static const uint8_t guid_store[GUID_SIZE] = {0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
                                              0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92};

static uint16_t le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

static void put32(uint8_t *p, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> 8 * i & 0xff);
}

static size_t aligned(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

/* Finds the variable store behind the firmware volume's header. */
static int store_locate(struct nvram *nvram)
{
    const uint8_t *store;
    size_t header, size;

    if (nvram->size < 0x100 || memcmp(nvram->bytes + FV_SIGNATURE_AT, "_FVH", 4) != 0)
        return -EBADMSG;
    header = le16(nvram->bytes + FV_HEADER_LENGTH_AT);
    if (header + STORE_HEADER_SIZE > nvram->size)
        return -EBADMSG;
    store = nvram->bytes + header;
    size = le32(store + STORE_SIZE_AT);
    if (memcmp(store, guid_store, GUID_SIZE) != 0 || size < STORE_HEADER_SIZE ||
        size > nvram->size - header)
        return -EBADMSG;
    nvram->first = aligned(header + STORE_HEADER_SIZE);
    nvram->end = header + size;
    return 0;
}

int nvram_take(struct nvram *nvram, uint8_t *bytes, size_t size)
{
    struct nvram taken = {.bytes = bytes, .size = size};
    int error = store_locate(&taken);

    if (error == 0)
        *nvram = taken;
    return error;
}

int nvram_load(struct nvram *nvram, const char *path)
{
    size_t size = 0;
    uint8_t *bytes = (uint8_t *)file_read(path, &size);
    int error;

    if (bytes == NULL)
        return -errno;
    error = nvram_take(nvram, bytes, size);
    if (error < 0)
        free(bytes);
    return error;
}

int nvram_save(const struct nvram *nvram, const char *path)
{
    return file_write(path, nvram->bytes, nvram->size);
}

void nvram_free(struct nvram *nvram)
{
    free(nvram->bytes);
    memset(nvram, 0, sizeof *nvram);
}

static void name_to_ascii(char *out, size_t out_size, const uint8_t *name, size_t size)
{
    size_t length = 0;

    for (size_t i = 0; i + 1 < size && length + 1 < out_size; i += 2) {
        uint16_t unit = le16(name + i);

        if (unit == 0)
            break;
        out[length++] = unit >= ' ' && unit < 127 ? (char)unit : '?';
    }
    out[length] = '\0';
}

/* A header that a power cut left half programmed: the firmware goes on right behind it (EDK II,
 * VariableParsing.c: NameSizeOfVariable). */
static bool header_is_half(const uint8_t *header)
{
    return header[VAR_STATE_AT] == 0xff || le32(header + VAR_ATTRIBUTES_AT) == 0xffffffffu ||
           le32(header + VAR_NAME_SIZE_AT) == 0xffffffffu ||
           le32(header + VAR_DATA_SIZE_AT) == 0xffffffffu;
}

bool nvram_next(const struct nvram *nvram, size_t *offset, struct variable *variable)
{
    size_t at = *offset == 0 ? nvram->first : *offset;
    const uint8_t *header = nvram->bytes + at;
    size_t name_size, data_size;

    if (at + VAR_HEADER_SIZE > nvram->end || le16(header) != VAR_START)
        return false;
    name_size = header_is_half(header) ? 0 : le32(header + VAR_NAME_SIZE_AT);
    data_size = header_is_half(header) ? 0 : le32(header + VAR_DATA_SIZE_AT);
    if (name_size > nvram->end || data_size > nvram->end ||
        at + VAR_HEADER_SIZE + name_size + data_size > nvram->end)
        return false;
    variable->offset = at;
    variable->next = at + aligned(VAR_HEADER_SIZE + name_size + data_size);
    variable->state = header[VAR_STATE_AT];
    variable->live = variable->state == STATE_ADDED || variable->state == STATE_IN_DELETION;
    variable->attributes = le32(header + VAR_ATTRIBUTES_AT);
    memcpy(variable->guid, header + VAR_GUID_AT, GUID_SIZE);
    name_to_ascii(variable->name, sizeof variable->name, header + VAR_HEADER_SIZE, name_size);
    variable->data = header + VAR_HEADER_SIZE + name_size;
    variable->data_size = data_size;
    *offset = variable->next;
    return true;
}

static bool variable_is(const struct variable *variable, const uint8_t guid[GUID_SIZE],
                        const char *start)
{
    return variable->live && memcmp(variable->guid, guid, GUID_SIZE) == 0 &&
           text_starts(variable->name, start);
}

bool nvram_find(const struct nvram *nvram, const uint8_t guid[GUID_SIZE], const char *name,
                struct variable *variable)
{
    struct variable one;
    size_t offset = 0;
    bool found = false;

    while (nvram_next(nvram, &offset, &one)) {
        if (!variable_is(&one, guid, name) || strcmp(one.name, name) != 0)
            continue;
        if (found && one.state == STATE_IN_DELETION)
            continue; /* the finished one counts */
        *variable = one;
        found = true;
    }
    return found;
}

size_t nvram_count(const struct nvram *nvram, const uint8_t guid[GUID_SIZE], const char *start)
{
    struct variable one;
    size_t offset = 0, count = 0;

    while (nvram_next(nvram, &offset, &one))
        count += variable_is(&one, guid, start);
    return count;
}

static size_t log_end(const struct nvram *nvram)
{
    struct variable one;
    size_t offset = 0, end = nvram->first;

    while (nvram_next(nvram, &offset, &one))
        end = one.next;
    return end;
}

size_t nvram_room(const struct nvram *nvram)
{
    size_t end = log_end(nvram);

    return end < nvram->end ? nvram->end - end : 0;
}

/* The same variable still stands at the same place, whatever its state. */
static bool same_but_for_state(const struct nvram *before, const struct nvram *after,
                               const struct variable *variable)
{
    const uint8_t *a = before->bytes + variable->offset, *b = after->bytes + variable->offset;
    size_t size = variable->next - variable->offset;

    return variable->next <= after->end && memcmp(a, b, VAR_STATE_AT) == 0 &&
           memcmp(a + VAR_STATE_AT + 1, b + VAR_STATE_AT + 1, size - VAR_STATE_AT - 1) == 0;
}

/* Live before, dead now, and no live one of that name: a deletion, which appends nothing. */
static bool was_deleted(const struct nvram *after, const struct variable *variable)
{
    struct variable now;

    return variable->live && !nvram_find(after, variable->guid, variable->name, &now);
}

long nvram_writes(const struct nvram *before, const struct nvram *after,
                  const uint8_t guid[GUID_SIZE])
{
    struct variable one;
    size_t offset = 0, old_end = log_end(before);
    long writes = 0;

    while (nvram_next(before, &offset, &one)) {
        if (!same_but_for_state(before, after, &one))
            return -EAGAIN;
        if (memcmp(one.guid, guid, GUID_SIZE) == 0)
            writes += was_deleted(after, &one);
    }
    offset = old_end;
    while (nvram_next(after, &offset, &one))
        writes += memcmp(one.guid, guid, GUID_SIZE) == 0;
    return writes;
}

size_t nvram_delete(struct nvram *nvram, const uint8_t guid[GUID_SIZE], const char *start)
{
    struct variable one;
    size_t offset = 0, count = 0;

    while (nvram_next(nvram, &offset, &one)) {
        if (!variable_is(&one, guid, start))
            continue;
        nvram->bytes[one.offset + VAR_STATE_AT] = (uint8_t)(one.state & ~STATE_DELETED_BIT & 0xffu);
        count++;
    }
    return count;
}

bool nvram_delete_one(struct nvram *nvram, const uint8_t guid[GUID_SIZE], const char *name)
{
    struct variable one;

    if (!nvram_find(nvram, guid, name, &one))
        return false;
    nvram->bytes[one.offset + VAR_STATE_AT] = (uint8_t)(one.state & ~STATE_DELETED_BIT & 0xffu);
    return true;
}

bool nvram_damage(struct nvram *nvram, const uint8_t guid[GUID_SIZE], const char *name, size_t at,
                  uint8_t flip)
{
    struct variable one;

    if (!nvram_find(nvram, guid, name, &one) || at >= one.data_size)
        return false;
    nvram->bytes[(size_t)(one.data - nvram->bytes) + at] ^= flip;
    return true;
}

/* EDK II takes no variable over 8 KiB in OVMF; one of that size at load would be odd. */
#define FILLER_DATA_MAX 8000u
#define FILLER_NAME_SIZE 10u /* "F123" and NUL in UCS-2 */

static void filler_write(uint8_t *at, size_t number, size_t data_size, uint8_t state)
{
    char name[5];

    memset(at, 0, VAR_HEADER_SIZE + FILLER_NAME_SIZE);
    at[0] = VAR_START & 0xff;
    at[1] = VAR_START >> 8;
    at[VAR_STATE_AT] = state;
    put32(at + VAR_ATTRIBUTES_AT, ATTRIBUTES_NV_BS);
    put32(at + VAR_NAME_SIZE_AT, FILLER_NAME_SIZE);
    put32(at + VAR_DATA_SIZE_AT, (uint32_t)data_size);
    memcpy(at + VAR_GUID_AT, guid_filler, GUID_SIZE);
    snprintf(name, sizeof name, "F%03u", (unsigned)(number % 1000));
    for (size_t i = 0; i < 4; i++)
        at[VAR_HEADER_SIZE + 2 * i] = (uint8_t)name[i];
    memset(at + VAR_HEADER_SIZE + FILLER_NAME_SIZE, 0xaa, data_size);
}

/* Moves the live variables together; erased flash is all ones. */
static void reclaim(struct nvram *nvram)
{
    struct variable one;
    size_t offset = 0, to = nvram->first;

    while (nvram_next(nvram, &offset, &one)) {
        size_t size = one.next - one.offset;

        if (!one.live)
            continue;
        memmove(nvram->bytes + to, nvram->bytes + one.offset, size);
        to += size;
    }
    memset(nvram->bytes + to, 0xff, nvram->end - to);
}

static size_t append_fillers(struct nvram *nvram, size_t room, uint8_t state)
{
    const size_t overhead = VAR_HEADER_SIZE + FILLER_NAME_SIZE;
    size_t count = 0, at = log_end(nvram);

    while (nvram->end - at > room + overhead + 4) {
        size_t data_size = nvram->end - at - room - overhead - 4;

        if (data_size > FILLER_DATA_MAX)
            data_size = FILLER_DATA_MAX;
        filler_write(nvram->bytes + at, count++, data_size, state);
        at += aligned(overhead + data_size);
    }
    return count;
}

size_t nvram_fill(struct nvram *nvram, size_t room)
{
    reclaim(nvram);
    return append_fillers(nvram, room, STATE_ADDED);
}

size_t nvram_age(struct nvram *nvram, size_t room)
{
    return append_fillers(nvram, room, STATE_DELETED);
}

/* EFI_LOAD_OPTION: attributes (4), length of the device path (2), description (UCS-2). */
static void description_of(const struct variable *entry, char *out, size_t size)
{
    out[0] = '\0';
    if (entry->data_size > 6)
        name_to_ascii(out, size, entry->data + 6, entry->data_size - 6);
}

bool nvram_first_boot_entry(const struct nvram *nvram, char *description, size_t size)
{
    struct variable order, entry;
    char name[16];

    if (!nvram_find(nvram, guid_global, "BootOrder", &order) || order.data_size < 2)
        return false;
    snprintf(name, sizeof name, "Boot%04X", le16(order.data));
    if (!nvram_find(nvram, guid_global, name, &entry))
        return false;
    description_of(&entry, description, size);
    return true;
}

static bool entry_is(const struct nvram *nvram, unsigned number, const char *description)
{
    struct variable entry;
    char name[16], text[128];

    snprintf(name, sizeof name, "Boot%04X", number & 0xffffu);
    if (!nvram_find(nvram, guid_global, name, &entry))
        return false;
    description_of(&entry, text, sizeof text);
    return strcmp(text, description) == 0;
}

bool nvram_boot_entry_last(struct nvram *nvram, const char *description)
{
    struct variable order;
    uint8_t *numbers;
    size_t count, moved = 0;

    if (!nvram_find(nvram, guid_global, "BootOrder", &order))
        return false;
    numbers = nvram->bytes + (order.data - nvram->bytes);
    count = order.data_size / 2;
    for (size_t i = 0; i + moved < count;) {
        uint8_t number[2] = {numbers[2 * i], numbers[2 * i + 1]};

        if (!entry_is(nvram, le16(number), description)) {
            i++;
            continue;
        }
        memmove(numbers + 2 * i, numbers + 2 * i + 2, 2 * (count - i - 1));
        memcpy(numbers + 2 * (count - 1), number, 2);
        moved++;
    }
    return moved > 0;
}

size_t nvram_boot_entries(const struct nvram *nvram, const char *description)
{
    struct variable one;
    size_t offset = 0, count = 0;

    while (nvram_next(nvram, &offset, &one)) {
        char text[128];

        if (!variable_is(&one, guid_global, "Boot") || strlen(one.name) != strlen("Boot0000"))
            continue;
        description_of(&one, text, sizeof text);
        count += strcmp(text, description) == 0;
    }
    return count;
}
