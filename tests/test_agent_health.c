/* health.c with real programs: order, what is required, what hides what, time limits. */
#include "scratch.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "health.h"

/* s: enough for a shell to start on a busy machine, and the whole length of the test that hangs. */
#define HANG_LIMIT 5
/* s: within it a process that was sent SIGKILL has ended on the slowest machine. */
#define HANG_PATIENCE 300

static struct place place;

static int begin(void **state)
{
    return scratch_make(state) < 0 || place_open(&place, scratch) < 0 ? -1 : 0;
}

static int end(void **state)
{
    place_close(&place);
    return scratch_remove(state);
}

/* A check that writes its name to LOG and ends with `status`. */
static void put_check(const char *path, int status)
{
    char text[512];

    snprintf(text, sizeof text, "#!/bin/sh\nbasename \"$0\" >>%s/log\nexit %d\n", scratch, status);
    put_bytes(path, text, strlen(text), 0755);
}

static void checks_run_in_the_order_of_their_names(void **state)
{
    struct health health = {0};

    (void)state;
    put_check("etc/backstop/check/required.d/30-c", 0);
    put_check("usr/lib/backstop/check/required.d/10-a", 0);
    put_check("etc/greenboot/check/wanted.d/20-b", 0);
    put_check("usr/lib/greenboot/check/required.d/40-d.sh", 0);
    put_check("usr/lib/backstop/check/wanted.d/.hidden", 1);
    put_bytes("etc/backstop/check/required.d/15-not-executable", "exit 1\n", 7, 0644);
    make_dirs("etc/backstop/check/required.d/16-directory");
    assert_int_equal(health_run(&place, 10, &health, NULL), 0);
    assert_file("log", "10-a\n20-b\n30-c\n40-d.sh\n");
    assert_int_equal(health.count, 4);
    assert_int_equal(health.failed_required, 0);
    health_free(&health);
}

static void nothing_to_check_is_healthy(void **state)
{
    struct health health = {0};

    (void)state;
    assert_int_equal(health_run(&place, 10, &health, NULL), 0);
    assert_int_equal(health.count, 0);
    assert_int_equal(health.failed_required, 0);
    health_free(&health);
}

static void required_and_wanted(void **state)
{
    static const struct {
        const char *name, *path;
        int status;
        size_t required, wanted;
        unsigned errors, warnings;
    } rows[] = {
        {"required passes", "etc/backstop/check/required.d/x", 0, 0, 0, 0, 0},
        {"required fails", "etc/backstop/check/required.d/x", 3, 1, 0, 1, 0},
        {"wanted fails", "etc/backstop/check/wanted.d/x", 3, 0, 1, 0, 1},
        {"greenboot's required fails", "etc/greenboot/check/required.d/x.sh", 1, 1, 0, 1, 0},
        {"greenboot's wanted fails", "usr/lib/greenboot/check/wanted.d/x.sh", 1, 0, 1, 0, 1},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct health health = {0};
        struct diag diag = {0};

        if (i > 0)
            assert_int_equal(begin(state), 0);
        put_check(rows[i].path, rows[i].status);
        print_message("  %s\n", rows[i].name);
        assert_int_equal(health_run(&place, 10, &health, &diag), 0);
        assert_int_equal(health.failed_required, rows[i].required);
        assert_int_equal(health.failed_wanted, rows[i].wanted);
        assert_int_equal(health.checks[0].status, rows[i].status);
        assert_int_equal(diag.errors, rows[i].errors);
        assert_int_equal(diag.warnings, rows[i].warnings);
        health_free(&health);
        if (i + 1 < ROWS(rows))
            assert_int_equal(end(state), 0);
    }
}

static void the_administrator_hides_the_vendor(void **state)
{
    struct health health = {0};

    (void)state;
    put_check("usr/lib/backstop/check/required.d/10-disk", 1);
    make_dirs("etc/backstop/check/required.d");
    assert_int_equal(symlink("/dev/null", at("etc/backstop/check/required.d/10-disk")), 0);
    assert_int_equal(health_run(&place, 10, &health, NULL), 0);
    assert_int_equal(health.count, 0);
    health_free(&health);
}

