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

const struct proof_case proof_cases[] = {
    {"recover-small", "recovery of one altered, one added and one missing file", make_small,
     RECOVERY, .twice = true, .reorder = true, .always_ok = true},
    {"recover-all", "recovery of every kind of change", make_every, RECOVERY, .always_ok = true},
    {"recover-versions", "recovery of content behind a link that names its version", make_versions,
     RECOVERY, .reorder = true, .always_ok = true},
    {"recover-masks", "recovery with the drivers off", make_masks, RECOVERY, .always_ok = true},
    {"recover-without", "recovery where the good contents are lost", make_without, RECOVERY,
     .reorder = true, .always_ok = true},
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
