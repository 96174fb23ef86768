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
         {.hopeless = true}},
        {"the confirmation is disabled",
         "Id=backstop-confirm.service\nActiveState=inactive\nUnitFileState=disabled\n",
         {.hopeless = true}},
        {"the confirmation is enabled",
         "Id=backstop-confirm.service\nActiveState=inactive\nUnitFileState=enabled\n",
         {0}},
        {"a check is disabled",
         "Id=systemd-fsck-root.service\nActiveState=inactive\nUnitFileState=disabled\n",
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
        assert_int_equal(waiting.proof, rows[i].waiting.proof);
        assert_int_equal(waiting.hopeless, rows[i].waiting.hopeless);
        assert_int_equal(waiting.ended, rows[i].waiting.ended);
    }
}

static void how_long_is_waited(void **state)
{
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
        {"up, and being confirmed", {.proof = true}, 900, 0, 10},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        print_message("  %s\n", rows[i].name);
        assert_int_equal(patience_seconds(&rows[i].waiting, rows[i].now * S, rows[i].waited, 900),
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
        struct waiting waiting;

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
        patience_probe(&(struct patience_places){.asked = asked, .cgroup = cgroup, .proc = proc},
                       &waiting);
        assert_int_equal(waiting.prompt, rows[i].prompt);
        assert_int_equal(waiting.person, rows[i].person);
        assert_int_equal(scratch_remove(state), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_units_say),
        cmocka_unit_test(how_long_is_waited),
        cmocka_unit_test(prompts_and_persons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
