/*
 * fake_vars.h - a firmware's variables in memory, in the place of libefivar's functions: these
 * definitions stand before the library's in the program that includes this file (once).
 * Its lies are switched on by fake_vars.lie.
 */
#ifndef BACKSTOP_TESTS_FAKE_VARS_H
#define BACKSTOP_TESTS_FAKE_VARS_H

#include <efivar.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_VARS_MAX 64

enum fake_vars_lie {
    HONEST = 0,
    NVRAM_FULL,             /* what is new or altered is refused with ENOSPC */
    NVRAM_READ_ONLY,        /* every write is refused with EROFS */
    SAYS_YES_KEEPS_NOTHING, /* a write succeeds and changes nothing */
    NO_RUNTIME_SERVICES,    /* no variables at all */
    READ_ERROR,             /* every read fails with EIO */
};

static struct fake_vars {
    enum fake_vars_lie lie;
    unsigned writes; /* that reached the flash */
    unsigned deletions;
    size_t count;
    size_t listed; /* place of efi_get_next_variable_name */
    struct fake_var {
        efi_guid_t guid;
        char name[64];
        uint8_t bytes[4096];
        size_t size;
        uint32_t attributes;
    } vars[FAKE_VARS_MAX];
} fake_vars;

static struct fake_var *fake_find(efi_guid_t guid, const char *name)
{
    for (size_t i = 0; i < fake_vars.count; i++)
        if (memcmp(&fake_vars.vars[i].guid, &guid, sizeof guid) == 0 &&
            strcmp(fake_vars.vars[i].name, name) == 0)
            return &fake_vars.vars[i];
    return NULL;
}

/* What the firmware or another program has put there, past every lie. */
static void fake_put(efi_guid_t guid, const char *name, const void *bytes, size_t size,
                     uint32_t attributes)
{
    struct fake_var *var = fake_find(guid, name);

    if (!var)
        var = &fake_vars.vars[fake_vars.count++];
    var->guid = guid;
    strcpy(var->name, name);
    if (size)
        memcpy(var->bytes, bytes, size);
    var->size = size;
    var->attributes = attributes;
}

int efi_variables_supported(void)
{
    return fake_vars.lie != NO_RUNTIME_SERVICES;
}

int efi_get_variable(efi_guid_t guid, const char *name, uint8_t **data, size_t *data_size,
                     uint32_t *attributes)
{
    struct fake_var *var = fake_find(guid, name);

    errno = fake_vars.lie == READ_ERROR ? EIO : ENOENT;
    if (!var || fake_vars.lie == READ_ERROR)
        return -1;
    *data = malloc(var->size + 1);
    memcpy(*data, var->bytes, var->size);
    (*data)[var->size] = 0;
    *data_size = var->size;
    *attributes = var->attributes;
    return 0;
}

int efi_set_variable(efi_guid_t guid, const char *name, uint8_t *data, size_t data_size,
                     uint32_t attributes, mode_t mode)
{
    struct fake_var *var = fake_find(guid, name);

    (void)mode;
    if (fake_vars.lie == NVRAM_FULL || fake_vars.lie == NVRAM_READ_ONLY) {
        errno = fake_vars.lie == NVRAM_FULL ? ENOSPC : EROFS;
        return -1;
    }
    if (var && var->attributes != attributes) { /* UEFI 2.10, 8.2.3: EFI_INVALID_PARAMETER */
        errno = EINVAL;
        return -1;
    }
    if (fake_vars.lie == SAYS_YES_KEEPS_NOTHING)
        return 0;
    fake_vars.writes++;
    fake_put(guid, name, data, data_size, attributes);
    return 0;
}

int efi_del_variable(efi_guid_t guid, const char *name)
{
    struct fake_var *var = fake_find(guid, name);

    if (!var) {
        errno = ENOENT;
        return -1;
    }
    if (fake_vars.lie == NVRAM_READ_ONLY) {
        errno = EROFS;
        return -1;
    }
    *var = fake_vars.vars[--fake_vars.count];
    fake_vars.deletions++;
    return 0;
}

int efi_get_next_variable_name(efi_guid_t **guid, char **name)
{
    if (fake_vars.listed == fake_vars.count) {
        fake_vars.listed = 0;
        return 0;
    }
    *guid = &fake_vars.vars[fake_vars.listed].guid;
    *name = fake_vars.vars[fake_vars.listed].name;
    fake_vars.listed++;
    return 1;
}

#endif
