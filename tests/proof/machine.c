/* machine.c - see machine.h */
#include "machine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "jail.h"
#include "plant.h"
#include "receipt.h"

#define GLOBAL_GUID "-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define PATH_SIZE 1024
#define RECEIPT JAIL_VARIABLES "/" RECEIPT_VARIABLE "-" BACKSTOP_GUID_TEXT
#define NV_BS_RT 7 /* UEFI 2.10, 7.2.1; and volatile */
#define BS_RT 6
#define LOAD_OPTION_MAX 512

#if defined __aarch64__
#define EFI_NAME "aa64"
#define EFI_NAME_UPPER "AA64"
#else
#define EFI_NAME "x64"
#define EFI_NAME_UPPER "X64"
#endif
#define STAGE_SOURCE_FILE "/usr/lib/backstop/backstop" EFI_NAME ".efi"

/* ---- variables ---- */

static void put_bytes(const char *root, const char *path, const void *bytes, size_t size)
{
    plant_file(root, path, "", 0600);
    if (file_put(plant_path(root, path), bytes, size) < 0)
        plant_failed(path);
    plant_time(root, path, PLANT_TIME);
}

/* As efivarfs has them: four bytes of attributes before the data. */
static void put_variable(const char *root, const char *name, uint8_t attributes, const void *bytes,
                         size_t size)
{
    uint8_t whole[4 + LOAD_OPTION_MAX] = {attributes};
    char path[PATH_SIZE];
    snprintf(path, sizeof path, JAIL_VARIABLES "/%s", name);
    memcpy(whole + 4, bytes, size);
    plant_dirs(root, JAIL_VARIABLES);
    put_bytes(root, path, whole, 4 + size);
}

void machine_ticket(const char *root, const struct ticket *ticket)
{
    uint8_t bytes[TICKET_SIZE];
    ticket_encode(ticket, bytes);
    put_variable(root, TICKET_VARIABLE "-" BACKSTOP_GUID_TEXT, BS_RT, bytes, sizeof bytes);
}

void machine_receipt(const char *root)
{
    struct receipt receipt = {
        .number = MACHINE_BOOT - 1, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED};
    uint8_t bytes[RECEIPT_SIZE];
    receipt_encode(&receipt, bytes);
    put_variable(root, RECEIPT_VARIABLE "-" BACKSTOP_GUID_TEXT, NV_BS_RT, bytes, sizeof bytes);
}

/* ---- firmware ---- */

static size_t put_wide(uint8_t *out, const char *text)
{
    size_t size = 2 * (strlen(text) + 1);
    for (size_t i = 0; i < size; i += 2)
        put_le16(out + i, (uint16_t)(unsigned char)text[i / 2]);
    return size;
}

/* UEFI 2.10, 3.1.3: attributes, length of the path, description, path. The path is one file. */
static void put_entry(const char *root, const char *name, const char *description, const char *file)
{
    uint8_t option[LOAD_OPTION_MAX] = {1}, *path = option + 6 + put_wide(option + 6, description);
    size_t node = 4 + put_wide(path + 4, file);
    path[0] = 4; /* media, file */
    path[1] = 4;
    put_le16(path + 2, (uint16_t)node);
    memcpy(path + node, (const uint8_t[]){0x7f, 0xff, 4, 0}, 4);
    put_le16(option + 4, (uint16_t)(node + 4));
    put_variable(root, name, NV_BS_RT, option, (size_t)(path - option) + node + 4);
}

/* A partition is known by the device of the file system on it: that of the tree. */
static void put_partition(const char *root)
{
    struct stat st;
    plant_dirs(root, "/sys/class/block/esp1");
    plant_dirs(root, "/dev");
    plant_file(root, "/sys/class/block/esp1/partition", "1\n", 0444);
    if (stat(root, &st) < 0 || mknod(plant_path(root, "/dev/esp1"), S_IFBLK | 0600, st.st_dev) < 0)
        plant_failed("/dev/esp1");
}

void machine_firmware(const char *root)
{
    put_entry(root, "Boot0001" GLOBAL_GUID, "debian", "\\EFI\\debian\\shim" EFI_NAME ".efi");
    put_entry(root, "Boot0002" GLOBAL_GUID, "other", "\\EFI\\debian\\grub" EFI_NAME ".efi");
    put_variable(root, "BootOrder" GLOBAL_GUID, NV_BS_RT, (const uint8_t[]){1, 0, 2, 0}, 4);
    put_variable(root, "BootCurrent" GLOBAL_GUID, BS_RT, (const uint8_t[]){1, 0}, 2);
    put_partition(root);
}

