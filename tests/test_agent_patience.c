/* patience.c: what the deadline of a boot waits for, and for how long. */
#include "scratch.h"

#include "patience.h"

#define S UINT64_C(1000000)

static void what_units_say(void **state)
{
    static const struct {
        const char *name, *text;
        struct waiting waiting;
    } rows[] = {
        {"nothing", "", {0}},
        {"a check runs",
         "Id=systemd-fsck@dev-vdb1.service\nActiveState=activating\n"
         "ActiveEnterTimestampMonotonic=0\n",
         {.check = true}},
        {"a check is over: it stays active",
         "Id=systemd-fsck@dev-vdb1.service\nActiveState=active\n"
         "ActiveEnterTimestampMonotonic=7000000\n",
         {.ended = 7 * S}},
        {"the later of two, in either order of lines",
         "ActiveEnterTimestampMonotonic=9000000\nActiveState=active\n"
         "Id=systemd-cryptsetup@data.service\n\n"
         "Id=systemd-fsck-root.service\nActiveState=active\n"
         "ActiveEnterTimestampMonotonic=2000000\n",
         {.ended = 9 * S}},
        {"a device that is being opened is no prompt by itself",
         "Id=systemd-cryptsetup@data.service\nActiveState=activating\n"
         "ActiveEnterTimestampMonotonic=0\n",
         {0}},
        {"the confirmation runs",
         "Id=backstop-confirm.service\nActiveState=active\n"
         "ActiveEnterTimestampMonotonic=5000000\n",
         {.proof = true}},
        {"the confirmation has run since",
         "Id=backstop-confirm.service\nActiveState=active\n"
         "ActiveEnterTimestampMonotonic=5000000\nInactiveExitTimestampMonotonic=4000000\n"
         "StateChangeTimestampMonotonic=5000000\n",
         {.proof = true, .begun = 4 * S}},
        {"the images are being rebuilt",
         "Id=backstop-rebuild.service\nActiveState=activating\n"
         "ActiveEnterTimestampMonotonic=0\nInactiveExitTimestampMonotonic=8000000\n"
         "StateChangeTimestampMonotonic=8000000\n",
         {.rebuild = true, .begun = 8 * S}},
        {"the images were rebuilt",
         "Id=backstop-rebuild.service\nActiveState=active\n"
         "ActiveEnterTimestampMonotonic=900000000\nInactiveExitTimestampMonotonic=8000000\n"
         "StateChangeTimestampMonotonic=900000000\n",
         {.ended = 900 * S, .begun = 8 * S}},
        {"the images could not be rebuilt",
         "Id=backstop-rebuild.service\nActiveState=failed\n"
         "ActiveEnterTimestampMonotonic=0\nInactiveExitTimestampMonotonic=8000000\n"
         "StateChangeTimestampMonotonic=900000000\n",
         {.ended = 900 * S, .begun = 8 * S}},
        {"the confirmation has not begun",
         "Id=backstop-confirm.service\nActiveState=inactive\n"
         "ActiveEnterTimestampMonotonic=0\n",
         {0}},
        {"the confirmation is over",
         "Id=backstop-confirm.service\nActiveState=failed\n"
         "ActiveEnterTimestampMonotonic=5000000",
         {0}},
        {"the confirmation is masked",
         "Id=backstop-confirm.service\nActiveState=inactive\nUnitFileState=masked\n",
         {.off = true}},
        {"the confirmation is disabled",
         "Id=backstop-confirm.service\nActiveState=inactive\nUnitFileState=disabled\n",
         {.disabled = true}},
        {"the health checks are masked: boot-complete.target, which requires them, never comes",
         "Id=backstop-health.service\nLoadState=masked\nActiveState=inactive\n"
         "UnitFileState=masked\n",
         {.off = true}},
        {"masked by the kernel command line",
         "Id=backstop-health.service\nLoadState=masked\nActiveState=inactive\n",
         {.off = true}},
        {"the health checks are disabled: nothing requires them then",
         "Id=backstop-health.service\nLoadState=loaded\nUnitFileState=disabled\n",
         {0}},
        {"boot-complete.target is masked",
         "Id=boot-complete.target\nLoadState=masked\nUnitFileState=masked-runtime\n",
         {.off = true}},
        {"the confirmation is enabled",
         "Id=backstop-confirm.service\nActiveState=inactive\nUnitFileState=enabled\n",
         {0}},
        {"a check is disabled",
         "Id=systemd-fsck-root.service\nActiveState=inactive\nUnitFileState=disabled\n",
         {0}},
        {"an offline update waits for its updater",
         "Id=system-update.target\nNames=system-update.target default.target\n"
         "LoadState=loaded\nActiveState=inactive\nJob=1\n",
         {.errand = true, .goal = true}},
        {"an offline update after a daemon-reload: default.target is another again",
         "Id=system-update.target\nNames=system-update.target\nLoadState=loaded\n"
         "ActiveState=inactive\nJob=1\n\nId=graphical.target\n"
         "Names=graphical.target default.target\nLoadState=loaded\nActiveState=inactive\nJob=\n",
         {.errand = true, .goal = true}},
        {"an offline update is over, and the restart does not come",
         "Id=system-update.target\nLoadState=loaded\nActiveState=active\nJob=\n",
         {.errand = true}},
        {"a relabelling of all files",
         "Id=selinux-autorelabel.target\nLoadState=loaded\nActiveState=inactive\nJob=77\n",
         {.errand = true}},
        {"no offline update",
         "Id=system-update.target\nLoadState=loaded\nActiveState=inactive\nJob=\n",
         {0}},
        {"there is none on this machine",
         "Id=selinux-autorelabel.target\nLoadState=not-found\nActiveState=inactive\nJob=\n",
         {0}},
        {"sysinit.target is reached", "Id=sysinit.target\nActiveState=active\n", {.up = true}},
        {"sysinit.target is not reached", "Id=sysinit.target\nActiveState=inactive\nJob=9\n", {0}},
        {"default.target cannot be had: systemd takes rescue.target",
         "Id=default.target\nNames=default.target\nLoadState=not-found\n",
         {0}},
        {"default.target is masked: the same",
         "Id=default.target\nNames=default.target\nLoadState=masked\n",
         {0}},
        {"a name that only begins so",
         "Id=x.target\nNames=x.target default.target.example\nLoadState=loaded\n",
         {0}},
        {"another unit", "Id=ssh.service\nActiveState=activating\n", {0}},
        {"nonsense", "Id=\n\n\n=\nActiveState\n", {0}},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct waiting waiting = {0};

        print_message("  %s\n", rows[i].name);
        patience_parse_units(rows[i].text, &waiting);
        assert_int_equal(waiting.check, rows[i].waiting.check);
        assert_int_equal(waiting.rebuild, rows[i].waiting.rebuild);
        assert_int_equal(waiting.proof, rows[i].waiting.proof);
        assert_int_equal(waiting.off, rows[i].waiting.off);
        assert_int_equal(waiting.disabled, rows[i].waiting.disabled);
        assert_int_equal(waiting.up, rows[i].waiting.up);
        assert_int_equal(waiting.errand, rows[i].waiting.errand);
        assert_int_equal(waiting.goal, rows[i].waiting.goal);
        assert_int_equal(waiting.ended, rows[i].waiting.ended);
        assert_int_equal(waiting.begun, rows[i].waiting.begun);
    }
}

