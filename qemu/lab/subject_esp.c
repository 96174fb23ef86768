/* subject_esp.c - what Backstop writes on the ESP: another version of the stage with its settings,
 * and a receipt that NVRAM does not take; or all of it taken away. See subject.h. */
#include "subject.h"
#include "manifest.h"
#include "record.h"
#include "recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGE "/usr/lib/backstop/backstopx64.efi"
#define SETTINGS "/etc/backstop/backstop.conf"
#define OURS "/EFI/backstop"
#define RECEIPTS OURS "/receipt.esp"
enum { BOOT_BEFORE = 4, BOOT_CUT, BOOT_AGAIN };

static struct manifest start, end;

/* ---- what is done ---- */

static char *write_file(const char *root, const char *path, const void *bytes, size_t size)
{
    TEXT_AUTO full = text_format("%s%s", root, path);
    int error = file_write(full, bytes, size);

    return error < 0 ? text_format("%s: %s", full, strerror(-error)) : NULL;
}

/* The root is the lab's own; what an earlier run left of the system's state goes. */
static void forget_state(void)
{
    static const char *const files[] = {STATE "/install.json", STATE "/journal.jsonl",
                                        "/run/backstop/receipted"};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
}

static char *put_stage(const char *root)
{
    const char *const install[] = {"/bin/backstop", "install",        "--esp", root,
                                   "--removable",   "--no-variables", NULL};

    return lab_run(install, 0, NULL);
}

/* With variables that take nothing, the receipt goes into a slot. */
static char *put_receipt(unsigned boot)
{
    const char *const confirm[] = {"/bin/backstop", "confirm", "--end", NULL};
    char *complaint = recovery_ticket(boot, 0);

    if (complaint == NULL && mount(NULL, VARIABLES, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
        complaint = text_format(VARIABLES ": %s", strerror(errno));
    if (complaint == NULL)
        complaint = lab_run(confirm, 0, NULL);
    mount(NULL, VARIABLES, NULL, MS_REMOUNT, NULL);
    return complaint;
}

static char *act(const char *root, bool again)
{
    static const char settings[] = "[policy]\nhold-pause=90s\n";
    char *complaint;

    forget_state();
    complaint = write_file("", SETTINGS, settings, sizeof settings - 1);
    if (complaint == NULL)
        complaint = put_receipt(again ? BOOT_AGAIN : BOOT_CUT);
    return complaint != NULL ? complaint : put_stage(root);
}

/* ---- what there is before ---- */

/* The stage of an older package: the same code, and other bytes behind it. */
static char *prepare_old_stage(const char *root)
{
    size_t size = 0;
    char *stage = file_read(STAGE, &size);
    char *older = stage != NULL ? realloc(stage, size + 1500) : NULL, *complaint;

    if (older == NULL)
        return text_format(STAGE ": %s", strerror(errno));
    memset(older + size, 'o', 1500);
    complaint = write_file("", STAGE, older, size + 1500);
    free(older);
    return complaint != NULL ? complaint : put_stage(root);
}

static char *write_loader(const char *root, const char *path, char letter, size_t size)
{
    static char loader[400000];

    memset(loader, letter, size);
    return write_file(root, path, loader, size);
}

static char *prepare_vendor(const char *root)
{
    static const char *const directories[] = {"/EFI", "/EFI/BOOT", "/EFI/debian"};
    char *complaint;

    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        TEXT_AUTO full = text_format("%s%s", root, directories[i]);

        if (mkdir(full, 0755) < 0)
            return text_format("%s: %s", full, strerror(errno));
    }
    complaint = write_loader(root, "/EFI/debian/shimx64.efi", 's', 20000);
    if (complaint == NULL)
        complaint = write_loader(root, "/EFI/debian/grubx64.efi", 'g', 30000);
    if (complaint == NULL)
        complaint = write_loader(root, "/EFI/BOOT/BOOTX64.EFI", 's', 20000);
    return complaint;
}

static char *prepare(const char *root)
{
    char *complaint = prepare_vendor(root);

    if (complaint == NULL)
        complaint = prepare_old_stage(root);
    if (complaint == NULL) /* the vendor's updater takes its place back */
        complaint = write_loader(root, "/EFI/BOOT/BOOTX64.EFI", 'v', 400000);
    return complaint != NULL ? complaint : put_receipt(BOOT_BEFORE);
}

/* ---- what must be so ---- */

static bool is_read(const char *path)
{
    (void)path;
    return true;
}

/* A file that a cut left half made, and what fsck.fat keeps of lost clusters. */
static bool is_remnant(const char *path)
{
    return text_ends(path, ".new") || text_starts(path, "/FSCK");
}

/* Content alone: FAT keeps no owner, and times are the clock's. */
static bool same(const struct item *a, const struct item *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a->what, b->what) == 0;
}

