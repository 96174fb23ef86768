/* generator.c: what PID 1 finds in its generator directories, and what people read at the console.
 */
#include "scratch.h"

#include "banner.h"
#include "generator.h"

static struct place place;
static char normal_dir[128], early_dir[128], run[128];

static int begin(void **state)
{
    if (scratch_make(state) < 0)
        return -1;
    snprintf(normal_dir, sizeof normal_dir, "%s/normal", scratch);
    snprintf(early_dir, sizeof early_dir, "%s/early", scratch);
    snprintf(run, sizeof run, "%s/run", scratch);
    make_dirs("normal");
    make_dirs("early");
    make_dirs("run");
    return place_open(&place, scratch);
}

static int end(void **state)
{
    place_close(&place);
    return scratch_remove(state);
}

static void enable(const char *target, const char *unit)
{
    char path[256], to[256];

    snprintf(path, sizeof path, "etc/systemd/system/%s.wants", target);
    make_dirs(path);
    snprintf(path, sizeof path, "etc/systemd/system/%s.wants/%s", target, unit);
    snprintf(to, sizeof to, "/lib/systemd/system/%s", unit);
    assert_int_equal(symlink(to, at(path)), 0);
}

static void assert_link(const char *path, const char *target)
{
    char found[256];
    ssize_t length = readlink(at(path), found, sizeof found - 1);

    if (length < 0)
        fail_msg("%s is not there", path);
    found[length] = '\0';
    assert_string_equal(found, target);
}

static struct this_boot boot_in(enum mode mode)
{
    struct this_boot boot = {.mode = mode, .ticket_state = RECORD_VALID};

    boot.ticket.number = 5;
    boot.ticket.case_number = 7;
    boot.ticket.failures = 3;
    boot.ticket.stored = STORED_NVRAM;
    boot.ticket.rung = RUNG_ALL;
    boot.ticket.last_outcome = OUTCOME_CRASH;
    boot.ticket.first_reason = REASON_THRESHOLD;
    boot.early = (struct early_report){.present = true,
                                       .number = 5,
                                       .mode = mode,
                                       .applied = APPLIED_PUT_BACK,
                                       .summary = {.put_back = 1}};
    return boot;
}

static int generate(const struct this_boot *boot, const struct policy *policy)
{
    return generator_run(&(struct generator){.place = &place,
                                             .normal_dir = normal_dir,
                                             .early_dir = early_dir,
                                             .run = run,
                                             .boot = boot,
                                             .policy = policy});
}

#define DEFAULT_TARGET "early/default.target"
#define WANTS "early/backstop-safe.target.wants/"

