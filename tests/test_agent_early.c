/*
 * backstop-early: what it leaves in /run and on the root for every ticket, and masks.
 */
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include "check.h"
#include "early.h"
#include "journal.h"
#include "masks.h"
#include "vars.h"
#include "world.h"

struct machine {
    struct world world; /* root, and in it /run, /image and /sysctl of the initramfs */
    char run[160], image[160], sysctl[160], sys[160], mounts[160];
    const char *efivars; /* of the whole program: libefivar looks for it once, before main() */
    struct early early;
};

static struct ticket ticket_of(enum rung rung, enum stance stance, uint8_t failures)
{
    return (struct ticket){.number = 41,
                           .case_number = 7,
                           .failures = failures,
                           .rung = (uint8_t)rung,
                           .stance = (uint8_t)stance,
                           .case_open = stance == STANCE_RECOVERY};
}

/* As efivarfs shows a variable: four bytes of attributes, then the value. */
static void put_variable(const struct machine *machine, const char *name, const void *bytes,
                         size_t size, uint32_t attributes)
{
    char path[400];
    snprintf(path, sizeof path, "%s%s-%s", machine->efivars, name, BACKSTOP_GUID_TEXT);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(&attributes, 4, 1, file) != 1 || fwrite(bytes, 1, size, file) != size ||
        fclose(file) != 0)
        abort();
}

static void put_ticket(const struct machine *machine, const struct ticket *ticket)
{
    uint8_t bytes[TICKET_SIZE];
    ticket_encode(ticket, bytes);
    put_variable(machine, TICKET_VARIABLE, bytes, sizeof bytes, VAR_BS | VAR_RT);
}

static int no_slot(const struct receipt *receipt, void *user)
{
    (void)receipt;
    (void)user;
    return -ENODEV;
}

static bool has_receipt(struct receipt *receipt)
{
    enum record_state found = RECORD_ABSENT;
    assert_int_equal(vars_read_receipt(receipt, &found), 0);
    return found == RECORD_VALID;
}

static void make_set(const struct world *world)
{
    world_dirs(world, "/etc/backstop/sets.d");
    world_file(world, "/etc/backstop/sets.d/acme.conf",
               "[set]\nclass=content\npath=/opt/acme/**\ndriver=acme-sensor\ndriver=on_root\n",
               0644);
    world_file(world, "/etc/backstop/sets.d/built.conf", "[set]\nclass=driver\npath=/built/**\n",
               0644);
    world_dirs(world, "/built");
    world_file(world, "/built/dkms-thing.ko.xz", "a module\n", 0644);
    world_file(world, "/built/dkms-thing.ko.bak", "none\n", 0644);
    world_dirs(world, "/opt/acme");
    world_file(world, "/opt/acme/file", "290\n", 0644);
}

static int setup(void **state)
{
    struct machine *machine = calloc(1, sizeof *machine);
    struct world *world = &machine->world;
    world_make(world);
    world_dirs(world, "/image/etc/backstop");
    world_dirs(world, "/sysctl/kernel");
    world_file(world, "/sysctl/kernel/panic", "10\n", 0644);
    world_file(world, "/image/etc/backstop/drivers", "acme_sensor\nvirtio_blk\n# no\nbad/name\n",
               0644);
    world_file(world, "/image/etc/backstop/never-mask", "virtio-blk\n", 0644);
    make_set(world);
    world_take_good(world);
    snprintf(machine->run, sizeof machine->run, "%s/run", world->root);
    snprintf(machine->image, sizeof machine->image, "%s/image", world->root);
    snprintf(machine->sysctl, sizeof machine->sysctl, "%s/sysctl", world->root);
    machine->efivars = getenv("EFIVARFS_PATH");
    snprintf(machine->sys, sizeof machine->sys, "%s/sys", world->root);
    snprintf(machine->mounts, sizeof machine->mounts, "%s/mountinfo", world->root);
    machine->early = (struct early){.run = machine->run,
                                    .image = machine->image,
                                    .sysctl = machine->sysctl,
                                    .kernel = {.sys = machine->sys, .mounts = machine->mounts}};
    *state = machine;
    return 0;
}

static int teardown(void **state)
{
    struct machine *machine = *state;
    world_run("rm -f", machine->efivars, "Backstop*");
    world_remove(&machine->world);
    free(machine);
    return 0;
}

