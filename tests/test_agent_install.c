/* install and uninstall on a directory as ESP and a fake firmware: what they leave, and what not.
 */
#include "fake_vars.h"
#include "scratch.h"

#include "install.h"
#include "thisboot.h"
#include "vars.h"

#define UUID "01234567-89ab-cdef-0123-456789abcdef"
#define SHIM "\\EFI\\debian\\shim" EFI_ARCH ".efi"
#define STAGE_FILE "esp/EFI/backstop/backstop" EFI_ARCH ".efi"
#define SOURCE_FILE "usr/lib/backstop/backstop" EFI_ARCH ".efi"
#define BOOT_FILE "esp/EFI/BOOT/BOOT" EFI_ARCH_UPPER ".EFI"
#define FORMER_FILE "esp/EFI/backstop/former-boot" EFI_ARCH ".efi"

/* As a stage of ours looks from outside: its ledger's name is in it. */
#define STAGE_BYTES "MZ stage B\0a\0c\0k\0s\0t\0o\0p\0L\0e\0d\0g\0e\0r\0 1"
#define NEWER_STAGE_BYTES "MZ stage B\0a\0c\0k\0s\0t\0o\0p\0L\0e\0d\0g\0e\0r\0 2"

static const struct partition partition = {
    .partuuid = UUID, .gpt = true, .is_esp = true, .number = 1, .start = 2048, .size = 131072};
static struct place place;
static char esp_dir[128], run_dir[128];
static efi_guid_t global = EFI_GLOBAL_GUID, ours;

static void open_place(void)
{
    assert_int_equal(place_open(&place, scratch), 0);
    place.live = true; /* the fake firmware is this system's own */
    assert_int_equal(place_open_state(&place, true), 0);
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
    put_bytes(SOURCE_FILE, STAGE_BYTES, sizeof STAGE_BYTES - 1, 0644);
    put_file("esp/EFI/debian/shim" EFI_ARCH ".efi", "MZ shim");
    put_file("esp/EFI/debian/grub" EFI_ARCH ".efi", "MZ grub");
    open_place();
    return 0;
}

static int end(void **state)
{
    place_close(&place);
    return scratch_remove(state);
}

static void put_entry(const char *name, const char *path, const char *options)
{
    uint8_t *bytes = NULL;
    size_t size = 0;

    assert_int_equal(boot_entry_make(&partition, "debian", path, (const uint8_t *)options,
                                     strlen(options), &bytes, &size),
                     0);
    fake_put(global, name, bytes, size, VAR_NV_BS_RT);
    free(bytes);
}

static void put_order(const void *bytes, size_t size)
{
    fake_put(global, "BootOrder", bytes, size, VAR_NV_BS_RT);
}

/* A Debian machine: Boot0001 is shim, Boot0000 something of the firmware's. */
static void put_debian(void)
{
    fake_put(global, "Boot0000", "\1\0\0\0\4\0U\0\0\0\x7f\xff\4\0", 14, VAR_NV_BS_RT);
    put_entry("Boot0001", SHIM, "");
    put_order("\1\0\0\0", 4);
    fake_put(global, "BootCurrent", "\1\0", 2, VAR_BS | VAR_RT);
}

static int run_install(bool removable, struct install_result *result)
{
    return install_run(&place,
                       &(struct install_options){.esp_dir = esp_dir,
                                                 .removable = removable,
                                                 .run_dir = run_dir,
                                                 .partition = &partition},
                       result, NULL);
}

static int run_uninstall(bool purge, struct uninstall_result *result)
{
    return uninstall_run(
        &place,
        &(struct uninstall_options){
            .esp_dir = esp_dir, .purge = purge, .run_dir = run_dir, .partition = &partition},
        result, NULL);
}

static void assert_variable(efi_guid_t guid, const char *name, const void *bytes, size_t size)
{
    struct fake_var *var = fake_find(guid, name);

    if (!var)
        fail_msg("%s is not there", name);
    assert_int_equal(var->size, size);
    assert_memory_equal(var->bytes, bytes, size);
}

static void assert_bytes(const char *path, const char *bytes, size_t size)
{
    size_t found = 0;
    char *there = get_file(path, &found);

    if (!there)
        fail_msg("%s is not there", path);
    assert_int_equal(found, size);
    assert_memory_equal(there, bytes, size);
    free(there);
}

