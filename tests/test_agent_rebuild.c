/*
 * Which initramfs images are made anew after a recovery, and which stay.
 */
#include "check.h"
#include "cpio.h"
#include "journal.h"
#include "json.h"
#include "rebuild.h"
#include "world.h"

#define UPDATES(release) "/usr/lib/modules/" release "/updates/dkms"

static const char *const image_a[] = {"init", "usr/lib/modules/6.1-a/updates/dkms/zfs.ko.xz",
                                      "usr/lib/modules/6.1-a/updates/dkms/acme.ko.xz",
                                      "usr/lib/modules/6.1-a/updates/dkms/hba.ko.xz", NULL};
static const char *const image_b[] = {"init", "./lib/modules/6.1-b/updates/dkms/zfs.ko", NULL};
static const char *const image_c[] = {"init", NULL};

struct machine {
    struct world world;
    struct place place;
    char sys[160], mounts[160];
    struct needs_source kernel;
};

static void put_image(const struct world *world, const char *path, const char *const *names)
{
    static uint8_t image[65536];
    size_t size = make_cpio(image, sizeof image, ARCHIVE_FILTER_GZIP, names);
    FILE *file = fopen(world_path(world, path), "w");
    if (!file || fwrite(image, 1, size, file) != size || fclose(file) != 0)
        abort();
}

/* By a new file in its place, as update-initramfs does. */
static void replace_image(const struct world *world, const char *release)
{
    char path[80];
    snprintf(path, sizeof path, "/boot/initrd.img-%s", release);
    put_image(world, "/boot/new", image_c);
    char *from = strdup(world_path(world, "/boot/new"));
    assert_int_equal(rename(from, world_path(world, path)), 0);
    free(from);
}

/* Three kernels; the root is on a pool; hba is loaded, acme is not. */
static int setup(void **state)
{
    struct machine *machine = calloc(1, sizeof *machine);
    struct world *world = &machine->world;
    world_make(world);
    world_dirs(world, UPDATES("6.1-a"));
    world_dirs(world, UPDATES("6.1-b"));
    world_dirs(world, UPDATES("6.1-c"));
    world_link(world, "/lib", "usr/lib");
    world_file(world, UPDATES("6.1-a") "/zfs.ko.xz", "a\n", 0644);
    world_file(world, UPDATES("6.1-a") "/hba.ko.xz", "a\n", 0644);
    world_file(world, UPDATES("6.1-b") "/zfs.ko", "b\n", 0644);
    world_dirs(world, "/boot");
    put_image(world, "/boot/initrd.img-6.1-a", image_a);
    put_image(world, "/boot/initrd.img-6.1-b", image_b);
    put_image(world, "/boot/initrd.img-6.1-c", image_c);
    put_image(world, "/boot/initrd.img-6.1-c.bak", image_c);
    world_dirs(world, "/sys/module/hba");
    world_file(world, "/sys/module/hba/initstate", "live\n", 0644);
    world_dirs(world, "/sys/module/zfs");
    world_file(world, "/sys/module/zfs/initstate", "live\n", 0644);
    world_file(world, "/mountinfo", "20 1 0:30 / / rw - zfs rpool/ROOT rw\n", 0644);
    snprintf(machine->sys, sizeof machine->sys, "%s/sys", world->root);
    snprintf(machine->mounts, sizeof machine->mounts, "%s/mountinfo", world->root);
    machine->kernel = (struct needs_source){.sys = machine->sys, .mounts = machine->mounts};
    world_open(world, &machine->place);
    *state = machine;
    return 0;
}

static int teardown(void **state)
{
    struct machine *machine = *state;
    place_close(&machine->place);
    world_remove(&machine->world);
    free(machine);
    return 0;
}

static void put_change(const struct machine *machine, const char *event, const char *key,
                       const char *set_class, const char *path, const char *action)
{
    struct json_object *record = journal_record(event, 5, 1, "");
    if (path) {
        struct json_object *changes = json_object_new_array(), *change = json_object_new_object();
        json_add_text(change, "class", set_class);
        json_add_text(change, "path", path);
        json_add_text(change, "action", action);
        json_append(changes, change);
        json_add(record, key, changes);
    }
    assert_int_equal(journal_append(&machine->place, record), 0);
}

static void put_record(const struct machine *machine, const char *event, const char *set_class,
                       const char *path)
{
    put_change(machine, event, "changes", set_class, path, "put back");
}

/* "6.1-a 6.1-b(zfs)": made anew, and left for a module. */
static const char *due_now(const struct machine *machine)
{
    static char text[256];
    struct due_images due = {0};
    assert_int_equal(rebuild_probe(&machine->place, &machine->kernel, &due, NULL), 0);
    *text = '\0';
    for (size_t i = 0; i < due.count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s%s%s%s", i ? " " : "", due.items[i].release,
                 due.items[i].missing ? "(" : "", due.items[i].missing ? due.items[i].missing : "",
                 due.items[i].missing ? ")" : "");
    }
    due_images_free(&due);
    return text;
}

