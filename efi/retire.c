#include "retire.h"
#include "bytes.h"
#include "file.h"
#include "start.h"
#include "mem.h"
#include "variable.h"

#define OPTION_MAX 1024u     /* bytes of a Boot#### that may be ours; a longer one is not */
#define BOOT_ORDER_MAX 1024u /* bytes */
#define OPTION_HEADER 6u     /* Attributes, FilePathListLength (UEFI 2.10, 3.1.3) */

static EFI_GUID global = EFI_GLOBAL_VARIABLE;
static const UINT32 boot_attributes =
    EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS;

static UINTN global_read(struct stage *stage, CHAR16 *name, uint8_t *bytes, UINTN capacity)
{
    UINTN size = capacity;

    if (stage->rt->GetVariable(name, &global, NULL, &size, bytes) != EFI_SUCCESS)
        return 0;
    return size <= capacity ? size : 0;
}

static void option_name(uint16_t number, CHAR16 name[9])
{
    static const char digits[] = "0123456789ABCDEF";

    memcpy(name, L"Boot", 4 * sizeof *name);
    for (unsigned i = 0; i < 4; i++)
        name[4 + i] = (CHAR16)digits[(number >> (12 - 4 * i)) & 0xf];
    name[8] = 0;
}

/* Every node of a list of `size` bytes lies within it, and the last one is an end. */
static int path_list_is_sound(const uint8_t *list, size_t size)
{
    size_t at = 0;

    while (at + 4 <= size) {
        size_t node = get_le16(list + at + 2);

        if ((list[at] & EFI_DP_TYPE_MASK) == END_DEVICE_PATH_TYPE)
            return 1;
        if (node < 4)
            return 0;
        at += node;
    }
    return 0;
}

static int path_is_stage(const char *path)
{
    static const char stage_path[] = STAGE_PATH;

    return memcmp(path, stage_path, sizeof stage_path) == 0;
}

static int option_is_ours(const uint8_t *option, UINTN size)
{
    char path[STAGECONF_PATH_MAX] = {0};
    size_t at = OPTION_HEADER;
    size_t list;

    if (size < OPTION_HEADER)
        return 0;
    list = get_le16(option + 4);
    while (at + 2 <= size && get_le16(option + at) != 0) /* the description */
        at += 2;
    at += 2;
    if (at > size || list > size - at || !path_list_is_sound(option + at, list))
        return 0;
    start_path_of((const EFI_DEVICE_PATH *)(const void *)(option + at), path);
    return path_is_stage(path);
}

static void boot_order_drop(struct stage *stage, uint16_t number)
{
    uint8_t order[BOOT_ORDER_MAX];
    UINTN size = global_read(stage, L"BootOrder", order, sizeof order);
    UINTN kept = 0;

    for (UINTN i = 0; i + 2 <= size; i += 2) {
        if (get_le16(order + i) == number)
            continue;
        put_le16(order + kept, get_le16(order + i));
        kept += 2;
    }
    if (kept > 0 && kept < size)
        stage->rt->SetVariable(L"BootOrder", &global, boot_attributes, kept, order);
}

static void entry_delete(struct stage *stage)
{
    uint8_t current[2];
    uint8_t option[OPTION_MAX];
    CHAR16 name[9];
    uint16_t number;

    if (global_read(stage, L"BootCurrent", current, sizeof current) != sizeof current)
        return;
    number = get_le16(current);
    option_name(number, name);
    if (!option_is_ours(option, global_read(stage, name, option, sizeof option)))
        return;
    boot_order_drop(stage, number);
    stage->rt->SetVariable(name, &global, boot_attributes, 0, NULL);
}

void retire(struct stage *stage)
{
    EFI_FILE_HANDLE root = stage->root;

    variable_delete(stage->rt, WIDE(LEDGER_VARIABLE));
    variable_delete(stage->rt, WIDE(RECEIPT_VARIABLE));
    file_delete(root, WIDE(STAGE_DIRECTORY) L"\\" LEDGER_SLOTS_NAME);
    file_delete(root, WIDE(STAGE_DIRECTORY) L"\\" RECEIPT_SLOTS_NAME);
    entry_delete(stage);
    if (!path_is_stage(stage->path))
        return;
    file_delete(root, WIDE(STAGE_DIRECTORY) L"\\stage.conf");
    file_delete(root, WIDE(STAGE_PATH));
    file_delete(root, WIDE(STAGE_DIRECTORY));
}
