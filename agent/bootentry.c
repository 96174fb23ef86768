#include "bootentry.h"

#include <efivar.h>
#include <efiboot.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bytes.h"
#include "stageconf.h"
#include "vars.h"

_Static_assert(sizeof(((struct next_list *)0)->paths) / BOOT_PATH_MAX == STAGECONF_NEXT_MAX,
               "as many as stage.conf takes");
_Static_assert(BOOT_PATH_MAX == STAGECONF_PATH_MAX, "paths go into stage.conf");

#define HD_NODE_SIZE 42u

/* ---- BootOrder ---- */

int boot_order_decode(struct boot_order *order, const uint8_t *bytes, size_t size)
{
    if (size % 2)
        return -EBADMSG;
    if (size / 2 > BOOT_ORDER_MAX)
        return -E2BIG;
    order->count = size / 2;
    for (size_t i = 0; i < order->count; i++)
        order->items[i] = get_le16(bytes + 2 * i);
    return 0;
}

size_t boot_order_encode(const struct boot_order *order, uint8_t *out)
{
    for (size_t i = 0; i < order->count; i++)
        put_le16(out + 2 * i, order->items[i]);
    return 2 * order->count;
}

bool boot_order_remove(struct boot_order *order, uint16_t entry)
{
    size_t kept = 0, before = order->count;

    for (size_t i = 0; i < before; i++)
        if (order->items[i] != entry)
            order->items[kept++] = order->items[i];
    order->count = kept;
    return kept != before;
}

bool boot_order_holds(const struct boot_order *order, uint16_t entry)
{
    for (size_t i = 0; i < order->count; i++)
        if (order->items[i] == entry)
            return true;
    return false;
}

bool boot_order_put_first(struct boot_order *order, uint16_t entry)
{
    if (order->count > 0 && order->items[0] == entry)
        return false;
    boot_order_remove(order, entry);
    if (order->count == BOOT_ORDER_MAX)
        order->count--;
    memmove(order->items + 1, order->items, order->count * sizeof *order->items);
    order->items[0] = entry;
    order->count++;
    return true;
}

/* ---- load options ---- */

/* UTF-16LE text up to NUL or `size` bytes; the bytes used with the NUL, or 0 if no NUL is there. */
static size_t take_text(const uint8_t *bytes, size_t size, char *out, size_t out_size)
{
    size_t length = 0;

    for (size_t at = 0; at + 2 <= size; at += 2) {
        uint16_t unit = get_le16(bytes + at);

        if (unit == 0) {
            out[length] = '\0';
            return at + 2;
        }
        if (length + 1 < out_size)
            out[length++] = unit >= 0x20 && unit < 0x7f ? (char)unit : '?';
    }
    return 0;
}

static void take_guid(const uint8_t *p, char out[37])
{
    snprintf(out, 37, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", get_le32(p),
             get_le16(p + 4), get_le16(p + 6), p[8], p[9], p[10], p[11], p[12], p[13], p[14],
             p[15]);
}

/* UEFI 2.10, 10.3.5.1: signature at 24, format at 40, signature type at 41. */
static void take_hard_drive(const uint8_t *node, size_t length, struct boot_entry *entry)
{
    if (length < HD_NODE_SIZE)
        return;
    if (node[41] == EFIDP_HD_SIGNATURE_GUID)
        take_guid(node + 24, entry->partuuid);
    else if (node[41] == EFIDP_HD_SIGNATURE_MBR)
        snprintf(entry->partuuid, sizeof entry->partuuid, "%08x-%02x", get_le32(node + 24),
                 get_le32(node + 4) & 0xff);
}

/* A path may be spread over several file nodes. */
static void take_file(const uint8_t *node, size_t length, struct boot_entry *entry)
{
    size_t have = strlen(entry->path);
    char part[BOOT_PATH_MAX] = "";

    if (take_text(node + 4, length - 4, part, sizeof part) == 0)
        return;
    if (have && entry->path[have - 1] != '\\' && part[0] != '\\' && have + 1 < sizeof entry->path)
        entry->path[have++] = '\\';
    if (have + strlen(part) < sizeof entry->path)
        memcpy(entry->path + have, part, strlen(part) + 1);
    else
        entry->path[0] = '\0';
}