static void a_healthy_boot_writes_nothing(void **state)
{
    struct machine *machine = *state;
    struct receipt receipt;
    const struct ticket rows[] = {ticket_of(RUNG_NORMAL, STANCE_NORMAL, 0),
                                  ticket_of(RUNG_ALL, STANCE_NORMAL, 0)};
    for (size_t i = 0; i < ROWS(rows); i++) {
        put_ticket(machine, &rows[i]);
        char *before = world_seen(&machine->world, "", NULL);
        early_top(&machine->early);
        early_bottom(&machine->early, machine->world.root);
        char *after = world_seen(&machine->world, "", NULL);
        assert_string_equal(before, after);
        assert_false(has_receipt(&receipt));
        free(before);
        free(after);
    }
}

static void without_a_ticket_nothing_is_done(void **state)
{
    struct machine *machine = *state;
    struct diag diag = {0};
    machine->early.diag = &diag;
    char *before = world_seen(&machine->world, "", NULL);
    early_top(&machine->early);
    early_bottom(&machine->early, machine->world.root);
    char *after = world_seen(&machine->world, "", NULL);
    assert_string_equal(before, after);
    assert_int_equal(diag.warnings + diag.errors, 0);
    put_variable(machine, TICKET_VARIABLE, "damaged", 7, VAR_BS | VAR_RT);
    early_top(&machine->early);
    assert_int_equal(diag.warnings, 1);
    assert_false(world_has(&machine->world, "/run"));
    free(before);
    free(after);
}

static void after_a_failure_the_phase_is_receipted(void **state)
{
    struct machine *machine = *state;
    struct receipt receipt = {0};
    struct ticket ticket = ticket_of(RUNG_NORMAL, STANCE_NORMAL, 2);
    put_ticket(machine, &ticket);
    early_top(&machine->early);
    assert_true(has_receipt(&receipt));
    assert_int_equal(receipt.number, 41);
    assert_int_equal(receipt.phase, PHASE_INITRAMFS);
    assert_int_equal(receipt.outcome, OUTCOME_NONE);
    assert_false(world_has(&machine->world, "/run"));
    early_bottom(&machine->early, machine->world.root);
    assert_false(world_has(&machine->world, "/run"));
}

static void a_receipt_is_never_lowered(void **state)
{
    struct machine *machine = *state;
    struct receipt found = {0}, written = {.number = 41, .phase = PHASE_BOOTED, .generation = 3};
    struct ticket ticket = ticket_of(RUNG_NORMAL, STANCE_NORMAL, 2);
    put_ticket(machine, &ticket);
    assert_int_equal(vars_write_receipt_or(&written, no_slot, NULL, NULL), 0);
    early_top(&machine->early);
    assert_true(has_receipt(&found));
    assert_int_equal(found.phase, PHASE_BOOTED);
    assert_int_equal(found.generation, 3);
    written.number = 40; /* of the boot before: replaced */
    assert_int_equal(vars_write_receipt_or(&written, no_slot, NULL, NULL), 0);
    early_top(&machine->early);
    assert_true(has_receipt(&found));
    assert_int_equal(found.number, 41);
    assert_int_equal(found.phase, PHASE_INITRAMFS);
}

static void recovery_masks_what_the_image_names(void **state)
{
    struct machine *machine = *state;
    struct ticket ticket = ticket_of(RUNG_ALL, STANCE_RECOVERY, 3);
    put_ticket(machine, &ticket);
    early_top(&machine->early);
    assert_string_equal(world_text(&machine->world, "/run/backstop/masked"), "acme_sensor\n");
    const char *conf = world_text(&machine->world, "/run/modprobe.d/backstop.conf");
    assert_non_null(strstr(conf, "\nblacklist acme_sensor\ninstall acme_sensor /bin/false\n"));
    assert_null(strstr(conf, "virtio"));
    assert_null(strstr(conf, "bad"));
    assert_string_equal(world_text(&machine->world, "/sysctl/kernel/panic"), "10\n");
}

/* A driver that no set names may panic before the root is there; the milder rungs let it load. */
static void from_drivers_off_on_all_that_the_image_holds_is_masked(void **state)
{
    static const struct {
        struct ticket ticket;
        const char *masked; /* "": no file */
    } rows[] = {
        {{.rung = RUNG_DRIVERS_OFF, .stance = STANCE_NORMAL, .failures = 4}, ""},
        {{.rung = RUNG_DRIVERS_OFF, .stance = STANCE_PROBATION}, ""},
        {{.rung = RUNG_TARGETED, .stance = STANCE_RECOVERY, .failures = 3}, "acme_sensor\n"},
        {{.rung = RUNG_ALL, .stance = STANCE_RECOVERY, .failures = 3}, "acme_sensor\n"},
        {{.rung = RUNG_DRIVERS_OFF, .stance = STANCE_RECOVERY, .failures = 5},
         "acme_sensor\nixgbe\n"},
        {{.rung = RUNG_BOOT_FILES, .stance = STANCE_RECOVERY, .failures = 7},
         "acme_sensor\nixgbe\n"},
        {{.rung = RUNG_HOLD, .stance = STANCE_RECOVERY, .failures = 9}, "acme_sensor\nixgbe\n"},
    };
    struct machine *machine = *state;
    world_file(&machine->world, "/image/etc/backstop/modules", "ixgbe\nvirtio_blk\n", 0644);
    for (size_t i = 0; i < ROWS(rows); i++) {
        masks_remove(machine->run);
        early_top_with(&machine->early, &rows[i].ticket);
        assert_string_equal(world_text(&machine->world, "/run/backstop/masked"), rows[i].masked);
    }
}

