/*
 * `rig try` from the first boot to the verdict, on a machine that only plays one: this program
 * itself, found in PATH as qemu-system-x86_64, which tells QMP, the console and the channel of the
 * guest's agent what a plan says.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "../qemu/command.h"
#include "../qemu/directory.h"
#include "../qemu/trial.h"

#define BOOTS 6
/* What happens in boot N is in DIR/N; DIR/count, DIR/command.sh. */
#define DIR_VARIABLE "RIG_PLAYED_IN"

/* the player */

enum { CONSOLE = 10, CHANNEL, QMP }; /* as machine.c gives them */

static void say(int stream, const char *text)
{
    if (send(stream, text, strlen(text), MSG_NOSIGNAL) < 0)
        _exit(0);
}

/* QEMU stays until its last picture is taken. */
static void off(const char *event)
{
    char byte, all[4096] = "";
    size_t used = 0;

    say(QMP, event);
    while (used + 1 < sizeof all && strstr(all, "quit") == NULL && read(QMP, &byte, 1) == 1)
        all[used++] = byte;
    _exit(0);
}

#define SHUTDOWN(reason) "{\"event\":\"SHUTDOWN\",\"data\":{\"reason\":\"" reason "\"}}\n"

static void happen(const char *what)
{
    if (text_starts(what, "panic")) {
        say(CONSOLE, "[    9.1] Kernel panic - not syncing: played\n");
        off(SHUTDOWN("guest-reset"));
    }
    if (text_starts(what, "reboot")) {
        say(CONSOLE, "[    9.1] reboot: Restarting system\n");
        off(SHUTDOWN("guest-reset"));
    }
    if (text_starts(what, "reset"))
        off(SHUTDOWN("guest-reset"));
    if (text_starts(what, "off"))
        off(SHUTDOWN("guest-shutdown"));
    if (text_starts(what, "mute"))
        pause();
}

/* What is behind "WORD=" in the plan, or "". */
static const char *planned(const char *plan, const char *word)
{
    const char *at = strstr(plan, word);

    return at != NULL ? at + strlen(word) : "";
}

/* What was given with --run, under its limit, in this system: a few lines of sh. */
static int really(void)
{
    const char *argv[] = {"timeout", "-k", "10", "1", "sh", NULL, NULL};
    TEXT_AUTO script = text_format("%s/command.sh", getenv(DIR_VARIABLE));
    struct output output;
    int code;

    argv[5] = script;
    code = command_run(argv, &output);
    output_free(&output);
    return code;
}

static int command_played(const char *plan, const char *command)
{
    if (strstr(command, "systemctl reboot") != NULL)
        happen("reboot");
    if (strstr(command, "/usr/bin/backstop") != NULL)
        return 1;
    if (strstr(command, "install.sh") != NULL)
        return 4;
    if (strstr(command, "is-system-running") != NULL)
        return *planned(plan, "check=") == 'f' ? 9 : 0;
    if (strstr(command, "/sys/module/") != NULL)
        return *planned(plan, "module=") == 'n' ? 1 : 0;
    if (strstr(command, "sleep 5") != NULL)
        happen(planned(plan, "beat="));
    if (strstr(command, "apply.sh") != NULL || strstr(command, "command.sh") != NULL)
        happen(planned(plan, "update="));
    return strcmp(command, "timeout -k 10 1 sh -c 'sh /payload/try/command.sh'") == 0 ? really()
                                                                                      : 0;
}

/* "run ID COMMAND" */
static void line_played(const char *plan, char *line)
{
    char *command = line;
    const char *id, *words;
    TEXT_AUTO answer = NULL;
    int code;

    strsep(&command, " ");
    id = strsep(&command, " ");
    code = command_played(plan, command);
    words = strstr(command, "journalctl") != NULL ? "played: Unknown symbol x" : "k";
    answer = text_format("out %s %s\nend %s %d\n", id, words, id, code);
    say(CHANNEL, answer);
}

static void play(const char *plan)
{
    char line[8192];
    size_t used = 0;
    char byte;

    say(QMP, "{\"QMP\":{}}\n");
    if (strstr(plan, "quiet") == NULL)
        say(CONSOLE, "[    0.0] Linux version played\n");
    happen(planned(plan, "boot="));
    say(CHANNEL, "hello id multi-user\n");
    while (read(CHANNEL, &byte, 1) == 1) {
        if (byte != '\n' && used + 1 < sizeof line) {
            line[used++] = byte;
            continue;
        }
        line[used] = '\0';
        used = 0;
        line_played(plan, line);
    }
}

static int player(void)
{
    const char *dir = getenv(DIR_VARIABLE);
    TEXT_AUTO count_path = text_format("%s/count", dir);
    TEXT_AUTO count = file_read(count_path, NULL);
    TEXT_AUTO path = text_format("%s/%zu", dir, count != NULL ? strlen(count) : 0);
    TEXT_AUTO plan = file_read(path, NULL);
    TEXT_AUTO next = text_format("%s.", count != NULL ? count : "");

    file_write(count_path, next, strlen(next));
    if (plan == NULL)
        return 1;
    play(plan);
    return 0;
}

/* the trials */

static char self[PATH_MAX]; /* where this program lies */

