/*
 * `backstop good take` in the running system: which boots may make a generation of what they began
 * with. Each row runs in a root of its own.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include "check.h"
#include "inventory.h"
#include "manifest.h"
#include "runstate.h"
#include "said.h"
#include "thisboot.h"
#include "verb.h"
#include "world.h"

#define NO_ENTRY 99

static void make_machine(struct world *world, const char *cmdline, enum mode mode)
{
    const struct early_report early = {.mode = mode, .number = 9};
    struct inventory started;
    struct place place;
    struct sets sets;
    int run;

    world_make(world);
    world_dirs(world, SETS_DIR_LOCAL);
    world_file(world, SETS_DIR_LOCAL "/acme.conf",
               "[set]\nclass=content\npath=/opt/acme/*\ndriver=acme\n", 0644);
    world_dirs(world, "/opt/acme");
    world_file(world, "/opt/acme/a", "good", 0644);
    assert_int_equal(world_take_good(world), 1);
    world_file(world, "/opt/acme/a", "faulty", 0644);
    world_dirs(world, "/proc");
    world_file(world, "/cmdline", cmdline, 0444);
    world_dirs(world, RUN_DIR);
    assert_int_equal(early_report_write(world_path(world, RUN_DIR), &early), 0);
    assert_int_equal(place_open(&place, world->root), 0);
    assert_int_equal(sets_load(&place, &sets, NULL), 0);
    assert_int_equal(inventory_take(&place, &sets, &started, NULL), 0);
    run = open(world_path(world, RUN_DIR), O_RDONLY | O_DIRECTORY);
    assert_int_equal(manifest_write(run, IDENTITIES_NAME, &started), 0);
    close(run);
    inventory_free(&started);
    sets_free(&sets);
    place_close(&place);
}

/* Mounts are the caller's alone from now on. */
static bool enter(const struct world *world)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("/proc", world_path(world, "/proc"), NULL, MS_BIND | MS_REC, NULL) == 0 &&
           chroot(world->root) == 0 && chdir("/") == 0 &&
           mount("/cmdline", "/proc/cmdline", NULL, MS_BIND, NULL) == 0;
}

/* Its exit code, or NO_ENTRY; what it said is in /said of the world, what it printed in /printed.
 */
static int run_there(const struct world *world, bool now)
{
    int status = -1;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        char *argv[] = {strdup("good"), strdup("take"), now ? strdup("--now") : NULL, NULL};
        struct said said;
        FILE *file;
        int code;

        if (!enter(world))
            _exit(NO_ENTRY);
        if (!freopen("/printed", "w", stdout))
            _exit(98);
        code = verb_good(now ? 3 : 2, argv, said_start(&said));
        file = fopen("/said", "w");
        if (!file || fputs(said.text, file) < 0 || fclose(file) || fflush(stdout))
            _exit(98);
        _exit(code);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static uint32_t newest_of(const struct world *world)
{
    struct inventory newest;
    struct place place;
    uint32_t generation;

    world_open(world, &place);
    assert_int_equal(good_load_newest(&place, &newest, NULL), 0);
    generation = newest.generation;
    inventory_free(&newest);
    place_close(&place);
    return generation;
}

static void which_boots_may_take_one(void **state)
{
    static const struct {
        const char *name, *cmdline;
        enum mode mode;
        bool now;
        uint32_t newest;
        const char *said;
    } rows[] = {
        {"a plain boot", "root=/dev/vda2 ro\n", MODE_NORMAL, false, 2, ""},
        {"a driver left out, as the soak service asks", "ro modprobe.blacklist=acme\n", MODE_NORMAL,
         false, 1, "command line keeps something from starting"},
        {"a unit left out", "ro systemd.mask=acme.service\n", MODE_NORMAL, false, 1,
         "command line keeps something from starting"},
        {"a driver left out that is nothing to the sets", "ro modprobe.blacklist=nouveau\n",
         MODE_NORMAL, false, 1, "man backstop, good"},
        {"safe mode", "ro\n", MODE_SAFE, false, 1, "this boot is in safe mode"},
        {"held", "ro\n", MODE_HOLD, false, 1, "this boot is in safe mode"},
        {"a driver left out, a person vouches", "ro modprobe.blacklist=acme\n", MODE_NORMAL, true,
         2, ""},
        {"safe mode, a person vouches", "ro\n", MODE_SAFE, true, 2, ""},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world world;
        const char *said;
        int code;

        make_machine(&world, rows[i].cmdline, rows[i].mode);
        code = run_there(&world, rows[i].now);
        if (code == NO_ENTRY) {
            world_remove(&world);
            print_message("a root of its own cannot be entered here\n");
            skip();
        }
        said = world_text(&world, "/said");
        if (code != EXIT_OK || newest_of(&world) != rows[i].newest ||
            (*rows[i].said ? !strstr(said, rows[i].said) : *said))
            fail_msg("%s: exit %d, generation %u; said: %s", rows[i].name, code, newest_of(&world),
                     said);
        world_remove(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_boots_may_take_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
