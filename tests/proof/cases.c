/* cases.c - see cases.h */
#include "cases.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ticket.h"
#include "tree.h"

#define PATH_SIZE 1024
#define THEN 1500000000 /* time of every file that is not the program's own */
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

static char *at(const char *root, const char *path)
{
    static char full[4][PATH_SIZE];
    static unsigned turn;
    char *out = full[turn++ % 4];
    snprintf(out, PATH_SIZE, "%s%s", root, path);
    return out;
}

_Noreturn static void give_up(const char *path)
{
    fprintf(stderr, "proof-calls: %s: %s\n", path, strerror(errno));
    exit(2);
}

static void old(const char *root, const char *path, long second)
{
    struct timespec times[2] = {{.tv_sec = second}, {.tv_sec = second, .tv_nsec = 123456789}};
    if (utimensat(AT_FDCWD, at(root, path), times, AT_SYMLINK_NOFOLLOW) < 0)
        give_up(path);
}

static void dirs(const char *root, const char *path)
{
    char *full = at(root, path);
    for (char *p = full + strlen(root) + 1;; p++) {
        char was = *p;
        if (was && was != '/')
            continue;
        *p = '\0';
        if (mkdir(full, 0755) < 0 && errno != EEXIST)
            give_up(full);
        *p = was;
        if (!was)
            return;
    }
}

/* Replaced whole, as updaters do: a new inode. */
static void file(const char *root, const char *path, const char *text, mode_t mode)
{
    char *full = at(root, path);
    unlink(full);
    int fd = open(full, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0 || close(fd) < 0)
        give_up(full);
    old(root, path, THEN);
}

static void symbolic(const char *root, const char *path, const char *target)
{
    unlink(at(root, path));
    if (symlink(target, at(root, path)) < 0)
        give_up(path);
    old(root, path, THEN);
}

static void hard(const char *root, const char *from, const char *to)
{
    if (link(at(root, from), at(root, to)) < 0)
        give_up(to);
}

static void own(const char *root, const char *path, uid_t uid, gid_t gid)
{
    if (geteuid() == 0 && lchown(at(root, path), uid, gid) < 0)
        give_up(path);
}

static void mode(const char *root, const char *path, mode_t bits)
{
    if (chmod(at(root, path), bits) < 0)
        give_up(path);
}

static void note(const char *root, const char *path, const char *value)
{
    const char *name = geteuid() == 0 ? "trusted.note" : "user.note";
    if (lsetxattr(at(root, path), name, value, strlen(value), 0) < 0)
        give_up(path);
}

/* u::rw- u:12:r-- g::r-- m::r-- o::--- as the kernel has it: version 2, then tag, permission, id */
static void acl(const char *root, const char *path, unsigned char uid)
{
    const unsigned char bytes[] = {
        2, 0,   0,    0,    1,    0,    6,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,    4,
        0, uid, 0,    0,    0,    4,    0,    4, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
        4, 0,   0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff};
    if (lsetxattr(at(root, path), "system.posix_acl_access", bytes, sizeof bytes, 0) < 0)
        give_up(path);
}

static void sparse(const char *root, const char *path, char fill)
{
    file(root, path, "", 0600);
    int fd = open(at(root, path), O_WRONLY);
    if (fd < 0 || ftruncate(fd, 1 << 18) < 0 || pwrite(fd, &fill, 1, 200000) != 1)
        give_up(path);
    close(fd);
    old(root, path, THEN);
}

static void gone(const char *root, const char *path)
{
    if (tree_remove(at(root, path)) < 0)
        give_up(path);
}

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
    dirs(root, "/vars");
    file(root, TICKET, "", 0600);
    if (file_put(at(root, TICKET), bytes, sizeof bytes) < 0)
        give_up(TICKET);
    old(root, TICKET, THEN);
}

static void base(const char *root)
{
    dirs(root, "/etc/backstop/sets.d");
    dirs(root, "/run");
    dirs(root, "/vars");
    dirs(root, "/opt/acme");
    file(root, "/etc/backstop/sets.d/acme.conf",
         "[set]\nclass=content\npath=/opt/acme/**\nnever=/opt/acme/identity\n"
         "never=/opt/acme/mixed/identity\ndriver=acme-sensor\n",
         0644);
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
    unlink(at(root, TREE_RESERVE));
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
    file(root, "/opt/acme/altered", "version 290\n", 0640);
    file(root, "/opt/acme/gone", "was here\n", 0600);
}