static const struct {
    const char *name;
    const char *boots[BOOTS]; /* the last one is that of all behind it */
    const char *command;      /* --run; NULL: a module is brought */
    const char *endings;      /* as in test_rig_verdict.c */
    const char *reason;       /* the end of the reason for no answer, or NULL */
    const char *itself;       /* or NULL */
} rows[] = {
    {"well", {""}, "true", "ww", NULL, NULL},
    {"crashes", {"", "boot=panic"}, "true", "ccc", NULL, NULL},
    {"every other boot crashes",
     {"", "boot=panic", "", "boot=panic", "boot=panic", "boot=panic"},
     "true",
     "cwccc",
     NULL,
     NULL},
    {"a health check fails", {"", "check=fails"}, "true", "uuu", NULL, NULL},
    {"crashes while it is watched", {"", "beat=panic"}, "true", "lll", NULL, NULL},
    {"the update reboots",
     {"update=reboot", ""},
     "true",
     "ww",
     NULL,
     "the command itself rebooted the machine"},
    {"the update switches off",
     {"update=off", ""},
     "true",
     "ww",
     NULL,
     "the command itself switched the machine off"},
    {"the update crashes", {"update=panic", ""}, "true", "cww", NULL, NULL},
    {"the update resets without a word", {"update=reset", ""}, "true", "cww", NULL, NULL},
    {"the same where there is no console",
     {"quiet update=reset", ""},
     "true",
     "ww",
     NULL,
     "the command itself rebooted the machine"},
    {"an update without end that prints",
     {""},
     "while :; do echo; sleep 0.1; done",
     "",
     "the command did not end within 1 s: --update-limit SECONDS gives it more",
     NULL},
    {"one that is silent",
     {""},
     "sleep 100",
     "",
     "the command did not end within 1 s: --update-limit SECONDS gives it more",
     NULL},
    {"one that takes a while", {""}, "sleep 0.2", "ww", NULL, NULL},
    {"one that fails",
     {""},
     "exit 124",
     "",
     "the command failed in the machine: exit code 124: k",
     NULL},
    {"a module is loaded", {""}, NULL, "ww", NULL, NULL},
    {"a module is refused",
     {"", "module=none"},
     NULL,
     "",
     "nothing of it was tried; the kernel refused it (played: Unknown symbol x)",
     NULL},
    {"a module crashes, and is not there any more",
     {"", "boot=panic", "module=none"},
     NULL,
     "cww",
     NULL,
     NULL},
};

static void plans_write(const char *dir, const char *const boots[BOOTS])
{
    const char *plan = "";

    for (size_t i = 0; i < 20; i++) {
        TEXT_AUTO path = text_format("%s/%zu", dir, i);

        plan = i < BOOTS && boots[i] != NULL ? boots[i] : plan;
        assert_int_equal(file_write(path, plan, strlen(plan)), 0);
    }
}

static char *endings_of(const struct trial *trial)
{
    static const char letters[] = "wscuhl";
    char *text = text_copy("");

    for (size_t i = 0; i < trial->count; i++) {
        TEXT_AUTO letter = text_format("%c", letters[trial->boots[i].ending]);

        text_append(&text, letter);
    }
    return text;
}

static void trial_play(struct trial *trial, char **reason)
{
    struct trial_rules rules = {(size_t)trial->options->boots, false};
    int error = trial_prepare(trial, reason);

    while (error == 0 && trial_judge(trial->boots, trial->count, &rules).verdict == TRIAL_UNDECIDED)
        error = trial_boot(trial, reason);
    boot_cut(&trial->session, "end");
    assert_int_equal(error == 0, *reason == NULL);
}

static void trial_is_judged(const char *dir, size_t row)
{
    struct trial_options options = {.backstop = WISH_NOT,
                                    .boots = 2,
                                    .watch = 10,
                                    .silence = 30,
                                    .update_limit = 1,
                                    .command = rows[row].command,
                                    .updates = {.count = rows[row].command == NULL}};
    struct trial trial = {.options = &options, .session = {.accel = "tcg", .pvpanic = true}};
    char module[] = "played", kernel[] = "k";
    TEXT_AUTO count = text_format("%s/count", dir);
    TEXT_AUTO script = text_format("%s/command.sh", dir);
    TEXT_AUTO reason = NULL;
    TEXT_AUTO endings = NULL;

    unlink(count);
    if (options.command != NULL)
        assert_int_equal(file_write(script, options.command, strlen(options.command)), 0);
    plans_write(dir, rows[row].boots);
    trial.updates[0] =
        (struct update){.kind = UPDATE_MODULE, .path = "p.ko", .name = module, .kernel = kernel};
    assert_int_equal(session_open(&trial.session, &trial.scenario, dir), 0);
    assert_int_equal(file_copy(OVMF_VARS, trial.session.vars_path, &reason), 0);
    trial_play(&trial, &reason);
    endings = endings_of(&trial);
    assert_string_equal(endings, rows[row].endings);
    if (rows[row].reason != NULL)
        assert_true(reason != NULL && text_ends(reason, rows[row].reason));
    else
        assert_null(reason);
    assert_int_equal(trial.itself == NULL, rows[row].itself == NULL);
    if (rows[row].itself != NULL)
        assert_string_equal(trial.itself, rows[row].itself);
    free(trial.itself);
    session_close(&trial.session);
}

static void trials(void **state)
{
    char dir[] = "/tmp/rig-trial-XXXXXX";
    TEXT_AUTO qemu = NULL;
    TEXT_AUTO path = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    qemu = text_format("%s/qemu-system-x86_64", dir);
    path = text_format("%s:%s", dir, getenv("PATH"));
    assert_int_equal(symlink(self, qemu), 0);
    setenv("PATH", path, 1);
    setenv(DIR_VARIABLE, dir, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].name);
        trial_is_judged(dir, i);
    }
    directory_remove(dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(trials)};

    (void)argc;
    if (text_ends(argv[0], "qemu-system-x86_64"))
        return player();
    if (realpath(argv[0], self) == NULL)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
