#include "fake_efi.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stage.h"

#define VARIABLES 400u
#define FILES 24u
#define HANDLES 8u
#define IMAGES 32u
#define EVENTS 2048u
#define EVENT_SIZE 320u
#define PROTOCOLS 16u

struct open_file {
    EFI_FILE_PROTOCOL interface; /* first: firmware functions get its address */
    struct fake_file *file;      /* NULL: the root */
    uint64_t position;
    int open;
    int writable;
};

struct image {
    EFI_LOADED_IMAGE loaded;
    struct fake_file *file;
    int used;
    uint8_t path[4 + 2 * 256 + 4];
};

struct protocol {
    EFI_HANDLE handle;
    EFI_GUID guid;
    void *interface;
    int used;
};

static struct {
    uint64_t lies;
    unsigned fail_call, fail_from, calls;
    struct fake_variable variables[VARIABLES];
    struct fake_variable before[VARIABLES]; /* READS_BACK_OLD: as at power-on */
    struct fake_file files[FILES];
    struct open_file handles[HANDLES];
    struct image images[IMAGES];
    struct protocol protocols[PROTOCOLS];
    unsigned dumps_room; /* NVRAM_FULL_OF_DUMPS: room once no more than these are there */
    uint64_t microseconds, watchdog_at;
    unsigned watchdog;
    int was_reset;
    unsigned open_at_start;
    uint64_t status;
    unsigned endless;
    char started[256];
    char options[64];
    char printed[1024];
    char events[EVENTS][EVENT_SIZE];
    size_t event_count;
    jmp_buf gone;
} fake;

static const char *const lie_strings[FAKE_LIE_COUNT] = {
    [NVRAM_FULL] = "NVRAM_FULL",
    [NVRAM_FULL_OF_DUMPS] = "NVRAM_FULL_OF_DUMPS",
    [WRITE_PROTECTED] = "WRITE_PROTECTED",
    [TORN_WRITE] = "TORN_WRITE",
    [READS_BACK_OLD] = "READS_BACK_OLD",
    [LYING_SUCCESS] = "LYING_SUCCESS",
    [NO_RUNTIME_SERVICES] = "NO_RUNTIME_SERVICES",
    [VARIABLE_WRITE_SLOW] = "VARIABLE_WRITE_SLOW",
    [SIZE_LIES] = "SIZE_LIES",
    [LOOPING_NAMES] = "LOOPING_NAMES",
    [ENDLESS_NAMES] = "ENDLESS_NAMES",
    [LONG_NAME] = "LONG_NAME",
    [NAME_WITHOUT_END] = "NAME_WITHOUT_END",
    [ESP_MISSING] = "ESP_MISSING",
    [ESP_READ_ONLY] = "ESP_READ_ONLY",
    [ESP_UNREADABLE] = "ESP_UNREADABLE",
    [ESP_SHORT_READ] = "ESP_SHORT_READ",
    [ESP_FULL_SECTOR_TORN] = "ESP_FULL_SECTOR_TORN",
    [ESP_WRITE_LOST] = "ESP_WRITE_LOST",
    [LOAD_FAILS] = "LOAD_FAILS",
    [LOAD_VIOLATES] = "LOAD_VIOLATES",
    [START_RETURNS] = "START_RETURNS",
    [START_VIOLATES] = "START_VIOLATES",
    [NO_LOADED_IMAGE] = "NO_LOADED_IMAGE",
    [BROKEN_DEVICE_PATH] = "BROKEN_DEVICE_PATH",
    [NO_CONSOLE] = "NO_CONSOLE",
    [NO_WATCHDOG] = "NO_WATCHDOG",
    [OUT_OF_MEMORY] = "OUT_OF_MEMORY",
};

const char *fake_lie_string(enum fake_lie lie)
{
    return lie_strings[lie];
}

static int lies(enum fake_lie lie)
{
    return (fake.lies & LIE(lie)) != 0;
}

/* ---- bookkeeping ---------------------------------------------------------------------------- */

/* Every firmware function begins here. */
static int call_fails(void)
{
    fake.calls++;
    return fake.calls == fake.fail_call || (fake.fail_from != 0 && fake.calls >= fake.fail_from);
}

