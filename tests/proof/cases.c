/* cases.c - see cases.h */
#include "cases.h"

#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "every_change.h"
#include "machine.h"
#include "tree.h"

#define PATH_SIZE 1024
/* ---- making trees ---- */

static void ticket(const char *root, enum rung rung)
{
    machine_ticket(root, &(struct ticket){.number = MACHINE_BOOT,
                                          .case_number = MACHINE_CASE,
                                          .failures = 3,
                                          .rung = (uint8_t)rung,
                                          .stance = STANCE_RECOVERY,
                                          .case_open = 1,
                                          .first_reason = REASON_FAILED_CRASH});
}

static void base(const char *root)
{
    plant_dirs(root, "/run");
    plant_dirs(root, JAIL_VARIABLES);
    every_change_set(root);
}

/* ---- running the programs ---- */

static bool run_words(const char *root, const struct programs *programs,
                      const struct proof_case *words)
{
    char output[PATH_SIZE];
    struct jail jail = case_jail(words, programs, root);
    snprintf(output, sizeof output, "%s.output", root);
    char **argv = case_argv(words, programs, root), **env = case_environment(words, root);
    int status = run_plain(argv, env, output, &jail);
    if (status != 0) {
        char *said = file_text(output, NULL);
        fprintf(stderr, "proof-calls: %s %s ended with %d: %s\n", argv[0], argv[1], status,
                said ? said : "");
        free(said);
    }
    unlink(output);
    words_free(argv);
    words_free(env);
    return status == 0;
}

static bool run(const char *root, const struct programs *programs, const char *first, ...)
{
    struct proof_case words = {.words = {first}};
    va_list more;
    size_t count = 1;
    va_start(more, first);
    while (count + 1 < WORDS_MAX && (words.words[count] = va_arg(more, const char *)))
        count++;
    va_end(more);
    return run_words(root, programs, &words);
}

/* The reserve is left out of the trees that are copied for each point: 16 MiB of nothing. */
static bool take_good(const char *root, const struct programs *programs)
{
    bool taken = run(root, programs, "tool", "good", "take", "--now", "--root", "@", NULL);
    unlink(plant_path(root, TREE_RESERVE));
    return taken;
}

#define RECOVERY                                                                                   \
    {                                                                                              \
        "early", "--run", "@/run", "--image", "@/image", "--sysctl", "@/sysctl", "--stderr",       \
            "bottom", "@"                                                                          \
    }

#define TAKE_GOOD                                                                                  \
    {                                                                                              \
        "tool", "good", "take", "--now", "--root", "@"                                             \
    }

/* ---- cases ---- */

/* One file of each kind of change. */
static void small_good(const char *root)
{
    base(root);
    plant_file(root, "/opt/acme/altered", "version 290\n", 0640);
    plant_file(root, "/opt/acme/gone", "was here\n", 0600);
}

static void small_faulty(const char *root)
{
    plant_file(root, "/opt/acme/altered", "version 291\n", 0600);
    plant_remove(root, "/opt/acme/gone");
    plant_file(root, "/opt/acme/added", "new\n", 0644);
}

static bool make_small(const char *root, const struct programs *programs)
{
    small_good(root);
    if (!take_good(root, programs))
        return false;
    small_faulty(root);
    ticket(root, RUNG_ALL);
    return true;
}

static bool make_every(const char *root, const struct programs *programs)
{
    base(root);
    every_change_good(root);
    if (!take_good(root, programs))
        return false;
    every_change_faulty(root);
    ticket(root, RUNG_ALL);
    return true;
}

/* A vendor's content in a directory of its version, behind a link that names the current one. */
static void version(const char *root, const char *directory, const char *text)
{
    char path[PATH_SIZE];
    plant_dirs(root, directory);
    snprintf(path, sizeof path, "%s/content", directory);
    plant_file(root, path, text, 0644);
    snprintf(path, sizeof path, "%s/index", directory);
    plant_file(root, path, "1\n", 0600);
    plant_link(root, "/opt/acme/current", strrchr(directory, '/') + 1);
}

