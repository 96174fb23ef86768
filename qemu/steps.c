/* The verbs that act: on the machine, in the guest, and on disk and NVRAM between boots. */
#include "steps.h"
#include "chaos.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define HANG_SECONDS 5

const char *word_value(char *const words[], int count, const char *key)
{
    size_t length = strlen(key);

    for (int i = 0; i < count; i++)
        if (strncmp(words[i], key, length) == 0 && words[i][length] == '=')
            return words[i] + length + 1;
    return NULL;
}

int session_disk(struct session *session, struct disk *disk)
{
    TEXT_AUTO reason = NULL;
    int error;

    if (session->on)
        return session_fail(session, "the machine is on: disk and NVRAM are for when it is off");
    error = disk_open(disk, session->disk_path);
    if (error < 0)
        return session_fail(session, "%s: %s", session->disk_path, strerror(-error));
    if (!session->settled && disk_settle(disk, &reason) < 0)
        return session_fail(session, "%s", reason);
    session->settled = true;
    return 0;
}

/* boot */

static bool is_up(const struct boot *boot)
{
    return boot->hello || boot->reset || boot->poweroff;
}

static bool is_good(const struct boot *boot)
{
    return (boot->hello && boot->good) || boot->reset || boot->poweroff;
}

static bool is_panicked(const struct boot *boot)
{
    return boot->gone || boot->good;
}

static bool is_marked(const struct boot *boot)
{
    return boot->marked || boot->hello;
}

static int fail_boot(struct session *session, const char *awaited)
{
    const struct boot *boot = session_boot(session);

    return session_fail(session, "boot %u: awaited: %s; found: %s%s%s%s%s", boot->index, awaited,
                        boot->panic ? "a panic, " : "", boot->reset ? "a reset, " : "",
                        boot->hello ? "it came up with target " : "it did not come up",
                        boot->hello ? boot->target : "", boot->good ? ", and is good" : "");
}

static int expect_target(struct session *session, boot_predicate *done, bool safe,
                         const char *awaited)
{
    const struct boot *boot;

    if (boot_start(session, NULL) < 0 || boot_follow(session, done, awaited) < 0)
        return -EPROTO;
    boot = session_boot(session);
    if (boot->panic || !boot->hello || (strcmp(boot->target, "safe") == 0) != safe)
        return fail_boot(session, awaited);
    return 0;
}

static int expect_panic(struct session *session, long count)
{
    for (long i = 0; i < count; i++) {
        const struct boot *boot;

        if (boot_start(session, NULL) < 0 ||
            boot_follow(session, is_panicked, "a panic and its reset") < 0)
            return -EPROTO;
        boot = session_boot(session);
        if (!boot->panic || !boot->reset)
            return fail_boot(session, "a panic and its reset");
    }
    return 0;
}

/* How long somebody waits for a machine that a fault has struck and that neither is up nor off. */
#define PATIENCE_SECONDS 300

/* An armed fault strikes; what comes up or stands still all the same is switched off. */
static int expect_struck(struct session *session, long count)
{
    for (long i = 0; i < count; i++) {
        if (boot_start(session, NULL) < 0)
            return -EPROTO;
        while (session->on && !faults_struck(session) && !session_boot(session)->good)
            if (boot_watch(session, is_panicked, 1) < 0)
                return -EPROTO;
        if (boot_watch(session, is_up, PATIENCE_SECONDS) < 0)
            return -EPROTO;
        boot_cut(session, "switched off");
        if (!faults_struck(session))
            return fail_boot(session, "a fault that was armed");
    }
    return 0;
}

/* What the firmware started ends in order, and it was not the system that the rig knows. */
static int expect_off(struct session *session, long count)
{
    for (long i = 0; i < count; i++) {
        const struct boot *boot;

        if (boot_start(session, NULL) < 0 || boot_follow_end(session) < 0)
            return -EPROTO;
        boot = session_boot(session);
        if (!boot->poweroff || boot->kernel)
            return fail_boot(session, "an orderly power-off without a Linux");
    }
    return 0;
}

