#include "file.h"
#include "mem.h"

static EFI_GUID file_system = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;

EFI_FILE_HANDLE volume_open(EFI_BOOT_SERVICES *bs, EFI_HANDLE device)
{
    EFI_FILE_IO_INTERFACE *volume = NULL;
    EFI_FILE_HANDLE root = NULL;

    if (device == NULL || bs->HandleProtocol(device, &file_system, (void **)&volume) != EFI_SUCCESS)
        return NULL;
    if (volume == NULL || volume->OpenVolume(volume, &root) != EFI_SUCCESS)
        return NULL;
    return root;
}

void volume_close(EFI_FILE_HANDLE root)
{
    if (root != NULL)
        root->Close(root);
}

static EFI_FILE_HANDLE file_open(EFI_FILE_HANDLE root, CHAR16 *path, UINT64 mode)
{
    EFI_FILE_HANDLE file = NULL;

    if (root == NULL || root->Open(root, &file, path, mode, 0) != EFI_SUCCESS)
        return NULL;
    return file;
}

/* Directories have no position but 0, so they end here. */
static EFI_STATUS file_size(EFI_FILE_HANDLE file, UINT64 *size)
{
    EFI_STATUS status = file->SetPosition(file, UINT64_MAX);

    if (status == EFI_SUCCESS)
        status = file->GetPosition(file, size);
    if (status == EFI_SUCCESS)
        status = file->SetPosition(file, 0);
    return status;
}

UINTN file_read(EFI_FILE_HANDLE root, CHAR16 *path, void *buffer, UINTN capacity)
{
    EFI_FILE_HANDLE file = file_open(root, path, EFI_FILE_MODE_READ);
    UINT64 size = 0;
    UINTN read = 0;

    if (file == NULL)
        return 0;
    if (file_size(file, &size) == EFI_SUCCESS && size <= capacity) {
        read = (UINTN)size;
        if (file->Read(file, &read, buffer) != EFI_SUCCESS || read != size)
            read = 0;
    }
    file->Close(file);
    return read;
}

void file_delete(EFI_FILE_HANDLE root, CHAR16 *path)
{
    EFI_FILE_HANDLE file = file_open(root, path, EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE);

    if (file != NULL)
        file->Delete(file); /* closes it as well */
}

UINTN slots_read(EFI_FILE_HANDLE root, CHAR16 *path, uint8_t *bytes, struct slots *slots)
{
    UINTN size = file_read(root, path, bytes, SLOTS_SIZE);

    slots->usable = size == SLOTS_SIZE;
    slots->next = 0;
    return slots->usable ? size : 0;
}

static EFI_STATUS sector_write(EFI_FILE_HANDLE file, UINT64 position, uint8_t *bytes)
{
    UINTN written = RECORD_MAX_SIZE;
    EFI_STATUS status = file->SetPosition(file, position);

    if (status == EFI_SUCCESS)
        status = file->Write(file, &written, bytes);
    if (status == EFI_SUCCESS)
        status = file->Flush(file);
    return status == EFI_SUCCESS && written != RECORD_MAX_SIZE ? EFI_DEVICE_ERROR : status;
}

static int sector_is(EFI_FILE_HANDLE file, UINT64 position, const uint8_t *bytes)
{
    uint8_t found[RECORD_MAX_SIZE];
    UINTN read = sizeof found;

    return file->SetPosition(file, position) == EFI_SUCCESS &&
           file->Read(file, &read, found) == EFI_SUCCESS && read == sizeof found &&
           memcmp(found, bytes, sizeof found) == 0;
}

EFI_STATUS slots_write(EFI_FILE_HANDLE root, CHAR16 *path, struct slots *slots,
                       const uint8_t *record, UINTN size)
{
    UINT64 position = (UINT64)slots->next * SLOT_STRIDE;
    uint8_t sector[RECORD_MAX_SIZE] = {0};
    EFI_STATUS status;
    EFI_FILE_HANDLE file;

    if (!slots->usable || size > sizeof sector)
        return EFI_NOT_FOUND;
    memcpy(sector, record, size);
    file = file_open(root, path, EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE);
    if (file == NULL)
        return EFI_WRITE_PROTECTED;
    status = sector_write(file, position, sector);
    if (file->Close(file) != EFI_SUCCESS || status != EFI_SUCCESS)
        return EFI_DEVICE_ERROR;
    file = file_open(root, path, EFI_FILE_MODE_READ);
    if (file == NULL)
        return EFI_DEVICE_ERROR;
    status = sector_is(file, position, sector) ? EFI_SUCCESS : EFI_COMPROMISED_DATA;
    file->Close(file);
    if (status == EFI_SUCCESS)
        slots->next = (slots->next + 1) % SLOT_COUNT;
    return status;
}