/* A deletion that arrived by half where an entry lies across sectors: the long name is gone, and
 * the file is there whole under its short one, which neither firmware nor Backstop looks for. */
static bool is_short_name(const struct manifest *now, const char *path)
{
    const struct item *is = manifest_find(now, path);
    size_t directory = (size_t)(strrchr(path, '/') + 1 - path);

    for (size_t i = 0; is != NULL && strchr(path, '~') != NULL && i < start.count; i++)
        if (strncmp(start.items[i].path, path, directory) == 0 && same(is, &start.items[i]) &&
            manifest_find(now, start.items[i].path) == NULL)
            return true;
    return false;
}

/* The directory of what is_short_name() says, which is never empty. */
static bool is_kept_by_short_name(const struct manifest *now, const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < now->count; i++)
        if (strncmp(now->items[i].path, path, length) == 0 && now->items[i].path[length] == '/' &&
            is_short_name(now, now->items[i].path))
            return true;
    return false;
}

static char *differs(const char *path, const char *what, const struct item *now)
{
    TEXT_AUTO is = item_tell(now);

    return text_format("%s %s: %s", path, what, is);
}

static char *judge(const struct manifest *now, const char *path, bool old_is_right)
{
    const struct item *is = manifest_find(now, path), *old = manifest_find(&start, path),
                      *new = manifest_find(&end, path);

    if (same(is, new) || (old_is_right && same(is, old)))
        return NULL;
    if (strcmp(path, RECEIPTS) == 0 && is != NULL && new != NULL)
        return NULL; /* judge_receipt() has it */
    if (is_short_name(now, path) || is_kept_by_short_name(now, path))
        return NULL;
    return differs(path, old_is_right ? "is neither old nor new" : "is not as after an uncut run",
                   is);
}

static char *judge_all(const struct manifest *now, bool old_is_right)
{
    const struct manifest *const all[] = {&start, &end, now};
    char *complaint = NULL;

    for (size_t m = 0; m < 3; m++)
        for (size_t i = 0; i < all[m]->count && complaint == NULL; i++)
            if (!is_remnant(all[m]->items[i].path))
                complaint = judge(now, all[m]->items[i].path, old_is_right);
    return complaint;
}

/* The newest whole receipt is of one of these boots. */
static char *judge_receipt(const char *root, uint32_t from, uint32_t to)
{
    TEXT_AUTO path = text_format("%s" RECEIPTS, root);
    size_t size = 0;
    TEXT_AUTO bytes = file_read(path, &size);
    struct record record = {0};
    uint32_t number = 0;

    if (bytes == NULL || size != 8192)
        return text_format(RECEIPTS ": %zu bytes, not 8192", size);
    record_from_slots(&record, RECORD_RECEIPT, (const uint8_t *)bytes, size);
    if (!record.whole || !record_field(&record, "number", &number) || number < from || number > to)
        return text_format(RECEIPTS ": the newest is of boot %u%s, not of %u to %u", number,
                           record.whole ? "" : " and not whole", from, to);
    return NULL;
}

static char *check_files(const char *root, bool done)
{
    struct manifest now;
    char *complaint = manifest_take(&now, root, is_read);

    if (complaint == NULL)
        complaint = judge_all(&now, !done);
    manifest_free(&now);
    return complaint;
}

static char *check(const char *root, bool old_is_right, uint32_t from, uint32_t to)
{
    char *complaint = check_files(root, !old_is_right);

    return complaint != NULL ? complaint : judge_receipt(root, from, to);
}

static char *check_cut(const char *root, bool done)
{
    return check(root, !done, done ? BOOT_CUT : BOOT_BEFORE, BOOT_CUT);
}