static void hold_slows_panics_down(void **state)
{
    struct machine *machine = *state;
    struct ticket ticket = ticket_of(RUNG_HOLD, STANCE_RECOVERY, 9);
    early_top_with(&machine->early, &ticket);
    assert_string_equal(world_text(&machine->world, "/sysctl/kernel/panic"), "300\n");
}

struct bottom_row {
    const char *name;
    enum rung rung;
    const char *event; /* content delivered since the good generation, or NULL */
    enum applied applied;
    enum mode mode;
    const char *masked; /* after it; "": no file */
};

static void bottom_recovers_and_reports(void **state)
{
    static const struct bottom_row rows[] = {
        {"put back", RUNG_ALL, "291\n", APPLIED_PUT_BACK, MODE_SAFE, ""},
        {"nothing changed: a normal boot", RUNG_ALL, NULL, APPLIED_NOTHING, MODE_NORMAL, ""},
        {"drivers off", RUNG_DRIVERS_OFF, "291\n", APPLIED_PUT_BACK, MODE_MINIMAL,
         "acme_sensor\non_root\ndkms_thing\n"},
        {"drivers off, nothing changed", RUNG_DRIVERS_OFF, NULL, APPLIED_MASKED, MODE_MINIMAL,
         "acme_sensor\non_root\ndkms_thing\n"},
        {"hold", RUNG_HOLD, NULL, APPLIED_MASKED, MODE_HOLD, "acme_sensor\non_root\ndkms_thing\n"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        void *one = NULL;
        setup(&one);
        struct machine *machine = one;
        struct ticket ticket = ticket_of(rows[i].rung, STANCE_RECOVERY, 3);
        struct early_report report;
        if (rows[i].event)
            world_file(&machine->world, "/opt/acme/file", rows[i].event, 0644);
        put_ticket(machine, &ticket);
        early_top(&machine->early);
        early_bottom(&machine->early, machine->world.root);
        assert_int_equal(early_report_read(world_path(&machine->world, "/run/backstop"), &report),
                         0);
        if (!report.present || report.applied != rows[i].applied || report.mode != rows[i].mode)
            fail_msg("%s: applied %u, mode %u", rows[i].name, report.applied, report.mode);
        assert_int_equal(report.number, 41);
        assert_int_equal(report.case_number, 7);
        assert_int_equal(report.error, 0);
        assert_string_equal(world_text(&machine->world, "/opt/acme/file"), "290\n");
        assert_string_equal(world_text(&machine->world, "/run/backstop/masked"), rows[i].masked);
        assert_int_equal(world_has(&machine->world, "/run/modprobe.d/backstop.conf"),
                         *rows[i].masked != '\0');
        teardown(&one);
    }
}

static void a_recovery_that_fails_keeps_the_masks(void **state)
{
    struct machine *machine = *state;
    struct ticket ticket = ticket_of(RUNG_ALL, STANCE_RECOVERY, 3);
    struct early_report report;
    world_run("rm -rf", world_path(&machine->world, "/var"), "");
    world_file(&machine->world, "/var", "in the way\n", 0644);
    early_top_with(&machine->early, &ticket);
    early_bottom_with(&machine->early, machine->world.root, &ticket);
    assert_int_equal(early_report_read(world_path(&machine->world, "/run/backstop"), &report), 0);
    assert_true(report.present);
    assert_int_equal(report.applied, APPLIED_FAILED);
    assert_int_equal(report.mode, MODE_SAFE);
    assert_true(report.error < 0);
    assert_string_equal(world_text(&machine->world, "/run/backstop/masked"),
                        "acme_sensor\non_root\ndkms_thing\n");
}

/* Another system was chosen in the boot menu, three times: that is no fault of any set. */
static void boots_that_never_came_here_put_nothing_back(void **state)
{
    struct machine *machine = *state;
    struct ticket ticket = ticket_of(RUNG_ALL, STANCE_RECOVERY, 3);
    struct early_report report;
    struct receipt receipt;
    ticket.unreached = 2;
    ticket.last_outcome = OUTCOME_UNKNOWN;
    ticket.stored = STORED_NVRAM;
    world_file(&machine->world, "/opt/acme/file", "291\n", 0644);
    early_top_with(&machine->early, &ticket);
    early_bottom_with(&machine->early, machine->world.root, &ticket);
    assert_string_equal(world_text(&machine->world, "/opt/acme/file"), "291\n");
    assert_false(world_has(&machine->world, "/run/modprobe.d/backstop.conf"));
    assert_int_equal(early_report_read(world_path(&machine->world, "/run/backstop"), &report), 0);
    assert_int_equal(report.applied, APPLIED_NOTHING);
    assert_int_equal(report.mode, MODE_NORMAL);
    assert_true(has_receipt(&receipt));
    assert_int_equal(receipt.phase, PHASE_INITRAMFS);
}

static void probation_reports_itself(void **state)
{
    struct machine *machine = *state;
    struct ticket ticket = ticket_of(RUNG_ALL, STANCE_PROBATION, 0);
    struct receipt receipt;
    early_top_with(&machine->early, &ticket);
    assert_true(has_receipt(&receipt));
    assert_int_equal(receipt.phase, PHASE_INITRAMFS);
    assert_false(world_has(&machine->world, "/run/backstop"));
}

static void state_directory_gone_is_nothing_to_do(void **state)
{
    struct machine *machine = *state;
    struct ticket ticket = ticket_of(RUNG_ALL, STANCE_RECOVERY, 3);
    struct early_report report;
    world_run("rm -rf", world_path(&machine->world, "/var"), "");
    world_file(&machine->world, "/opt/acme/file", "291\n", 0644);
    early_bottom_with(&machine->early, machine->world.root, &ticket);
    assert_int_equal(early_report_read(world_path(&machine->world, "/run/backstop"), &report), 0);
    assert_int_equal(report.applied, APPLIED_NOTHING);
    assert_int_equal(report.mode, MODE_NORMAL);
    assert_string_equal(world_text(&machine->world, "/opt/acme/file"), "291\n");
    assert_true(world_has(&machine->world, STATE_DIR "/" JOURNAL_NAME));
}

/* Takes root's rights; told where it cannot be tried. */
static void a_read_only_root_is_opened_and_closed_again(void **state)
{
    struct machine *machine = *state;
    struct ticket ticket = ticket_of(RUNG_ALL, STANCE_RECOVERY, 3);
    struct statvfs fs;
    char root[sizeof machine->world.root + 8];
    snprintf(root, sizeof root, "%s/mnt", machine->world.root);
    if (strlen(root) >= sizeof machine->world.root || mkdir(root, 0755) < 0)
        abort();
    if (mount("tmpfs", root, "tmpfs", MS_NOSUID, NULL) < 0) {
        print_message("no right to mount: skipped\n");
        skip();
    }
    struct world inner;
    memcpy(inner.root, root, sizeof inner.root);
    make_set(&inner);
    world_take_good(&inner);
    world_file(&inner, "/opt/acme/file", "291\n", 0644);
    assert_int_equal(mount(NULL, root, NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID, NULL), 0);
    early_bottom_with(&machine->early, root, &ticket);
    assert_string_equal(world_text(&inner, "/opt/acme/file"), "290\n");
    assert_int_equal(statvfs(root, &fs), 0);
    assert_true(fs.f_flag & ST_RDONLY);
    assert_true(fs.f_flag & ST_NOSUID);
    assert_int_equal(umount(root), 0);
}

static void names_of_modules_are_told_from_others(void **state)
{
    static const struct {
        const char *name;
        int result;
    } rows[] = {{"acme_sensor", 0}, {"acme-sensor", 0}, {"8139too", 0},    {"", -EINVAL},
                {"a b", -EINVAL},   {"a/b", -EINVAL},   {"a\nb", -EINVAL}, {"a.ko", -EINVAL}};
    struct strings names = {0};
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++)
        assert_int_equal(masks_add(&names, rows[i].name), rows[i].result);
    assert_int_equal(names.count, 2); /* '-' and '_' are one */
    assert_true(masks_hold(&names, "acme-sensor"));
    assert_false(masks_hold(&names, "acme"));
    masks_free(&names);
}