static void event(const char *what, const char *of)
{
    if (fake.event_count == EVENTS)
        abort(); /* the stage runs in circles */
    snprintf(fake.events[fake.event_count++], EVENT_SIZE, "%s%s", what, of);
}

static void time_passes(uint64_t microseconds)
{
    fake.microseconds += microseconds;
    if (fake.watchdog > 0 && fake.microseconds > fake.watchdog_at)
        fake.was_reset = 1;
}

static void narrow(const CHAR16 *wide, char *out, size_t size)
{
    size_t i = 0;

    for (; wide[i] != 0 && i + 1 < size; i++)
        out[i] = wide[i] < 0x7f ? (char)wide[i] : '?';
    out[i] = '\0';
}

static void widen(const char *text, CHAR16 *out)
{
    do
        *out++ = (CHAR16)(unsigned char)*text;
    while (*text++ != '\0');
}

/* ---- variables ------------------------------------------------------------------------------ */

static EFI_GUID spaces[] = {
    [SPACE_OURS] = BACKSTOP_GUID_INIT,
    [SPACE_CRASH] = {0xcfc8fc79, 0xbe2e, 0x4ddc, {0x97, 0xf0, 0x9f, 0x98, 0xbf, 0xe2, 0x98, 0xa0}},
    [SPACE_GLOBAL] = EFI_GLOBAL_VARIABLE,
};

static int space_of(const EFI_GUID *guid)
{
    for (int i = 0; i < 3; i++)
        if (memcmp(guid, &spaces[i], sizeof *guid) == 0)
            return i;
    return -1;
}

