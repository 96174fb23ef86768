/* The boots of a trial: before the update, the update itself, and each boot after it. */
#include "trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In s of the guest. */
#define BEAT 5         /* between two signs of life */
#define SAFE_LIMIT 600 /* within which safe mode is left, unless it is meant to be left by hand */
/* Backstop's deadline ends a boot long before; but not one that its stage did not count. */
#define GOOD_LIMIT 1800
/* In s of the host. An update may work for long without a word. */
#define UPDATE_SILENCE 1200
#define PANIC_PATIENCE 60
/* A boot that goes on talking, but is not up after so many times the limit of silence, hangs. */
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

/* Follows until it is up or off. */
static int start(struct trial *trial)
{
    struct session *session = &trial->session;
    int error;

    session->limits.silence = trial->options->silence;
    session->limits.panic = PANIC_PATIENCE;
    session->limits.boot = BOOT_SILENCES * trial->options->silence;
    error = boot_start(session, NULL);
    if (error < 0)
        return error;
    if (boot_follow(session, is_up, "a machine that is up") < 0)
        forgive(session);
    /* From here on it is heard of by its answers, however long it runs. */
    session->limits.boot = 1000000;
    return 0;
}

/* Runs in the guest; true if it ended, in whatever way, on a machine that is still up. */
static bool run(struct trial *trial, const char *command)
{
    if (!trial->session.on)
        return false;
    if (boot_run(&trial->session, command) < 0)
        forgive(&trial->session);
    return trial->session.on && trial->session.run_ended;
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
    if (boot_follow_end(&trial->session) < 0)
        forgive(&trial->session);
    return boot->reset && !boot->panic;
}

/* Health checks as Backstop would run them, where there is no Backstop. */
static const char run_checks[] = "systemctl is-system-running --wait >/dev/null; "
                                 "for check in /payload/try/checks/*; do [ ! -e \"$check\" ] || "
                                 "\"$check\" || exit 9; done";

/* Follows a machine that is up with its normal target until it is good: with Backstop by its
 * receipt, whose deadline ends what does not come to that. */
static bool becomes_good(struct trial *trial)
{
    if (!trial->backstop)
        return run(trial, run_checks) && trial->session.run_code == 0;
    for (long passed = 0; passed < GOOD_LIMIT && !boot_of(trial)->good && beat(trial);
         passed += BEAT)
        ;
    return boot_of(trial)->good && trial->session.on;
}

static bool word_is(const struct record *record, const char *field, const char *word)
{
    const char *found = record->whole ? record_word(record, field) : NULL;

    return found != NULL && strcmp(found, word) == 0;
}

/* The receipt is of this boot, and not of an earlier one. */
static bool receipt_is_news(const struct boot *boot)
{
    uint32_t attempt = 0, receipt = 0;

    return boot->counted && boot->receipt.whole &&
           record_field(&boot->ledger, "number", &attempt) &&
           record_field(&boot->receipt, "number", &receipt) && attempt == receipt;
}

/* Of a boot that is over and was not ended by us in order. */
static enum ending ending_of(const struct boot *boot, bool was_good)
{
    if (!boot->panic && !boot->reset && !boot->poweroff)
        return ENDING_HUNG;
    if (!boot->panic && receipt_is_news(boot) && word_is(&boot->receipt, "outcome", "failed"))
        return boot->hello ? ENDING_UNHEALTHY : ENDING_HUNG;
    return was_good ? ENDING_LATE : ENDING_CRASHED;
}

static enum ending follow_safe(struct trial *trial)
{
    const struct boot *boot = boot_of(trial);

    for (long passed = 0; passed < SAFE_LIMIT && beat(trial); passed += BEAT)
        ;
    if (trial->session.on)
        reboot_in_order(trial);
    return boot->good && boot->reset && !boot->panic ? ENDING_SAFE : ending_of(boot, false);
}

static enum ending follow_normal(struct trial *trial)
{
    const struct boot *boot = boot_of(trial);
    bool good = becomes_good(trial);

    if (good)
        stay(trial, trial->options->watch);
    if (!trial->session.on)
        return ending_of(boot, good);
    if (!reboot_in_order(trial))
        return ending_of(boot, good);
    return good ? ENDING_WELL : ENDING_UNHEALTHY;
}

static void record(struct trial *trial, enum ending ending)
{
    const struct boot *boot = boot_of(trial);
    bool recovery = boot->counted && word_is(&boot->ledger, "stance", "recovery");
    TEXT_AUTO text =
        text_format("boot %u: %s%s%s", boot->index, ending_string(ending),
                    boot->where != NULL ? ", " : "", boot->where != NULL ? boot->where : "");

    boot_cut(&trial->session, "switched off");
    trial->boots[trial->count++] = (struct trial_boot){ending, recovery};
    progress(trial, text);
}