static void modes_and_units(void **state)
{
    static const struct {
        const char *name;
        enum mode mode;
        uint8_t network, ssh;
        bool safe, network_there, ssh_there;
    } rows[] = {
        {"normal", MODE_NORMAL, 1, 1, false, false, false},
        {"safe", MODE_SAFE, 1, 1, true, true, true},
        {"safe, no ssh", MODE_SAFE, 1, 0, true, true, false},
        {"safe, no network", MODE_SAFE, 0, 1, true, false, true},
        {"safe, neither", MODE_SAFE, 0, 0, true, false, false},
        {"minimal", MODE_MINIMAL, 1, 1, true, false, false},
        {"hold", MODE_HOLD, 1, 1, true, true, true},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct this_boot boot = boot_in(rows[i].mode);
        struct policy policy;

        if (i > 0)
            assert_int_equal(begin(state), 0);
        policy_defaults(&policy);
        policy.safe_network = rows[i].network;
        policy.safe_ssh = rows[i].ssh;
        enable("multi-user.target", "networking.service");
        enable("multi-user.target", "ssh.service");
        enable("sockets.target", "systemd-networkd.socket");
        enable("multi-user.target", "acme-sensor.service");
        print_message("  %s\n", rows[i].name);
        assert_int_equal(generate(&boot, &policy), 0);
        assert_int_equal(is_at(DEFAULT_TARGET), rows[i].safe);
        if (rows[i].safe)
            assert_link(DEFAULT_TARGET, "/usr/lib/systemd/system/backstop-safe.target");
        assert_int_equal(is_at(WANTS "networking.service"), rows[i].network_there);
        assert_int_equal(is_at(WANTS "systemd-networkd.socket"), rows[i].network_there);
        assert_int_equal(is_at(WANTS "ssh.service"), rows[i].ssh_there);
        assert_false(is_at(WANTS "NetworkManager.service")); /* not enabled here */
        assert_false(is_at(WANTS "acme-sensor.service"));
        if (rows[i].ssh_there)
            assert_link(WANTS "ssh.service", "/lib/systemd/system/ssh.service");
        assert_int_equal(is_at("run/motd.d/backstop"), rows[i].safe);
        assert_int_equal(is_at("run/issue.d/backstop.issue"), rows[i].safe);
        assert_int_equal(generate(&boot, &policy), 0); /* daemon-reload: again */
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

static void the_deadline_follows_the_policy(void **state)
{
    static const struct {
        const char *name;
        uint16_t deadline;
        const char *text; /* NULL: masked */
    } rows[] = {
        {"default", 900, "[Timer]\nOnActiveSec=\nOnActiveSec=900s\n"},
        {"one minute", 60, "[Timer]\nOnActiveSec=\nOnActiveSec=60s\n"},
        {"off", 0, NULL},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct this_boot boot = boot_in(MODE_NORMAL);
        struct policy policy;

        if (i > 0)
            assert_int_equal(begin(state), 0);
        policy_defaults(&policy);
        policy.deadline = rows[i].deadline;
        print_message("  %s\n", rows[i].name);
        assert_int_equal(generate(&boot, &policy), 0);
        if (rows[i].text)
            assert_file("normal/backstop-deadline.timer.d/50-policy.conf", rows[i].text);
        else
            assert_link("normal/backstop-deadline.timer", "/dev/null");
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

/* A directory that cannot be written: the rest is done all the same, and the failure is told. */
static void one_failure_does_not_stop_the_rest(void **state)
{
    struct this_boot boot = boot_in(MODE_SAFE);
    struct policy policy;

    (void)state;
    policy_defaults(&policy);
    put_file("run/motd.d", "in the way");
    put_file("normal/backstop-deadline.timer.d", "in the way");
    assert_int_not_equal(generate(&boot, &policy), 0);
    assert_true(is_at(DEFAULT_TARGET));
    assert_true(is_at("run/issue.d/backstop.issue"));
}

static void the_banner_says_what_and_why(void **state)
{
    struct this_boot boot = boot_in(MODE_SAFE);
    char text[BANNER_SIZE], code[SHORT_CODE_SIZE];
    struct policy policy;

    (void)state;
    policy_defaults(&policy);
    banner_text(&boot, &policy, text);
    ticket_short_code(&boot.ticket, code);
    assert_non_null(strstr(text, "safe mode"));
    assert_non_null(strstr(text, "Case 7"));
    assert_non_null(strstr(text, code));
    assert_non_null(strstr(text, "3 boots in a row failed, the last one in a kernel panic"));
    assert_non_null(strstr(text, "1 changed file was put back"));
    assert_non_null(strstr(text, "by itself"));
    assert_non_null(strstr(text, "backstop status"));
    assert_null(strchr(text, '\\')); /* agetty would expand it */

    boot.ticket.stored = STORED_NOWHERE;
    banner_text(&boot, &policy, text);
    assert_null(strstr(text, "by itself"));
    assert_non_null(strstr(text, "backstop doctor"));
    boot.ticket.stored = STORED_NVRAM;

    policy.return_how = RETURN_BY_HAND;
    banner_text(&boot, &policy, text);
    assert_non_null(strstr(text, "backstop confirm --return"));
    boot.mode = MODE_HOLD;
    banner_text(&boot, &policy, text);
    assert_non_null(strstr(text, "tries nothing more by itself"));
    boot.mode = MODE_NORMAL;
    banner_text(&boot, &policy, text);
    assert_string_equal(text, "");
}

/* The longest texts of every kind fit. */
static void the_banner_always_fits(void **state)
{
    struct this_boot boot = boot_in(MODE_HOLD);
    char text[BANNER_SIZE];
    struct policy policy;

    (void)state;
    policy_defaults(&policy);
    boot.ticket.case_number = UINT32_MAX;
    boot.ticket.failures = 255;
    boot.early.summary.put_back = boot.early.summary.taken_out = 1000000000;
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        for (int applied = 0; applied < APPLIED_COUNT; applied++)
            for (int mode = MODE_SAFE; mode < MODE_COUNT; mode++) {
                boot.ticket.last_outcome = (uint8_t)outcome;
                boot.early.applied = (enum applied)applied;
                boot.mode = (enum mode)mode;
                banner_text(&boot, &policy, text);
                assert_non_null(strstr(text, "*** More: backstop status\n"));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(modes_and_units, begin, end),
        cmocka_unit_test_setup_teardown(the_deadline_follows_the_policy, begin, end),
        cmocka_unit_test_setup_teardown(one_failure_does_not_stop_the_rest, begin, end),
        cmocka_unit_test(the_banner_says_what_and_why),
        cmocka_unit_test(the_banner_always_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