static struct fake_variable *variable_in(struct fake_variable *table, int space, const char *name)
{
    for (size_t i = 0; i < VARIABLES; i++)
        if (table[i].used && (int)table[i].space == space && strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

struct fake_variable *fake_variable(enum fake_space space, const char *name)
{
    return variable_in(fake.variables, (int)space, name);
}

struct fake_variable *fake_variable_put(enum fake_space space, const char *name,
                                        uint32_t attributes, const void *bytes, size_t size)
{
    struct fake_variable *variable = fake_variable(space, name);

    for (size_t i = 0; variable == NULL; i++)
        if (!fake.variables[i].used)
            variable = &fake.variables[i];
    variable->used = 1;
    variable->space = space;
    snprintf(variable->name, sizeof variable->name, "%s", name);
    variable->attributes = attributes;
    variable->size = size;
    if (size > 0)
        memcpy(variable->bytes, bytes, size);
    return variable;
}

void fake_variable_remove(enum fake_space space, const char *name)
{
    struct fake_variable *variable = fake_variable(space, name);

    if (variable != NULL)
        variable->used = 0;
}

void fake_panic(unsigned parts, unsigned count, unsigned long long time)
{
    char name[64];

    for (unsigned part = 1; part <= parts; part++) {
        snprintf(name, sizeof name, "dump-type0-%u-%u-%llu-C", part, count, time);
        fake_variable_put(SPACE_CRASH, name, ATTRIBUTES_NV_BS_RT, "panic", 5);
    }
}

void fake_dumps_archive(unsigned parts)
{
    for (size_t i = 0; i < VARIABLES; i++)
        if (parts > 0 && fake.variables[i].used && fake.variables[i].space == SPACE_CRASH) {
            fake.variables[i].used = 0;
            parts--;
        }
}

unsigned fake_dumps(void)
{
    unsigned count = 0;

    for (size_t i = 0; i < VARIABLES; i++)
        if (fake.variables[i].used && fake.variables[i].space == SPACE_CRASH &&
            strncmp(fake.variables[i].name, "dump-type", 9) == 0)
            count++;
    return count;
}

static EFI_STATUS EFIAPI get_variable(CHAR16 *name16, EFI_GUID *guid, UINT32 *attributes,
                                      UINTN *size, void *data)
{
    char name[64];
    int space = space_of(guid);
    struct fake_variable *variable;
    UINTN capacity = *size;

    if (call_fails())
        return EFI_DEVICE_ERROR;
    if (lies(NO_RUNTIME_SERVICES))
        return EFI_UNSUPPORTED;
    narrow(name16, name, sizeof name);
    variable = variable_in(fake.variables, space, name);
    if (variable != NULL && lies(READS_BACK_OLD) && (variable->attributes & 1u) != 0)
        variable = variable_in(fake.before, space, name);
    if (variable == NULL)
        return EFI_NOT_FOUND;
    if (attributes != NULL)
        *attributes = variable->attributes;
    *size = variable->size;
    if (variable->size > capacity)
        return EFI_BUFFER_TOO_SMALL;
    memcpy(data, variable->bytes, variable->size);
    if (lies(SIZE_LIES))
        *size = capacity + 1000000;
    return EFI_SUCCESS;
}

/* What becomes of a non-volatile write or delete under the lies about NVRAM; 0: it is honest. */
static int nvram_lies(UINTN size, EFI_STATUS *status)
{
    *status = EFI_SUCCESS;
    if (lies(WRITE_PROTECTED))
        *status = EFI_WRITE_PROTECTED;
    else if (size == 0)
        return 0;
    else if (lies(NVRAM_FULL) || (lies(NVRAM_FULL_OF_DUMPS) && fake_dumps() > fake.dumps_room))
        *status = EFI_OUT_OF_RESOURCES;
    else if (!lies(LYING_SUCCESS))
        return 0;
    return 1;
}

static EFI_STATUS EFIAPI set_variable(CHAR16 *name16, EFI_GUID *guid, UINT32 attributes, UINTN size,
                                      void *data)
{
    char name[64];
    int space = space_of(guid);
    struct fake_variable *variable;
    EFI_STATUS status;

    narrow(name16, name, sizeof name);
    event(size == 0 ? "delete " : "set ", name);
    if (call_fails())
        return EFI_DEVICE_ERROR;
    if (lies(VARIABLE_WRITE_SLOW))
        time_passes(20 * UINT64_C(1000000));
    if (lies(NO_RUNTIME_SERVICES))
        return EFI_UNSUPPORTED;
    if (space < 0 || size > FAKE_VARIABLE_MAX)
        return EFI_INVALID_PARAMETER;
    variable = variable_in(fake.variables, space, name);
    if (variable != NULL && variable->attributes != attributes)
        return EFI_INVALID_PARAMETER;
    if (variable == NULL && size == 0)
        return EFI_NOT_FOUND;
    if ((attributes & 1u) != 0 && nvram_lies(size, &status))
        return status;
    if ((attributes & 1u) == 0 && lies(OUT_OF_MEMORY))
        return EFI_OUT_OF_RESOURCES;
    if (size == 0) {
        variable->used = 0;
        return EFI_SUCCESS;
    }
    variable = fake_variable_put((enum fake_space)space, name, attributes, data, size);
    if (lies(TORN_WRITE) && (attributes & 1u) != 0)
        memset(variable->bytes + size / 2, 0xff, size - size / 2);
    return EFI_SUCCESS;
}

/* Index of the variable after `name`; VARIABLES past the last. Empty name: the first. */
static size_t variable_after(const char *name, int space)
{
    size_t i = 0;

    if (name[0] != '\0')
        for (; i < VARIABLES; i++)
            if (fake.variables[i].used && (int)fake.variables[i].space == space &&
                strcmp(fake.variables[i].name, name) == 0) {
                i++;
                break;
            }
    while (i < VARIABLES && !fake.variables[i].used)
        i++;
    return i;
}

static EFI_STATUS endless_name(UINTN *size, CHAR16 *name16, EFI_GUID *guid)
{
    char name[64];

    snprintf(name, sizeof name, "Endless%u", fake.endless++);
    widen(name, name16);
    *guid = spaces[SPACE_GLOBAL];
    *size = 2 * (strlen(name) + 1);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI get_next_variable_name(UINTN *size, CHAR16 *name16, EFI_GUID *guid)
{
    char name[64];
    size_t next;
    UINTN capacity = *size;

    if (call_fails())
        return EFI_DEVICE_ERROR;
    if (lies(NO_RUNTIME_SERVICES))
        return EFI_UNSUPPORTED;
    narrow(name16, name, sizeof name);
    next = variable_after(name, space_of(guid));
    if (next == VARIABLES && lies(LOOPING_NAMES))
        next = variable_after("", 0);
    if (lies(ENDLESS_NAMES) && next == VARIABLES)
        return endless_name(size, name16, guid);
    if (next == VARIABLES)
        return EFI_NOT_FOUND;
    *size = 2 * (strlen(fake.variables[next].name) + 1);
    if (lies(LONG_NAME) && next > 2)
        *size = 70000;
    if (*size > capacity)
        return EFI_BUFFER_TOO_SMALL;
    widen(fake.variables[next].name, name16);
    if (lies(NAME_WITHOUT_END))
        for (size_t i = *size / 2 - 1; i < capacity / 2; i++)
            name16[i] = 'x';
    *guid = spaces[fake.variables[next].space];
    return EFI_SUCCESS;
}

/* ---- files ---------------------------------------------------------------------------------- */

struct fake_file *fake_file(const char *path)
{
    for (size_t i = 0; i < FILES; i++)
        if (fake.files[i].used && strcasecmp(fake.files[i].path, path) == 0)
            return &fake.files[i];
    return NULL;
}

struct fake_file *fake_file_put(const char *path, enum fake_kind kind, const void *bytes,
                                size_t size)
{
    struct fake_file *file = fake_file(path);

    for (size_t i = 0; file == NULL; i++)
        if (!fake.files[i].used)
            file = &fake.files[i];
    file->used = 1;
    file->kind = kind;
    file->size = size;
    snprintf(file->path, sizeof file->path, "%s", path);
    if (bytes != NULL)
        memcpy(file->bytes, bytes, size);
    else
        memset(file->bytes, 0, size);
    return file;
}

void fake_file_remove(const char *path)
{
    struct fake_file *file = fake_file(path);

    if (file != NULL)
        file->used = 0;
}

void fake_conf_put(const char *text)
{
    fake_file_put(FAKE_CONF, KIND_DATA, text, strlen(text));
}

static struct open_file *open_of(EFI_FILE_HANDLE handle)
{
    struct open_file *open = (struct open_file *)(void *)handle;

    if (!open->open)
        abort(); /* used after Close */
    return open;
}

static EFI_STATUS EFIAPI file_open(EFI_FILE_HANDLE root, EFI_FILE_HANDLE *new, CHAR16 *name,
                                   UINT64 mode, UINT64 attributes);

static EFI_STATUS EFIAPI file_close(EFI_FILE_HANDLE handle)
{
    struct open_file *open = open_of(handle);

    open->open = 0;
    return call_fails() ? EFI_DEVICE_ERROR : EFI_SUCCESS;
}

static int directory_is_empty(const struct fake_file *directory)
{
    size_t length = strlen(directory->path);

    for (size_t i = 0; i < FILES; i++)
        if (fake.files[i].used && strlen(fake.files[i].path) > length &&
            strncasecmp(fake.files[i].path, directory->path, length) == 0)
            return 0;
    return 1;
}

static EFI_STATUS EFIAPI file_delete(EFI_FILE_HANDLE handle)
{
    struct open_file *open = open_of(handle);

    open->open = 0;
    event("remove ", open->file->path);
    if (call_fails() || !open->writable ||
        (open->file->kind == KIND_DIRECTORY && !directory_is_empty(open->file)))
        return EFI_WARN_DELETE_FAILURE;
    open->file->used = 0;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_read(EFI_FILE_HANDLE handle, UINTN *size, void *buffer)
{
    struct open_file *open = open_of(handle);
    uint64_t left;

    if (call_fails() || lies(ESP_UNREADABLE) || open->file == NULL)
        return EFI_DEVICE_ERROR;
    left = open->file->size > open->position ? open->file->size - open->position : 0;
    if (*size > left)
        *size = left;
    memcpy(buffer, open->file->bytes + open->position, *size);
    if (lies(ESP_SHORT_READ) && *size > 0)
        (*size)--;
    open->position += *size;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_write(EFI_FILE_HANDLE handle, UINTN *size, void *buffer)
{
    struct open_file *open = open_of(handle);
    char place[300];

    snprintf(place, sizeof place, "%s@%llu", open->file->path, (unsigned long long)open->position);
    event("write ", place);
    if (call_fails() || !open->writable)
        return EFI_DEVICE_ERROR;
    if (open->position + *size > FAKE_FILE_MAX)
        return EFI_VOLUME_FULL;
    if (!lies(ESP_WRITE_LOST))
        memcpy(open->file->bytes + open->position, buffer,
               lies(ESP_FULL_SECTOR_TORN) ? LEDGER_SIZE / 2 : *size);
    open->position += *size;
    if (open->file->size < open->position)
        open->file->size = open->position;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_set_position(EFI_FILE_HANDLE handle, UINT64 position)
{
    struct open_file *open = open_of(handle);

    if (call_fails())
        return EFI_DEVICE_ERROR;
    if (open->file->kind == KIND_DIRECTORY && position != 0)
        return EFI_UNSUPPORTED;
    open->position = position == UINT64_MAX ? open->file->size : position;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_get_position(EFI_FILE_HANDLE handle, UINT64 *position)
{
    struct open_file *open = open_of(handle);

    if (call_fails())
        return EFI_DEVICE_ERROR;
    *position = open->position;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_flush(EFI_FILE_HANDLE handle)
{
    open_of(handle);
    return call_fails() ? EFI_DEVICE_ERROR : EFI_SUCCESS;
}

static EFI_FILE_HANDLE handle_new(struct fake_file *file, int writable)
{
    for (size_t i = 0; i < HANDLES; i++) {
        struct open_file *open = &fake.handles[i];

        if (open->open)
            continue;
        memset(open, 0, sizeof *open);
        open->file = file;
        open->writable = writable;
        open->open = 1;
        open->interface.Open = file_open;
        open->interface.Close = file_close;
        open->interface.Delete = file_delete;
        open->interface.Read = file_read;
        open->interface.Write = file_write;
        open->interface.SetPosition = file_set_position;
        open->interface.GetPosition = file_get_position;
        open->interface.Flush = file_flush;
        return &open->interface;
    }
    abort(); /* handles leak */
}

static EFI_STATUS EFIAPI file_open(EFI_FILE_HANDLE root, EFI_FILE_HANDLE *new, CHAR16 *name,
                                   UINT64 mode, UINT64 attributes)
{
    char path[256];
    struct fake_file *file;

    (void)attributes;
    open_of(root);
    if (call_fails())
        return EFI_DEVICE_ERROR;
    if ((mode & EFI_FILE_MODE_CREATE) != 0)
        abort(); /* the stage never creates a file */
    narrow(name, path, sizeof path);
    file = fake_file(path);
    if (file == NULL)
        return EFI_NOT_FOUND;
    if ((mode & EFI_FILE_MODE_WRITE) != 0 && lies(ESP_READ_ONLY))
        return EFI_WRITE_PROTECTED;
    *new = handle_new(file, (mode & EFI_FILE_MODE_WRITE) != 0);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI open_volume(EFI_FILE_IO_INTERFACE *volume, EFI_FILE_HANDLE *root)
{
    (void)volume;
    if (call_fails())
        return EFI_DEVICE_ERROR;
    if (lies(OUT_OF_MEMORY))
        return EFI_OUT_OF_RESOURCES;
    *root = handle_new(NULL, 0);
    return EFI_SUCCESS;
}

/* ---- handles, protocols and images ---------------------------------------------------------- */

static EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
static EFI_GUID device_path_guid = EFI_DEVICE_PATH_PROTOCOL_GUID;
static EFI_GUID file_system_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;

static int esp_device; /* its address is the handle of the ESP */
static EFI_FILE_IO_INTERFACE esp_volume = {.OpenVolume = open_volume};
/* A hardware node of 8 bytes, then the end. */
static uint8_t esp_path[] = {1, 1, 6, 0, 0, 3, 4, 1, 8, 0, 1, 2, 3, 4, 0x7f, 0xff, 4, 0};
static uint8_t broken_path[] = {1, 1, 0, 0, 0, 0, 0, 0};
#define ESP_PATH_LENGTH (sizeof esp_path - 4)

static struct image *image_of(EFI_HANDLE handle)
{
    for (size_t i = 0; i < IMAGES; i++)
        if (fake.images[i].used && handle == &fake.images[i])
            return &fake.images[i];
    return NULL;
}

static struct image *image_new(struct fake_file *file)
{
    for (size_t i = 0; i < IMAGES; i++) {
        struct image *image = &fake.images[i];
        size_t length = strlen(file->path);

        if (image->used)
            continue;
        memset(image, 0, sizeof *image);
        image->used = 1;
        image->file = file;
        image->path[0] = 4;
        image->path[1] = 4;
        image->path[2] = (uint8_t)((4 + 2 * (length + 1)) & 0xff);
        image->path[3] = (uint8_t)((4 + 2 * (length + 1)) >> 8);
        for (size_t j = 0; j < length; j++)
            image->path[4 + 2 * j] = (uint8_t)file->path[j];
        memcpy(image->path + 4 + 2 * (length + 1), esp_path + ESP_PATH_LENGTH, 4);
        image->loaded.DeviceHandle = &esp_device;
        image->loaded.FilePath = (EFI_DEVICE_PATH *)(void *)image->path;
        return image;
    }
    abort(); /* the stage starts images without end */
}

static EFI_STATUS EFIAPI handle_protocol(EFI_HANDLE handle, EFI_GUID *guid, void **interface)
{
    struct image *image = image_of(handle);

    if (call_fails())
        return EFI_DEVICE_ERROR;
    *interface = NULL;
    if (image != NULL && memcmp(guid, &loaded_image_guid, sizeof *guid) == 0 &&
        !lies(NO_LOADED_IMAGE))
        *interface = &image->loaded;
    else if (handle == &esp_device && memcmp(guid, &device_path_guid, sizeof *guid) == 0)
        *interface = lies(BROKEN_DEVICE_PATH) ? broken_path : esp_path;
    else if (handle == &esp_device && memcmp(guid, &file_system_guid, sizeof *guid) == 0 &&
             !lies(ESP_MISSING))
        *interface = &esp_volume;
    return *interface != NULL ? EFI_SUCCESS : EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI locate_protocol(EFI_GUID *guid, void *registration, void **interface)
{
    (void)registration;
    if (call_fails())
        return EFI_DEVICE_ERROR;
    for (size_t i = 0; i < PROTOCOLS; i++)
        if (fake.protocols[i].used && memcmp(&fake.protocols[i].guid, guid, sizeof *guid) == 0) {
            *interface = fake.protocols[i].interface;
            return EFI_SUCCESS;
        }
    return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI install_protocol(EFI_HANDLE *handle, EFI_GUID *guid,
                                          EFI_INTERFACE_TYPE type, void *interface)
{
    (void)type;
    if (call_fails())
        return EFI_DEVICE_ERROR;
    for (size_t i = 0; i < PROTOCOLS && !lies(OUT_OF_MEMORY); i++)
        if (!fake.protocols[i].used) {
            fake.protocols[i].used = 1;
            fake.protocols[i].handle = *handle;
            fake.protocols[i].guid = *guid;
            fake.protocols[i].interface = interface;
            return EFI_SUCCESS;
        }
    return EFI_OUT_OF_RESOURCES;
}

static EFI_STATUS EFIAPI uninstall_protocol(EFI_HANDLE handle, EFI_GUID *guid, void *interface)
{
    if (call_fails())
        return EFI_DEVICE_ERROR;
    for (size_t i = 0; i < PROTOCOLS; i++)
        if (fake.protocols[i].used && fake.protocols[i].handle == handle &&
            fake.protocols[i].interface == interface &&
            memcmp(&fake.protocols[i].guid, guid, sizeof *guid) == 0) {
            fake.protocols[i].used = 0;
            return EFI_SUCCESS;
        }
    return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI load_image(BOOLEAN policy, EFI_HANDLE parent, EFI_DEVICE_PATH *path,
                                    void *source, UINTN size, EFI_HANDLE *handle)
{
    const uint8_t *bytes = (const uint8_t *)path;
    struct fake_file *file;
    char name[256];

    (void)policy;
    (void)size;
    if (source != NULL || image_of(parent) == NULL || memcmp(bytes, esp_path, ESP_PATH_LENGTH) != 0)
        abort(); /* by device path of the ESP alone */
    narrow((const CHAR16 *)(const void *)(bytes + ESP_PATH_LENGTH + 4), name, sizeof name);
    event("load ", name);
    if (call_fails())
        return EFI_DEVICE_ERROR;
    file = fake_file(name);
    if (file == NULL || lies(ESP_MISSING))
        return EFI_NOT_FOUND;
    if (lies(LOAD_FAILS) || (file->kind != KIND_LOADER && file->kind != KIND_STAGE))
        return EFI_LOAD_ERROR;
    *handle = image_new(file);
    return lies(LOAD_VIOLATES) ? EFI_SECURITY_VIOLATION : EFI_SUCCESS;
}

static EFI_STATUS EFIAPI unload_image(EFI_HANDLE handle)
{
    struct image *image = image_of(handle);

    event("unload", "");
    if (call_fails())
        return EFI_DEVICE_ERROR;
    if (image == NULL)
        return EFI_INVALID_PARAMETER;
    image->used = 0;
    return EFI_SUCCESS;
}

static EFI_SYSTEM_TABLE system_table;

static EFI_STATUS EFIAPI start_image(EFI_HANDLE handle, UINTN *size, CHAR16 **data)
{
    struct image *image = image_of(handle);
    EFI_STATUS status = EFI_SUCCESS;

    (void)size;
    (void)data;
    if (image == NULL)
        abort(); /* no such image */
    event("start ", image->file->path);
    if (call_fails())
        return EFI_DEVICE_ERROR;
    if (lies(START_VIOLATES))
        return EFI_SECURITY_VIOLATION; /* the handle is still there */
    fake.open_at_start = 0;
    for (size_t i = 0; i < HANDLES; i++)
        fake.open_at_start += fake.handles[i].open != 0;
    if (image->file->kind == KIND_STAGE)
        status = efi_main(handle, &system_table);
    else if (!lies(START_RETURNS)) {
        snprintf(fake.started, sizeof fake.started, "%s", image->file->path);
        if (image->loaded.LoadOptions != NULL)
            memcpy(fake.options, image->loaded.LoadOptions, image->loaded.LoadOptionsSize);
        longjmp(fake.gone, 1);
    }
    image->used = 0;
    return status;
}

/* ---- the rest ------------------------------------------------------------------------------- */

static EFI_STATUS EFIAPI stall(UINTN microseconds)
{
    time_passes(microseconds);
    return call_fails() ? EFI_DEVICE_ERROR : EFI_SUCCESS;
}

static EFI_STATUS EFIAPI set_watchdog_timer(UINTN seconds, UINT64 code, UINTN size, CHAR16 *data)
{
    (void)code;
    (void)size;
    (void)data;
    if (call_fails())
        return EFI_DEVICE_ERROR;
    if (lies(NO_WATCHDOG))
        return EFI_UNSUPPORTED;
    fake.watchdog = (unsigned)seconds;
    fake.watchdog_at = fake.microseconds + seconds * UINT64_C(1000000);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI output_string(SIMPLE_TEXT_OUTPUT_INTERFACE *out, CHAR16 *text)
{
    size_t used = strlen(fake.printed);

    (void)out;
    narrow(text, fake.printed + used, sizeof fake.printed - used);
    return call_fails() ? EFI_DEVICE_ERROR : EFI_SUCCESS;
}

static EFI_STATUS EFIAPI allocate_pool(EFI_MEMORY_TYPE type, UINTN size, void **buffer)
{
    (void)type;
    (void)size;
    (void)buffer;
    abort(); /* the stage allocates nothing */
}

static SIMPLE_TEXT_OUTPUT_INTERFACE console = {.OutputString = output_string};
static EFI_RUNTIME_SERVICES runtime_services = {
    .GetVariable = get_variable,
    .GetNextVariableName = get_next_variable_name,
    .SetVariable = set_variable,
};
static EFI_BOOT_SERVICES boot_services = {
    .AllocatePool = allocate_pool,
    .HandleProtocol = handle_protocol,
    .LocateProtocol = locate_protocol,
    .InstallProtocolInterface = install_protocol,
    .UninstallProtocolInterface = uninstall_protocol,
    .LoadImage = load_image,
    .StartImage = start_image,
    .UnloadImage = unload_image,
    .Stall = stall,
    .SetWatchdogTimer = set_watchdog_timer,
};
static EFI_SYSTEM_TABLE system_table = {
    .ConOut = &console,
    .RuntimeServices = &runtime_services,
    .BootServices = &boot_services,
};

/* ---- what tests do -------------------------------------------------------------------------- */

void fake_reset(void)
{
    memset(&fake, 0, sizeof fake);
    fake_file_put("\\EFI\\backstop", KIND_DIRECTORY, NULL, 0);
    fake_file_put(FAKE_STAGE, KIND_STAGE, NULL, 16);
    fake_conf_put("next=" FAKE_NEXT "\n");
    fake_file_put(FAKE_LEDGER_SLOTS, KIND_DATA, NULL, SLOTS_SIZE);
    fake_file_put(FAKE_RECEIPT_SLOTS, KIND_DATA, NULL, SLOTS_SIZE);
    fake_file_put(FAKE_NEXT, KIND_LOADER, NULL, 16);
    fake_power_on();
}

void fake_lie(uint64_t these)
{
    fake.lies = these;
}

void fake_fail_call(unsigned number)
{
    fake.fail_call = number;
}

void fake_fail_from(unsigned number)
{
    fake.fail_from = number;
}

unsigned fake_calls(void)
{
    return fake.calls;
}

void fake_power_on(void)
{
    for (size_t i = 0; i < VARIABLES; i++)
        if ((fake.variables[i].attributes & 1u) == 0)
            fake.variables[i].used = 0;
    memcpy(fake.before, fake.variables, sizeof fake.before);
    memset(fake.handles, 0, sizeof fake.handles);
    memset(fake.images, 0, sizeof fake.images);
    memset(fake.protocols, 0, sizeof fake.protocols);
    fake.dumps_room = fake_dumps() > 3 ? fake_dumps() - 3 : 0;
    fake.microseconds = 0;
    fake.watchdog = 300;
    fake.watchdog_at = UINT64_C(300000000);
    fake.was_reset = 0;
}

int fake_run(const char *path)
{
    static CHAR16 options[] = L"quiet";
    struct image *image = image_new(fake_file(path));

    fake.calls = 0;
    fake.event_count = 0;
    fake.endless = 0;
    fake.started[0] = fake.printed[0] = '\0';
    memset(fake.options, 0, sizeof fake.options);
    image->loaded.LoadOptions = options;
    image->loaded.LoadOptionsSize = sizeof options;
    system_table.ConOut = lies(NO_CONSOLE) ? NULL : &console;
    if (setjmp(fake.gone) != 0)
        return 1;
    fake.status = efi_main(image, &system_table);
    image_of(image)->used = 0;
    return 0;
}

int fake_boot(void)
{
    fake_power_on();
    return fake_run(FAKE_STAGE);
}

const char *fake_started(void)
{
    return fake.started;
}

uint64_t fake_status(void)
{
    return fake.status;
}

const char *fake_options(void)
{
    static char text[sizeof fake.options / 2];

    narrow((const CHAR16 *)(const void *)fake.options, text, sizeof text);
    return text;
}

const char *fake_printed(void)
{
    return fake.printed;
}

uint64_t fake_seconds(void)
{
    return fake.microseconds / 1000000;
}

int fake_was_reset(void)
{
    return fake.was_reset;
}

unsigned fake_watchdog(void)
{
    return fake.watchdog;
}

unsigned fake_watchdog_left(void)
{
    return (unsigned)((fake.watchdog_at - fake.microseconds) / 1000000);
}

struct _EFI_SYSTEM_TABLE *fake_table(void)
{
    return &system_table;
}

unsigned fake_open_files(void)
{
    return fake.open_at_start;
}

size_t fake_events(void)
{
    return fake.event_count;
}

const char *fake_event(size_t index)
{
    return fake.events[index];
}

long fake_event_first(const char *beginning)
{
    for (size_t i = 0; i < fake.event_count; i++)
        if (strncmp(fake.events[i], beginning, strlen(beginning)) == 0)
            return (long)i;
    return -1;
}

unsigned fake_event_count(const char *beginning)
{
    unsigned count = 0;

    for (size_t i = 0; i < fake.event_count; i++)
        count += strncmp(fake.events[i], beginning, strlen(beginning)) == 0;
    return count;
}
