/* The boots of a trial: before the update, the update itself, and each boot after it. */
#include "trial.h"
#include "clock.h"
#include "ending.h"
#include "update_modules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In s of the guest. */
#define BEAT 5         /* between two signs of life */
#define SAFE_LIMIT 600 /* within which safe mode is left, unless it is meant to be left by hand */
/* Within which a boot that is up proves good; Backstop's deadline ends it long before. */
#define GOOD_LIMIT 1800
#define INSTALL_LIMIT 1800
#define MERCY 10 /* from the signal that asks a command to end to the one that ends it */
/* In s of the host: a machine that is alive has answered by then. */
#define ANSWER 60
#define PANIC_PATIENCE 60
/* A boot that goes on talking, but is not up after so many times the limit of silence, hangs; and
 * so does a machine that talks, but does not do what takes it no time. */
#define BOOT_SILENCES 6

static struct boot *boot_of(const struct trial *trial)
{
    return session_boot(&trial->session);
}

static void progress(const struct trial *trial, const char *text)
{
    if (!trial->options->live)
        fprintf(stderr, "try: %s\n", text);
}

static bool is_up(const struct boot *boot)
{
    return boot->hello || boot->gone;
}

/* A limit that was passed ends a boot, not the trial. */
static void forgive(struct session *session)
{
    text_replace(&session->reason, NULL);
}

/* From now on, in s of the host. */
static void limit(struct trial *trial, long silence, long end)
{
    const struct boot *boot = boot_of(trial);
    double passed = trial->session.on ? clock_now() - boot->started : 0;

    trial->session.limits.silence = silence;
    trial->session.limits.panic = PANIC_PATIENCE;
    trial->session.limits.boot = (long)passed + end;
}

static void limit_as_usual(struct trial *trial)
{
    limit(trial, trial->options->silence, BOOT_SILENCES * trial->options->silence);
}

/* Follows until it is up or off. */
static int start(struct trial *trial)
{
    struct session *session = &trial->session;
    int error;

    limit_as_usual(trial);
    error = boot_start(session, NULL);
    if (error < 0)
        return error;
    if (boot_follow(session, is_up, "a machine that is up") < 0)
        forgive(session);
    return 0;
}

/* Within the limits; true if it ended, in whatever way, on a machine that is still up. */
static bool run_limited(struct trial *trial, const char *command)
{
    if (!trial->session.on)
        return false;
    if (boot_run(&trial->session, command) < 0)
        forgive(&trial->session);
    return trial->session.on && trial->session.run_ended;
}

/* Runs in the guest what takes no time. */
static bool run(struct trial *trial, const char *command)
{
    limit_as_usual(trial);
    return run_limited(trial, command);
}

/* The rig switched it off: it had passed a limit. */
static bool was_cut(const struct boot *boot)
{
    return !boot->panic && !boot->reset && !boot->poweroff;
}

/* timeout(1)'s, or that of what it had to kill. */
static bool is_timeout(long code)
{
    return code == 124 || code == 128 + 9;
}

/*
 * Runs in the guest what may take long and say nothing, for so many s of the guest at most. *over:
 * it did not end by then; true or false as run() whether the machine still answers.
 */
static bool run_within(struct trial *trial, const char *command, long seconds, bool *over)
{
    TEXT_AUTO word = text_quoted(command);
    TEXT_AUTO line = text_format("timeout -k %d %ld sh -c %s", MERCY, seconds, word);
    double began = clock_now();
    bool ended;

    limit(trial, seconds + MERCY + ANSWER, seconds + MERCY + ANSWER);
    ended = run_limited(trial, line);
    /* its clock and ours need not go alike */
    *over = clock_now() - began >= 0.9 * (double)seconds &&
            (ended ? is_timeout(trial->session.run_code) : was_cut(boot_of(trial)));
    return ended;
}

/* One sign of life; false once there is none. */
static bool beat(struct trial *trial)
{
    TEXT_AUTO command = text_format("sleep %d", BEAT);

    return run(trial, command);
}

static void stay(struct trial *trial, long seconds)
{
    for (long passed = 0; passed < seconds && beat(trial); passed += BEAT)
        ;
}

/* Asks for an orderly reboot and follows it. True if it was one. */
static bool reboot_in_order(struct trial *trial)
{
    const struct boot *boot = boot_of(trial);
    TEXT_AUTO line = text_format("run %ld systemctl reboot", ++trial->session.run_id);

    if (!trial->session.on || machine_send(&trial->session.machine, line) < 0)
        return false;
    limit_as_usual(trial);
    if (boot_follow_end(&trial->session) < 0)
        forgive(&trial->session);
    return boot->reset && !boot->panic;
}