static bool make_versions(const char *root, const struct programs *programs)
{
    base(root);
    version(root, "/opt/acme/v290", "290\n");
    if (!take_good(root, programs))
        return false;
    version(root, "/opt/acme/v291", "291\n");
    plant_remove(root, "/opt/acme/v290");
    ticket(root, RUNG_ALL);
    return true;
}

static bool make_masks(const char *root, const struct programs *programs)
{
    if (!make_small(root, programs))
        return false;
    plant_file(root, "/etc/backstop/sets.d/kmod.conf",
               "[set]\nclass=driver\npath=/opt/kmod/**\ndriver=acme_kmod\n", 0644);
    ticket(root, RUNG_DRIVERS_OFF);
    return true;
}

/* The content kept of the altered file is lost: the suspect goes, and nothing takes its place. */
static bool make_without(const char *root, const struct programs *programs)
{
    if (!make_small(root, programs))
        return false;
    plant_remove(root, TREE_STATE "/store");
    plant_dirs(root, TREE_STATE "/store");
    plant_mode(root, TREE_STATE "/store", 0700);
    return true;
}

static bool make_first(const char *root, const struct programs *programs)
{
    (void)programs;
    base(root);
    every_change_good(root);
    return true;
}

static bool make_second(const char *root, const struct programs *programs)
{
    base(root);
    every_change_good(root);
    if (!take_good(root, programs))
        return false;
    every_change_faulty(root);
    return true;
}

/* Two generations are kept: the one to be taken costs the oldest, and contents that only it had. */
static bool make_prune(const char *root, const struct programs *programs)
{
    base(root);
    plant_file(root, "/etc/backstop/backstop.conf", "[policy]\ngenerations=2\n", 0644);
    plant_file(root, "/opt/acme/a", "version 1\n", 0644);
    plant_file(root, "/opt/acme/b", "from the first on\n", 0644);
    if (!take_good(root, programs))
        return false;
    plant_file(root, "/opt/acme/a", "version 2\n", 0644);
    if (!take_good(root, programs))
        return false;
    plant_file(root, "/opt/acme/a", "version 3\n", 0644);
    return true;
}

static bool recover_all(const char *root, const struct programs *programs)
{
    return run(root, programs, "early", "--run", "@/run", "--image", "@/image", "--sysctl",
               "@/sysctl", "--stderr", "bottom", "@", NULL);
}

/* 7/1 is the file that was added, 7/2 the one that was altered. */
static bool make_held(const char *root, const struct programs *programs)
{
    return make_small(root, programs) && recover_all(root, programs);
}

/* 7/1 is a directory that stayed where it is: its metadata alone was put back. */
static bool make_directory(const char *root, const struct programs *programs)
{
    base(root);
    plant_dirs(root, "/opt/acme/owned");
    plant_file(root, "/opt/acme/owned/z", "z\n", 0644);
    plant_note(root, "/opt/acme/owned", "good");
    if (!take_good(root, programs))
        return false;
    plant_mode(root, "/opt/acme/owned", 0700);
    plant_owner(root, "/opt/acme/owned", 5, 6);
    plant_note(root, "/opt/acme/owned", "bad");
    ticket(root, RUNG_ALL);
    return true;
}

static bool make_held_directory(const char *root, const struct programs *programs)
{
    return make_directory(root, programs) && recover_all(root, programs);
}

/* 7/1 is a tree. */
static bool make_held_tree(const char *root, const struct programs *programs)
{
    base(root);
    plant_file(root, "/opt/acme/a", "a\n", 0644);
    if (!take_good(root, programs))
        return false;
    plant_dirs(root, "/opt/acme/tree/below");
    plant_file(root, "/opt/acme/tree/x", "x\n", 0600);
    plant_file(root, "/opt/acme/tree/below/y", "y\n", 04755);
    ticket(root, RUNG_ALL);
    return recover_all(root, programs);
}