static char *as_firmware_reads_it(char *complaint)
{
    char *told;

    if (complaint == NULL)
        return NULL;
    told = text_format("as firmware reads it: %s", complaint);
    free(complaint);
    return told;
}

static char *check_unrepaired(const char *root, bool done)
{
    return as_firmware_reads_it(check_cut(root, done));
}

static char *check_end(const char *root)
{
    return check(root, false, BOOT_AGAIN, BOOT_AGAIN);
}

/* ---- learnt from the base ---- */

static char *learn_start(const char *root)
{
    char *complaint = manifest_take(&start, root, is_read);

    return complaint != NULL ? complaint : judge_receipt(root, BOOT_BEFORE, BOOT_BEFORE);
}

static char *holds_stage(const char *path)
{
    size_t size = 0;
    TEXT_AUTO stage = file_read(STAGE, &size);
    TEXT_AUTO wanted = text_format(" %zu ", size);
    const struct item *item = manifest_find(&end, path);

    if (stage == NULL || item == NULL || strstr(item->what, wanted) == NULL ||
        same(item, manifest_find(&start, path)))
        return differs(path, "is not the new stage after an uncut run", item);
    return NULL;
}

static char *learn_end(const char *root)
{
    char *complaint = manifest_take(&end, root, is_read);

    if (complaint == NULL)
        complaint = holds_stage(OURS "/backstopx64.efi");
    if (complaint == NULL)
        complaint = holds_stage("/EFI/BOOT/BOOTX64.EFI");
    if (complaint == NULL &&
        same(manifest_find(&end, OURS "/stage.conf"), manifest_find(&start, OURS "/stage.conf")))
        complaint = text_copy("stage.conf is the same after an uncut run");
    return complaint != NULL ? complaint : check_end(root);
}

const struct subject subject_esp = {.prepare = prepare,
                                    .act = act,
                                    .learn_start = learn_start,
                                    .learn_end = learn_end,
                                    .check_unrepaired = check_unrepaired,
                                    .check_cut = check_cut,
                                    .check_end = check_end};

/* ---- taken away ---- */

static char *prepare_installed(const char *root)
{
    char *complaint = prepare_vendor(root);

    return complaint != NULL ? complaint : put_stage(root);
}

/* Without variables: with them a second run, which finds no ledger.esp to tell by, has the stage
 * started once more, and leaves it there until then. */
static char *act_uninstall(const char *root, bool again)
{
    const char *const uninstall[] = {"/bin/backstop", "uninstall", "--esp", root, NULL};
    char *complaint;

    (void)again;
    forget_state();
    setenv("EFIVARFS_PATH", "/nowhere/", 1);
    complaint = lab_run(uninstall, 0, NULL);
    setenv("EFIVARFS_PATH", VARIABLES "/", 1);
    return complaint;
}

static char *learn_installed(const char *root)
{
    return manifest_take(&start, root, is_read);
}

/* As the vendor left it. */
static char *learn_uninstalled(const char *root)
{
    char *complaint = manifest_take(&end, root, is_read);
    const struct item *loader = manifest_find(&end, "/EFI/BOOT/BOOTX64.EFI");

    if (complaint == NULL && manifest_find(&end, OURS) != NULL)
        complaint = text_copy(OURS " is there after an uncut run");
    if (complaint == NULL &&
        (loader == NULL || !same(loader, manifest_find(&start, "/EFI/debian/shimx64.efi"))))
        complaint =
            differs("/EFI/BOOT/BOOTX64.EFI", "is not the vendor's after an uncut run", loader);
    return complaint;
}

static char *check_unrepaired_files(const char *root, bool done)
{
    return as_firmware_reads_it(check_files(root, done));
}

static char *check_uninstalled(const char *root)
{
    return check_files(root, true);
}

/* Repaired or not: lost clusters are no harm, a name of free ones is. */
const struct subject subject_esp_uninstall = {.prepare = prepare_installed,
                                              .act = act_uninstall,
                                              .learn_start = learn_installed,
                                              .learn_end = learn_uninstalled,
                                              .check_unrepaired = check_unrepaired_files,
                                              .check_cut = check_files,
                                              .check_end = check_uninstalled};