static void take_device_path(const uint8_t *path, size_t size, struct boot_entry *entry)
{
    for (size_t at = 0; at + 4 <= size;) {
        size_t length = get_le16(path + at + 2);

        if (length < 4 || length > size - at || path[at] == EFIDP_END_TYPE)
            return;
        if (path[at] == EFIDP_MEDIA_TYPE && path[at + 1] == EFIDP_MEDIA_HD)
            take_hard_drive(path + at, length, entry);
        if (path[at] == EFIDP_MEDIA_TYPE && path[at + 1] == EFIDP_MEDIA_FILE)
            take_file(path + at, length, entry);
        at += length;
    }
}

/* UEFI 2.10, 3.1.3: attributes, length of the path list, description, path list, optional data. */
int boot_entry_parse(const uint8_t *bytes, size_t size, struct boot_entry *entry)
{
    struct boot_entry found = {.number = entry->number};
    size_t path_size, text_size, rest;

    if (size < 8 || size > BOOT_ENTRY_MAX)
        return -EBADMSG;
    found.attributes = get_le32(bytes);
    path_size = get_le16(bytes + 4);
    text_size = take_text(bytes + 6, size - 6, found.description, sizeof found.description);
    if (text_size == 0 || path_size > size - 6 - text_size)
        return -EBADMSG;
    take_device_path(bytes + 6 + text_size, path_size, &found);
    rest = size - 6 - text_size - path_size;
    if (rest > 0) {
        found.options = malloc(rest);
        if (!found.options)
            return -ENOMEM;
        memcpy(found.options, bytes + size - rest, rest);
        found.options_size = rest;
    }
    *entry = found;
    return 0;
}

void boot_entry_free(struct boot_entry *entry)
{
    free(entry->options);
    *entry = (struct boot_entry){0};
}

static int make_signature(const struct partition *partition, uint8_t signature[16])
{
    efi_guid_t guid;

    memset(signature, 0, 16);
    if (!partition->gpt) {
        put_le32(signature, (uint32_t)strtoul(partition->partuuid, NULL, 16));
        return 0;
    }
    if (efi_str_to_guid(partition->partuuid, &guid) < 0)
        return -EINVAL;
    memcpy(signature, &guid, sizeof guid);
    return 0;
}

/* HD(...)/File(...)/End: the short form, which survives the disk being moved to another port. */
static ssize_t make_device_path(const struct partition *partition, const char *path, uint8_t *out,
                                ssize_t size)
{
    uint8_t signature[16];
    char file[BOOT_PATH_MAX];
    ssize_t at = 0, part = 0;

    if (make_signature(partition, signature) < 0 || strlen(path) >= sizeof file)
        return -1;
    memcpy(file, path, strlen(path) + 1);
    part = efidp_make_hd(out, size, partition->number, partition->start, partition->size, signature,
                         partition->gpt ? EFIDP_HD_FORMAT_GPT : EFIDP_HD_FORMAT_PCAT,
                         partition->gpt ? EFIDP_HD_SIGNATURE_GUID : EFIDP_HD_SIGNATURE_MBR);
    if (part < 0)
        return -1;
    at += part;
    part = efidp_make_file(out + at, size - at, file);
    if (part < 0)
        return -1;
    at += part;
    part = efidp_make_end_entire(out + at, size - at);
    return part < 0 ? -1 : at + part;
}

int boot_entry_make(const struct partition *partition, const char *description, const char *path,
                    const uint8_t *options, size_t options_size, uint8_t **bytes, size_t *size)
{
    uint8_t device_path[1024], *option, *data = NULL;
    unsigned char name[128];
    ssize_t path_size, made;
    int error = 0;

    if (!*partition->partuuid || !partition->number || strlen(description) >= sizeof name)
        return -EINVAL;
    path_size = make_device_path(partition, path, device_path, sizeof device_path);
    option = malloc(BOOT_ENTRY_MAX);
    data = malloc(options_size ? options_size : 1);
    if (path_size < 0)
        error = -EINVAL;
    else if (!option || !data)
        error = -ENOMEM;
    if (!error) {
        memcpy(name, description, strlen(description) + 1);
        if (options_size)
            memcpy(data, options, options_size);
        made = efi_loadopt_create(option, BOOT_ENTRY_MAX, LOAD_OPTION_ACTIVE, (efidp)device_path,
                                  path_size, name, data, options_size);
        if (made < 0)
            error = -EINVAL;
        else
            *size = (size_t)made;
    }
    free(data);
    efi_error_clear();
    if (error)
        free(option);
    else
        *bytes = option;
    return error;
}