static void small_faulty(const char *root)
{
    file(root, "/opt/acme/altered", "version 291\n", 0600);
    gone(root, "/opt/acme/gone");
    file(root, "/opt/acme/added", "new\n", 0644);
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

static void every_good(const char *root)
{
    base(root);
    file(root, "/etc/backstop/sets.d/kmod.conf",
         "[set]\nclass=driver\npath=/opt/kmod/**\ndriver=acme_kmod\n", 0644);
    dirs(root, "/opt/acme/sub");
    dirs(root, "/opt/acme/dir-to-file/below");
    dirs(root, "/opt/acme/dir-to-link");
    dirs(root, "/opt/acme/owned");
    dirs(root, "/opt/kmod");
    file(root, "/opt/acme/altered", "version 290\n", 0640);
    own(root, "/opt/acme/altered", 12, 34);
    note(root, "/opt/acme/altered", "good");
    file(root, "/opt/acme/listed", "with an ACL\n", 0640);
    acl(root, "/opt/acme/listed", 12);
    file(root, "/opt/acme/gone", "was here\n", 0600);
    file(root, "/opt/acme/sub/gone", "was deeper\n", 0444);
    mode(root, "/opt/acme/sub", 0750);
    own(root, "/opt/acme/sub", 1, 2);
    symbolic(root, "/opt/acme/link", "altered");
    file(root, "/opt/acme/file-to-dir", "a file\n", 0644);
    file(root, "/opt/acme/file-to-link", "a file too\n", 0644);
    file(root, "/opt/acme/dir-to-file/below/x", "x\n", 0644);
    file(root, "/opt/acme/dir-to-link/y", "y\n", 0644);
    symbolic(root, "/opt/acme/link-to-file", "nowhere");
    file(root, "/opt/acme/hard-a", "both altered\n", 0644);
    hard(root, "/opt/acme/hard-a", "/opt/acme/hard-b");
    file(root, "/opt/acme/hard-c", "one altered\n", 0644);
    hard(root, "/opt/acme/hard-c", "/opt/acme/hard-d");
    file(root, "/opt/acme/mode", "same bytes\n", 04755);
    file(root, "/opt/acme/owned/z", "z\n", 0644);
    mode(root, "/opt/acme/owned", 0711);
    note(root, "/opt/acme/owned", "good");
    file(root, "/opt/acme/identity", "sensor 1\n", 0600);
    sparse(root, "/opt/acme/sparse", 'a');
    file(root, "/opt/acme/same", "same\n", 0644);
    file(root, "/opt/kmod/acme.ko", "driver 1\n", 0644);
    old(root, "/opt/acme/sub", THEN - 5);
}

static void every_faulty(const char *root)
{
    file(root, "/opt/acme/altered", "version 291\n", 0600);
    own(root, "/opt/acme/altered", 99, 99);
    note(root, "/opt/acme/altered", "bad");
    acl(root, "/opt/acme/listed", 13);
    gone(root, "/opt/acme/gone");
    gone(root, "/opt/acme/sub");
    symbolic(root, "/opt/acme/link", "elsewhere");
    gone(root, "/opt/acme/file-to-dir");
    dirs(root, "/opt/acme/file-to-dir/deep");
    file(root, "/opt/acme/file-to-dir/deep/f", "f\n", 0644);
    symbolic(root, "/opt/acme/file-to-link", "same");
    gone(root, "/opt/acme/dir-to-file");
    file(root, "/opt/acme/dir-to-file", "no directory\n", 0644);
    gone(root, "/opt/acme/dir-to-link");
    symbolic(root, "/opt/acme/dir-to-link", "owned");
    file(root, "/opt/acme/link-to-file", "no link\n", 0644);
    file(root, "/opt/acme/hard-a", "new a\n", 0644);
    file(root, "/opt/acme/hard-b", "new b\n", 0644);
    file(root, "/opt/acme/hard-c", "new c\n", 0644);
    mode(root, "/opt/acme/mode", 0600);
    mode(root, "/opt/acme/owned", 0700);
    note(root, "/opt/acme/owned", "bad");
    file(root, "/opt/acme/identity", "sensor 2\n", 0600);
    sparse(root, "/opt/acme/sparse", 'b');
    file(root, "/opt/acme/new", "new\n", 0644);
    dirs(root, "/opt/acme/new-tree/below");
    file(root, "/opt/acme/new-tree/a", "a\n", 0644);
    file(root, "/opt/acme/new-tree/below/b", "b\n", 0644);
    dirs(root, "/opt/acme/mixed");
    file(root, "/opt/acme/mixed/identity", "mine\n", 0644);
    file(root, "/opt/acme/mixed/c", "c\n", 0644);
    file(root, "/opt/kmod/acme.ko", "driver 2\n", 0644);
}

static bool make_every(const char *root, const struct programs *programs)
{
    every_good(root);
    if (!take_good(root, programs))
        return false;
    every_faulty(root);
    ticket(root, RUNG_ALL);
    return true;
}

/* A vendor's content in a directory of its version, behind a link that names the current one. */
static void version(const char *root, const char *directory, const char *text)
{
    char path[PATH_SIZE];
    dirs(root, directory);
    snprintf(path, sizeof path, "%s/content", directory);
    file(root, path, text, 0644);
    snprintf(path, sizeof path, "%s/index", directory);
    file(root, path, "1\n", 0600);
    symbolic(root, "/opt/acme/current", strrchr(directory, '/') + 1);
}

static bool make_versions(const char *root, const struct programs *programs)
{
    base(root);
    version(root, "/opt/acme/v290", "290\n");
    if (!take_good(root, programs))
        return false;
    version(root, "/opt/acme/v291", "291\n");
    gone(root, "/opt/acme/v290");
    ticket(root, RUNG_ALL);
    return true;
}

static bool make_masks(const char *root, const struct programs *programs)
{
    if (!make_small(root, programs))
        return false;
    file(root, "/etc/backstop/sets.d/kmod.conf",
         "[set]\nclass=driver\npath=/opt/kmod/**\ndriver=acme_kmod\n", 0644);
    ticket(root, RUNG_DRIVERS_OFF);
    return true;
}

/* The content kept of the altered file is lost: the suspect goes, and nothing takes its place. */
static bool make_without(const char *root, const struct programs *programs)
{
    if (!make_small(root, programs))
        return false;
    gone(root, TREE_STATE "/store");
    dirs(root, TREE_STATE "/store");
    mode(root, TREE_STATE "/store", 0700);
    return true;
}

static bool make_first(const char *root, const struct programs *programs)
{
    (void)programs;
    every_good(root);
    return true;
}

static bool make_second(const char *root, const struct programs *programs)
{
    every_good(root);
    if (!take_good(root, programs))
        return false;
    every_faulty(root);
    return true;
}

/* Two generations are kept: the one to be taken costs the oldest, and contents that only it had. */
static bool make_prune(const char *root, const struct programs *programs)
{
    base(root);
    file(root, "/etc/backstop/backstop.conf", "[policy]\ngenerations=2\n", 0644);
    file(root, "/opt/acme/a", "version 1\n", 0644);
    file(root, "/opt/acme/b", "from the first on\n", 0644);
    if (!take_good(root, programs))
        return false;
    file(root, "/opt/acme/a", "version 2\n", 0644);
    if (!take_good(root, programs))
        return false;
    file(root, "/opt/acme/a", "version 3\n", 0644);
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
    dirs(root, "/opt/acme/owned");
    file(root, "/opt/acme/owned/z", "z\n", 0644);
    note(root, "/opt/acme/owned", "good");
    if (!take_good(root, programs))
        return false;
    mode(root, "/opt/acme/owned", 0700);
    own(root, "/opt/acme/owned", 5, 6);
    note(root, "/opt/acme/owned", "bad");
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
    file(root, "/opt/acme/a", "a\n", 0644);
    if (!take_good(root, programs))
        return false;
    dirs(root, "/opt/acme/tree/below");
    file(root, "/opt/acme/tree/x", "x\n", 0600);
    file(root, "/opt/acme/tree/below/y", "y\n", 04755);
    ticket(root, RUNG_ALL);
    return recover_all(root, programs);
}

/* A machine with a loader of its own at the removable path. A stage is known by its ledger's name.
 */
static void machine(const char *root)
{
    static const char stage[] = "MZ stage B\0a\0c\0k\0s\0t\0o\0p\0L\0e\0d\0g\0e\0r\0 1";
    base(root);
    dirs(root, "/usr/lib/backstop");
    dirs(root, "/esp/EFI/debian");
    dirs(root, "/esp/EFI/BOOT");
    file(root, STAGE_SOURCE_FILE, "", 0644);
    if (file_put(at(root, STAGE_SOURCE_FILE), stage, sizeof stage - 1) < 0)
        give_up(STAGE_SOURCE_FILE);
    file(root, "/esp/EFI/debian/shim" EFI_NAME ".efi", "MZ shim", 0644);
    file(root, "/esp/EFI/debian/grub" EFI_NAME ".efi", "MZ grub", 0644);
    file(root, "/esp/EFI/BOOT/BOOT" EFI_NAME_UPPER ".EFI", "MZ what was there", 0644);
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
        give_up(word);
    return made;
}

char **case_argv(const struct proof_case *proof_case, const struct programs *programs,
                 const char *root)
{
    char **argv = calloc(WORDS_MAX + 1, sizeof *argv);
    if (!argv)
        give_up(root);
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
        give_up(root);
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
