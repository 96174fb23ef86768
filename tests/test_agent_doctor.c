/* doctor.c: a sound machine has no faults; each thing spoilt is found by its name. And image.c. */
#include "fake_vars.h"
#include "scratch.h"

#include "cpio.h"

#include <sys/utsname.h>

#include "doctor.h"
#include "good.h"
#include "image.h"
#include "vars.h"

#define UUID "01234567-89ab-cdef-0123-456789abcdef"
#define EARLY "usr/lib/backstop/backstop-early"
#define STAGE_FILE "esp/EFI/backstop/backstop" EFI_ARCH ".efi"

static const struct partition partition = {
    .partuuid = UUID, .gpt = true, .is_esp = true, .number = 1, .start = 2048, .size = 131072};
static struct place place;
static char esp_dir[128], run_dir[128], image_path[256];
static efi_guid_t global = EFI_GLOBAL_GUID, ours;

/* ---- images ---- */

static const char *const microcode[] = {"kernel/x86/microcode/AuthenticAMD.bin", NULL};
static const char *const with_early[] = {"init", EARLY, "scripts/x", NULL};
static const char *const dot_early[] = {"./init", "./" EARLY, NULL};
static const char *const without[] = {"init", "usr/lib/backstop/other", NULL};

static void images_are_looked_into(void **state)
{
    static const struct {
        const char *name;
        const char *const *parts[3];
        int filters[3];
        int holds;
    } rows[] = {
        {"plain", {with_early}, {ARCHIVE_FILTER_NONE}, 1},
        {"plain, without", {without}, {ARCHIVE_FILTER_NONE}, 0},
        {"gzip", {with_early}, {ARCHIVE_FILTER_GZIP}, 1},
        {"gzip, without", {without}, {ARCHIVE_FILTER_GZIP}, 0},
        {"zstd", {with_early}, {ARCHIVE_FILTER_ZSTD}, 1},
        {"xz", {with_early}, {ARCHIVE_FILTER_XZ}, 1},
        {"microcode, then zstd",
         {microcode, with_early},
         {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_ZSTD},
         1},
        {"microcode, then zstd without",
         {microcode, without},
         {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_ZSTD},
         0},
        {"two plain ones, then gzip",
         {microcode, without, dot_early},
         {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP},
         1},
        {"microcode alone", {microcode}, {ARCHIVE_FILTER_NONE}, 0},
        {"nothing", {0}, {0}, -EBADMSG},
    };
    static uint8_t image[65536];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t size = 0;

        memset(image, 0, sizeof image);
        for (size_t p = 0; p < 3 && rows[i].parts[p]; p++) {
            size +=
                make_cpio(image + size, sizeof image - size, rows[i].filters[p], rows[i].parts[p]);
            if (rows[i].filters[p] == ARCHIVE_FILTER_NONE)
                size = (size + 511) / 512 * 512; /* zeros between, as tools pad */
        }
        print_message("  %s\n", rows[i].name);
        assert_int_equal(image_holds(image, size, EARLY), rows[i].holds);
    }
}

/* Cut anywhere or filled with rubbish: an answer, and nothing read past the end (sanitizers watch).
 */
static void hostile_images_do_no_harm(void **state)
{
    static uint8_t image[65536];
    size_t first, size;

    (void)state;
    first = make_cpio(image, sizeof image, ARCHIVE_FILTER_NONE, microcode);
    first = (first + 3) / 4 * 4;
    size = first + make_cpio(image + first, sizeof image - first, ARCHIVE_FILTER_GZIP, with_early);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);

        memcpy(exact, image, cut);
        assert_true(image_holds(exact, cut, EARLY) <= 1);
        free(exact);
    }
    for (size_t i = 0; i < 110; i++) { /* the first header */
        uint8_t kept = image[i];

        image[i] = 'f';
        assert_true(image_holds(image, size, EARLY) <= 1);
        image[i] = kept;
    }
}