static void images_of_kernels_whose_modules_changed(void **state)
{
    const struct machine *machine = *state;
    assert_string_equal(due_now(machine), "6.1-a 6.1-b 6.1-c"); /* nobody says which */
    put_record(machine, "intent", "content", "/opt/acme/file");
    put_record(machine, "intent", "driver", UPDATES("6.1-b") "/acme.ko");
    assert_string_equal(due_now(machine), "6.1-b");
    put_record(machine, "intent", "driver", UPDATES("6.1-c"));
    assert_string_equal(due_now(machine), "6.1-b 6.1-c");
    put_record(machine, "intent", "firmware", "/usr/lib/firmware/acme.bin");
    assert_string_equal(due_now(machine), "6.1-a 6.1-b 6.1-c");
    put_record(machine, "rebuild", NULL, NULL);
    put_record(machine, "intent", "driver", UPDATES("6.1-a") "/acme.ko");
    assert_string_equal(due_now(machine), "6.1-a");
}

static void an_image_that_holds_what_its_tree_has_not_stays(void **state)
{
    const struct machine *machine = *state;
    const struct world *world = &machine->world;
    unlink(world_path(world, UPDATES("6.1-b") "/zfs.ko"));
    assert_string_equal(due_now(machine), "6.1-a 6.1-b(zfs) 6.1-c");
    unlink(world_path(world, UPDATES("6.1-a") "/hba.ko.xz"));
    assert_string_equal(due_now(machine), "6.1-a(hba) 6.1-b(zfs) 6.1-c");
    world_run("rm -rf", world_path(world, "/usr/lib/modules/6.1-a"), "");
    assert_string_equal(due_now(machine), "6.1-b(zfs) 6.1-c"); /* of a kernel that is gone */
}

static void an_image_that_cannot_be_read_goes_by_what_the_root_needs(void **state)
{
    const struct machine *machine = *state;
    const struct world *world = &machine->world;
    world_file(world, "/boot/initrd.img-6.1-b", "damaged", 0644);
    world_file(world, "/boot/initrd.img-6.1-c", "damaged", 0644);
    assert_string_equal(due_now(machine), "6.1-a 6.1-b 6.1-c(zfs)");
}

