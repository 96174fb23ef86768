#include "variable.h"
#include "mem.h"

static EFI_GUID vendor = BACKSTOP_GUID_INIT;

EFI_STATUS variable_read(EFI_RUNTIME_SERVICES *rt, CHAR16 *name, struct variable *variable)
{
    EFI_STATUS status;

    variable->size = sizeof variable->bytes;
    variable->attributes = 0;
    status =
        rt->GetVariable(name, &vendor, &variable->attributes, &variable->size, variable->bytes);
    if (status == EFI_SUCCESS && variable->size > sizeof variable->bytes)
        status = EFI_BUFFER_TOO_SMALL;
    return status;
}

static int variable_is(EFI_RUNTIME_SERVICES *rt, CHAR16 *name, UINT32 attributes,
                       const uint8_t *bytes, UINTN size)
{
    struct variable found;

    return variable_read(rt, name, &found) == EFI_SUCCESS && found.attributes == attributes &&
           found.size == size && memcmp(found.bytes, bytes, size) == 0;
}

static int has_other_attributes(EFI_STATUS status, const struct variable *found, UINT32 attributes)
{
    /* Older firmware gives no attributes with EFI_BUFFER_TOO_SMALL. */
    return (status == EFI_SUCCESS || (status == EFI_BUFFER_TOO_SMALL && found->attributes != 0)) &&
           found->attributes != attributes;
}

EFI_STATUS variable_write(EFI_RUNTIME_SERVICES *rt, CHAR16 *name, UINT32 attributes, uint8_t *bytes,
                          UINTN size)
{
    struct variable before;
    EFI_STATUS status = variable_read(rt, name, &before);

    if (has_other_attributes(status, &before, attributes))
        rt->SetVariable(name, &vendor, before.attributes, 0, NULL);
    else if (status == EFI_SUCCESS && before.size == size && memcmp(before.bytes, bytes, size) == 0)
        return EFI_SUCCESS;
    status = rt->SetVariable(name, &vendor, attributes, size, bytes);
    if (status != EFI_SUCCESS)
        return EFI_ERROR(status) ? status : EFI_COMPROMISED_DATA;
    return variable_is(rt, name, attributes, bytes, size) ? EFI_SUCCESS : EFI_COMPROMISED_DATA;
}

EFI_STATUS variable_delete(EFI_RUNTIME_SERVICES *rt, CHAR16 *name)
{
    struct variable found;
    EFI_STATUS status = variable_read(rt, name, &found);

    if (status == EFI_NOT_FOUND)
        return EFI_SUCCESS;
    if (EFI_ERROR(status) && status != EFI_BUFFER_TOO_SMALL)
        return status;
    return rt->SetVariable(name, &vendor, found.attributes, 0, NULL);
}
