/* esp.c on a plain directory: case, atomic files, slots; which partition is the ESP. */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "esp.h"

static struct place place;
static struct esp esp;

static int begin(void **state)
{
    if (scratch_make(state) < 0)
        return -1;
    make_dirs("EFI/Debian");
    if (place_open(&place, NULL) < 0)
        return -1;
    return esp_open(&place, &(struct esp_query){.dir = scratch}, &esp, NULL);
}

static int end(void **state)
{
    esp_close(&esp);
    place_close(&place);
    return scratch_remove(state);
}

static void paths_are_found_whatever_their_case(void **state)
{
    static const struct {
        const char *name, *path;
        bool there;
    } rows[] = {
        {"as it is spelt", "\\EFI\\Debian\\shimx64.efi", true},
        {"in capitals", "\\EFI\\DEBIAN\\SHIMX64.EFI", true},
        {"in small letters", "\\efi\\debian\\shimx64.efi", true},
        {"empty file", "\\EFI\\Debian\\empty.efi", false},
        {"a directory", "\\EFI\\Debian", false},
        {"not there", "\\EFI\\Debian\\other.efi", false},
        {"no backslash first", "EFI\\Debian\\shimx64.efi", false},
        {"out of the ESP", "\\..\\etc\\passwd", false},
        {"an empty part", "\\EFI\\\\Debian\\shimx64.efi", false},
        {"a slash", "\\EFI/Debian\\shimx64.efi", false},
        {"nothing", "", false},
    };

    (void)state;
    put_file("EFI/Debian/shimx64.efi", "shim");
    put_file("EFI/Debian/empty.efi", "");
    for (size_t i = 0; i < ROWS(rows); i++) {
        print_message("  %s\n", rows[i].name);
        assert_int_equal(esp_has(&esp, rows[i].path), rows[i].there);
    }
}

static void files_are_written_once(void **state)
{
    bool changed = false;

    (void)state;
    assert_int_equal(esp_write(&esp, "\\efi\\backstop\\stage.conf", "next", 4, &changed), 0);
    assert_true(changed);
    assert_file("EFI/backstop/stage.conf", "next");
    assert_int_equal(esp_write(&esp, "\\EFI\\BACKSTOP\\STAGE.CONF", "next", 4, &changed), 0);
    assert_false(changed);
    assert_int_equal(esp_write(&esp, "\\EFI\\backstop\\stage.conf", "other", 5, &changed), 0);
    assert_true(changed);
    assert_file("EFI/backstop/stage.conf", "other");
    assert_int_equal(esp_remove_dir(&esp, "\\EFI\\backstop"), -ENOTEMPTY);
    assert_int_equal(esp_remove(&esp, "\\EFI\\backstop\\stage.conf"), 0);
    assert_int_equal(esp_remove(&esp, "\\EFI\\backstop\\stage.conf"), 0);
    assert_int_equal(esp_remove_dir(&esp, "\\EFI\\backstop"), 0);
    assert_false(is_at("EFI/backstop"));
    assert_int_equal(esp_remove(&esp, "\\EFI\\backstop\\stage.conf"), 0);
}

static void slots_are_laid_out_once(void **state)
{
    static const uint8_t zeros[SLOTS_SIZE];
    struct receipt receipt = {.number = 5, .outcome = OUTCOME_CLEAN, .phase = PHASE_EARLY};
    bool changed = false;
    size_t size;
    char *bytes;

    (void)state;
    assert_false(esp_has_slots(&esp));
    assert_int_equal(esp_lay_out_slots(&esp, &changed), 0);
    assert_true(changed);
    assert_true(esp_has_slots(&esp));
    bytes = get_file("EFI/backstop/ledger.esp", &size);
    assert_int_equal(size, SLOTS_SIZE);
    assert_memory_equal(bytes, zeros, SLOTS_SIZE);
    free(bytes);

    assert_int_equal(esp_write_receipt(&esp, &receipt), 0);
    assert_int_equal(esp_lay_out_slots(&esp, &changed), 0);
    assert_false(changed);
    bytes = get_file("EFI/backstop/receipt.esp", &size);
    assert_memory_not_equal(bytes, zeros, SLOTS_SIZE);
    free(bytes);

    assert_int_equal(truncate(at("EFI/backstop/receipt.esp"), 100), 0);
    assert_false(esp_has_slots(&esp));
    assert_int_equal(esp_write_receipt(&esp, &receipt), -ENOENT);
    assert_int_equal(esp_lay_out_slots(&esp, &changed), 0);
    assert_true(changed);
    assert_true(esp_has_slots(&esp));
}

