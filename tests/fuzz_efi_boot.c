/*
 * Whatever lies in NVRAM and on the ESP, the stage starts the next loader, and stores before that.
 *
 * Input: attributes of the ledger (1 byte), then four parts, each behind its length (2 bytes,
 * little endian): ledger variable, receipt variable, the head of both slot files, stage.conf.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fake_efi.h"
#include "record.h"
#include "slots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    size_t left;
};

static size_t part(struct input *input, const uint8_t **bytes, size_t max)
{
    size_t size = 0;

    if (input->left >= 2) {
        size = (size_t)(input->at[0] | input->at[1] << 8);
        input->at += 2;
        input->left -= 2;
    }
    if (size > input->left)
        size = input->left;
    *bytes = input->at;
    input->at += size;
    input->left -= size;
    return size < max ? size : max;
}

static void variable_put(struct input *input, const char *name, uint32_t attributes)
{
    const uint8_t *bytes;
    size_t size = part(input, &bytes, FAKE_VARIABLE_MAX);

    if (size > 0)
        fake_variable_put(SPACE_OURS, name, attributes, bytes, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    const uint8_t *bytes;
    uint32_t attributes = ATTRIBUTES_NV_BS;

    fake_reset();
    if (input.left > 0) {
        attributes = (*input.at & 1u) != 0 ? ATTRIBUTES_NV_BS_RT : ATTRIBUTES_NV_BS;
        input.at++;
        input.left--;
    }
    variable_put(&input, LEDGER_VARIABLE, attributes);
    variable_put(&input, RECEIPT_VARIABLE, ATTRIBUTES_NV_BS_RT);
    size = part(&input, &bytes, SLOTS_SIZE);
    memcpy(fake_file(FAKE_LEDGER_SLOTS)->bytes, bytes, size);
    memcpy(fake_file(FAKE_RECEIPT_SLOTS)->bytes, bytes, size);
    size = part(&input, &bytes, FAKE_FILE_MAX);
    fake_file_put(FAKE_CONF, KIND_DATA, bytes, size);

    if (!fake_boot() || fake_was_reset() || fake_open_files() != 0)
        abort();
    /* A stage that is retired counts nothing. */
    if (fake_file(FAKE_STAGE) != NULL && (fake_event_first("set " LEDGER_VARIABLE) < 0 &&
                                          fake_event_first("write " FAKE_LEDGER_SLOTS) < 0))
        abort();
    return 0;
}