static void install_wires_the_stage_in(void **state)
{
    struct install_result result = {0};
    struct install_state remembered;
    struct boot_entry entry = {0};
    size_t size;
    char *conf;

    (void)state;
    put_debian();
    assert_int_equal(run_install(false, &result), 0);
    assert_true(result.changed && result.complete && result.has_entry);
    assert_int_equal(result.entry, 2);
    assert_variable(global, "BootOrder", "\2\0\1\0\0\0", 6);
    assert_int_equal(boot_entry_read(2, &entry), 0);
    assert_string_equal(entry.description, "Backstop");
    assert_string_equal(entry.path, STAGE_PATH);
    assert_string_equal(entry.partuuid, UUID);
    assert_int_equal(entry.attributes, LOAD_OPTION_ACTIVE);
    assert_null(entry.options);
    boot_entry_free(&entry);
    assert_bytes(STAGE_FILE, STAGE_BYTES, sizeof STAGE_BYTES - 1);
    assert_true(is_at("esp/EFI/backstop/ledger.esp"));
    assert_true(is_at("esp/EFI/backstop/receipt.esp"));

    conf = get_file("esp/EFI/backstop/stage.conf", &size);
    assert_non_null(strstr(conf, "\nnext=" SHIM "\nnext=\\EFI\\debian\\grub" EFI_ARCH ".efi\n"));
    assert_non_null(strstr(conf, "\nthreshold=3\n"));
    assert_null(strstr(conf, "retire"));
    free(conf);

    assert_int_equal(install_state_read(&place, &remembered, NULL), 0);
    assert_true(remembered.present && remembered.complete && remembered.has_former);
    assert_int_equal(remembered.former.count, 2);
    assert_int_equal(remembered.former.items[0], 1);
    assert_string_equal(remembered.partuuid, UUID);
    assert_true(is_at("var/lib/backstop/journal.jsonl"));
}

static void again_is_already_so(void **state)
{
    struct install_result result = {0};
    size_t before, after;
    unsigned writes;
    char *journal;

    (void)state;
    put_debian();
    assert_int_equal(run_install(false, &result), 0);
    writes = fake_vars.writes;
    journal = get_file("var/lib/backstop/journal.jsonl", &before);
    free(journal);
    assert_int_equal(run_install(false, &result), 0);
    assert_false(result.changed);
    assert_true(result.complete);
    assert_int_equal(fake_vars.writes, writes);
    journal = get_file("var/lib/backstop/journal.jsonl", &after);
    free(journal);
    assert_int_equal(before, after);
}

static void spoil_order(void)
{
    put_order("\1\0\2\0\0\0", 6);
}

static void spoil_entry(void)
{
    efi_del_variable(global, "Boot0002");
}

static void spoil_stage(void)
{
    put_file(STAGE_FILE, "other");
}

static void spoil_new_version(void)
{
    put_bytes(SOURCE_FILE, NEWER_STAGE_BYTES, sizeof NEWER_STAGE_BYTES - 1, 0644);
}

static void spoil_conf(void)
{
    put_file("esp/EFI/backstop/stage.conf", "nonsense");
}

static void spoil_slots(void)
{
    unlink(at("esp/EFI/backstop/ledger.esp"));
}

static void spoil_policy(void)
{
    put_file("etc/backstop/backstop.conf", "[policy]\nthreshold=2\ndeadline=10m\n");
}

static void spoil_state(void)
{
    unlink(at("var/lib/backstop/install.json"));
}