static void put_le(uint8_t *p, uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

static void signatures_are_seen(void **state)
{
    uint8_t image[512] = {'M', 'Z'};

    (void)state;
    put_le(image + 0x3c, 0x80, 4);
    memcpy(image + 0x80, "PE\0\0", 4);
    put_le(image + 0x80 + 24, 0x20b, 2);
    assert_false(image_is_signed(image, sizeof image));
    put_le(image + 0x80 + 24 + 112 + 32, 400, 4); /* certificate table: offset, size */
    put_le(image + 0x80 + 24 + 112 + 36, 96, 4);
    assert_true(image_is_signed(image, sizeof image));
    assert_false(image_is_signed(image, 0x80 + 24 + 112 + 36)); /* cut before it */
    put_le(image + 0x3c, 0xfffffff0, 4);
    assert_false(image_is_signed(image, sizeof image));
    assert_false(image_is_signed(image, 0));
}

/* ---- a machine ---- */

static void put_image(const char *const *names)
{
    static uint8_t image[65536];
    size_t size = make_cpio(image, sizeof image, ARCHIVE_FILTER_GZIP, names);

    put_bytes(image_path, image, size, 0644);
}

static void enable(const char *unit)
{
    char path[256];

    make_dirs("etc/systemd/system/sysinit.target.wants");
    snprintf(path, sizeof path, "etc/systemd/system/sysinit.target.wants/%s", unit);
    assert_int_equal(symlink("/lib/systemd/system/x", at(path)), 0);
}

static void put_ticket(enum stored stored, enum record_state found)
{
    struct ticket ticket = {
        .number = 4, .stored = (uint8_t)stored, .ledger_found = (uint8_t)found, .conf_found = 1};
    uint8_t bytes[TICKET_SIZE];

    ticket_encode(&ticket, bytes);
    fake_put(ours, TICKET_VARIABLE, bytes, sizeof bytes, VAR_BS | VAR_RT);
}

static void take_generation(void)
{
    struct good_result result = {0};
    struct policy policy;
    struct sets sets = {0};

    policy_defaults(&policy);
    assert_int_equal(sets_load(&place, &sets, NULL), 0);
    assert_int_equal(good_take(&place, &sets, NULL, 3, &policy, &result, NULL), 0);
    sets_free(&sets);
}

static void install_here(void)
{
    struct install_result result = {0};

    place.live = true;
    assert_int_equal(install_run(&place,
                                 &(struct install_options){.esp_dir = esp_dir,
                                                           .run_dir = run_dir,
                                                           .partition = &partition},
                                 &result, NULL),
                     0);
}

#define UNITS "usr/lib/systemd/system/"

/* As Debian has them: default -> graphical -> multi-user -> basic -> sysinit. */
static void put_targets(void)
{
    put_file(UNITS "graphical.target", "[Unit]\nRequires=multi-user.target\n");
    put_file(UNITS "multi-user.target", "[Unit]\nDescription=x\nRequires=basic.target\n");
    put_file(UNITS "basic.target", "[Unit]\nWants=slices.target sysinit.target  paths.target\n");
    put_file(UNITS "sysinit.target", "[Unit]\n");
    assert_int_equal(symlink("graphical.target", at(UNITS "default.target")), 0);
}

static void put_sound_machine(void)
{
    static const char *const units[] = {"backstop-start.service", "backstop-session.service",
                                        "backstop-confirm.service", "backstop-health.service",
                                        "backstop-deadline.timer"};
    struct utsname kernel;

    uname(&kernel);
    snprintf(image_path, sizeof image_path, "boot/initrd.img-%s", kernel.release);
    make_dirs("sys/firmware/efi");
    make_dirs("sys/class/watchdog/watchdog0");
    make_dirs("sys/module/efi_pstore");
    put_file("proc/sys/kernel/panic", "10\n");
    put_file("proc/sys/kernel/panic_on_oops", "1\n");
    put_image(with_early);
    for (size_t i = 0; i < ROWS(units); i++)
        enable(units[i]);
    put_targets();
    put_file("usr/lib/backstop/sets.d/acme.conf",
             "[set]\ndescription=ACME\nclass=content\npath=/opt/acme/**\n");
    put_file("opt/acme/content", "290");
    put_file("usr/lib/backstop/backstop" EFI_ARCH ".efi", "MZ the stage");
    put_file("esp/EFI/debian/shim" EFI_ARCH ".efi", "MZ shim");
    take_generation();
    install_here();
    put_ticket(STORED_NVRAM, RECORD_VALID);
}

static int begin(void **state)
{
    if (scratch_make(state) < 0)
        return -1;
    memset(&fake_vars, 0, sizeof fake_vars);
    efi_str_to_guid(BACKSTOP_GUID_TEXT, &ours);
    snprintf(esp_dir, sizeof esp_dir, "%s/esp", scratch);
    snprintf(run_dir, sizeof run_dir, "%s/run", scratch);
    make_dirs("run");
    make_dirs("esp");
    if (place_open(&place, scratch) < 0 || place_open_state(&place, true) < 0)
        return -1;
    put_sound_machine();
    return 0;
}

static int end(void **state)
{
    place_close(&place);
    return scratch_remove(state);
}

static void examine(struct findings *findings)
{
    struct doctor doctor = {
        .place = &place, .running = true, .run_dir = run_dir, .esp_dir = esp_dir};

    assert_int_equal(doctor_run(&doctor, findings), 0);
}

static void a_sound_machine_has_no_faults(void **state)
{
    static struct findings findings;

    (void)state;
    examine(&findings);
    for (size_t i = 0; i < findings.count; i++)
        if (findings.items[i].level >= FINDING_WARNING)
            fail_msg("%s: %s", findings.items[i].name, findings.items[i].text);
    assert_true(findings.count > 10);
}

static void no_efi(void)
{
    fake_vars.lie = NO_RUNTIME_SERVICES;
    rmdir(at("sys/firmware/efi"));
}

static void no_runtime(void)
{
    fake_vars.lie = NO_RUNTIME_SERVICES;
}

static void not_first(void)
{
    fake_put(global, "BootOrder", "\7\0\0\0", 4, VAR_NV_BS_RT);
}

static void no_entry(void)
{
    efi_del_variable(global, "Boot0000");
}

static void entry_off(void)
{
    fake_find(global, "Boot0000")->bytes[0] = 0;
}

static void no_stage(void)
{
    unlink(at(STAGE_FILE));
}

static void old_stage(void)
{
    put_file(STAGE_FILE, "MZ an older one");
}

static void secure_boot(void)
{
    fake_put(global, "SecureBoot", "\1", 1, VAR_BS | VAR_RT);
}

static void bad_conf(void)
{
    put_file("esp/EFI/backstop/stage.conf", "next=rubbish\n");
}

static void no_conf(void)
{
    unlink(at("esp/EFI/backstop/stage.conf"));
}

static void old_conf(void)
{
    put_file("etc/backstop/backstop.conf", "[policy]\nthreshold=2\n");
}

static void bad_settings(void)
{
    put_file("etc/backstop/backstop.conf", "[policy]\nno-such-key=5\n");
}

static void no_loader(void)
{
    unlink(at("esp/EFI/debian/shim" EFI_ARCH ".efi"));
}

static void no_slots(void)
{
    unlink(at("esp/EFI/backstop/receipt.esp"));
}

static void not_installed(void)
{
    nftw(at("esp/EFI/backstop"), scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void uncounted(void)
{
    put_ticket(STORED_NOWHERE, RECORD_VALID);
}

static void counted_on_esp(void)
{
    put_ticket(STORED_ESP, RECORD_VALID);
}

static void ledger_damaged(void)
{
    put_ticket(STORED_NVRAM, RECORD_DAMAGED);
}

static void no_ticket(void)
{
    efi_del_variable(ours, TICKET_VARIABLE);
}

static void bad_ticket(void)
{
    fake_find(ours, TICKET_VARIABLE)->bytes[30] ^= 1;
}

static void panic_hangs(void)
{
    put_file("proc/sys/kernel/panic", "0\n");
}

static void oops_goes_on(void)
{
    put_file("proc/sys/kernel/panic_on_oops", "0\n");
}

static void no_watchdog(void)
{
    rmdir(at("sys/class/watchdog/watchdog0"));
}

static void no_pstore(void)
{
    rmdir(at("sys/module/efi_pstore"));
}

static void no_hook(void)
{
    put_image(without);
}

static void no_image(void)
{
    unlink(at(image_path));
}

static void bad_image(void)
{
    put_file(image_path, "rubbish");
}

static void other_image_without_hook(void)
{
    static uint8_t image[65536];

    put_bytes("boot/initrd.img-1.0-old", image,
              make_cpio(image, sizeof image, ARCHIVE_FILTER_GZIP, without), 0644);
}

static void confirm_disabled(void)
{
    unlink(at("etc/systemd/system/sysinit.target.wants/backstop-confirm.service"));
}

static void deadline_masked(void)
{
    assert_int_equal(symlink("/dev/null", at("etc/systemd/system/backstop-deadline.timer")), 0);
}

static void health_masked(void)
{
    assert_int_equal(symlink("/dev/null", at("etc/systemd/system/backstop-health.service")), 0);
}

/* default.target is an appliance's own, as `systemctl set-default` makes it. */
static void default_to(const char *text)
{
    put_file("etc/systemd/system/kiosk.target", text);
    assert_int_equal(
        symlink("/etc/systemd/system/kiosk.target", at("etc/systemd/system/default.target")), 0);
}

static void target_of_its_own(void)
{
    default_to("[Unit]\nRequires=kiosk-base.target\nAfter=multi-user.target\n");
    put_file("etc/systemd/system/kiosk-base.target", "[Unit]\nWants=kiosk.target\n");
}

static void reached_by_link(void)
{
    make_dirs("opt/beta/versions/291");
    put_file("opt/beta/versions/291/content", "291");
    assert_int_equal(symlink("versions/291", at("opt/beta/current")), 0);
    put_file("usr/lib/backstop/sets.d/beta.conf",
             "[set]\ndescription=B\nclass=content\npath=/opt/beta/current/*\n");
}

static void no_generation(void)
{
    nftw(at("var/lib/backstop/generations"), scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    make_dirs("var/lib/backstop/generations");
}

static void driver_left_out(void)
{
    put_file("proc/cmdline", "ro modprobe.blacklist=nouveau\n");
}

static void bad_set(void)
{
    put_file("usr/lib/backstop/sets.d/bad.conf", "[set]\nclass=nonsense\n");
}

static void no_set(void)
{
    unlink(at("usr/lib/backstop/sets.d/acme.conf"));
}

static void journal_edited(void)
{
    size_t size;
    char *text = get_file("var/lib/backstop/journal.jsonl", &size), *line;

    /* a second record, and then the first one altered */
    take_generation();
    install_here();
    put_file("esp/EFI/backstop/stage.conf", "");
    install_here();
    free(text);
    text = get_file("var/lib/backstop/journal.jsonl", &size);
    line = strstr(text, "\"install\"");
    assert_non_null(line);
    line[1] = 'I';
    put_bytes("var/lib/backstop/journal.jsonl", text, size, 0600);
    free(text);
}

static void what_is_spoilt_is_found(void **state)
{
    static const struct {
        const char *name;
        void (*spoil)(void);
        const char *finding;
        enum finding_level level;
    } rows[] = {
        {"no EFI", no_efi, "efi", FINDING_FAULT},
        {"efi=noruntime", no_runtime, "efi", FINDING_FAULT},
        {"entry not first", not_first, "boot-entry", FINDING_FAULT},
        {"entry gone", no_entry, "boot-entry", FINDING_FAULT},
        {"entry switched off", entry_off, "boot-entry", FINDING_FAULT},
        {"stage missing", no_stage, "stage", FINDING_FAULT},
        {"stage not the package's", old_stage, "stage", FINDING_WARNING},
        {"Secure Boot, stage not signed", secure_boot, "secure-boot", FINDING_FAULT},
        {"stage.conf unusable", bad_conf, "stage-conf", FINDING_FAULT},
        {"stage.conf missing", no_conf, "stage-conf", FINDING_FAULT},
        {"stage.conf out of date", old_conf, "stage-conf", FINDING_WARNING},
        {"a setting that is none", bad_settings, "configuration", FINDING_WARNING},
        {"next loader missing", no_loader, "next-loader", FINDING_FAULT},
        {"slots missing", no_slots, "slots", FINDING_WARNING},
        {"not installed", not_installed, "esp", FINDING_FAULT},
        {"boot uncounted", uncounted, "counted", FINDING_FAULT},
        {"counted on the ESP", counted_on_esp, "counted", FINDING_WARNING},
        {"ledger damaged", ledger_damaged, "ledger", FINDING_WARNING},
        {"no ticket", no_ticket, "ticket", FINDING_WARNING},
        {"ticket damaged", bad_ticket, "ticket", FINDING_WARNING},
        {"panic=0", panic_hangs, "panic", FINDING_FAULT},
        {"panic_on_oops=0", oops_goes_on, "panic-on-oops", FINDING_WARNING},
        {"no watchdog", no_watchdog, "watchdog", FINDING_INFO},
        {"no pstore", no_pstore, "pstore", FINDING_WARNING},
        {"hook not in the initramfs", no_hook, "initramfs", FINDING_FAULT},
        {"no initramfs", no_image, "initramfs", FINDING_FAULT},
        {"initramfs unreadable", bad_image, "initramfs", FINDING_WARNING},
        {"another kernel's without the hook", other_image_without_hook, "initramfs",
         FINDING_WARNING},
        {"a vital unit disabled", confirm_disabled, "units", FINDING_FAULT},
        {"a unit masked", deadline_masked, "units", FINDING_WARNING},
        {"the health checks masked: nothing is confirmed", health_masked, "units", FINDING_FAULT},
        {"a default target that confirms nothing", target_of_its_own, "default-target",
         FINDING_FAULT},
        {"a set behind a link of no set", reached_by_link, "set-links", FINDING_WARNING},
        {"no good generation", no_generation, "generation", FINDING_WARNING},
        {"a driver left out", driver_left_out, "command-line", FINDING_WARNING},
        {"a set file broken", bad_set, "sets", FINDING_FAULT},
        {"no set at all", no_set, "sets", FINDING_WARNING},
        {"journal edited", journal_edited, "journal", FINDING_WARNING},
    };
    static struct findings findings;

    for (size_t i = 0; i < ROWS(rows); i++) {
        bool found = false;

        if (i > 0)
            assert_int_equal(begin(state), 0);
        rows[i].spoil();
        print_message("  %s\n", rows[i].name);
        examine(&findings);
        for (size_t f = 0; f < findings.count; f++) {
            const struct finding *finding = &findings.items[f];

            found |= strcmp(finding->name, rows[i].finding) == 0 && finding->level == rows[i].level;
            if (finding->level == FINDING_FAULT)
                assert_string_not_equal(finding->mend, ""); /* a fault comes with its remedy */
        }
        if (!found)
            fail_msg("%s is not found as %s", rows[i].name, rows[i].finding);
        assert_int_equal(findings.faults > 0, rows[i].level == FINDING_FAULT);
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

static bool is_found(const char *name, enum finding_level level)
{
    static struct findings findings;

    examine(&findings);
    for (size_t i = 0; i < findings.count; i++)
        if (strcmp(findings.items[i].name, name) == 0 && findings.items[i].level == level)
            return true;
    return false;
}

/* What pulls the confirmation in all the same. */
static void targets_that_confirm(void **state)
{
    static const struct {
        const char *text, *file, *content;
    } rows[] = {
        {"[Unit]\nWants=x.service multi-user.target\n", "opt/x", ""},
        {"[Unit]\nBindsTo=\tmulti-user.target\n", "opt/x", ""},
        {"[Unit]\n", "etc/systemd/system/kiosk.target.wants/backstop-confirm.service", ""},
        {"[Unit]\n", "etc/systemd/system/default.target.requires/multi-user.target", ""},
        {"[Unit]\n", UNITS "kiosk.target.d/more.conf", "[Unit]\nUpholds=multi-user.target"},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        if (i > 0)
            assert_int_equal(begin(state), 0);
        default_to(rows[i].text);
        assert_true(i < 2 || is_found("default-target", FINDING_FAULT));
        put_file(rows[i].file, rows[i].content);
        if (!is_found("default-target", FINDING_OK))
            fail_msg("row %zu", i);
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

/* The link put back with the set, and one in the root that no updater turns, are no matter. */
static void links_that_are_no_matter(void **state)
{
    (void)state;
    reached_by_link();
    assert_true(is_found("set-links", FINDING_WARNING));
    put_file("usr/lib/backstop/sets.d/beta.conf",
             "[set]\ndescription=B\nclass=content\npath=/opt/beta/current/*\n"
             "path=/opt/beta/current\npath=/opt/beta/versions/**\n");
    assert_false(is_found("set-links", FINDING_WARNING));
    assert_int_equal(symlink("opt", at("option")), 0);
    put_file("usr/lib/backstop/sets.d/root.conf",
             "[set]\ndescription=R\nclass=content\npath=/option/acme/**\n");
    assert_false(is_found("set-links", FINDING_WARNING));
}

static void a_disk_of_another_machine(void **state)
{
    static struct findings findings;
    struct doctor doctor = {.place = &place, .run_dir = run_dir};

    (void)state;
    fake_vars.lie = NO_RUNTIME_SERVICES; /* this machine's firmware is no matter */
    put_file("proc/sys/kernel/panic", "0\n");
    assert_int_equal(doctor_run(&doctor, &findings), 0);
    assert_int_equal(findings.faults, 0);
    no_hook();
    assert_int_equal(doctor_run(&doctor, &findings), 0);
    assert_int_equal(findings.faults, 0);
    assert_true(findings.warnings > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_looked_into),
        cmocka_unit_test(hostile_images_do_no_harm),
        cmocka_unit_test(signatures_are_seen),
        cmocka_unit_test_setup_teardown(a_sound_machine_has_no_faults, begin, end),
        cmocka_unit_test_setup_teardown(what_is_spoilt_is_found, begin, end),
        cmocka_unit_test_setup_teardown(targets_that_confirm, begin, end),
        cmocka_unit_test_setup_teardown(links_that_are_no_matter, begin, end),
        cmocka_unit_test_setup_teardown(a_disk_of_another_machine, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
