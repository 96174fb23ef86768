#include "start.h"
#include "mem.h"

#define DEVICE_PATH_MAX 1024u /* bytes; of a disk's partition it is some 60 */
#define DEVICE_NODES_MAX 64u

static EFI_GUID device_path_protocol = EFI_DEVICE_PATH_PROTOCOL_GUID;
static EFI_GUID loaded_image_protocol = EFI_LOADED_IMAGE_PROTOCOL_GUID;

/* "Usual" is where distributions put what their own boot entry starts; the first is most secure. */
static const char *const usual_loaders[] = {
    "\\EFI\\debian\\shim" ARCH_SUFFIX ".efi",          "\\EFI\\debian\\grub" ARCH_SUFFIX ".efi",
    "\\EFI\\ubuntu\\shim" ARCH_SUFFIX ".efi",          "\\EFI\\ubuntu\\grub" ARCH_SUFFIX ".efi",
    "\\EFI\\fedora\\shim" ARCH_SUFFIX ".efi",          "\\EFI\\fedora\\grub" ARCH_SUFFIX ".efi",
    "\\EFI\\systemd\\systemd-boot" ARCH_SUFFIX ".efi", FALLBACK_PATH,
};

const char *start_usual(size_t index)
{
    return index < sizeof usual_loaders / sizeof usual_loaders[0] ? usual_loaders[index] : NULL;
}

/* ---- device paths (UEFI 2.10, 10.2) ------------------------------------------------------ */

static size_t node_size(const uint8_t *node)
{
    return (size_t)node[2] | (size_t)node[3] << 8;
}

static int node_is_end(const uint8_t *node)
{
    return (node[0] & EFI_DP_TYPE_MASK) == END_DEVICE_PATH_TYPE;
}

static int node_is_file(const uint8_t *node)
{
    return node[0] == MEDIA_DEVICE_PATH && node[1] == MEDIA_FILEPATH_DP;
}

static size_t node_write(uint8_t *node, uint8_t type, uint8_t subtype, size_t size)
{
    node[0] = type;
    node[1] = subtype;
    node[2] = (uint8_t)(size & 0xff);
    node[3] = (uint8_t)(size >> 8);
    return size;
}

/* Bytes before the end node; 0 for what is too long or broken. */
static size_t device_path_length(const uint8_t *path)
{
    size_t length = 0;

    for (unsigned i = 0; i < DEVICE_NODES_MAX; i++) {
        size_t size = node_size(path + length);

        if (node_is_end(path + length))
            return length;
        if (size < sizeof(EFI_DEVICE_PATH) || length + size > DEVICE_PATH_MAX)
            return 0;
        length += size;
    }
    return 0;
}

/* device's path, a file node, the end; out[DEVICE_PATH_MAX + 4 + 2 * STAGECONF_PATH_MAX + 4]. */
static int file_device_path(const uint8_t *device, const char *file, uint8_t *out)
{
    size_t length = device_path_length(device);
    size_t text = 0;

    if (length == 0)
        return 0;
    memcpy(out, device, length);
    while (file[text] != '\0')
        text++;
    node_write(out + length, MEDIA_DEVICE_PATH, MEDIA_FILEPATH_DP, 4 + 2 * (text + 1));
    length += 4;
    for (size_t i = 0; i <= text; i++, length += 2) {
        out[length] = (uint8_t)file[i];
        out[length + 1] = 0;
    }
    node_write(out + length, END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, 4);
    return 1;
}

/* Appends the text of one file node, with one backslash between nodes; 0 if it cannot. */
static int path_append(char *out, size_t *length, const uint8_t *node)
{
    size_t end = node_size(node) - 1;

    for (size_t i = sizeof(EFI_DEVICE_PATH); i < end; i += 2) {
        if (node[i] == 0 && node[i + 1] == 0)
            return 1;
        if (node[i + 1] != 0 || node[i] > 0x7e || *length + 2 >= STAGECONF_PATH_MAX)
            return 0;
        if (*length == 0 && node[i] != '\\')
            out[(*length)++] = '\\';
        if (node[i] != '\\' || *length == 0 || out[*length - 1] != '\\')
            out[(*length)++] = (char)node[i];
    }
    return 1;
}

