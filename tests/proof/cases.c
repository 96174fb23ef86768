/* cases.c - see cases.h */
#include "cases.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "every_change.h"
#include "ticket.h"
#include "tree.h"

#define PATH_SIZE 1024
#define CASE 7u
#define TICKET_ATTRIBUTES 6 /* BS and RT: core/FORMAT.md */
#define TICKET "/vars/BackstopTicket-79bf4a28-fd19-47e3-bb3c-67b65c2f4dd4"

#if defined __aarch64__
#define EFI_NAME "aa64"
#define EFI_NAME_UPPER "AA64"
#else
#define EFI_NAME "x64"
#define EFI_NAME_UPPER "X64"
#endif
#define STAGE_SOURCE_FILE "/usr/lib/backstop/backstop" EFI_NAME ".efi"

/* ---- making trees ---- */

static void ticket(const char *root, enum rung rung)
{
    struct ticket made = {.number = 41,
                          .case_number = CASE,
                          .failures = 3,
                          .rung = (uint8_t)rung,
                          .stance = STANCE_RECOVERY,
                          .case_open = 1,
                          .first_reason = REASON_FAILED_CRASH};
    uint8_t bytes[4 + TICKET_SIZE] = {TICKET_ATTRIBUTES};
    ticket_encode(&made, bytes + 4);
    plant_dirs(root, "/vars");
    plant_file(root, TICKET, "", 0600);
    if (file_put(plant_path(root, TICKET), bytes, sizeof bytes) < 0)
        plant_failed(TICKET);
    plant_time(root, TICKET, PLANT_TIME);
}

static void base(const char *root)
{
    plant_dirs(root, "/run");
    plant_dirs(root, "/vars");
    every_change_set(root);
}

/* ---- running the programs ---- */

static bool run(const char *root, const struct programs *programs, const char *first, ...)
{
    struct proof_case words = {.words = {first}};
    char output[PATH_SIZE];
    va_list more;
    size_t count = 1;
    va_start(more, first);
    while (count + 1 < WORDS_MAX && (words.words[count] = va_arg(more, const char *)))
        count++;
    va_end(more);
    snprintf(output, sizeof output, "%s.output", root);
    char **argv = case_argv(&words, programs, root), **env = case_environment(root);
    int status = run_plain(argv, env, output);
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

/* A machine with a loader of its own at the removable path. A stage is known by its ledger's name.
 */
static void machine(const char *root)
{
    static const char stage[] = "MZ stage B\0a\0c\0k\0s\0t\0o\0p\0L\0e\0d\0g\0e\0r\0 1";
    base(root);
    plant_dirs(root, "/usr/lib/backstop");
    plant_dirs(root, "/esp/EFI/debian");
    plant_dirs(root, "/esp/EFI/BOOT");
    plant_file(root, STAGE_SOURCE_FILE, "", 0644);
    if (file_put(plant_path(root, STAGE_SOURCE_FILE), stage, sizeof stage - 1) < 0)
        plant_failed(STAGE_SOURCE_FILE);
    plant_file(root, "/esp/EFI/debian/shim" EFI_NAME ".efi", "MZ shim", 0644);
    plant_file(root, "/esp/EFI/debian/grub" EFI_NAME ".efi", "MZ grub", 0644);
    plant_file(root, "/esp/EFI/BOOT/BOOT" EFI_NAME_UPPER ".EFI", "MZ what was there", 0644);
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

const struct proof_case proof_cases[] = {
    {"recover-small", "recovery of one altered, one added and one missing file", make_small,
     RECOVERY, .twice = true, .reorder = true, .always_ok = true},
    {"recover-all", "recovery of every kind of change", make_every, RECOVERY, .reorder = true,
     .always_ok = true},
    {"recover-versions", "recovery of content behind a link that names its version", make_versions,
     RECOVERY, .reorder = true, .always_ok = true},
    {"recover-masks", "recovery with the drivers off", make_masks, RECOVERY, .always_ok = true},
    {"recover-without", "recovery where the good contents are lost", make_without, RECOVERY,
     .reorder = true, .always_ok = true},
    {"recover-directory", "recovery of a directory's metadata alone", make_directory, RECOVERY,
     .twice = true, .reorder = true, .always_ok = true},
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
    {"restore-directory",
     "the former metadata of a directory that stayed",
     make_held_directory,
     {"tool", "quarantine", "restore", "7/1", "--root", "@"},
     .reorder = true},
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
};

const size_t proof_case_count = sizeof proof_cases / sizeof *proof_cases;

/* ---- commands ---- */

static char *word_of(const char *word, const struct programs *programs, const char *root)
{
    char *made = NULL;
    if (strcmp(word, "tool") == 0)
        made = strdup(programs->tool);
    else if (strcmp(word, "early") == 0)
        made = strdup(programs->early);
    else if (*word == '@' && asprintf(&made, "%s%s", root, word + 1) < 0)
        made = NULL;
    else if (*word != '@')
        made = strdup(word);
    if (!made)
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
        argv[i] = i == 0 || *proof_case->words[i] == '@'
                      ? word_of(proof_case->words[i], programs, root)
                      : strdup(proof_case->words[i]);
    return argv;
}

char **case_environment(const char *root)
{
    char **env = calloc(5, sizeof *env);
    if (!env || asprintf(&env[0], "EFIVARFS_PATH=%s/vars/", root) < 0)
        plant_failed(root);
    env[1] = strdup("LC_ALL=C");
    env[2] = strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
    /* the heap grows by pages, so that there are more requests to refuse */
    env[3] = strdup("GLIBC_TUNABLES=glibc.malloc.top_pad=0");
    return env;
}

void words_free(char **words)
{
    for (size_t i = 0; words[i]; i++)
        free(words[i]);
    free(words);
}
