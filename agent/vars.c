#include "vars.h"

#include <efivar.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "esp.h"

int vars_available(void)
{
    return efi_variables_supported() ? 0 : -ENOTSUP;
}

/* libefivar answers ENOSYS where it found no file system to work on. */
static int last_error(void)
{
    int error = errno;

    efi_error_clear();
    if (error == ENOSYS)
        return -ENOTSUP;
    return error ? -error : -EIO;
}

static efi_guid_t guid_of(const char *text)
{
    efi_guid_t guid = {0};

    efi_str_to_guid(text, &guid);
    return guid;
}

int vars_get(const char *guid, const char *name, struct variable *variable)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    uint32_t attributes = 0;

    if (!efi_variables_supported())
        return -ENOTSUP;
    if (efi_get_variable(guid_of(guid), name, &bytes, &size, &attributes) < 0)
        return last_error();
    if (size == 0) {
        free(bytes);
        return -ENOENT;
    }
    *variable = (struct variable){bytes, size, attributes};
    return 0;
}

void variable_free(struct variable *variable)
{
    free(variable->bytes);
    *variable = (struct variable){0};
}

static int holds(const char *guid, const char *name, const void *bytes, size_t size,
                 uint32_t attributes)
{
    struct variable now = {0};
    int same;

    if (vars_get(guid, name, &now) < 0)
        return 0;
    same = now.size == size && now.attributes == attributes && memcmp(now.bytes, bytes, size) == 0;
    variable_free(&now);
    return same;
}

static int write_and_check(const char *guid, const char *name, const void *bytes, size_t size,
                           uint32_t attributes)
{
    uint8_t *copy = malloc(size);
    int error = 0;

    if (!copy)
        return -ENOMEM;
    memcpy(copy, bytes, size);
    if (efi_set_variable(guid_of(guid), name, copy, size, attributes, 0600) < 0)
        error = last_error();
    free(copy);
    if (!error && !holds(guid, name, bytes, size, attributes))
        error = -EIO;
    return error;
}

int vars_set(const char *guid, const char *name, const void *bytes, size_t size,
             uint32_t attributes)
{
    struct variable now = {0};
    int error = vars_get(guid, name, &now);

    if (!error) {
        attributes = now.attributes;
        variable_free(&now);
    } else if (error == -ENOTSUP) {
        return error;
    }
    if (holds(guid, name, bytes, size, attributes))
        return 0;
    return write_and_check(guid, name, bytes, size, attributes);
}

int vars_delete(const char *guid, const char *name)
{
    struct variable now = {0};
    int error = vars_get(guid, name, &now);

    variable_free(&now);
    /* an empty one reads as absent and still has a name to remove */
    if (error && error != -ENOENT)
        return error;
    if (efi_del_variable(guid_of(guid), name) == 0)
        return 0;
    error = last_error();
    return error == -ENOENT ? 0 : error;
}

bool vars_secure_boot(void)
{
    struct variable variable = {0};
    bool on;

    if (vars_get(GLOBAL_GUID_TEXT, "SecureBoot", &variable) < 0)
        return false;
    on = variable.bytes[0] == 1;
    variable_free(&variable);
    return on;
}

static int read_record(const char *name, struct variable *variable, enum record_state *state)
{
    int error = vars_get(BACKSTOP_GUID_TEXT, name, variable);

    if (error == -ENOENT)
        *state = RECORD_ABSENT;
    return error;
}

int vars_read_ticket(struct ticket *ticket, enum record_state *state)
{
    struct variable variable = {0};
    int error = read_record(TICKET_VARIABLE, &variable, state);

    if (error)
        return error == -ENOENT ? 0 : error;
    *state = ticket_decode(ticket, variable.bytes, variable.size);
    variable_free(&variable);
    return 0;
}

int vars_read_receipt(struct receipt *receipt, enum record_state *state)
{
    struct variable variable = {0};
    int error = read_record(RECEIPT_VARIABLE, &variable, state);

    if (error)
        return error == -ENOENT ? 0 : error;
    *state = receipt_decode(receipt, variable.bytes, variable.size, 0);
    variable_free(&variable);
    return 0;
}

int vars_write_receipt_or(const struct receipt *receipt,
                          int (*slot)(const struct receipt *receipt, void *user), void *user,
                          enum stored *where)
{
    uint8_t bytes[RECEIPT_SIZE];
    enum stored stored = STORED_NVRAM;
    int error;

    receipt_encode(receipt, bytes);
    if (holds(BACKSTOP_GUID_TEXT, RECEIPT_VARIABLE, bytes, sizeof bytes, VAR_NV_BS_RT))
        error = 0;
    else if (vars_available() < 0)
        error = -ENOTSUP;
    else
        error = write_and_check(BACKSTOP_GUID_TEXT, RECEIPT_VARIABLE, bytes, sizeof bytes,
                                VAR_NV_BS_RT);
    if (error) {
        stored = STORED_ESP;
        error = slot(receipt, user);
    }
    if (where)
        *where = error ? STORED_NOWHERE : stored;
    return error;
}

static int slot_of_this_machine(const struct receipt *receipt, void *user)
{
    struct place place;
    struct esp esp;
    int error;

    (void)user;
    error = place_open(&place, NULL);
    if (error)
        return error;
    error = esp_open(&place, &(struct esp_query){.installed = true}, &esp, NULL);
    if (!error) {
        error = esp_write_receipt(&esp, receipt);
        esp_close(&esp);
    }
    place_close(&place);
    return error;
}

int vars_write_receipt(const struct receipt *receipt, enum stored *where)
{
    return vars_write_receipt_or(receipt, slot_of_this_machine, NULL, where);
}

int vars_delete_all(void)
{
    return vars_delete(BACKSTOP_GUID_TEXT, RECEIPT_VARIABLE);
}