/* The check starts a child that ignores SIGTERM and tells its number. It is killed with its group:
 * orphaned it becomes ours (subreaper), and its end is waited for, since kill(2) does not. Were it
 * left alone, SIGALRM would end the test. */
static void a_check_that_hangs_is_ended_with_its_children(void **state)
{
    struct health health = {0};
    char text[512], *bytes;
    size_t size;
    pid_t child;
    int status = 0;

    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    snprintf(text, sizeof text,
             "#!/bin/sh\n(trap '' TERM; while :; do sleep 1000; done) &\necho $! >%s/child\nwait\n",
             scratch);
    put_bytes("etc/backstop/check/required.d/10-hangs", text, strlen(text), 0755);
    put_check("etc/backstop/check/required.d/20-after", 0);
    assert_int_equal(health_run(&place, HANG_LIMIT, &health, NULL), 0);
    assert_int_equal(health.failed_required, 1);
    assert_int_equal(health.checks[0].outcome, HEALTH_TIMED_OUT);
    assert_int_equal(health.checks[1].outcome, HEALTH_PASSED);
    health_free(&health);
    bytes = get_file("child", &size);
    child = (pid_t)atol(bytes);
    free(bytes);
    assert_true(child > 1);
    alarm(HANG_PATIENCE);
    assert_int_equal(waitpid(child, &status, 0), child);
    alarm(0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/* Under valgrind (MODEL_QUICK) the first alone: it cannot go on after an exec that fails as late as
 * for want of an interpreter. */
static void a_check_that_cannot_be_run(void **state)
{
    static const char *const texts[] = {"no first line at all\n", "#!/nowhere/sh\n"};

    (void)state;
    for (size_t i = 0; i < (getenv("MODEL_QUICK") ? 1 : ROWS(texts)); i++) {
        struct health health = {0};

        put_bytes("etc/backstop/check/required.d/x", texts[i], strlen(texts[i]), 0755);
        assert_int_equal(health_run(&place, 10, &health, NULL), 0);
        assert_int_equal(health.failed_required, 1);
        assert_int_equal(health.checks[0].outcome, HEALTH_NOT_RUN);
        health_free(&health);
    }
}

/* What the service has blocked is its own affair: a check has what it had. */
static void checks_have_the_signals_of_before(void **state)
{
    struct health health = {0};
    const char *text = "#!/usr/bin/awk -f\n" /* a shell would clear them */
                       "BEGIN { while ((getline line < \"/proc/self/status\") > 0)"
                       " if (line ~ /^SigBlk:.0+$/) exit 0; exit 1 }\n";

    (void)state;
    put_bytes("etc/backstop/check/required.d/x", text, strlen(text), 0755);
    assert_int_equal(health_run(&place, 10, &health, NULL), 0);
    assert_int_equal(health.failed_required, 0);
    health_free(&health);
}

static void outcomes_have_words(void **state)
{
    (void)state;
    for (int i = HEALTH_PASSED; i <= HEALTH_NOT_RUN; i++)
        assert_string_not_equal(health_outcome_string((enum health_outcome)i), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(checks_run_in_the_order_of_their_names, begin, end),
        cmocka_unit_test_setup_teardown(nothing_to_check_is_healthy, begin, end),
        cmocka_unit_test_setup_teardown(required_and_wanted, begin, end),
        cmocka_unit_test_setup_teardown(the_administrator_hides_the_vendor, begin, end),
        cmocka_unit_test_setup_teardown(a_check_that_hangs_is_ended_with_its_children, begin, end),
        cmocka_unit_test_setup_teardown(checks_have_the_signals_of_before, begin, end),
        cmocka_unit_test_setup_teardown(a_check_that_cannot_be_run, begin, end),
        cmocka_unit_test(outcomes_have_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