/* Health checks as Backstop would run them, with its limit for each, where there is no Backstop. */
static const char run_checks[] =
    "timeout 600 systemctl is-system-running --wait >/dev/null; [ $? != 124 ] || exit 9; "
    "for check in /payload/try/checks/*; do [ ! -e \"$check\" ] || "
    "timeout -k 5 60 \"$check\" || exit 9; done";

static bool is_counted(struct trial *trial)
{
    struct boot *boot = boot_of(trial);

    if (!boot->counted)
        boot_read_records(&trial->session, boot, true);
    return boot->counted;
}

/* Follows a machine that is up with its normal target until it is good, in which it may have
 * crashed since: by its receipt, where Backstop's stage has started it. Backstop's deadline ends
 * what does not come to that. */
static bool becomes_good(struct trial *trial)
{
    bool over;

    if (!trial->backstop || !is_counted(trial))
        return run_within(trial, run_checks, GOOD_LIMIT, &over) && trial->session.run_code == 0;
    for (long passed = 0; passed < GOOD_LIMIT && !boot_of(trial)->good && beat(trial);
         passed += BEAT)
        ;
    return boot_of(trial)->good;
}

/* The end of what a command printed, as one line. */
static char *last_words(const struct trial *trial)
{
    char *output = trial->session.run_output;
    size_t length = strlen(output);

    while (length > 0 && output[length - 1] == '\n')
        output[--length] = '\0';
    for (size_t i = 0; i < length; i++)
        if (output[i] == '\n')
            output[i] = ' ';
    return text_copy(length > 300 ? output + length - 300 : output);
}

/* What the guest has last said of a module: the kernel, or who was to load it. */
static char *module_words(struct trial *trial, const char *name)
{
    TEXT_AUTO command = text_format("{ journalctl -b -o cat -t systemd-modules-load; "
                                    "dmesg | sed 's/^\\[[^]]*\\] //'; } 2>/dev/null | "
                                    "grep -wF -e %s | tail -n 1",
                                    name);

    return run(trial, command) ? last_words(trial) : text_copy("");
}

/* Once it is good, a module that was brought is loaded; else nothing of it was tried. */
static int module_is_loaded(struct trial *trial, const struct update *update, char **reason)
{
    TEXT_AUTO name = text_copy(update->name);
    TEXT_AUTO command = NULL;
    TEXT_AUTO words = NULL;

    for (char *at = name; *at != '\0'; at++)
        if (*at == '-')
            *at = '_';
    command = text_format("test -e /sys/module/%s", name);
    if (!run(trial, command) || trial->session.run_code == 0)
        return 0;
    words = module_words(trial, name);
    text_replace(reason,
                 text_format("--update %s: the machine boots well, but without the module %s: "
                             "nothing of it was tried; the kernel refused it (%s)",
                             update->path, name,
                             words[0] != '\0' ? words : "and says nothing of it"));
    return -EPROTO;
}

static int modules_are_loaded(struct trial *trial, char **reason)
{
    int error = 0;

    for (size_t i = 0; i < trial->options->updates.count && error == 0; i++)
        if (trial->updates[i].kind == UPDATE_MODULE)
            error = module_is_loaded(trial, &trial->updates[i], reason);
    return error;
}

static enum ending follow_safe(struct trial *trial)
{
    const struct boot *boot = boot_of(trial);

    for (long passed = 0; passed < SAFE_LIMIT && beat(trial); passed += BEAT)
        ;
    if (trial->session.on)
        reboot_in_order(trial);
    return boot->good && boot->reset && !boot->panic ? ENDING_SAFE : boot_ending(boot, false);
}

static int follow_normal(struct trial *trial, enum ending *ending, char **reason)
{
    const struct boot *boot = boot_of(trial);
    bool good = becomes_good(trial);
    int error = good && trial->count == 0 ? modules_are_loaded(trial, reason) : 0;

    if (error < 0)
        return error;
    if (good)
        stay(trial, trial->options->watch);
    if (!trial->session.on || !reboot_in_order(trial))
        *ending = boot_ending(boot, good);
    else
        *ending = good ? ENDING_WELL : ENDING_UNHEALTHY;
    return 0;
}

static void record(struct trial *trial, enum ending ending)
{
    const struct boot *boot = boot_of(trial);
    bool uncounted = trial->backstop && !boot->counted;
    TEXT_AUTO text =
        text_format("boot %u: %s%s%s%s", boot->index, ending_string(ending),
                    uncounted ? ", not started by Backstop" : "", boot->where != NULL ? ", " : "",
                    boot->where != NULL ? boot->where : "");

    boot_cut(&trial->session, "switched off");
    trial->boots[trial->count++] = (struct trial_boot){ending, boot_recovers(boot), uncounted};
    progress(trial, text);
}