static void receipts_go_to_the_slots_in_turn(void **state)
{
    struct receipt receipt = {.number = 1, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED};
    enum record_state found = RECORD_NEWER;
    struct receipt newest = {0};
    char *before, *after;
    unsigned last = SLOT_COUNT;
    size_t size;
    bool changed;

    (void)state;
    assert_int_equal(esp_read_receipt(&esp, &newest, &found), 0);
    assert_int_equal(found, RECORD_ABSENT);
    assert_int_equal(esp_lay_out_slots(&esp, &changed), 0);
    for (uint32_t number = 1; number <= 4; number++) {
        unsigned moved = 0, slot = SLOT_COUNT;

        before = get_file("EFI/backstop/receipt.esp", &size);
        receipt.number = number;
        assert_int_equal(esp_write_receipt(&esp, &receipt), 0);
        after = get_file("EFI/backstop/receipt.esp", &size);
        assert_int_equal(size, SLOTS_SIZE);
        for (unsigned i = 0; i < SLOT_COUNT; i++) {
            if (memcmp(before + i * SLOT_STRIDE, after + i * SLOT_STRIDE, SLOT_STRIDE) == 0)
                continue;
            moved++;
            slot = i;
        }
        assert_int_equal(moved, 1);
        assert_int_not_equal(slot, last); /* a cut leaves the one before */
        last = slot;
        assert_int_equal(esp_read_receipt(&esp, &newest, &found), 0);
        assert_int_equal(found, RECORD_VALID);
        assert_int_equal(newest.number, number);
        free(before);
        free(after);
    }
}

static void the_same_receipt_is_not_written_again(void **state)
{
    struct receipt receipt = {.number = 9, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED};
    char *before, *after;
    size_t size;
    bool changed;

    (void)state;
    assert_int_equal(esp_lay_out_slots(&esp, &changed), 0);
    assert_int_equal(esp_write_receipt(&esp, &receipt), 0);
    before = get_file("EFI/backstop/receipt.esp", &size);
    assert_int_equal(esp_write_receipt(&esp, &receipt), 0);
    after = get_file("EFI/backstop/receipt.esp", &size);
    assert_memory_equal(before, after, SLOTS_SIZE);
    free(before);
    free(after);
}