/* All of /opt/acme is immutable, but for a log that is to be added to alone: `chattr -R +i`. */
static bool make_locked(const char *root, const struct programs *programs)
{
    base(root);
    plant_dirs(root, "/opt/acme/below");
    plant_file(root, "/opt/acme/altered", "version 290\n", 0640);
    plant_file(root, "/opt/acme/below/altered", "version 290\n", 0640);
    if (!take_good(root, programs))
        return false;
    plant_file(root, "/opt/acme/altered", "version 291\n", 0600);
    plant_file(root, "/opt/acme/below/altered", "version 291\n", 0640);
    plant_file(root, "/opt/acme/below/log", "new\n", 0644);
    plant_flags(root, "/opt/acme/altered", FS_IMMUTABLE_FL);
    plant_flags(root, "/opt/acme/below/altered", FS_IMMUTABLE_FL);
    plant_flags(root, "/opt/acme/below/log", FS_APPEND_FL);
    plant_flags(root, "/opt/acme/below", FS_IMMUTABLE_FL);
    plant_flags(root, "/opt/acme", FS_IMMUTABLE_FL);
    ticket(root, RUNG_ALL);
    return true;
}

/* 7/1 is a log to be added to alone, 7/2 is immutable, and so is what stands where it was. */
static bool make_held_locked(const char *root, const struct programs *programs)
{
    small_good(root);
    if (!take_good(root, programs))
        return false;
    small_faulty(root);
    plant_flags(root, "/opt/acme/altered", FS_IMMUTABLE_FL);
    plant_flags(root, "/opt/acme/added", FS_APPEND_FL);
    ticket(root, RUNG_ALL);
    return recover_all(root, programs);
}

/* A machine with a loader of its own at the removable path. */
static void machine(const char *root)
{
    base(root);
    machine_esp(root);
}

static bool make_machine(const char *root, const struct programs *programs)
{
    (void)programs;
    machine(root);
    return true;
}

static bool make_installed(const char *root, const struct programs *programs)
{
    machine(root);
    return run(root, programs, "tool", "install", "--root", "@", "--esp", "@/esp", "--removable",
               NULL);
}

static bool make_installed_and_used(const char *root, const struct programs *programs)
{
    return make_held(root, programs) && make_installed(root, programs);
}

/* ---- on a system that runs ---- */

#define INSTALL_HERE                                                                               \
    {                                                                                              \
        "tool", "install", "--esp", "/esp"                                                         \
    }

static bool make_running(const char *root, const struct programs *programs)
{
    (void)programs;
    machine(root);
    machine_firmware(root);
    machine_receipt(root);
    jail_plant(root);
    return true;
}

static bool make_entered(const char *root, const struct programs *programs)
{
    static const struct proof_case install = {.running = true, .words = INSTALL_HERE};
    return make_running(root, programs) && run_words(root, programs, &install);
}

/* The stage has started this boot: its last start is still to come. */
static bool make_started(const char *root, const struct programs *programs)
{
    if (!make_entered(root, programs))
        return false;
    machine_ticket(root, &(struct ticket){.number = MACHINE_BOOT, .stored = STORED_NVRAM});
    return true;
}

/* Its identities are taken; what is to be proved good is another version than the last one. */
static bool make_booted(const char *root, const struct programs *programs)
{
    static const struct proof_case start = {.running = true,
                                            .words = {"tool", "confirm", "--start"}};
    if (!make_started(root, programs))
        return false;
    small_good(root);
    if (!take_good(root, programs))
        return false;
    small_faulty(root);
    return run_words(root, programs, &start);
}