/* The last line of a text, which is cut behind it. */
static const char *end_of(char *text)
{
    size_t length = strlen(text);
    const char *line;

    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    line = strrchr(text, '\n');
    return line != NULL ? line + 1 : text;
}

/* QEMU itself ended, which is no fault of what was brought. */
static bool qemu_fell(const struct trial *trial, char **reason)
{
    const struct boot *boot = boot_of(trial);
    TEXT_AUTO path = text_format("%s/qemu.log", trial->session.dir);
    TEXT_AUTO log = NULL;
    const char *words;

    if (boot->end == NULL || strcmp(boot->end, "QEMU ended by itself") != 0)
        return false;
    log = file_read(path, NULL);
    words = log != NULL ? end_of(log) : "";
    text_replace(reason, text_format("QEMU ended by itself%s%s; see %s",
                                     words[0] != '\0' ? ": " : "", words, path));
    return true;
}

int trial_boot(struct trial *trial, char **reason)
{
    const struct boot *boot;
    enum ending ending;
    int error = 0;

    if (start(trial) < 0) {
        text_replace(reason, text_copy(trial->session.reason));
        return -EPROTO;
    }
    boot = boot_of(trial);
    if (qemu_fell(trial, reason))
        return -EPROTO;
    if (!boot->hello || !trial->session.on)
        ending = boot_ending(boot, boot->good);
    else if (strcmp(boot->target, "safe") == 0)
        ending = follow_safe(trial);
    else
        error = follow_normal(trial, &ending, reason);
    if (error == 0)
        record(trial, ending);
    return error;
}

/* before the update */

static int not_serving(struct trial *trial, const char *what, char **reason)
{
    const struct boot *boot = boot_of(trial);

    if (qemu_fell(trial, reason))
        return -EPROTO;
    text_replace(
        reason,
        text_format("before any update the machine %s (%s%s%s); its console: %s/%s", what,
                    boot->end != NULL ? boot->end : "still on", boot->where != NULL ? ", " : "",
                    boot->where != NULL ? boot->where : "", trial->session.dir, boot->console));
    return trial->options->image != NULL ? -EINVAL : -EPROTO;
}

static char *last_line(const struct trial *trial)
{
    return text_copy(end_of(trial->session.run_output));
}

/* Exit codes of install.sh. */
#define CANNOT 3
#define AS_IT_WAS 4

/* Runs install.sh, whose exit code is then run_code. */
static int install_run(struct trial *trial, const char *word, char **reason)
{
    TEXT_AUTO command = text_format("sh /payload/try/install.sh %s", word);
    bool over;

    return run_within(trial, command, INSTALL_LIMIT, &over)
               ? 0
               : not_serving(trial, "ended while it was made ready", reason);
}

/* Backstop cannot be installed: that ends the trial, or it goes on without. */
static int go_without(struct trial *trial, char **reason)
{
    TEXT_AUTO line = last_line(trial);

    if (trial->session.run_code == CANNOT && trial->options->backstop != WISH_INSISTED) {
        text_replace(&trial->without, text_copy(line));
        return install_run(trial, "", reason);
    }
    text_replace(reason, text_format("Backstop is not installed: %s", line));
    return -EPROTO;
}

static bool is_done(long code)
{
    return code == 0 || code == AS_IT_WAS;
}

/* *news: what is there now was not there when this boot started. */
static int install(struct trial *trial, bool *news, char **reason)
{
    bool wanted = trial->options->backstop != WISH_NOT;
    int error;

    error = install_run(trial, wanted ? "backstop" : "", reason);
    if (error == 0 && !is_done(trial->session.run_code))
        error = go_without(trial, reason);
    if (error < 0)
        return error;
    if (!is_done(trial->session.run_code))
        return not_serving(trial, "cannot be made ready", reason);
    *news = trial->session.run_code == 0;
    if (!run(trial, "test -e /usr/bin/backstop"))
        return not_serving(trial, "ended while it was made ready", reason);
    trial->backstop = trial->session.run_code == 0;
    return 0;
}

static int module_fits(const struct update *update, const char *kernel, char **reason)
{
    if (update->kind != UPDATE_MODULE || strcmp(kernel, update->kernel) == 0)
        return 0;
    text_replace(reason, text_format("--update %s: is built for kernel %s; the image runs %s",
                                     update->path, update->kernel, kernel));
    return -EINVAL;
}