/* The machine says the marker and then nothing any more: somebody switches it off. */
static int expect_hang(struct session *session, const char *marker, long count)
{
    for (long i = 0; i < count; i++) {
        const struct boot *boot;

        if (boot_start(session, marker) < 0 ||
            boot_follow(session, is_marked, "the marker of a hang") < 0)
            return -EPROTO;
        boot_follow_for(session, HANG_SECONDS);
        boot = session_boot(session);
        if (!boot->marked || boot->hello || boot->panic || boot->gone)
            return fail_boot(session, "a hang");
        boot_look(session);
        boot_cut(session, "hung, switched off");
    }
    return 0;
}

static int do_boot(struct session *session, char *const words[], int count)
{
    const char *number = word_value(words, count, "count");
    const char *marker = word_value(words, count, "marker");
    long times = 1;

    if (number != NULL)
        text_number(number, 1, 20, &times);
    if (session->on)
        return session_fail(session, "the machine is on already");
    if (strcmp(words[0], "up") == 0)
        return expect_target(session, is_up, false, "up with its normal target");
    if (strcmp(words[0], "good") == 0)
        return expect_target(session, is_good, false, "up with its normal target, and good");
    if (strcmp(words[0], "safe") == 0)
        return expect_target(session, is_up, true, "up in safe mode");
    if (strcmp(words[0], "hang") == 0)
        return expect_hang(session, marker, times);
    if (strcmp(words[0], "struck") == 0)
        return expect_struck(session, times);
    if (strcmp(words[0], "off") == 0)
        return expect_off(session, times);
    return expect_panic(session, times);
}

static const char *boot_fault(char *const words[], int count)
{
    static const char *const kinds[] = {"up", "good", "safe", "panic", "hang", "struck", "off"};
    const char *number = word_value(words, count, "count");
    bool known = false, hang = strcmp(words[0], "hang") == 0;
    long times;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        known = known || strcmp(words[0], kinds[i]) == 0;
    if (!known)
        return "not a way to boot";
    for (int i = 1; i < count; i++)
        if (!text_starts(words[i], "count=") && !text_starts(words[i], "marker="))
            return "not an option of boot";
    if (number != NULL && text_number(number, 1, 20, &times) < 0)
        return "count is not within 1..20";
    if (number != NULL && (strcmp(words[0], "up") == 0 || strcmp(words[0], "good") == 0 ||
                           strcmp(words[0], "safe") == 0))
        return "count is for boots that end: panic, hang, struck and off";
    return hang != (word_value(words, count, "marker") != NULL)
               ? "hang alone has, and needs, a marker"
               : NULL;
}

/* the ends of a boot */

static int need_on(struct session *session)
{
    return session->on ? 0 : session_fail(session, "the machine is off");
}

static int ask_and_await(struct session *session, const char *command, bool reset)
{
    TEXT_AUTO line = text_format("run %ld %s", ++session->run_id, command);
    const struct boot *boot;

    if (need_on(session) < 0)
        return -EPROTO;
    boot_picture(session);
    if (machine_send(&session->machine, line) < 0)
        return session_fail(session, "the guest's agent takes no command");
    if (boot_follow_end(session) < 0)
        return -EPROTO;
    boot = session_boot(session);
    if (boot->panic || (reset ? !boot->reset : !boot->poweroff))
        return fail_boot(session, reset ? "an orderly reboot" : "an orderly power-off");
    return 0;
}

static int do_reboot(struct session *session, char *const words[], int count)
{
    (void)words, (void)count;
    return ask_and_await(session, "systemctl reboot", true);
}

static int do_poweroff(struct session *session, char *const words[], int count)
{
    (void)words, (void)count;
    return ask_and_await(session, "systemctl poweroff", false);
}

static int do_power_cut(struct session *session, char *const words[], int count)
{
    (void)words, (void)count;
    if (need_on(session) < 0)
        return -EPROTO;
    boot_cut(session, "power cut");
    return 0;
}