static void what_is_wanted(void **state)
{
    static const struct {
        const char *name, *text;
        bool unwanted;
    } rows[] = {
        {"nothing is known", "", false},
        {"the usual one", "default.target\n  multi-user.target\n  backstop-confirm.service\n",
         false},
        {"one of its own", "default.target\n  kiosk.service\n  sysinit.target\n", true},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct waiting waiting = {0};

        print_message("  %s\n", rows[i].name);
        patience_parse_wanted(rows[i].text, &waiting);
        assert_int_equal(waiting.unwanted, rows[i].unwanted);
    }
}

static void who_blocks_a_shutdown(void **state)
{
    static const struct {
        const char *name, *text;
        bool busy;
    } rows[] = {
        {"logind is not there", "", false},
        {"nobody", "s \"\"\n", false},
        {"a package manager", "s \"shutdown\"\n", true},
        {"a firmware update", "s \"sleep:shutdown:idle\"\n", true},
        {"a desktop that handles the lid", "s \"handle-lid-switch\"\n", false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct waiting waiting = {0};

        print_message("  %s\n", rows[i].name);
        patience_parse_inhibited(rows[i].text, &waiting);
        assert_int_equal(waiting.busy, rows[i].busy);
    }
}

static void which_boots_have_no_deadline(void **state)
{
    static const struct {
        const char *name;
        struct waiting waiting;
        const char *why; /* NULL: it has one */
    } rows[] = {
        {"nothing is known", {0}, NULL},
        {"one that hangs before sysinit.target", {.goal = true}, NULL},
        {"one that hangs behind it", {.up = true, .goal = true}, NULL},
        {"the confirmation is off", {.off = true, .goal = true}, "switched off"},
        {"disabled, and wanted by nothing", {.disabled = true, .unwanted = true}, "switched off"},
        {"disabled, but wanted by what the default target says itself",
         {.disabled = true, .up = true, .goal = true},
         NULL},
        {"an offline update at work", {.up = true, .errand = true, .goal = true}, "offline update"},
        {"an offline update that hangs before its updater", {.errand = true, .goal = true}, NULL},
        {"an offline update at work, which default.target still means",
         {.up = true, .errand = true, .goal = true, .unwanted = true},
         "offline update"},
        {"a target that does not want the confirmation",
         {.up = true, .goal = true, .unwanted = true},
         "does not pull in"},
        {"the same, and it hangs before", {.goal = true, .unwanted = true}, NULL},
        {"rescue mode that systemd fell back to", {.up = true, .unwanted = true}, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *why = patience_hopeless(&rows[i].waiting);

        print_message("  %s\n", rows[i].name);
        assert_int_equal(why != NULL, rows[i].why != NULL);
        if (why)
            assert_non_null(strstr(why, rows[i].why));
    }
}

static void how_long_is_waited(void **state)
{
    static const struct policy policy = {.deadline = 900, .stability = 120};
    static const struct {
        const char *name;
        struct waiting waiting;
        uint64_t now; /* s */
        unsigned waited;
        unsigned seconds;
    } rows[] = {
        {"nothing to wait for", {0}, 900, 0, 0},
        {"a prompt", {.prompt = true}, 900, 0, 10},
        {"a prompt, overnight", {.prompt = true}, 80000, 79000, 10},
        {"answered a minute ago", {.ended = 840 * S}, 900, 0, 10},
        {"answered, nearly the whole time gone", {.ended = 4 * S}, 900, 0, 5},
        {"answered, the whole time gone", {.ended = 4 * S}, 904, 4, 0},
        {"a file system check", {.check = true}, 900, 0, 10},
        {"a file system check of hours", {.check = true}, 20000, 19000, 10},
        {"a file system check that hangs", {.check = true}, 22600, CHECK_LIMIT_SECONDS, 0},
        {"a second check hangs, though one ended",
         {.check = true, .ended = 22000 * S},
         22600,
         CHECK_LIMIT_SECONDS,
         0},
        {"a person at the emergency shell", {.person = true}, 90000, 89000, 10},
        {"packages are being installed", {.busy = true}, 900, 0, 10},
        {"somebody blocks shutdowns for ever", {.busy = true}, 4500, BUSY_LIMIT_SECONDS, 0},
        {"up, and being confirmed", {.proof = true}, 900, 0, 10},
        {"confirmed for long: the files are many",
         {.proof = true, .begun = 100 * S},
         7419,
         6519,
         10},
        {"a confirmation that hangs", {.proof = true, .begun = 100 * S}, 7420, 6520, 0},
        {"the same, after a check", {.proof = true, .begun = 90 * S, .ended = 89 * S}, 7420, 0, 0},
        {"confirmed after a check of hours",
         {.proof = true, .begun = 20000 * S, .ended = 19999 * S},
         21000,
         20100,
         10},
        {"a confirmation whose start is not known hangs", {.proof = true}, 8220, 7320, 0},
        {"images are being made", {.rebuild = true, .begun = 10 * S}, 900, 0, 10},
        {"images have been made for an hour", {.rebuild = true, .begun = 10 * S}, 3610, 2700, 0},
        {"images were made a minute ago", {.begun = 10 * S, .ended = 840 * S}, 900, 0, 10},
        {"systemd did not answer", {.unanswered = 1}, 900, 0, 10},
        {"systemd did not answer, again and again", {.unanswered = UNANSWERED_LOOKS}, 990, 90, 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        print_message("  %s\n", rows[i].name);
        assert_int_equal(
            patience_seconds(&rows[i].waiting, rows[i].now * S, rows[i].waited, &policy),
            rows[i].seconds);
    }
}

static void prompts_and_persons(void **state)
{
    static const struct {
        const char *name, *ask, *unit, *comm;
        bool prompt, person;
    } rows[] = {
        {"nobody", NULL, NULL, NULL, false, false},
        {"a prompt", "asked/ask.x3f", NULL, NULL, true, false},
        {"a prompt's socket alone", "asked/sck.x3f", NULL, NULL, false, false},
        {"emergency mode, at the password", NULL, "cgroup/emergency.service/cgroup.procs",
         "sulogin\n", false, false},
        {"emergency mode, systemd's wrapper", NULL, "cgroup/emergency.service/cgroup.procs",
         "systemd-sulogin\n", false, false},
        {"emergency mode, a shell", NULL, "cgroup/emergency.service/cgroup.procs", "bash\n", false,
         true},
        {"rescue mode, an editor", NULL, "cgroup/rescue.service/cgroup.procs", "vi\n", false, true},
        {"a shell of another unit", NULL, "cgroup/ssh.service/cgroup.procs", "bash\n", false,
         false},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        char asked[128], cgroup[128], proc[128];
        struct waiting waiting = {0};

        assert_int_equal(scratch_make(state), 0);
        print_message("  %s\n", rows[i].name);
        snprintf(asked, sizeof asked, "%s/asked", scratch);
        snprintf(cgroup, sizeof cgroup, "%s/cgroup", scratch);
        snprintf(proc, sizeof proc, "%s/proc", scratch);
        if (rows[i].ask)
            put_file(rows[i].ask, "");
        if (rows[i].unit) {
            put_file(rows[i].unit, "321\n");
            put_file("proc/321/comm", rows[i].comm);
        }
        patience_probe(
            &(struct patience_places){
                .asked = asked, .cgroup = cgroup, .proc = proc, .answer_seconds = 30},
            &waiting);
        assert_int_equal(waiting.prompt, rows[i].prompt);
        assert_int_equal(waiting.person, rows[i].person);
        assert_int_equal(scratch_remove(state), 0);
    }
}

/* Programs of these names in a directory that is the whole PATH but for the shell's own. */
static void systemd_that(const char *what)
{
    static const char *const names[] = {"bin/systemctl", "bin/busctl"};
    char path[128];

    for (size_t i = 0; i < ROWS(names); i++) {
        put_file(names[i], what);
        assert_int_equal(chmod(at(names[i]), 0755), 0);
    }
    snprintf(path, sizeof path, "%s/bin:/usr/bin:/bin", scratch);
    setenv("PATH", path, 1);
}

static void one_that_hangs_gives_no_answer(void **state)
{
    const struct patience_places places = {
        .asked = "/nowhere", .cgroup = "/nowhere", .proc = "/nowhere", .answer_seconds = 1};
    struct waiting waiting = {0};
    char *path = strdup(getenv("PATH"));

    (void)state;
    systemd_that("#!/bin/sh\necho Id=systemd-fsck-root.service\necho ActiveState=activating\n"
                 "exec sleep 60\n");
    patience_probe(&places, &waiting);
    assert_int_equal(waiting.unanswered, 1);
    assert_false(waiting.check); /* half an answer is none */
    patience_probe(&places, &waiting);
    assert_int_equal(waiting.unanswered, 2);
    systemd_that("#!/bin/sh\necho Id=systemd-fsck-root.service\necho ActiveState=activating\n");
    patience_probe(&places, &waiting);
    assert_int_equal(waiting.unanswered, 0);
    assert_true(waiting.check);
    setenv("PATH", path, 1);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_units_say),
        cmocka_unit_test(what_is_wanted),
        cmocka_unit_test(who_blocks_a_shutdown),
        cmocka_unit_test(which_boots_have_no_deadline),
        cmocka_unit_test(how_long_is_waited),
        cmocka_unit_test(prompts_and_persons),
        cmocka_unit_test_setup_teardown(one_that_hangs_gives_no_answer, scratch_make,
                                        scratch_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