static void what_is_missing_is_mended(void **state)
{
    static const struct {
        const char *name;
        void (*spoil)(void);
    } rows[] = {
        {"not first any more", spoil_order}, {"entry gone", spoil_entry},
        {"stage altered", spoil_stage},      {"newer stage in the package", spoil_new_version},
        {"stage.conf nonsense", spoil_conf}, {"a slot file gone", spoil_slots},
        {"policy changed", spoil_policy},    {"install.json gone", spoil_state},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct install_result result = {0};
        struct boot_entry entry = {0};
        struct install_state remembered;
        size_t size, there;
        char *bytes;

        if (i > 0)
            assert_int_equal(begin(state), 0);
        put_debian();
        assert_int_equal(run_install(false, &result), 0);
        fake_put(global, "BootCurrent", "\2\0", 2, VAR_BS | VAR_RT); /* the stage starts it now */
        rows[i].spoil();
        print_message("  %s\n", rows[i].name);
        assert_int_equal(run_install(false, &result), 0);
        assert_variable(global, "BootOrder", "\2\0\1\0\0\0", 6);
        assert_int_equal(boot_entry_read(2, &entry), 0);
        boot_entry_free(&entry);
        bytes = get_file(SOURCE_FILE, &size);
        assert_bytes(STAGE_FILE, bytes, size);
        free(bytes);
        bytes = get_file("esp/EFI/backstop/ledger.esp", &there);
        assert_int_equal(there, SLOTS_SIZE);
        free(bytes);
        bytes = get_file("esp/EFI/backstop/stage.conf", &there);
        assert_non_null(strstr(bytes, "\nnext=" SHIM "\n"));
        assert_non_null(
            strstr(bytes, rows[i].spoil == spoil_policy ? "\nthreshold=2\n" : "\nthreshold=3\n"));
        if (rows[i].spoil == spoil_policy)
            assert_non_null(strstr(bytes, "\ndeadline=10m\n") ? bytes
                                                              : strstr(bytes, "\ndeadline=600"));
        free(bytes);
        assert_int_equal(install_state_read(&place, &remembered, NULL), 0);
        assert_true(remembered.complete);
        assert_int_equal(remembered.former.count, 2); /* never with us in it */
        assert_int_equal(run_install(false, &result), 0);
        assert_false(result.changed);
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

static void options_are_passed_on(void **state)
{
    static const uint8_t edk2[] = {0x4e, 0xac, 0x08, 0x81, 0x11, 0x9f, 0x59, 0x4d,
                                   0x85, 0x0e, 0xe2, 0x1a, 0x52, 0x2c, 0x59, 0xb2};
    struct install_result result = {0};
    struct boot_entry entry = {0};
    uint8_t *bytes;
    size_t size;

    (void)state;
    put_debian();
    put_entry("Boot0001", SHIM, "quiet");
    assert_int_equal(run_install(false, &result), 0);
    assert_int_equal(boot_entry_read(2, &entry), 0);
    assert_int_equal(entry.options_size, 5);
    assert_memory_equal(entry.options, "quiet", 5);
    boot_entry_free(&entry);

    /* with this mark EDK2 would delete our entry as one of its own */
    assert_int_equal(
        boot_entry_make(&partition, "UEFI disk", SHIM, edk2, sizeof edk2, &bytes, &size), 0);
    fake_put(global, "Boot0001", bytes, size, VAR_NV_BS_RT);
    free(bytes);
    assert_int_equal(run_install(false, &result), 0);
    assert_int_equal(boot_entry_read(2, &entry), 0);
    assert_null(entry.options);
    boot_entry_free(&entry);
}

static void refusals_leave_the_firmware_alone(void **state)
{
    static const struct {
        const char *name;
        enum fake_vars_lie lie;
        int result;
    } rows[] = {
        {"no run-time services", NO_RUNTIME_SERVICES, -ENOTSUP},
        {"NVRAM full", NVRAM_FULL, -ENOSPC},
        {"NVRAM read-only", NVRAM_READ_ONLY, -EROFS},
        {"NVRAM lies", SAYS_YES_KEEPS_NOTHING, -EIO},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct install_result result = {.entry = 77};
        struct install_state remembered;

        if (i > 0)
            assert_int_equal(begin(state), 0);
        put_debian();
        fake_vars.lie = rows[i].lie;
        print_message("  %s\n", rows[i].name);
        assert_int_equal(run_install(false, &result), rows[i].result);
        assert_int_equal(result.entry, 77);
        fake_vars.lie = HONEST;
        assert_variable(global, "BootOrder", "\1\0\0\0", 4);
        assert_int_equal(install_state_read(&place, &remembered, NULL), 0);
        assert_false(remembered.complete);
        assert_int_equal(run_install(false, &result), 0); /* and it is made good later */
        assert_variable(global, "BootOrder", "\2\0\1\0\0\0", 6);
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

/* A PE32+ image with a certificate table, as far as anybody looks. */
static void put_stage_image(bool is_signed)
{
    uint8_t image[0x100] = "MZ";

    image[0x3c] = 0x40;
    memcpy(image + 0x40, "PE", 2);
    image[0x58] = 0x0b;
    image[0x59] = 0x02;
    image[0xec] = is_signed ? 8 : 0;
    put_bytes(SOURCE_FILE, image, sizeof image, 0644);
}

static void secure_boot_wants_a_signature(void **state)
{
    static const struct {
        const char *name;
        uint8_t secure_boot;
        bool is_signed, removable;
        int result;
    } rows[] = {
        {"off", 0, false, false, 0},
        {"on, signed", 1, true, false, 0},
        {"on, not signed", 1, false, false, -ENOTSUP},
        {"on, not signed, removable path", 1, false, true, -ENOTSUP},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct install_result result = {0};

        if (i > 0)
            assert_int_equal(begin(state), 0);
        put_debian();
        put_file(BOOT_FILE, "MZ fallback");
        put_stage_image(rows[i].is_signed);
        fake_put(global, "SecureBoot", &rows[i].secure_boot, 1, VAR_BS | VAR_RT);
        print_message("  %s\n", rows[i].name);
        assert_int_equal(run_install(rows[i].removable, &result), rows[i].result);
        if (rows[i].result) {
            assert_variable(global, "BootOrder", "\1\0\0\0", 4);
            assert_bytes(BOOT_FILE, "MZ fallback", 11);
            assert_false(is_at(STAGE_FILE));
        }
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

static void no_loader_no_installation(void **state)
{
    struct install_result result = {0};

    (void)state;
    put_debian();
    unlink(at("esp/EFI/debian/shim" EFI_ARCH ".efi"));
    unlink(at("esp/EFI/debian/grub" EFI_ARCH ".efi"));
    assert_int_equal(run_install(false, &result), -ENOENT);
    assert_variable(global, "BootOrder", "\1\0\0\0", 4);
    assert_false(is_at(STAGE_FILE));
}

static void an_image_is_completed_at_its_first_boot(void **state)
{
    struct install_result result = {0};

    (void)state;
    put_debian();
    place.live = false;
    assert_int_equal(run_install(false, &result), 0);
    assert_true(result.changed);
    assert_false(result.complete);
    assert_false(is_at("var/lib/backstop/install.json"));
    assert_bytes(STAGE_FILE, STAGE_BYTES, sizeof STAGE_BYTES - 1);
    assert_variable(global, "BootOrder", "\1\0\0\0", 4);
    assert_int_equal(fake_vars.writes, 0);
    place.live = true;
    assert_int_equal(run_install(false, &result), 0);
    assert_true(result.complete);
    assert_variable(global, "BootOrder", "\2\0\1\0\0\0", 6);
}

/* ---- uninstall ---- */

/* What the stage leaves once it has run: its ticket, and its mark in ledger.esp. */
static void stage_ran(void)
{
    struct ticket ticket = {.number = 4, .stored = STORED_NVRAM, .ledger_found = RECORD_VALID};
    struct receipt receipt = {.number = 4, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED};
    uint8_t bytes[TICKET_SIZE], receipt_bytes[RECEIPT_SIZE];

    ticket_encode(&ticket, bytes);
    fake_put(ours, TICKET_VARIABLE, bytes, sizeof bytes, VAR_BS | VAR_RT);
    receipt_encode(&receipt, receipt_bytes);
    fake_put(ours, RECEIPT_VARIABLE, receipt_bytes, sizeof receipt_bytes, VAR_NV_BS_RT);
}

static void as_if_never_there(void **state)
{
    struct install_result installed = {0};
    struct uninstall_result result = {0};

    (void)state;
    put_debian();
    assert_int_equal(run_install(false, &installed), 0);
    assert_int_equal(run_uninstall(false, &result), 0);
    assert_true(result.was_there);
    assert_false(result.retiring); /* the stage never ran: there is no ledger */
    assert_variable(global, "BootOrder", "\1\0\0\0", 4);
    assert_null(fake_find(global, "Boot0002"));
    assert_null(fake_find(global, "BootNext"));
    assert_false(is_at("esp/EFI/backstop"));
    assert_true(is_at("esp/EFI/debian/shim" EFI_ARCH ".efi"));
    assert_true(is_at("var/lib/backstop/install.json"));
    assert_true(is_at("run/retired"));
    assert_int_equal(run_uninstall(true, &result), 0); /* and again */
    assert_false(is_at("var/lib/backstop"));
}

static void the_stage_gets_one_last_start(void **state)
{
    struct install_result installed = {0};
    struct uninstall_result result = {0};
    struct stageconf conf;
    size_t size;
    char *text;

    (void)state;
    put_debian();
    assert_int_equal(run_install(false, &installed), 0);
    fake_put(global, "BootCurrent", "\2\0", 2, VAR_BS | VAR_RT);
    stage_ran();
    assert_int_equal(run_uninstall(true, &result), 0);
    assert_true(result.retiring);
    assert_variable(global, "BootOrder", "\1\0\0\0", 4);
    assert_variable(global, "BootNext", "\2\0", 2);
    assert_non_null(fake_find(global, "Boot0002"));
    assert_null(fake_find(ours, RECEIPT_VARIABLE));
    assert_true(is_at(STAGE_FILE));
    assert_false(is_at("esp/EFI/backstop/ledger.esp"));
    assert_false(is_at("esp/EFI/backstop/receipt.esp"));
    text = get_file("esp/EFI/backstop/stage.conf", &size);
    stageconf_parse(&conf, text, size);
    free(text);
    assert_int_equal(conf.retire, 1);
    assert_int_equal(conf.bad_lines, 0);
    assert_string_equal(conf.next[0], SHIM);
    assert_false(is_at("var/lib/backstop"));
}

static void a_change_of_mind_before_that_start(void **state)
{
    struct install_result installed = {0};
    struct uninstall_result result = {0};
    size_t size;
    char *text;

    (void)state;
    put_debian();
    assert_int_equal(run_install(false, &installed), 0);
    fake_put(global, "BootCurrent", "\2\0", 2, VAR_BS | VAR_RT);
    stage_ran();
    assert_int_equal(run_uninstall(false, &result), 0);
    assert_int_equal(run_install(false, &installed), 0);
    assert_variable(global, "BootOrder", "\2\0\1\0\0\0", 6);
    assert_null(fake_find(global, "BootNext"));
    text = get_file("esp/EFI/backstop/stage.conf", &size);
    assert_null(strstr(text, "retire"));
    assert_non_null(strstr(text, "\nnext=" SHIM "\n"));
    free(text);
    assert_false(is_at("run/retired"));
    assert_true(is_at("esp/EFI/backstop/ledger.esp"));
}

static void order_changed_meanwhile(void **state)
{
    /* two bytes an entry; 2 is ours */
    static const struct {
        const char *name, *meanwhile;
        size_t size;
        const char *after;
        size_t after_size;
    } rows[] = {
        {"added before us", "\5\0\2\0\1\0\0\0", 8, "\5\0\1\0\0\0", 6},
        {"added behind", "\2\0\1\0\0\0\5\0", 8, "\1\0\0\0\5\0", 6},
        {"one gone", "\2\0\0\0", 4, "\0\0", 2},
        {"sequence changed", "\2\0\0\0\1\0", 6, "\0\0\1\0", 4},
        {"we are out of it", "\1\0\0\0", 4, "\1\0\0\0", 4},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct install_result installed = {0};
        struct uninstall_result result = {0};

        if (i > 0)
            assert_int_equal(begin(state), 0);
        put_debian();
        assert_int_equal(run_install(false, &installed), 0);
        put_order(rows[i].meanwhile, rows[i].size);
        print_message("  %s\n", rows[i].name);
        assert_int_equal(run_uninstall(false, &result), 0);
        assert_variable(global, "BootOrder", rows[i].after, rows[i].after_size);
        assert_null(fake_find(global, "Boot0002"));
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

static void a_last_start_that_cannot_be_had_is_said(void **state)
{
    struct install_result installed = {0};
    struct uninstall_result result = {0};
    struct diag diag = {0};

    (void)state;
    put_debian();
    assert_int_equal(run_install(false, &installed), 0);
    stage_ran();
    unlink(at(STAGE_FILE));
    assert_int_equal(uninstall_run(&place,
                                   &(struct uninstall_options){.esp_dir = esp_dir,
                                                               .run_dir = run_dir,
                                                               .partition = &partition},
                                   &result, &diag),
                     0);
    assert_false(result.retiring);
    assert_int_equal(diag.warnings, 1);
    assert_null(fake_find(global, "Boot0002"));
    assert_false(is_at("esp/EFI/backstop"));
}

/* The stage would go on counting boots that nothing receipts. */
static void without_the_esp_the_order_is_restored(void **state)
{
    struct install_result installed = {0};
    struct uninstall_result result = {0};
    struct diag diag = {0};

    (void)state;
    put_debian();
    assert_int_equal(run_install(false, &installed), 0);
    stage_ran();
    assert_int_equal(rename(at("esp"), at("elsewhere")), 0);
    assert_int_not_equal(uninstall_run(&place,
                                       &(struct uninstall_options){.esp_dir = esp_dir,
                                                                   .run_dir = run_dir,
                                                                   .partition = &partition},
                                       &result, &diag),
                         0);
    assert_true(diag.errors > 0);
    assert_variable(global, "BootOrder", "\1\0\0\0", 4);
    assert_null(fake_find(global, "Boot0002"));
    assert_null(fake_find(ours, RECEIPT_VARIABLE));
}

/* ---- the removable path ---- */

static void removable_path_there_and_back(void **state)
{
    struct install_result result = {0};
    struct uninstall_result gone = {0};
    size_t size;
    char *conf;

    (void)state;
    put_file(BOOT_FILE, "MZ the machine's own");
    fake_vars.lie = NO_RUNTIME_SERVICES;
    assert_int_equal(run_install(true, &result), 0);
    assert_true(result.complete);
    assert_bytes(BOOT_FILE, STAGE_BYTES, sizeof STAGE_BYTES - 1);
    assert_file(FORMER_FILE, "MZ the machine's own");
    conf = get_file("esp/EFI/backstop/stage.conf", &size);
    assert_non_null(strstr(conf, "\nnext=" FORMER_PATH "\n"));
    assert_null(strstr(conf, "\nnext=" REMOVABLE_PATH "\n"));
    free(conf);

    /* again, and with a newer stage: the former stays what it was */
    assert_int_equal(run_install(true, &result), 0);
    assert_false(result.changed);
    put_bytes(SOURCE_FILE, NEWER_STAGE_BYTES, sizeof NEWER_STAGE_BYTES - 1, 0644);
    assert_int_equal(run_install(false, &result), 0); /* the choice is remembered */
    assert_bytes(BOOT_FILE, NEWER_STAGE_BYTES, sizeof NEWER_STAGE_BYTES - 1);
    assert_file(FORMER_FILE, "MZ the machine's own");

    assert_int_equal(run_uninstall(false, &gone), 0);
    assert_file(BOOT_FILE, "MZ the machine's own");
    assert_false(is_at("esp/EFI/backstop"));
}

/* The removable path cannot be written: the only copy of the machine's loader stays. */
static void a_former_that_cannot_go_back_is_kept(void **state)
{
    static const char blocked[] = "esp/EFI/BOOT/.BOOT" EFI_ARCH_UPPER ".EFI.new";
    struct install_result installed = {0};
    struct uninstall_result gone = {0};

    (void)state;
    put_file(BOOT_FILE, "MZ of the machine");
    assert_int_equal(run_install(true, &installed), 0);
    make_dirs(blocked);
    assert_true(run_uninstall(false, &gone) < 0);
    assert_bytes(FORMER_FILE, "MZ of the machine", 17);
    assert_bytes(BOOT_FILE, STAGE_BYTES, sizeof STAGE_BYTES - 1);
    assert_true(is_at("esp/EFI/backstop/stage.conf"));
    assert_int_equal(rmdir(at(blocked)), 0);
    assert_int_equal(run_uninstall(false, &gone), 0);
    assert_bytes(BOOT_FILE, "MZ of the machine", 17);
    assert_false(is_at(FORMER_FILE));
}

/* An entry that BootOrder still names stays: by it the next uninstall knows what to take out. */
static void an_order_that_cannot_be_written_keeps_the_entry(void **state)
{
    struct install_result installed = {0};
    struct uninstall_result gone = {0};

    (void)state;
    put_debian();
    assert_int_equal(run_install(false, &installed), 0);
    fake_vars.lie = NVRAM_FULL;
    assert_true(run_uninstall(false, &gone) < 0);
    assert_non_null(fake_find(global, "Boot0002"));
    assert_false(is_at("esp/EFI/backstop"));
    fake_vars.lie = HONEST;
    assert_int_equal(run_uninstall(false, &gone), 0);
    assert_variable(global, "BootOrder", "\1\0\0\0", 4);
    assert_null(fake_find(global, "Boot0002"));
}

/* Cut when ledger.esp had gone: that the stage never ran was found before. */
static void a_cut_uninstall_arranges_no_last_start(void **state)
{
    struct install_result installed = {0};
    struct uninstall_result gone = {0};

    (void)state;
    put_debian();
    assert_int_equal(run_install(false, &installed), 0);
    assert_int_equal(run_uninstall(false, &gone), 0);
    make_dirs("esp/EFI/backstop");
    put_file("esp/EFI/backstop/backstop" EFI_ARCH ".efi", STAGE_BYTES);
    assert_int_equal(run_uninstall(false, &gone), 0);
    assert_false(gone.retiring);
    assert_null(fake_find(global, "Boot0002"));
    assert_null(fake_find(global, "BootNext"));
    assert_false(is_at("esp/EFI/backstop"));
}

/* Cut between install.json and the removable file: the old stage must not pass for a loader. */
static void a_stage_is_never_kept_as_the_former(void **state)
{
    struct install_result result = {0};

    (void)state;
    put_file(BOOT_FILE, "MZ the machine's own");
    fake_vars.lie = NO_RUNTIME_SERVICES;
    assert_int_equal(run_install(true, &result), 0);
    put_bytes(SOURCE_FILE, NEWER_STAGE_BYTES, sizeof NEWER_STAGE_BYTES - 1, 0644);
    unlink(at("var/lib/backstop/install.json"));
    assert_int_equal(run_install(true, &result), 0);
    assert_file(FORMER_FILE, "MZ the machine's own");
    assert_bytes(BOOT_FILE, NEWER_STAGE_BYTES, sizeof NEWER_STAGE_BYTES - 1);
}

static void a_loader_put_there_since_is_kept(void **state)
{
    struct install_result result = {0};
    struct uninstall_result gone = {0};

    (void)state;
    put_file(BOOT_FILE, "MZ the machine's own");
    fake_vars.lie = NO_RUNTIME_SERVICES;
    assert_int_equal(run_install(true, &result), 0);
    put_file(BOOT_FILE, "MZ a newer one");
    assert_int_equal(run_uninstall(false, &gone), 0);
    assert_file(BOOT_FILE, "MZ a newer one");

    assert_int_equal(run_install(true, &result), 0);
    assert_file(FORMER_FILE, "MZ a newer one");
}

static void a_former_is_started_from_its_home(void **state)
{
    struct install_result result = {0};

    (void)state;
    put_file(BOOT_FILE, "MZ shim"); /* as EFI/debian has it, where GRUB lies beside it */
    fake_vars.lie = NO_RUNTIME_SERVICES;
    assert_int_equal(run_install(true, &result), 0);
    assert_string_equal(result.next.paths[0], SHIM);
    assert_file(FORMER_FILE, "MZ shim");
}

/* ---- texts ---- */

static void the_conf_is_what_the_stage_reads(void **state)
{
    struct next_list next = {.count = 2, .paths = {SHIM, "\\EFI\\BOOT\\X.EFI"}};
    struct stageconf conf;
    struct policy policy;
    char text[STAGECONF_MAX_SIZE + 1];
    size_t size;

    (void)state;
    policy_defaults(&policy);
    policy.threshold = 4;
    policy.return_how = RETURN_BY_HAND;
    policy.deadline = 0;
    policy.safe_ssh = 0;
    policy_clamp(&policy);
    size = install_conf_text(&policy, &next, true, text, sizeof text);
    assert_true(size > 0);
    stageconf_parse(&conf, text, size);
    assert_int_equal(conf.bad_lines, 0);
    assert_int_equal(conf.retire, 1);
    assert_int_equal(conf.next_count, 2);
    assert_string_equal(conf.next[0], SHIM);
    assert_string_equal(conf.next[1], "\\EFI\\BOOT\\X.EFI");
    for (size_t i = 0; policy_key(i); i++) {
        char wanted[32], found[32];

        policy_value(&policy, i, wanted, sizeof wanted);
        policy_value(&conf.policy, i, found, sizeof found);
        assert_string_equal(found, wanted);
    }
    assert_int_equal(install_conf_text(&policy, &next, true, text, size), 0); /* no room */
}

static void a_damaged_state_is_passed_over(void **state)
{
    static const struct {
        const char *name, *text;
        int result;
        bool complete, has_entry;
        size_t former, next;
    } rows[] = {
        {"nothing", "", -EBADMSG, 0, 0, 0, 0},
        {"cut short", "{\"complete\":tr", -EBADMSG, 0, 0, 0, 0},
        {"not an object", "[1]", -EBADMSG, 0, 0, 0, 0},
        {"empty object", "{}", 0, false, false, 0, 0},
        {"an entry too large", "{\"entry\":65536}", 0, false, false, 0, 0},
        {"an entry that is a word", "{\"entry\":\"x\",\"complete\":true}", 0, true, false, 0, 0},
        {"order with rubbish", "{\"former_order\":[1,\"x\",-1,70000,2]}", 0, false, false, 2, 0},
        {"unsafe next", "{\"next\":[\"\\\\EFI\\\\..\\\\x\",\"rm\",7,\"\\\\EFI\\\\x.efi\"]}", 0,
         false, false, 0, 1},
        {"too many", "{\"next\":[\"\\\\1\",\"\\\\2\",\"\\\\3\",\"\\\\4\",\"\\\\5\"]}", 0, false,
         false, 0, 4},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct install_state found = {0};

        print_message("  %s\n", rows[i].name);
        assert_int_equal(install_state_parse(rows[i].text, &found), rows[i].result);
        assert_int_equal(found.complete, rows[i].complete);
        assert_int_equal(found.has_entry, rows[i].has_entry);
        assert_int_equal(found.former.count, rows[i].former);
        assert_int_equal(found.next.count, rows[i].next);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(install_wires_the_stage_in, begin, end),
        cmocka_unit_test_setup_teardown(again_is_already_so, begin, end),
        cmocka_unit_test_setup_teardown(what_is_missing_is_mended, begin, end),
        cmocka_unit_test_setup_teardown(options_are_passed_on, begin, end),
        cmocka_unit_test_setup_teardown(refusals_leave_the_firmware_alone, begin, end),
        cmocka_unit_test_setup_teardown(secure_boot_wants_a_signature, begin, end),
        cmocka_unit_test_setup_teardown(no_loader_no_installation, begin, end),
        cmocka_unit_test_setup_teardown(an_image_is_completed_at_its_first_boot, begin, end),
        cmocka_unit_test_setup_teardown(as_if_never_there, begin, end),
        cmocka_unit_test_setup_teardown(the_stage_gets_one_last_start, begin, end),
        cmocka_unit_test_setup_teardown(a_change_of_mind_before_that_start, begin, end),
        cmocka_unit_test_setup_teardown(order_changed_meanwhile, begin, end),
        cmocka_unit_test_setup_teardown(a_last_start_that_cannot_be_had_is_said, begin, end),
        cmocka_unit_test_setup_teardown(without_the_esp_the_order_is_restored, begin, end),
        cmocka_unit_test_setup_teardown(removable_path_there_and_back, begin, end),
        cmocka_unit_test_setup_teardown(a_former_that_cannot_go_back_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(an_order_that_cannot_be_written_keeps_the_entry, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_cut_uninstall_arranges_no_last_start, begin, end),
        cmocka_unit_test_setup_teardown(a_stage_is_never_kept_as_the_former, begin, end),
        cmocka_unit_test_setup_teardown(a_loader_put_there_since_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(a_former_is_started_from_its_home, begin, end),
        cmocka_unit_test(the_conf_is_what_the_stage_reads),
        cmocka_unit_test(a_damaged_state_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