const struct proof_case proof_cases[] = {
    {"recover-small", "recovery of one altered, one added and one missing file", make_small,
     RECOVERY, .twice = true, .reorder = true, .always_ok = true},
    {"recover-all", "recovery of every kind of change", make_every, RECOVERY, .reorder = true,
     .always_ok = true},
    {"recover-versions", "recovery of content behind a link that names its version", make_versions,
     RECOVERY, .reorder = true, .always_ok = true},
    {"recover-elsewhere", "recovery where the set has a file system of its own", make_small,
     RECOVERY, .elsewhere = "/opt", .twice = true, .reorder = true, .always_ok = true},
    {"recover-masks", "recovery with the drivers off", make_masks, RECOVERY, .always_ok = true},
    {"recover-without", "recovery where the good contents are lost", make_without, RECOVERY,
     .reorder = true, .always_ok = true},
    {"recover-directory", "recovery of a directory's metadata alone", make_directory, RECOVERY,
     .twice = true, .reorder = true, .always_ok = true},
    {"recover-locked", "recovery of a set that chattr made immutable", make_locked, RECOVERY,
     .twice = true, .always_ok = true},
    {"good-first", "the first good generation", make_first, TAKE_GOOD, .reorder = true,
     .spare = true, .always_ok = true},
    {"good-second", "a good generation after every kind of change", make_second, TAKE_GOOD,
     .spare = true, .always_ok = true},
    {"good-prune", "a good generation that costs the oldest", make_prune, TAKE_GOOD, .twice = true,
     .spare = true, .reorder = true, .always_ok = true},
    {"restore",
     "a suspect back in its place, what stands there into the quarantine",
     make_held,
     {"tool", "quarantine", "restore", "7/2", "--root", "@"},
     .twice = true,
     .reorder = true},
    {"restore-added",
     "a suspect back where nothing stands",
     make_held,
     {"tool", "quarantine", "restore", "7/1", "--root", "@"},
     .twice = true,
     .reorder = true},
    {"restore-elsewhere",
     "a suspect back in its place, on a file system of its own",
     make_held,
     {"tool", "quarantine", "restore", "7/2", "--root", "@"},
     .elsewhere = "/opt",
     .twice = true,
     .reorder = true},
    {"restore-directory",
     "the former metadata of a directory that stayed",
     make_held_directory,
     {"tool", "quarantine", "restore", "7/1", "--root", "@"},
     .reorder = true},
    {"restore-locked",
     "an immutable suspect back in its place",
     make_held_locked,
     {"tool", "quarantine", "restore", "7/2", "--root", "@"},
     .twice = true},
    {"restore-tree",
     "a tree back in its place",
     make_held_tree,
     {"tool", "quarantine", "restore", "7/1", "--root", "@"},
     .reorder = true},
    {"release",
     "a suspect handed out",
     make_held,
     {"tool", "quarantine", "release", "7/1", "opt/released", "--root", "@"},
     .twice = true,
     .reorder = true},
    {"release-locked",
     "a suspect to be added to alone, handed out",
     make_held_locked,
     {"tool", "quarantine", "release", "7/1", "opt/released", "--root", "@"},
     .twice = true},
    {"purge-locked",
     "all suspects of a case deleted, of which two are locked",
     make_held_locked,
     {"tool", "quarantine", "purge", "7", "--yes", "--root", "@"},
     .destroys = true},
    {"purge",
     "one suspect deleted",
     make_held,
     {"tool", "quarantine", "purge", "7/2", "--yes", "--root", "@"},
     .twice = true,
     .reorder = true,
     .destroys = true},
    {"purge-case",
     "all suspects of a case deleted",
     make_held,
     {"tool", "quarantine", "purge", "7", "--yes", "--root", "@"},
     .reorder = true,
     .destroys = true},
    {"purge-elsewhere",
     "all suspects of a case deleted, on a file system of its own",
     make_held,
     {"tool", "quarantine", "purge", "7", "--yes", "--root", "@"},
     .elsewhere = "/opt",
     .reorder = true,
     .destroys = true},
    {"purge-tree",
     "a tree deleted",
     make_held_tree,
     {"tool", "quarantine", "purge", "7/1", "--yes", "--root", "@"},
     .reorder = true,
     .destroys = true},
    {"install",
     "the stage onto the ESP, at the removable path",
     make_machine,
     {"tool", "install", "--root", "@", "--esp", "@/esp", "--removable"},
     .twice = true,
     .reorder = true},
    {"uninstall",
     "the stage from the ESP, state kept",
     make_installed,
     {"tool", "uninstall", "--root", "@", "--esp", "@/esp"},
     .twice = true,
     .reorder = true,
     .destroys = true},
    {"uninstall-purge",
     "the stage from the ESP, and the state",
     make_installed_and_used,
     {"tool", "uninstall", "--purge", "--root", "@", "--esp", "@/esp"},
     .destroys = true},
    {"install-entry", "the stage onto the ESP, and first in BootOrder", make_running, INSTALL_HERE,
     .running = true, .twice = true, .reorder = true},
    {"uninstall-entry",
     "the stage, which never ran, from the ESP and from BootOrder",
     make_entered,
     {"tool", "uninstall", "--esp", "/esp"},
     .running = true,
     .twice = true,
     .reorder = true,
     .destroys = true},
    {"uninstall-all",
     "the stage from the ESP and from BootOrder, and the state",
     make_entered,
     {"tool", "uninstall", "--purge", "--esp", "/esp"},
     .running = true,
     .destroys = true},
    {"uninstall-last",
     "the stage from BootOrder, its last start arranged",
     make_started,
     {"tool", "uninstall", "--esp", "/esp"},
     .running = true,
     .twice = true,
     .reorder = true,
     .other_end = true,
     .destroys = true},
    {"confirm",
     "this boot good: a generation, and the receipt",
     make_booted,
     {"tool", "confirm", "--now", "--no-reboot"},
     .running = true,
     .twice = true,
     .reorder = true,
     .other_end = true,
     .spare = true,
     .always_ok = true},
};