/* It crashes late: safe mode has it loaded, from the image that is to be made without it. */
static void a_suspect_that_is_loaded_keeps_no_image(void **state)
{
    static const struct {
        const char *name, *event, *key, *path, *action, *due;
    } rows[] = {
        {"not a suspect", "intent", "changes", UPDATES("6.1-a") "/acme.ko.xz", "take out",
         "6.1-a(hba)"},
        {"to be replaced, as far as is known", "intent", "changes", UPDATES("6.1-a") "/hba.ko.xz",
         "put back", "6.1-a(hba)"},
        {"taken out", "intent", "changes", UPDATES("6.1-a") "/hba.ko.xz", "take out", "6.1-a"},
        {"could not be replaced", "done", "lost", UPDATES("6.1-a") "/hba.ko.xz", "", "6.1-a"},
        {"of another kernel", "intent", "changes", UPDATES("6.1-b") "/hba.ko", "take out",
         "6.1-a(hba) 6.1-b"},
        {"of no kernel", "intent", "changes", "/opt/hba.ko", "take out", "6.1-a(hba)"},
        {"the root needs it", "intent", "changes", UPDATES("6.1-a") "/zfs.ko.xz", "take out",
         "6.1-a(zfs)"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        void *one = NULL;
        setup(&one);
        const struct machine *machine = one;
        const char *file = strstr(rows[i].path, "zfs") ? UPDATES("6.1-a") "/zfs.ko.xz"
                                                       : UPDATES("6.1-a") "/hba.ko.xz";
        unlink(world_path(&machine->world, file));
        put_record(machine, "intent", "driver", UPDATES("6.1-a") "/other.ko");
        put_change(machine, rows[i].event, rows[i].key, "content", rows[i].path, rows[i].action);
        if (strcmp(rows[i].path, UPDATES("6.1-b") "/hba.ko") == 0)
            put_record(machine, "intent", "driver", rows[i].path);
        const char *due = due_now(machine);
        if (strcmp(due, rows[i].due) != 0)
            fail_msg("%s: %s", rows[i].name, due);
        teardown(&one);
    }
}

/* ZFS is loaded for data and was taken out: the root does without, and so does a new image. */
static void a_usual_module_that_the_root_is_not_on_keeps_no_image(void **state)
{
    const struct machine *machine = *state;
    const struct world *world = &machine->world;
    world_file(world, "/mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n", 0644);
    world_file(world, "/boot/initrd.img-6.1-c", "damaged", 0644);
    assert_string_equal(due_now(machine), "6.1-a 6.1-b 6.1-c");
    world_run("rm -r", world_path(world, "/sys/module/zfs"), "");
    unlink(world_path(world, UPDATES("6.1-b") "/zfs.ko"));
    assert_string_equal(due_now(machine), "6.1-a 6.1-b 6.1-c");
}

/* Where update-initramfs did nothing (/boot read-only, update_initramfs=no) none is new. */
static void an_image_that_is_the_same_file_was_not_made(void **state)
{
    const struct machine *machine = *state;
    const struct world *world = &machine->world;
    char a[] = "6.1-a", b[] = "6.1-b", c[] = "6.1 c", zfs[] = "zfs";
    struct due_image images[] = {
        {.release = a}, {.release = b}, {.release = c}, {.release = a, .missing = zfs}};
    const struct due_images all = {.items = images, .count = 4},
                            left = {.items = images + 3, .count = 1};
    const struct due_images first = {.items = images, .count = 1};
    int run_fd = open(world->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    put_image(world, "/boot/initrd.img-6.1 c", image_c);
    assert_int_equal(rebuild_check(&machine->place, run_fd, &left, NULL), 0);
    assert_int_equal(rebuild_check(&machine->place, run_fd, &all, NULL), -ENOENT);
    assert_int_equal(rebuild_note(&machine->place, run_fd, &first), 0);
    assert_int_equal(rebuild_check(&machine->place, run_fd, &first, NULL), -ESTALE);
    replace_image(world, a);
    assert_int_equal(rebuild_check(&machine->place, run_fd, &first, NULL), 0);
    assert_int_equal(rebuild_check(&machine->place, run_fd, &all, NULL), -ENOENT); /* b came late */
    assert_int_equal(rebuild_note(&machine->place, run_fd, &all), 0);
    replace_image(world, a);
    replace_image(world, b);
    assert_int_equal(rebuild_check(&machine->place, run_fd, &all, NULL), -ESTALE);
    replace_image(world, c);
    assert_int_equal(rebuild_check(&machine->place, run_fd, &all, NULL), 0);
    static const char *const damaged[] = {"6.1-a 1 2 3", "6.1-a 1 2\n", "6.1-a 1 2 x\n",
                                          "6.1-a \n"};
    for (size_t i = 0; i < ROWS(damaged); i++) {
        world_file(world, "/" REBUILD_NOTE_NAME, damaged[i], 0644);
        assert_int_equal(rebuild_check(&machine->place, run_fd, &first, NULL), -EBADMSG);
    }
    world_file(world, "/" REBUILD_NOTE_NAME, "6.1-ab 1 2 3\n\n6.1 c 1 2 3\n", 0644);
    assert_int_equal(rebuild_check(&machine->place, run_fd, &first, NULL), -ENOENT);
    close(run_fd);
}

static void what_was_left_is_said_until_it_is_mended(void **state)
{
    const struct machine *machine = *state;
    const struct world *world = &machine->world;
    struct due_images due = {0}, left = {0};
    struct journal journal = {0};
    unlink(world_path(world, UPDATES("6.1-b") "/zfs.ko"));
    assert_int_equal(rebuild_probe(&machine->place, &machine->kernel, &due, NULL), 0);
    struct json_object *record = journal_record("rebuild", 5, 1, "");
    assert_true(rebuild_describe(record, &due));
    assert_int_equal(json_object_array_length(json_object_object_get(record, "kernels")), 2);
    assert_int_equal(journal_append(&machine->place, record), 0);
    due_images_free(&due);
    assert_int_equal(journal_read(&machine->place, &journal, NULL), 0);
    assert_int_equal(rebuild_left(&machine->place, &journal, &left), 0);
    assert_int_equal(left.count, 1);
    due_images_free(&left);
    world_file(world, UPDATES("6.1-b") "/zfs.ko", "b\n", 0644);
    assert_int_equal(rebuild_left(&machine->place, &journal, &left), 0);
    assert_int_equal(left.count, 0);
    due_images_free(&left);
    journal_free(&journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(images_of_kernels_whose_modules_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(an_image_that_holds_what_its_tree_has_not_stays, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_image_that_cannot_be_read_goes_by_what_the_root_needs,
                                        setup, teardown),
        cmocka_unit_test(a_suspect_that_is_loaded_keeps_no_image),
        cmocka_unit_test_setup_teardown(a_usual_module_that_the_root_is_not_on_keeps_no_image,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_image_that_is_the_same_file_was_not_made, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_left_is_said_until_it_is_mended, setup, teardown),
    };
    return cmocka_run_group_tests_name("rebuild", tests, NULL, NULL);
}