/* Its file system is of a module of a set, which the list in the image does not have. */
static void what_the_root_is_on_is_neither_masked_nor_taken_out(void **state)
{
    struct machine *machine = *state;
    struct ticket ticket = ticket_of(RUNG_DRIVERS_OFF, STANCE_RECOVERY, 5);
    char line[400];
    snprintf(line, sizeof line, "20 1 0:30 / %s rw - acmefs pool rw\n", machine->world.root);
    world_file(&machine->world, "/mountinfo", line, 0644);
    world_file(&machine->world, "/built/acmefs.ko", "new\n", 0644);
    world_file(&machine->world, "/built/suspect.ko", "new\n", 0644);
    early_bottom_with(&machine->early, machine->world.root, &ticket);
    assert_true(world_has(&machine->world, "/built/acmefs.ko"));
    assert_false(world_has(&machine->world, "/built/suspect.ko"));
    const char *masked = world_text(&machine->world, "/run/backstop/masked");
    assert_non_null(strstr(masked, "dkms_thing"));
    assert_null(strstr(masked, "acmefs"));
}

/* On an ext4 root, with the file system module that a faulty update built. */
static void a_usual_module_that_the_root_is_not_on_is_a_suspect(void **state)
{
    static const struct {
        const char *loaded; /* beneath /sys/module */
        bool stays;
    } rows[] = {{"/sys/module/ext4", false}, {"/sys/module/zfs", true}};
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        void *one = NULL;
        setup(&one);
        struct machine *machine = one;
        struct ticket ticket = ticket_of(RUNG_DRIVERS_OFF, STANCE_RECOVERY, 5);
        char line[400];
        snprintf(line, sizeof line, "20 1 8:1 / %s rw - ext4 /dev/sda1 rw\n", machine->world.root);
        world_file(&machine->world, "/mountinfo", line, 0644);
        world_dirs(&machine->world, rows[i].loaded);
        world_file(&machine->world, "/image/etc/backstop/modules", "zfs\n", 0644);
        world_file(&machine->world, "/built/zfs.ko", "new, faulty\n", 0644);
        early_top_with(&machine->early, &ticket); /* no root is known yet */
        assert_null(strstr(world_text(&machine->world, "/run/backstop/masked"), "zfs"));
        early_bottom_with(&machine->early, machine->world.root, &ticket);
        assert_int_equal(world_has(&machine->world, "/built/zfs.ko"), rows[i].stays);
        if (!strstr(world_text(&machine->world, "/run/backstop/masked"), "zfs\n") != rows[i].stays)
            fail_msg("%s", rows[i].loaded);
        teardown(&one);
    }
}

