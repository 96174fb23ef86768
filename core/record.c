#include "record.h"

#include "bytes.h"

#define AT_MAGIC 0
#define AT_VERSION 4
#define AT_LENGTH 6
#define AT_CRC 8
#define AT_RESERVED 12
_Static_assert(AT_RESERVED + 4 == RECORD_HEADER_SIZE, "header");

/* The CRC field counts as zero, as in UEFI's table headers. */
static uint32_t record_crc(const uint8_t *bytes, size_t length)
{
    static const uint8_t zero[4] = {0, 0, 0, 0};
    uint32_t crc = crc32_add(0, bytes, AT_CRC);

    crc = crc32_add(crc, zero, sizeof zero);
    return crc32_add(crc, bytes + AT_RESERVED, length - AT_RESERVED);
}

static int is_all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return 0;
    return 1;
}

static int length_fits(size_t length, size_t size, int padded)
{
    if (length < RECORD_HEADER_SIZE || length > RECORD_MAX_SIZE)
        return 0;
    return padded ? length <= size : length == size;
}

enum record_state record_check(const uint8_t *bytes, size_t size, uint32_t magic,
                               size_t known_length, int padded)
{
    size_t length;
    uint16_t version;

    if (bytes == NULL || size == 0)
        return RECORD_ABSENT;
    if (padded && is_all_zero(bytes, size))
        return RECORD_ABSENT;
    if (size < RECORD_HEADER_SIZE)
        return RECORD_DAMAGED;
    length = get_le16(bytes + AT_LENGTH);
    if (!length_fits(length, size, padded))
        return RECORD_DAMAGED;
    if (get_le32(bytes + AT_MAGIC) != magic)
        return RECORD_DAMAGED;
    if (get_le32(bytes + AT_CRC) != record_crc(bytes, length))
        return RECORD_DAMAGED;
    version = get_le16(bytes + AT_VERSION);
    if (version > RECORD_VERSION)
        return RECORD_NEWER;
    if (version != RECORD_VERSION || length != known_length)
        return RECORD_DAMAGED;
    return RECORD_VALID;
}

void record_seal(uint8_t *bytes, uint16_t length, uint32_t magic)
{
    put_le32(bytes + AT_MAGIC, magic);
    put_le16(bytes + AT_VERSION, RECORD_VERSION);
    put_le16(bytes + AT_LENGTH, length);
    put_le32(bytes + AT_RESERVED, 0);
    put_le32(bytes + AT_CRC, record_crc(bytes, length));
}

static uint32_t number_read(const uint8_t *bytes, unsigned width)
{
    return width == 4 ? get_le32(bytes) : width == 2 ? get_le16(bytes) : bytes[0];
}

static void field_encode(const struct record_field *field, const void *from, uint8_t *out)
{
    const void *member = (const char *)from + field->member;

    if (field->width == 4)
        put_le32(out + field->at, *(const uint32_t *)member);
    else if (field->width == 2)
        put_le16(out + field->at, *(const uint16_t *)member);
    else
        out[field->at] = *(const uint8_t *)member;
}

static void field_decode(const struct record_field *field, void *to, const uint8_t *bytes)
{
    void *member = (char *)to + field->member;
    uint32_t number = number_read(bytes + field->at, field->width);

    if (field->width == 4)
        *(uint32_t *)member = number;
    else if (field->width == 2)
        *(uint16_t *)member = (uint16_t)number;
    else
        *(uint8_t *)member = (uint8_t)number;
}

void record_encode(const struct record_layout *layout, const void *from, uint8_t *out)
{
    for (size_t i = RECORD_HEADER_SIZE; i < layout->length; i++)
        out[i] = 0;
    for (size_t i = 0; i < layout->count; i++)
        field_encode(&layout->fields[i], from, out);
    record_seal(out, layout->length, layout->magic);
}

enum record_state record_decode(const struct record_layout *layout, void *to, const uint8_t *bytes,
                                size_t size, int padded)
{
    enum record_state state = record_check(bytes, size, layout->magic, layout->length, padded);

    if (state != RECORD_VALID)
        return state;
    for (size_t i = 0; i < layout->count; i++) {
        const struct record_field *field = &layout->fields[i];

        if (number_read(bytes + field->at, field->width) > field->max)
            return RECORD_DAMAGED;
    }
    for (size_t i = 0; i < layout->count; i++)
        field_decode(&layout->fields[i], to, bytes);
    return RECORD_VALID;
}

const char *record_state_string(enum record_state state)
{
    switch (state) {
    case RECORD_ABSENT:
        return "absent";
    case RECORD_VALID:
        return "valid";
    case RECORD_DAMAGED:
        return "damaged";
    case RECORD_NEWER:
        return "newer";
    }
    return "unknown";
}