void start_path_of(const EFI_DEVICE_PATH *file_path, char *out)
{
    const uint8_t *node = (const uint8_t *)file_path;
    size_t length = 0;

    out[0] = '\0';
    if (node == NULL || device_path_length(node) == 0)
        return;
    for (; !node_is_end(node); node += node_size(node)) {
        if (!node_is_file(node))
            continue;
        if (length > 0 && out[length - 1] != '\\' && length + 1 < STAGECONF_PATH_MAX)
            out[length++] = '\\';
        if (!path_append(out, &length, node))
            length = 0;
        if (length == 0)
            break;
    }
    out[length] = '\0';
}

/* ---- candidates -------------------------------------------------------------------------- */

static char folded(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* FAT does not tell case apart. */
static int path_is_same(const char *a, const char *b)
{
    while (*a != '\0' && folded(*a) == folded(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

static int path_is_among(const struct stageconf *conf, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (path_is_same(conf->next[i], path))
            return 1;
    return 0;
}

/* Candidate `index`, or NULL past the last; *again: it is the stage itself, or was tried before. */
static const char *candidate(const struct stage *stage, size_t index, int *again)
{
    const struct stageconf *conf = &stage->conf;
    size_t named = index < conf->next_count ? index : conf->next_count;
    const char *path =
        index < conf->next_count ? conf->next[index] : start_usual(index - conf->next_count);

    *again = path != NULL && (path_is_same(path, stage->path) || path_is_among(conf, named, path));
    return path;
}

/* ---- start ------------------------------------------------------------------------------- */

void start_watchdog(struct stage *stage)
{
    if (stage->conf.policy.stage_watchdog > 0)
        stage->bs->SetWatchdogTimer(stage->conf.policy.stage_watchdog, 0, 0, NULL);
}

static EFI_STATUS candidate_load(struct stage *stage, const char *path, EFI_HANDLE *image)
{
    uint8_t full[DEVICE_PATH_MAX + 4 + 2 * STAGECONF_PATH_MAX + 4];
    uint8_t *device = NULL;
    EFI_STATUS status;

    *image = NULL;
    status = stage->bs->HandleProtocol(stage->self->DeviceHandle, &device_path_protocol,
                                       (void **)&device);
    if (status != EFI_SUCCESS || device == NULL || !file_device_path(device, path, full))
        return EFI_NOT_FOUND;
    status =
        stage->bs->LoadImage(FALSE, stage->image, (EFI_DEVICE_PATH *)(void *)full, NULL, 0, image);
    /* Loaded, but not to be started: that, too, is a handle to give back. */
    if (status == EFI_SECURITY_VIOLATION && *image != NULL)
        stage->bs->UnloadImage(*image);
    return status == EFI_SUCCESS && *image == NULL ? EFI_LOAD_ERROR : status;
}

static void options_pass_on(struct stage *stage, EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *next = NULL;

    if (stage->bs->HandleProtocol(image, &loaded_image_protocol, (void **)&next) != EFI_SUCCESS ||
        next == NULL)
        return;
    next->LoadOptions = stage->self->LoadOptions;
    next->LoadOptionsSize = stage->self->LoadOptionsSize;
}

static EFI_STATUS candidate_start(struct stage *stage, EFI_HANDLE image)
{
    EFI_STATUS status;

    options_pass_on(stage, image);
    start_watchdog(stage);
    status = stage->bs->StartImage(image, NULL, NULL);
    /* It may not have been started at all; of one that was, the handle is gone by now. */
    if (status == EFI_SECURITY_VIOLATION)
        stage->bs->UnloadImage(image);
    return status;
}

EFI_STATUS start_next(struct stage *stage)
{
    EFI_STATUS last = EFI_NOT_FOUND;
    const char *path;
    int again;

    if (stage->self == NULL || stage->self->DeviceHandle == NULL)
        return EFI_NOT_FOUND;
    for (size_t i = 0; (path = candidate(stage, i, &again)) != NULL; i++) {
        EFI_HANDLE image;

        if (!again && candidate_load(stage, path, &image) == EFI_SUCCESS)
            last = candidate_start(stage, image);
    }
    return last == EFI_SUCCESS ? EFI_ABORTED : last;
}