static void mount_lines(void **state)
{
    static const struct {
        const char *name, *line, *mount_point; /* NULL: not one of ours */
        unsigned major_number, minor_number;
    } rows[] = {
        {"an ESP", "40 28 254:1 / /boot/efi rw,relatime shared:22 - vfat /dev/vda1 rw", "/boot/efi",
         254, 1},
        {"no optional field", "40 28 8:1 / /efi rw - vfat /dev/sda1 rw", "/efi", 8, 1},
        {"a space in the name", "40 28 8:1 / /mnt/my\\040esp rw - vfat /dev/sda1 rw", "/mnt/my esp",
         8, 1},
        {"another file system", "28 1 254:2 / / rw - ext4 /dev/vda2 rw", NULL, 0, 0},
        {"a part of it alone", "40 28 8:1 /EFI /mnt rw - vfat /dev/sda1 rw", NULL, 0, 0},
        {"an automount", "30 28 0:30 / /efi rw - autofs systemd-1 rw", NULL, 0, 0},
        {"cut short", "40 28 8:1", NULL, 0, 0},
        {"nothing", "", NULL, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char mount_point[64] = "";
        dev_t devno = 0;

        print_message("  %s\n", rows[i].name);
        assert_int_equal(esp_parse_mount(rows[i].line, &devno, mount_point, sizeof mount_point),
                         rows[i].mount_point != NULL);
        if (!rows[i].mount_point)
            continue;
        assert_string_equal(mount_point, rows[i].mount_point);
        assert_int_equal(devno, makedev(rows[i].major_number, rows[i].minor_number));
    }
}

#define A "aaaaaaaa-0000-4000-8000-000000000001"
#define B "bbbbbbbb-0000-4000-8000-000000000002"
#define C "cccccccc-0000-4000-8000-000000000003"

static void the_best_esp_comes_first(void **state)
{
    static const struct partition disk[] = {
        {.partuuid = A, .is_esp = true},
        {.partuuid = B, .is_esp = true},
        {.partuuid = C, .is_esp = false},
    };
    static const bool none[3] = {false}, second[3] = {false, true, false},
                      third[3] = {false, false, true};
    static const struct {
        const char *name;
        const bool *mounted;
        const char *loader, *preferred;
        int order[3];
    } rows[] = {
        {"nothing known", none, NULL, NULL, {0, 1, -1}},
        {"one is mounted", second, NULL, NULL, {1, 0, -1}},
        {"remembered", none, NULL, B, {1, 0, -1}},
        {"remembered before mounted", second, NULL, A, {0, 1, -1}},
        {"the loader's before all", second, A, B, {0, 1, -1}},
        {"the loader's in capitals",
         none,
         "BBBBBBBB-0000-4000-8000-000000000002",
         NULL,
         {1, 0, -1}},
        {"remembered, of another type", none, NULL, C, {2, 0, 1}},
        {"the loader's, of another type", none, C, NULL, {0, 1, -1}},
        {"mounted, of another type", third, NULL, NULL, {0, 1, -1}},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        print_message("  %s\n", rows[i].name);
        for (size_t n = 0; n < 3; n++)
            assert_int_equal(
                esp_rank(disk, rows[i].mounted, 3, rows[i].loader, rows[i].preferred, n),
                rows[i].order[n]);
    }
}

static void a_directory_that_is_not_there_is_said_so(void **state)
{
    struct esp none = {.fd = -7};
    struct diag diag = {0};

    (void)state;
    assert_int_equal(esp_open(&place, &(struct esp_query){.dir = at("nowhere")}, &none, &diag),
                     -ENOENT);
    assert_int_equal(none.fd, -7);
    assert_int_equal(diag.errors, 1);
}

static size_t count_mounts(void)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    size_t count = 0;
    int c;

    assert_non_null(file);
    while ((c = fgetc(file)) != EOF)
        count += c == '\n';
    fclose(file);
    return count;
}

/* So no rm -rf of anybody's comes upon what is on it, also where this process is killed. */
static void a_file_system_is_reached_without_being_mounted_anywhere(void **state)
{
    size_t mounts = count_mounts();
    int fd = esp_mount("none", "tmpfs", "mode", "0700"), file;
    struct statvfs flags;
    struct stat root;

    (void)state;
    if (fd == -EPERM) {
        print_message("needs root to mount\n");
        skip();
    }
    assert_true(fd >= 0);
    assert_int_equal(count_mounts(), mounts);
    assert_int_equal(fstat(fd, &root), 0);
    assert_int_equal(root.st_mode & 07777, 0700);
    assert_int_equal(fstatvfs(fd, &flags), 0);
    assert_int_equal(flags.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC),
                     ST_NOSUID | ST_NODEV | ST_NOEXEC);
    assert_int_equal(mkdirat(fd, "EFI", 0700), 0);
    file = openat(fd, "EFI/new", O_WRONLY | O_CREAT, 0600);
    assert_true(file >= 0);
    assert_int_equal(fsync(file), 0);
    close(file);
    assert_int_equal(renameat(fd, "EFI/new", fd, "EFI/stage"), 0);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(faccessat(fd, "EFI/stage", F_OK, 0), 0);
    close(fd);
    assert_int_equal(esp_mount("none", "no-such-type", "mode", "0700"), -ENODEV);
    assert_int_equal(esp_mount("none", "tmpfs", "no-such-option", "1"), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_are_found_whatever_their_case, begin, end),
        cmocka_unit_test_setup_teardown(files_are_written_once, begin, end),
        cmocka_unit_test_setup_teardown(slots_are_laid_out_once, begin, end),
        cmocka_unit_test_setup_teardown(receipts_go_to_the_slots_in_turn, begin, end),
        cmocka_unit_test_setup_teardown(the_same_receipt_is_not_written_again, begin, end),
        cmocka_unit_test(mount_lines),
        cmocka_unit_test(the_best_esp_comes_first),
        cmocka_unit_test(a_file_system_is_reached_without_being_mounted_anywhere),
        cmocka_unit_test_setup_teardown(a_directory_that_is_not_there_is_said_so, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