/* A stage is known by its ledger's name. */
void machine_esp(const char *root)
{
    static const char stage[] = "MZ stage B\0a\0c\0k\0s\0t\0o\0p\0L\0e\0d\0g\0e\0r\0 1";
    plant_dirs(root, "/usr/lib/backstop");
    plant_dirs(root, "/esp/EFI/debian");
    plant_dirs(root, "/esp/EFI/BOOT");
    put_bytes(root, STAGE_SOURCE_FILE, stage, sizeof stage - 1);
    plant_file(root, "/esp/EFI/debian/shim" EFI_NAME ".efi", "MZ shim", 0644);
    plant_file(root, "/esp/EFI/debian/grub" EFI_NAME ".efi", "MZ grub", 0644);
    plant_file(root, "/esp/EFI/BOOT/BOOT" EFI_NAME_UPPER ".EFI", "MZ what was there", 0644);
}

/* ---- what must hold ---- */

static bool is_variable(const struct tree_item *item)
{
    return strncmp(item->path, JAIL_VARIABLES "/", sizeof JAIL_VARIABLES) == 0;
}

void variables_after_boot(const char *root, const struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        if (is_variable(&tree->items[i]) && tree->items[i].st.st_size == 0 &&
            unlink(plant_path(root, tree->items[i].path)) < 0)
            plant_failed(tree->items[i].path);
}

/* NULL: absent. */
static const struct tree_item *variable(const struct tree *tree, const char *path)
{
    const struct tree_item *item = tree_find(tree, path);
    return item && item->st.st_size ? item : NULL;
}

static bool are_same(const struct tree_item *a, const struct tree_item *b)
{
    return a && b ? strcmp(a->sha256, b->sha256) == 0 : !a && !b;
}

__attribute__((format(printf, 1, 2))) static char *text(const char *format, ...)
{
    char *made = NULL;
    va_list more;
    va_start(more, format);
    if (vasprintf(&made, format, more) < 0)
        abort();
    va_end(more);
    return made;
}

/* Those that are in `of`. */
static char *neither_old_nor_new(const struct tree *of, const struct tree *before,
                                 const struct tree *end, const struct tree *after)
{
    for (size_t i = 0; i < of->count; i++) {
        const char *path = of->items[i].path;
        const struct tree_item *now = variable(after, path);
        if (!is_variable(&of->items[i]) || are_same(now, variable(before, path)) ||
            are_same(now, variable(end, path)))
            continue;
        return text(now ? "neither the old nor the new variable: %s" : "the variable is gone: %s",
                    path);
    }
    return NULL;
}

static char *names_what_is_not(const char *root, const struct tree *after)
{
    char path[PATH_SIZE], *wrong = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s" JAIL_VARIABLES "/BootOrder" GLOBAL_GUID, root);
    char *order = file_text(path, &size);
    for (size_t at = 4; order && at + 2 <= size && !wrong; at += 2) {
        unsigned number = get_le16((const uint8_t *)order + at);
        snprintf(path, sizeof path, JAIL_VARIABLES "/Boot%04X" GLOBAL_GUID, number);
        if (!variable(after, path))
            wrong = text("BootOrder names Boot%04X, which is not there", number);
    }
    free(order);
    return wrong;
}

static char *receipt_wrong(const char *root, const struct tree *end, const struct tree *after)
{
    char *wrong = NULL;
    size_t size = 0;
    struct receipt receipt;
    if (!variable(after, RECEIPT))
        return variable(end, RECEIPT) ? text("the receipt is gone") : NULL;
    uint8_t *bytes = (uint8_t *)file_text(plant_path(root, RECEIPT), &size);
    if (!bytes || size < 4 || receipt_decode(&receipt, bytes + 4, size - 4, 0) != RECORD_VALID)
        wrong = text("the receipt is not whole");
    free(bytes);
    return wrong;
}

char *variables_wrong(const char *root, const struct tree *before, const struct tree *end,
                      const struct tree *after, bool other_end)
{
    char *wrong = names_what_is_not(root, after);
    if (!wrong && other_end)
        return receipt_wrong(root, end, after);
    if (!wrong)
        wrong = neither_old_nor_new(before, before, end, after);
    return wrong ? wrong : neither_old_nor_new(after, before, end, after);
}