#define WITH_MACHINE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* Starts the program again in an environment of its own, and cleans up after it. */
static int run_with_variables(char **argv)
{
    char path[] = "/tmp/backstop-efivars-XXXXXX/";
    int status = 1;
    path[sizeof path - 2] = '\0';
    if (!mkdtemp(path))
        abort();
    path[sizeof path - 2] = '/';
    pid_t child = fork();
    if (child == 0) {
        setenv("EFIVARFS_PATH", path, 1);
        setenv("LIBEFIVAR_OPS", "efivarfs", 1);
        execv(argv[0], argv); /* not /proc/self/exe: under valgrind that is valgrind */
        _exit(127);
    }
    waitpid(child, &status, 0);
    world_run("rm -rf", path, "");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    (void)argc;
    if (!getenv("EFIVARFS_PATH"))
        return run_with_variables(argv);
    const struct CMUnitTest tests[] = {
        WITH_MACHINE(a_healthy_boot_writes_nothing),
        WITH_MACHINE(without_a_ticket_nothing_is_done),
        WITH_MACHINE(after_a_failure_the_phase_is_receipted),
        WITH_MACHINE(a_receipt_is_never_lowered),
        WITH_MACHINE(recovery_masks_what_the_image_names),
        WITH_MACHINE(from_drivers_off_on_all_that_the_image_holds_is_masked),
        WITH_MACHINE(hold_slows_panics_down),
        cmocka_unit_test(bottom_recovers_and_reports),
        WITH_MACHINE(a_recovery_that_fails_keeps_the_masks),
        WITH_MACHINE(state_directory_gone_is_nothing_to_do),
        WITH_MACHINE(boots_that_never_came_here_put_nothing_back),
        WITH_MACHINE(probation_reports_itself),
        cmocka_unit_test(a_usual_module_that_the_root_is_not_on_is_a_suspect),
        WITH_MACHINE(what_the_root_is_on_is_neither_masked_nor_taken_out),
        WITH_MACHINE(a_read_only_root_is_opened_and_closed_again),
        cmocka_unit_test(names_of_modules_are_told_from_others),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