int trial_boot(struct trial *trial, char **reason)
{
    const struct boot *boot;
    enum ending ending;

    if (start(trial) < 0) {
        text_replace(reason, text_copy(trial->session.reason));
        return -EPROTO;
    }
    boot = boot_of(trial);
    if (boot->end != NULL && strcmp(boot->end, "QEMU ended by itself") == 0) {
        text_replace(reason,
                     text_format("QEMU ended by itself: see %s/qemu.log", trial->session.dir));
        return -EPROTO;
    }
    if (!boot->hello || !trial->session.on)
        ending = ending_of(boot, false);
    else
        ending = strcmp(boot->target, "safe") == 0 ? follow_safe(trial) : follow_normal(trial);
    record(trial, ending);
    return 0;
}

/* before the update */

static int not_serving(struct trial *trial, const char *what, char **reason)
{
    const struct boot *boot = boot_of(trial);

    text_replace(
        reason,
        text_format("before any update the machine %s (%s%s%s); its console: %s/%s", what,
                    boot->end != NULL ? boot->end : "still on", boot->where != NULL ? ", " : "",
                    boot->where != NULL ? boot->where : "", trial->session.dir, boot->console));
    return trial->options->image != NULL ? -EINVAL : -EPROTO;
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

static char *last_line(const struct trial *trial)
{
    char *output = trial->session.run_output, *line;
    size_t length = strlen(output);

    while (length > 0 && output[length - 1] == '\n')
        output[--length] = '\0';
    line = strrchr(output, '\n');
    return text_copy(line != NULL ? line + 1 : output);
}

/* Exit codes of install.sh. */
#define CANNOT 3
#define AS_IT_WAS 4

/* Runs install.sh, whose exit code is then run_code. */
static int install_run(struct trial *trial, const char *word, char **reason)
{
    TEXT_AUTO command = text_format("sh /payload/try/install.sh %s", word);

    return run(trial, command) ? 0 : not_serving(trial, "ended while it was made ready", reason);
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

    trial->session.limits.silence = UPDATE_SILENCE;
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
    trial->session.limits.silence = trial->options->silence;
    return 0;
}

static int modules_fit(struct trial *trial, char **reason)
{
    for (size_t i = 0; i < trial->options->updates.count; i++) {
        const struct update *update = &trial->updates[i];
        TEXT_AUTO kernel = NULL;

        if (update->kind != UPDATE_MODULE)
            continue;
        if (!run(trial, "uname -r"))
            return not_serving(trial, "takes no command", reason);
        kernel = last_line(trial);
        if (strcmp(kernel, update->kernel) == 0)
            continue;
        text_replace(reason, text_format("--update %s: is built for kernel %s; the image runs %s",
                                         update->path, update->kernel, kernel));
        return -EINVAL;
    }
    return 0;
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
    if (error == 0 && !becomes_good(trial))
        error = not_serving(trial,
                            trial->backstop && !boot_of(trial)->counted
                                ? "is not counted: its firmware does not start Backstop's stage"
                                : "does not prove good: do its health checks pass",
                            reason);
    return error;
}

/* True if the machine outlived it; where it did not, that is the first failed boot. */
static bool apply(struct trial *trial, const char *what, const char *command, int *error,
                  char **reason)
{
    progress(trial, what);
    session_say(&trial->session, "try", "%s", what);
    trial->session.limits.silence = UPDATE_SILENCE;
    if (!run(trial, command)) {
        record(trial, ending_of(boot_of(trial), false));
        return false;
    }
    if (trial->session.run_code != 0) {
        TEXT_AUTO words = last_words(trial);

        text_replace(reason, text_format("%s failed in the machine: exit code %ld: %s", what,
                                         trial->session.run_code, words));
        *error = -EPROTO;
        return false;
    }
    return true;
}

static int update(struct trial *trial, char **reason)
{
    int error = 0;

    if (trial->options->updates.count > 0 &&
        !apply(trial, "the update", "sh /payload/try/apply.sh", &error, reason))
        return error;
    if (trial->options->command != NULL &&
        !apply(trial, "the command", trial->options->command, &error, reason))
        return error;
    trial->session.limits.silence = trial->options->silence;
    if (!reboot_in_order(trial))
        record(trial, ending_of(boot_of(trial), false));
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