static int do_await(struct session *session, char *const words[], int count)
{
    const struct boot *boot;

    (void)count;
    if (need_on(session) < 0)
        return -EPROTO;
    if (strcmp(words[0], "good") == 0) {
        if (boot_follow(session, is_good, "a good receipt") < 0)
            return -EPROTO;
        return session_boot(session)->good ? 0 : fail_boot(session, "a good receipt");
    }
    if (boot_follow_end(session) < 0)
        return -EPROTO;
    boot = session_boot(session);
    if (boot->panic != (strcmp(words[0], "panic") == 0) || !boot->reset)
        return fail_boot(session, boot->panic ? "a reset of its own" : "a panic and its reset");
    return 0;
}

static const char *await_fault(char *const words[], int count)
{
    (void)count;
    return strcmp(words[0], "good") == 0 || strcmp(words[0], "reset") == 0 ||
                   strcmp(words[0], "panic") == 0
               ? NULL
               : "not something to await";
}

static int do_crash(struct session *session, char *const words[], int count)
{
    const struct boot *boot;

    (void)count;
    if (need_on(session) < 0 || boot_run(session, words[0]) < 0 || boot_follow_end(session) < 0)
        return -EPROTO;
    boot = session_boot(session);
    return boot->panic && boot->reset ? 0 : fail_boot(session, "a panic and its reset");
}

static int do_fault(struct session *session, char *const words[], int count)
{
    if (strcmp(words[0], "none") != 0)
        return fault_arm(session, words, count);
    faults_disarm(session);
    return 0;
}

/* in the guest */

/* What a reason has room for: the end of it, where complaints are. */
static const char *last_words(char *output)
{
    size_t length = strlen(output);

    while (length > 0 && output[length - 1] == '\n')
        output[--length] = '\0';
    return length > 300 ? output + length - 300 : output;
}

static int run_expecting(struct session *session, const char *command, const char *code)
{
    long wanted = 0;

    if (need_on(session) < 0 || boot_run(session, command) < 0)
        return -EPROTO;
    if (!session->run_ended)
        return session_fail(session, "the machine ended (%s) while the command ran",
                            session_boot(session)->end);
    if (code != NULL && strcmp(code, "any") == 0)
        return 0;
    if (code != NULL)
        text_number(code, 0, 255, &wanted);
    if (session->run_code != wanted)
        return session_fail(session, "exit code %ld, not %ld: %s", session->run_code, wanted,
                            last_words(session->run_output));
    return 0;
}

static int do_run(struct session *session, char *const words[], int count)
{
    session->run_shown = false;
    session_say(session, "guest", "# %s", words[count - 1]);
    return run_expecting(session, words[count - 1], word_value(words, count - 1, "rc"));
}

static int do_show(struct session *session, char *const words[], int count)
{
    int error;

    session->run_shown = true;
    session_say(session, "guest", "# %s", words[count - 1]);
    error = run_expecting(session, words[count - 1], word_value(words, count - 1, "rc"));
    session->run_shown = false;
    return error;
}

static const char *run_fault(char *const words[], int count)
{
    const char *code = word_value(words, count - 1, "rc");
    long value;

    if (count == 2 && code == NULL)
        return "not an option of this step";
    if (code != NULL && strcmp(code, "any") != 0 && text_number(code, 0, 255, &value) < 0)
        return "not an exit code";
    return NULL;
}

/* from outside */

static int do_note(struct session *session, char *const words[], int count)
{
    (void)count;
    session_say(session, "", "%s", words[0]);
    return 0;
}

static int nvram_edit(struct session *session, struct nvram *nvram, char *const words[], int count)
{
    const char *room = word_value(words, count, "room");
    long bytes = 0;

    if (strcmp(words[0], "delete-ours") == 0)
        return nvram_delete(nvram, guid_backstop, "") > 0
                   ? 0
                   : session_fail(session, "no variable of ours was there");
    if (strcmp(words[0], "fill") == 0) {
        if (room != NULL)
            text_number(room, 0, 65536, &bytes);
        nvram_fill(nvram, (size_t)bytes);
        return 0;
    }
    return nvram_damage(nvram, guid_backstop, words[1], 20, 0x10)
               ? 0
               : session_fail(session, "no variable %s was there", words[1]);
}