bool boot_entry_is_ours(const struct boot_entry *entry)
{
    return strcasecmp(entry->path, STAGE_PATH) == 0;
}

/*
 * Marks by which firmware knows the entries that it made itself, and may delete: EDK2's GUID
 * 8108ac4e-9f11-4d59-850e-e21a522c59b2 and AMI's "BO".
 */
bool boot_entry_options_are_marks(const struct boot_entry *entry)
{
    static const uint8_t edk2[] = {0x4e, 0xac, 0x08, 0x81, 0x11, 0x9f, 0x59, 0x4d,
                                   0x85, 0x0e, 0xe2, 0x1a, 0x52, 0x2c, 0x59, 0xb2};
    static const uint8_t ami[] = {0x00, 0x00, 0x42, 0x4f};

    return (entry->options_size == sizeof edk2 && memcmp(entry->options, edk2, sizeof edk2) == 0) ||
           (entry->options_size == sizeof ami && memcmp(entry->options, ami, sizeof ami) == 0);
}

/* ---- what to start next ---- */

static bool is_in_our_directory(const char *path)
{
    return strncasecmp(path, ESP_DIR "\\", sizeof ESP_DIR) == 0;
}

static void offer(const struct next_query *query, const char *path, struct next_list *next)
{
    if (query->former && strcasecmp(path, REMOVABLE_PATH) == 0)
        path = query->former;
    else if (is_in_our_directory(path) && !(query->former && strcasecmp(path, query->former) == 0))
        return;
    if (next->count == STAGECONF_NEXT_MAX || !stageconf_path_is_safe(path) ||
        !query->exists(path, query->user))
        return;
    for (size_t i = 0; i < next->count; i++)
        if (strcasecmp(next->paths[i], path) == 0)
            return;
    memcpy(next->paths[next->count++], path, strlen(path) + 1);
}

static bool is_on_esp(const struct boot_entry *entry, const char *partuuid)
{
    return !*entry->partuuid || !*partuuid || strcasecmp(entry->partuuid, partuuid) == 0;
}

void boot_choose_next(const struct next_query *query, struct next_list *next)
{
    static const char *const usual[] = {
        "\\EFI\\debian\\shim" EFI_ARCH ".efi",
        "\\EFI\\debian\\grub" EFI_ARCH ".efi",
        "\\EFI\\systemd\\systemd-boot" EFI_ARCH ".efi",
        REMOVABLE_PATH,
    };

    next->count = 0;
    for (size_t i = 0; i < query->count; i++) {
        const struct boot_entry *entry = &query->entries[i];

        if (!is_on_esp(entry, query->partuuid))
            continue;
        if (*entry->path)
            offer(query, entry->path, next);
        else if (i == 0 && query->first_booted)
            offer(query, REMOVABLE_PATH, next); /* a bare disk: firmware started this file */
    }
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        offer(query, usual[i], next);
}

/* ---- variables ---- */

static int read_number(const char *name, uint16_t *number)
{
    struct variable variable = {0};
    int error = vars_get(GLOBAL_GUID_TEXT, name, &variable);

    if (error)
        return error;
    if (variable.size == 2)
        *number = get_le16(variable.bytes);
    else
        error = -EBADMSG;
    variable_free(&variable);
    return error;
}

int boot_current_read(uint16_t *entry)
{
    return read_number("BootCurrent", entry);
}

int boot_next_read(uint16_t *entry)
{
    return read_number("BootNext", entry);
}

int boot_next_write(uint16_t entry)
{
    uint8_t bytes[2];

    put_le16(bytes, entry);
    return vars_set(GLOBAL_GUID_TEXT, "BootNext", bytes, sizeof bytes, VAR_NV_BS_RT);
}

int boot_next_clear(void)
{
    return vars_delete(GLOBAL_GUID_TEXT, "BootNext");
}

int boot_order_read(struct boot_order *order)
{
    struct variable variable = {0};
    int error = vars_get(GLOBAL_GUID_TEXT, "BootOrder", &variable);

    if (error)
        return error;
    error = boot_order_decode(order, variable.bytes, variable.size);
    variable_free(&variable);
    return error;
}