const size_t proof_case_count = sizeof proof_cases / sizeof *proof_cases;

/* ---- commands ---- */

static const char *root_seen(const struct proof_case *proof_case, const char *root)
{
    return proof_case->running ? "" : root;
}

static char *word_of(const struct proof_case *proof_case, const char *word,
                     const struct programs *programs, const char *root)
{
    const char *dir = proof_case->running ? JAIL_PROGRAMS : programs->dir;
    char *made = NULL;
    if (asprintf(&made, "%s%s", *word == '@' ? root_seen(proof_case, root) : "",
                 *word == '@' ? word + 1 : word) < 0)
        plant_failed(word);
    if (word != proof_case->words[0])
        return made;
    free(made);
    if (asprintf(&made, "%s/%s", dir, strcmp(word, "tool") == 0 ? "backstop" : "backstop-early") <
        0)
        plant_failed(word);
    return made;
}

char **case_argv(const struct proof_case *proof_case, const struct programs *programs,
                 const char *root)
{
    char **argv = calloc(WORDS_MAX + 1, sizeof *argv);
    if (!argv)
        plant_failed(root);
    for (size_t i = 0; i < WORDS_MAX && proof_case->words[i]; i++)
        argv[i] = word_of(proof_case, proof_case->words[i], programs, root);
    return argv;
}

char **case_environment(const struct proof_case *proof_case, const char *root)
{
    char **env = calloc(6, sizeof *env);
    if (!env ||
        asprintf(&env[0], "EFIVARFS_PATH=%s" JAIL_VARIABLES "/", root_seen(proof_case, root)) < 0)
        plant_failed(root);
    env[1] = strdup("LC_ALL=C");
    env[2] = strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
    /* the heap grows by pages, so that there are more requests to refuse */
    env[3] = strdup("GLIBC_TUNABLES=glibc.malloc.top_pad=0");
    if (proof_case->running)
        env[4] = strdup("LD_PRELOAD=" JAIL_PROVER "/proof-blkid.so");
    return env;
}

struct jail case_jail(const struct proof_case *proof_case, const struct programs *programs,
                      const char *root)
{
    return (struct jail){.root = proof_case->running ? root : NULL,
                         .programs = programs->dir,
                         .prover = programs->prover};
}

void words_free(char **words)
{
    for (size_t i = 0; words[i]; i++)
        free(words[i]);
    free(words);
}