/* Where the image could not be looked into before. */
static int modules_fit(struct trial *trial, char **reason)
{
    size_t count = trial->options->updates.count;
    TEXT_AUTO kernel = NULL;
    TEXT_AUTO word = NULL;
    int error = 0;

    if (count == 0)
        return 0;
    if (!run(trial, "uname -r"))
        return not_serving(trial, "takes no command", reason);
    kernel = last_line(trial);
    word = text_format("%s ", kernel);
    for (size_t i = 0; i < count && error == 0; i++)
        error = module_fits(&trial->updates[i], kernel, reason);
    if (error == 0 && !trial->image.readable)
        error = update_modules_fit(trial->updates, count, word, reason);
    return error;
}

static int come_up(struct trial *trial, char **reason)
{
    if (start(trial) < 0) {
        text_replace(reason, text_copy(trial->session.reason));
        return -EPROTO;
    }
    if (trial->session.on && boot_of(trial)->hello)
        return 0;
    return not_serving(trial,
                       trial->image.readable
                           ? "does not come up"
                           : "does not come up, or has no cloud-init that starts the rig's agent",
                       reason);
}

/* Up, with Backstop if it is to be there, and a good generation taken. */
static int make_good(struct trial *trial, char **reason)
{
    bool news = false;
    int error = come_up(trial, reason);

    if (error == 0)
        error = modules_fit(trial, reason);
    if (error == 0)
        error = install(trial, &news, reason);
    if (error < 0)
        return error;
    if (trial->backstop && news) {
        if (!reboot_in_order(trial))
            return not_serving(trial, "does not reboot", reason);
        error = come_up(trial, reason);
    }
    if (error == 0 && trial->backstop && !is_counted(trial))
        error = not_serving(trial, "is not counted: its firmware does not start Backstop's stage",
                            reason);
    if (error == 0 && !(becomes_good(trial) && trial->session.on))
        error = not_serving(trial, "does not prove good: do its health checks pass", reason);
    return error;
}

/* What was run ended the boot: in order, by its own doing, or as the first failed boot. */
static void ended_by(struct trial *trial, const char *what)
{
    const struct boot *boot = boot_of(trial);

    if (!boot_in_order(boot)) {
        record(trial, boot_ending(boot, false));
        return;
    }
    text_replace(&trial->itself,
                 text_format("%s itself %s", what,
                             boot->poweroff ? "switched the machine off" : "rebooted the machine"));
    progress(trial, trial->itself);
}

static int not_in_time(const struct trial *trial, const char *what, char **reason)
{
    text_replace(reason,
                 text_format("%s did not end within %ld s%s: --update-limit SECONDS gives it more",
                             what, trial->options->update_limit,
                             trial->session.on ? "" : ", and the machine answers no more"));
    return -EPROTO;
}

/* True if the machine outlived it. */
static bool apply(struct trial *trial, const char *what, const char *command, int *error,
                  char **reason)
{
    bool over, ended;

    progress(trial, what);
    session_say(&trial->session, "try", "%s", what);
    ended = run_within(trial, command, trial->options->update_limit, &over);
    if (over)
        *error = not_in_time(trial, what, reason);
    else if (!ended)
        ended_by(trial, what);
    else if (trial->session.run_code != 0) {
        TEXT_AUTO words = last_words(trial);

        text_replace(reason, text_format("%s failed in the machine: exit code %ld: %s", what,
                                         trial->session.run_code, words));
        *error = -EPROTO;
    }
    return ended && *error == 0;
}

/* A machine that the update has left by itself has not run the command. */
static int left_out(const struct trial *trial, char **reason)
{
    if (trial->itself == NULL || trial->options->command == NULL)
        return 0;
    text_replace(reason, text_format("%s, so that --run could not be run behind it: try the update "
                                     "without, or let one --run do both",
                                     trial->itself));
    return -EPROTO;
}

static int update(struct trial *trial, char **reason)
{
    int error = 0;

    if (trial->options->updates.count > 0 &&
        !apply(trial, "the update", "sh /payload/try/apply.sh", &error, reason))
        return error < 0 ? error : left_out(trial, reason);
    if (trial->options->command != NULL &&
        !apply(trial, "the command", "sh /payload/try/command.sh", &error, reason))
        return error;
    if (!reboot_in_order(trial))
        ended_by(trial, trial->options->command != NULL ? "the command" : "the update");
    return 0;
}

int trial_prepare(struct trial *trial, char **reason)
{
    int error;

    progress(trial, trial->options->backstop == WISH_NOT
                        ? "the first boot, before the update"
                        : "the first boots, before the update: Backstop, a good generation");
    error = make_good(trial, reason);
    return error == 0 ? update(trial, reason) : error;
}