int boot_order_write(const struct boot_order *order)
{
    uint8_t bytes[2 * BOOT_ORDER_MAX];
    size_t size = boot_order_encode(order, bytes);

    if (size == 0)
        return vars_delete(GLOBAL_GUID_TEXT, "BootOrder");
    return vars_set(GLOBAL_GUID_TEXT, "BootOrder", bytes, size, VAR_NV_BS_RT);
}

static void entry_name(uint16_t number, char out[9])
{
    snprintf(out, 9, "Boot%04X", number);
}

int boot_entry_read(uint16_t number, struct boot_entry *entry)
{
    struct variable variable = {0};
    struct boot_entry found = {.number = number};
    char name[9];
    int error;

    entry_name(number, name);
    error = vars_get(GLOBAL_GUID_TEXT, name, &variable);
    if (error)
        return error;
    error = boot_entry_parse(variable.bytes, variable.size, &found);
    variable_free(&variable);
    if (!error)
        *entry = found;
    return error;
}

int boot_entry_write(uint16_t number, const uint8_t *bytes, size_t size)
{
    char name[9];

    entry_name(number, name);
    return vars_set(GLOBAL_GUID_TEXT, name, bytes, size, VAR_NV_BS_RT);
}

int boot_entry_delete(uint16_t number)
{
    char name[9];

    entry_name(number, name);
    return vars_delete(GLOBAL_GUID_TEXT, name);
}

/* Number of a Boot#### name (four hexadecimal digits, capitals as the specification has them). */
static bool parse_entry_name(const char *name, uint16_t *number)
{
    unsigned value;

    if (strlen(name) != 8 || strncmp(name, "Boot", 4) != 0 ||
        strspn(name + 4, "0123456789ABCDEFabcdef") != 4 || sscanf(name + 4, "%4x", &value) != 1)
        return false;
    *number = (uint16_t)value;
    return true;
}

/* Calls visit for each Boot#### there is, until it returns other than 0, which is returned. */
static int each_entry(int (*visit)(uint16_t number, void *user), void *user)
{
    efi_guid_t *guid = NULL, global = EFI_GLOBAL_GUID;
    char *name = NULL;
    int more, result = 0;

    if (vars_available() < 0)
        return -ENOTSUP;
    /* the listing is read to its end: libefivar keeps its place in a static variable */
    while ((more = efi_get_next_variable_name(&guid, &name)) > 0) {
        uint16_t number;

        if (!result && efi_guid_cmp(guid, &global) == 0 && parse_entry_name(name, &number))
            result = visit(number, user);
    }
    efi_error_clear();
    return result ? result : more < 0 ? -EIO : 0;
}

struct our_search {
    const char *partuuid;
    struct boot_entry best;
    bool found, exact;
};

static int note_ours(uint16_t number, void *user)
{
    struct our_search *search = user;
    struct boot_entry entry = {0};
    bool exact;

    if (boot_entry_read(number, &entry) < 0)
        return 0;
    exact = strcasecmp(entry.partuuid, search->partuuid) == 0;
    if (boot_entry_is_ours(&entry) && (!search->found || (exact && !search->exact))) {
        boot_entry_free(&search->best);
        search->best = entry;
        search->found = true;
        search->exact = exact;
    } else {
        boot_entry_free(&entry);
    }
    return 0;
}

int boot_entry_find_ours(const char *partuuid, struct boot_entry *entry)
{
    struct our_search search = {.partuuid = partuuid};
    int error = each_entry(note_ours, &search);

    if (!error && !search.found)
        error = -ENOENT;
    if (error)
        boot_entry_free(&search.best);
    else
        *entry = search.best;
    return error;
}

static int note_taken(uint16_t number, void *user)
{
    uint8_t *taken = user;

    taken[number / 8] |= (uint8_t)(1u << (number % 8));
    return 0;
}

int boot_entry_free_number(uint16_t *number)
{
    uint8_t *taken = calloc(1, 65536 / 8);
    int error = taken ? each_entry(note_taken, taken) : -ENOMEM;
    struct boot_order order = {0};

    /* an entry that firmware has put away for a while still has its place in BootOrder */
    if (!error && boot_order_read(&order) == 0)
        for (size_t i = 0; i < order.count; i++)
            note_taken(order.items[i], taken);

    if (!error) {
        error = -ENOSPC;
        for (unsigned i = 0; i < 65536 && error; i++) {
            if (taken[i / 8] & (1u << (i % 8)))
                continue;
            *number = (uint16_t)i;
            error = 0;
        }
    }
    free(taken);
    return error;
}