static int do_nvram(struct session *session, char *const words[], int count)
{
    struct nvram nvram;
    int error;

    if (session->on)
        return session_fail(session, "the machine is on");
    error = nvram_load(&nvram, session->vars_path);
    if (error < 0)
        return session_fail(session, "%s: %s", session->vars_path, strerror(-error));
    error = nvram_edit(session, &nvram, words, count);
    if (error == 0 && nvram_save(&nvram, session->vars_path) < 0)
        error = session_fail(session, "%s cannot be written", session->vars_path);
    session_say(session, "rig", "NVRAM: %s%s%s; %zu bytes free", words[0], count > 1 ? " " : "",
                count > 1 ? words[1] : "", nvram_room(&nvram));
    nvram_free(&nvram);
    return error;
}

static const char *nvram_fault(char *const words[], int count)
{
    const char *room = word_value(words, count, "room");
    long bytes;

    if (strcmp(words[0], "delete-ours") == 0)
        return count == 1 ? NULL : "too many words";
    if (strcmp(words[0], "fill") == 0)
        return count == 1 || (room != NULL && text_number(room, 0, 65536, &bytes) == 0)
                   ? NULL
                   : "not a number of bytes to leave";
    if (strcmp(words[0], "damage") == 0)
        return count == 2 ? NULL : "which variable is not said";
    return "not an edit of NVRAM";
}

/* Flips one bit in the middle of a file. */
static int damage(struct session *session, const struct disk *disk, const char *path, bool esp,
                  char **reason)
{
    size_t size = 0;
    TEXT_AUTO bytes = esp ? esp_read(disk, path, &size) : disk_read(disk, path, &size);

    if (bytes == NULL || size == 0)
        return session_fail(session, "%s: nothing there to damage", path);
    bytes[size / 2] = (char)(bytes[size / 2] ^ 0x10);
    return esp ? esp_write(disk, path, bytes, size, reason)
               : disk_write(disk, path, bytes, size, reason);
}

static char *lines_of(char *const words[], int count)
{
    char *text = text_copy("");

    for (int i = 0; i < count; i++) {
        text_append(&text, words[i]);
        text_append(&text, "\n");
    }
    return text;
}

char *session_path(const struct session *session, const char *word)
{
    TEXT_AUTO path = NULL;
    struct hash *hash;
    char hex[HASH_TEXT_SIZE];

    if (!text_starts(word, FAULT_OBJECT))
        return text_copy(word);
    path = text_format("%s/%s", session->outbox, word + strlen(FAULT_OBJECT));
    hash = hash_new();
    (void)hash_add_file(hash, path);
    hash_end(hash, hex);
    return text_format("/var/lib/backstop/store/%.2s/%s", hex, hex + 2);
}

static int do_file(struct session *session, char *const words[], int count, bool esp)
{
    struct disk disk;
    TEXT_AUTO reason = NULL;
    TEXT_AUTO path = session_path(session, words[1]);
    int error = session_disk(session, &disk);

    if (error < 0)
        return error;
    session_say(session, "rig", "%s: %s %s", esp ? "ESP" : "disk", words[0], path);
    if (strcmp(words[0], "delete") == 0) {
        error = esp ? esp_delete(&disk, path, &reason) : disk_delete(&disk, path, &reason);
    } else if (strcmp(words[0], "damage") == 0) {
        error = damage(session, &disk, path, esp, &reason);
    } else {
        TEXT_AUTO text = lines_of(words + 2, count - 2);

        error = esp ? esp_write(&disk, path, text, strlen(text), &reason)
                    : disk_write(&disk, path, text, strlen(text), &reason);
    }
    return error < 0 ? session_fail(session, "%s", reason != NULL ? reason : strerror(-error)) : 0;
}

static int do_disk(struct session *session, char *const words[], int count)
{
    return do_file(session, words, count, false);
}

static int do_esp(struct session *session, char *const words[], int count)
{
    return do_file(session, words, count, true);
}

static const char *file_fault(char *const words[], int count)
{
    bool two = strcmp(words[0], "delete") == 0 || strcmp(words[0], "damage") == 0;

    if (!two && strcmp(words[0], "write") != 0)
        return "not an edit of a file";
    if (two ? count != 2 : count < 3)
        return "too few or too many words";
    return words[1][0] == '/' || text_starts(words[1], FAULT_OBJECT)
               ? NULL
               : "the path does not begin with /";
}

static int do_snapshot(struct session *session, char *const words[], int count)
{
    struct disk disk;
    struct snapshot snapshot = {0};
    int error = session_disk(session, &disk);

    if (error < 0)
        return error;
    snapshot.name = text_copy(words[0]);
    snapshot.listing = text_copy("");
    snapshot.path_count = (size_t)count - 1;
    snapshot.paths = calloc(snapshot.path_count, sizeof *snapshot.paths);
    session->snapshots =
        realloc(session->snapshots, (session->snapshot_count + 1) * sizeof *session->snapshots);
    if (snapshot.paths == NULL || session->snapshots == NULL)
        abort();
    for (int i = 1; i < count; i++) {
        TEXT_AUTO more = disk_listing(&disk, words[i]);

        snapshot.paths[i - 1] = text_copy(words[i]);
        text_append(&snapshot.listing, more);
    }
    session->snapshots[session->snapshot_count++] = snapshot;
    return snapshot.listing[0] != '\0' ? 0 : session_fail(session, "nothing is there");
}

const struct verb verbs[] = {
    {"boot", 1, 3,
     "up|good|safe|panic [count=N]|hang marker=TEXT [count=N]|struck [count=N]|off [count=N]",
     "switch on and follow to there; the machine stays on after up, good and safe; struck: until "
     "an armed fault has struck and it is off; off: to a power-off in order without Linux",
     boot_fault, do_boot, false},
    {"reboot", 0, 0, "", "reboot in order", NULL, do_reboot, false},
    {"poweroff", 0, 0, "", "power off in order", NULL, do_poweroff, false},
    {"power-cut", 0, 0, "", "cut the power", NULL, do_power_cut, false},
    {"await", 1, 1, "good|reset|panic",
     "follow until it is good, resets of its own accord, or panics and resets", await_fault,
     do_await, false},
    {"crash", 1, 1, "COMMAND", "run what makes the kernel panic, and follow the panic", NULL,
     do_crash, false},
    {"fault", 1, 4,
     "none | WHEN WHAT [count=N|always]; WHEN: firmware, kernel, initramfs, early, booted, "
     "network, after=SECONDS, write=N, console=TEXT; WHAT: panic, oops, hang, reset, power-cut, "
     "io-error, io-error-once, bad-sector PATH, read-only, disk-full, corrupt PATH, clock DATE, "
     "nvram-full, variable-lost NAME, variable-damaged NAME, boot-order",
     "arm a fault for the boots to come, once if nothing else is said; README.md has the sense",
     fault_words_fault, do_fault, false},
    {"chaos", 1, 5,
     "update DELIVERED | good | reboot | poweroff | cut | fault WHEN WHAT [count=N|always] | "
     "settle",
     "bring the machine to where this can be done, do it, and judge it each time it is off",
     chaos_fault, chaos_perform, false},
    {"run", 1, 2, "[rc=N|any] COMMAND", "run in the guest; exit code 0 is expected", run_fault,
     do_run, false},
    {"show", 1, 2, "[rc=N|any] COMMAND", "the same, and show what it prints", run_fault, do_show,
     false},
    {"note", 1, 1, "TEXT", "a line for people", NULL, do_note, false},
    {"nvram", 1, 2, "delete-ours | fill [room=N] | damage VARIABLE",
     "edit the variable store while the machine is off", nvram_fault, do_nvram, false},
    {"disk", 2, STEP_WORDS_MAX,
     "write PATH LINE... | delete PATH | damage PATH; PATH may be object=DELIVERED",
     "edit the root file system while the machine is off", file_fault, do_disk, false},
    {"esp", 2, STEP_WORDS_MAX, "write PATH LINE... | delete PATH | damage PATH",
     "edit the ESP while the machine is off", file_fault, do_esp, false},
    {"snapshot", 2, STEP_WORDS_MAX, "NAME PATH...",
     "keep what lies at and under these paths, to compare with later", NULL, do_snapshot, false},
    {"check", 1, STEP_WORDS_MAX, check_usage, "judge from outside; the kinds are below",
     check_fault, check_perform, true},
    {NULL, 0, 0, NULL, NULL, NULL, NULL, false},
};
