/*
 * main.c - proof-calls: the first layer of the proof. `proof-calls --help` says what it does.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/fs.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "list.h"
#include "reorder.h"

static const char help[] =
    "proof-calls: every state-changing system call of Backstop's real programs is a point at "
    "which\n"
    "power is cut or the call is refused; run again, the end must be that of a run that nothing\n"
    "befell, byte and attribute, and no byte that was there before may be lost on the way.\n"
    "\n"
    "  proof-calls [options] --programs DIR --results DIR\n"
    "\n"
    "  --programs DIR   where backstop and backstop-early are\n"
    "  --results DIR    where points-KEY.jsonl is kept: a point with a result is not run again.\n"
    "                   KEY is a hash of the programs and of this one\n"
    "  --fresh          forgets those results\n"
    "  --budget SECONDS begins no point and lists no state after so long, and says what is left\n"
    "  --case NAME      of that case alone; may be repeated\n"
    "  --kind KIND      of that kind alone: cut, twice, fault, memory, reorder, any-order; may be\n"
    "                   repeated\n"
    "  --every N        of each kind every Nth point alone: the others are left out, and said so\n"
    "  --point CASE/ID  that point alone, with all that it says; its tree is kept\n"
    "  --list           the cases\n"
    "  --dir DIR        a directory for the trees, on a file system with trusted xattrs, ACLs\n"
    "                   and chattr's flags; without it /dev/shm, or /tmp where that has none\n"
    "  -j N             processes at once; without it four a processor\n"
    "\n"
    "Kinds of points: cut (c12: before call 12; h12: after half of what call 12 writes), twice\n"
    "(c12.c5: and the second run before its call 5), fault (e12:EIO: call 12 is refused once, "
    "E12:EIO:\n"
    "and every one after it; s12, S12: short writes), memory (m12, M12: request 12 for memory is\n"
    "refused), reorder and any-order (r12.3, x12.3: state 3 of those that a power cut after call "
    "12 may\n"
    "leave where not all of it was written, or not in that order).\n"
    "\n"
    "Assumed of a file system: fsync makes a file's bytes and attributes durable, of a directory "
    "its\n"
    "names; syncfs everything on its file system (the ESP is one of its own), and nothing else. A\n"
    "name is made, taken away, moved or exchanged wholly or not at all.\n"
    "Until then: of one directory's changes a first part is there; directories are independent of "
    "each\n"
    "other but for a move that concerns two; files have their new bytes, the former, none, half "
    "or\n"
    "zeros, and their new attributes or the former. any-order: up to two changes of names are "
    "missing,\n"
    "or alone there, whatever came before them.\n"
    "\n"
    "Exit status: 0 every point that was run ended well, 1 one did not, 2 it could not be run.\n";

#define STATES_MIN 10000 /* reorder and any-order, of a run of everything */

enum kind { KIND_CUT, KIND_TWICE, KIND_FAULT, KIND_MEMORY, KIND_REORDER, KIND_ANY, KIND_COUNT };
static const char *const kind_names[] = {"cut", "twice", "fault", "memory", "reorder", "any-order"};

struct options {
    struct programs programs;
    const char *results, *dir, *point;
    const char *cases[32];
    size_t case_count;
    bool kinds[KIND_COUNT];
    bool any_kind, fresh, list;
    unsigned budget, jobs, every;
};

struct sums {
    unsigned long points, well, left, groups_passed, groups_failed;
    struct kind_sum {
        unsigned long points, well;
    } kinds[KIND_COUNT];
    unsigned long behind;    /* first cuts of which the second cuts are not listed */
    unsigned long cut_short; /* groups of which not all points were listed */
};

/* ---- points of a case ---- */

/* What the points of a group are run with. */
struct group {
    struct subject *subject;
    struct reorder reorder;
    bool recorded;            /* or it was tried */
    struct unlisted unlisted; /* of the kind at hand */
    size_t behind;            /* first cuts of which the second cuts are not listed */
};

static void take_id(const char *id, void *user)
{
    ids_add(user, "%s", id);
}

static void list_states(struct group *group, bool any_order, time_t until, struct ids *ids)
{
    if (!group->recorded)
        reorder_make(&group->reorder, group->subject);
    group->recorded = true;
    if (!*group->reorder.wrong)
        group->unlisted = reorder_list(&group->reorder, any_order, until, take_id, ids);
}

static bool list_points(struct group *group, const struct pool *pool, enum kind kind,
                        struct ids *ids)
{
    const struct subject *subject = group->subject;
    switch (kind) {
    case KIND_CUT:
        list_cuts(subject, ids);
        return true;
    case KIND_TWICE:
        if (subject->proof_case->twice)
            group->behind = list_twice(subject, pool, ids);
        return subject->proof_case->twice;
    case KIND_FAULT:
        list_faults(subject, ids);
        return true;
    case KIND_MEMORY:
        list_memory(subject, ids);
        return true;
    case KIND_REORDER:
    case KIND_ANY:
        if (subject->proof_case->reorder)
            list_states(group, kind == KIND_ANY, pool->until, ids);
        return subject->proof_case->reorder;
    case KIND_COUNT:
        break;
    }
    return false;
}

static bool is_state(const char *id)
{
    return *id == 'r' || *id == 'x';
}

static struct verdict run_point(void *user, const char *id, const char *work)
{
    const struct group *group = user;
    return is_state(id) ? reorder_run(&group->reorder, id, work, false)
                        : point_run(group->subject, id, work, false);
}

/* ---- a group: the points of one kind of one case ---- */

static void say_failed(const struct result *result, unsigned long failed)
{
    if (failed <= 5)
        printf("    FAILED %s: %.600s\n", result->id, result->detail ? result->detail : "");
    else if (failed == 6)
        puts("    FAILED ... the others are in the results");
}

static bool is_cut_short(const struct group *group)
{
    const struct unlisted *unlisted = &group->unlisted;
    return unlisted->calls || unlisted->sets || unlisted->changes || group->behind;
}

static void say_unlisted(const struct group *group)
{
    const struct unlisted *unlisted = &group->unlisted;
    if (unlisted->calls)
        printf("; not listed: what the last %u calls may leave, the budget is up", unlisted->calls);
    if (unlisted->sets)
        printf("; not listed: %zu sets of names, more than %d after a call", unlisted->sets,
               SUBSETS_MAX);
    if (unlisted->changes)
        printf("; not listed as missing: %zu changes of names, more than %d after a call",
               unlisted->changes, PENDING_MAX);
    if (group->behind)
        printf("; not listed: second cuts behind %zu first cuts that have no result",
               group->behind);
}

/* The recording is that of both kinds of states: each of them has failed. */
static const char *wrong_of(const struct group *group, enum kind kind)
{
    return kind == KIND_REORDER || kind == KIND_ANY ? group->reorder.wrong : "";
}

static void count_group(const struct group *group, const struct pool *pool, enum kind kind,
                        const struct ids *ids, size_t listed, struct sums *sums)
{
    const struct subject *subject = group->subject;
    unsigned long well = 0, failed = 0;
    for (size_t i = 0; i < ids->count; i++) {
        char whole[2 * POINT_ID];
        snprintf(whole, sizeof whole, "%s/%s", subject->proof_case->name, ids->items[i]);
        const struct result *result = pool_find(pool, whole);
        well += result && result->well;
        if (result && !result->well)
            say_failed(result, ++failed);
    }
    if (*wrong_of(group, kind))
        printf("    FAILED %s %s: %s\n", subject->proof_case->name, kind_names[kind],
               group->reorder.wrong);
    printf("  %-18s %-7s %6zu points, %lu ended well", subject->proof_case->name, kind_names[kind],
           listed, well);
    if (failed)
        printf(", %lu did not", failed);
    if (listed - well - failed)
        printf(", %lu left out", listed - well - failed);
    say_unlisted(group);
    puts("");
    fflush(stdout);
    sums->points += listed;
    sums->well += well;
    sums->left += listed - well - failed;
    sums->kinds[kind].points += listed;
    sums->kinds[kind].well += well;
    sums->behind += group->behind;
    sums->cut_short += is_cut_short(group);
    sums->groups_passed +=
        well > 0 && well == listed && !is_cut_short(group) && !*wrong_of(group, kind);
    sums->groups_failed += failed > 0 || *wrong_of(group, kind);
}

static void run_group(const struct options *options, struct group *group, struct pool *pool,
                      enum kind kind, struct sums *sums)
{
    const struct subject *subject = group->subject;
    struct ids ids = {0};
    group->unlisted = (struct unlisted){0};
    group->behind = 0;
    if ((options->any_kind && !options->kinds[kind]) || !list_points(group, pool, kind, &ids))
        return;
    size_t listed = ids.count;
    if (options->every > 1)
        ids_thin(&ids, options->every);
    pool_run(pool, subject->proof_case->name, ids.items, ids.count, subject->dir, run_point, group);
    count_group(group, pool, kind, &ids, listed, sums);
    ids_free(&ids);
}

/* ---- cases ---- */

static bool is_asked_for(const struct options *options, const char *name)
{
    for (size_t i = 0; i < options->case_count; i++)
        if (strcmp(options->cases[i], name) == 0)
            return true;
    return options->case_count == 0;
}

static bool make_subject(const struct options *options, const struct proof_case *proof_case,
                         struct subject *subject)
{
    char dir[POINT_PATH];
    snprintf(dir, sizeof dir, "%s/backstop-proof-XXXXXX", options->dir);
    int err = mkdtemp(dir) ? subject_make(subject, proof_case, &options->programs, dir) : -errno;
    if (err < 0)
        fprintf(stderr, "proof-calls: %s cannot be made ready in %s: %s\n", proof_case->name, dir,
                strerror(-err));
    return err == 0;
}

static bool can_be_made(const struct proof_case *proof_case)
{
    if (proof_case->elsewhere)
        return jail_can_be() && jail_own_mounts();
    return !proof_case->running || jail_can_be();
}

static bool run_case_points(const struct options *options, const struct proof_case *proof_case,
                            struct pool *pool, struct sums *sums)
{
    struct subject subject = {0};
    struct group group = {.subject = &subject};
    if (!can_be_made(proof_case)) {
        printf("LEFT calls: all of %s: it needs root, and mounts of its own\n", proof_case->name);
        sums->cut_short++;
        return true;
    }
    bool made = make_subject(options, proof_case, &subject);
    for (int kind = 0; made && kind < KIND_COUNT; kind++)
        run_group(options, &group, pool, (enum kind)kind, sums);
    if (group.recorded)
        reorder_free(&group.reorder);
    subject_free(&subject);
    return made;
}

static unsigned long states_of(const struct sums *sums)
{
    return sums->kinds[KIND_REORDER].points + sums->kinds[KIND_ANY].points;
}

/* Of everything that there is, with nothing left. */
static bool has_too_few(const struct options *options, const struct sums *sums)
{
    bool whole = !options->case_count && !options->any_kind && !sums->left && !sums->cut_short;
    return whole && states_of(sums) < STATES_MIN;
}

/* States of a case are each different from all others of it. */
static void say_sum(const struct sums *sums)
{
    const struct kind_sum *may = &sums->kinds[KIND_REORDER], *more = &sums->kinds[KIND_ANY];
    printf("calls: %lu points, %lu ended well, %lu left out", sums->points, sums->well, sums->left);
    if (states_of(sums))
        printf("; among them states: %lu that file systems may leave (reorder), %lu ended well; "
               "%lu beyond (any-order), %lu ended well",
               may->points, may->well, more->points, more->well);
    puts("");
}

static int run_all(const struct options *options, struct pool *pool)
{
    struct sums sums = {0};
    bool made = true;
    for (size_t i = 0; i < proof_case_count; i++)
        if (is_asked_for(options, proof_cases[i].name))
            made = run_case_points(options, &proof_cases[i], pool, &sums) && made;
    if (sums.behind)
        printf("LEFT calls: second cuts behind %lu first cuts\n", sums.behind);
    if (sums.cut_short)
        printf("LEFT calls: points of %lu groups that are not listed, as said above\n",
               sums.cut_short);
    if (has_too_few(options, &sums)) {
        printf("FAIL calls: %lu states of what may be reordered; a whole run has %d at least\n",
               states_of(&sums), STATES_MIN);
        sums.groups_failed++;
    }
    say_sum(&sums);
    printf("%lu passed, %lu failed\n", sums.groups_passed, sums.groups_failed);
    if (!made || pool->failed || (sums.points == 0 && sums.cut_short == 0 && !sums.groups_failed))
        return 2;
    return sums.groups_failed ? 1 : 0;
}

/* ---- one point, looked at ---- */

static void say_calls(const struct subject *subject)
{
    for (size_t i = 0; i < subject->call_count; i++)
        printf("%s%zu %s", i % 6 ? "  " : "\n  ", i + 1, subject->calls[i].rule->name);
    puts("");
}

static void say_output(const char *work)
{
    char path[POINT_PATH + 16];
    snprintf(path, sizeof path, "%s.output", work);
    char *said = file_text(path, NULL);
    printf("last run said:\n%s", said ? said : "");
    free(said);
}

static int run_one(const struct options *options)
{
    const char *slash = strchr(options->point, '/');
    for (size_t i = 0; slash && i < proof_case_count; i++) {
        struct subject subject = {0};
        char work[POINT_PATH];
        const char *name = proof_cases[i].name;
        if (strncmp(options->point, name, (size_t)(slash - options->point)) != 0 ||
            name[slash - options->point])
            continue;
        if (!can_be_made(&proof_cases[i])) {
            fprintf(stderr, "proof-calls: %s needs root, and mounts of its own\n", name);
            return 2;
        }
        if (!make_subject(options, &proof_cases[i], &subject))
            return 2;
        snprintf(work, sizeof work, "%s/" WORK_SHOWN, subject.dir);
        struct reorder reorder = {0};
        if (is_state(slash + 1) && reorder_make(&reorder, &subject) < 0) {
            fprintf(stderr, "proof-calls: %s: %s\n", name, reorder.wrong);
            return 1;
        }
        struct verdict verdict = is_state(slash + 1) ? reorder_run(&reorder, slash + 1, work, true)
                                                     : point_run(&subject, slash + 1, work, true);
        printf("calls of the uncut run:");
        say_calls(&subject);
        say_output(work);
        printf("%s %s%s%s\ntree: %s\n", options->point, verdict.well ? "ended well" : "FAILED",
               verdict.detail ? ": " : "", verdict.detail ? verdict.detail : "", work);
        if (proof_cases[i].elsewhere)
            printf("(%s in it was a file system of its own, and is gone)\n",
                   proof_cases[i].elsewhere);
        return verdict.well ? 0 : 1;
    }
    fprintf(stderr, "proof-calls: %s: no such point; write CASE/ID, and --list for the cases\n",
            options->point);
    return 2;
}

/* ---- options ---- */

static bool hash_into(EVP_MD_CTX *context, const char *dir, const char *name)
{
    char path[POINT_PATH];
    size_t size = 0;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    char *bytes = file_text(path, &size);
    if (!bytes) {
        fprintf(stderr, "proof-calls: %s: %s\n", path, strerror(errno));
        return false;
    }
    EVP_DigestUpdate(context, bytes, size);
    free(bytes);
    return true;
}

/* The results' name: of what is proven and of what proves it. */
static bool name_results(const struct options *options, struct pool *pool)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    const struct programs *programs = &options->programs;
    bool read = hash_into(context, programs->dir, "backstop") &&
                hash_into(context, programs->dir, "backstop-early") &&
                hash_into(context, programs->prover, "proof-blkid.so") &&
                hash_into(context, "/proc/self", "exe");
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    snprintf(pool->path, sizeof pool->path, "%s/points-%02x%02x%02x%02x%02x%02x.jsonl",
             options->results, digest[0], digest[1], digest[2], digest[3], digest[4], digest[5]);
    return read;
}

static bool dir_serves(const char *dir)
{
    char path[POINT_PATH];
    snprintf(path, sizeof path, "%s/backstop-proof-XXXXXX", dir);
    int fd = mkstemp(path);
    unsigned flags = 0;
    bool serves = fd >= 0 && (geteuid() != 0 || (fsetxattr(fd, "trusted.note", "x", 1, 0) == 0 &&
                                                 ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0));
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    return serves;
}

static int kind_of(const char *name)
{
    for (int i = 0; i < KIND_COUNT; i++)
        if (strcmp(name, kind_names[i]) == 0)
            return i;
    return -1;
}

static bool number(const char *text, unsigned *out)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    *out = (unsigned)value;
    return *text && !*end && value <= 1000000;
}

static bool case_exists(const char *name)
{
    for (size_t i = 0; i < proof_case_count; i++)
        if (strcmp(proof_cases[i].name, name) == 0)
            return true;
    return false;
}

static bool take_case(struct options *options, const char *name)
{
    if (!case_exists(name) || options->case_count == sizeof options->cases / sizeof *options->cases)
        return false;
    options->cases[options->case_count++] = name;
    return true;
}

static bool take_kind(struct options *options, const char *name)
{
    int kind = kind_of(name);
    if (kind < 0)
        return false;
    options->kinds[kind] = options->any_kind = true;
    return true;
}

static bool find_prover(struct programs *programs)
{
    ssize_t length = readlink("/proc/self/exe", programs->prover, sizeof programs->prover - 1);
    char *slash = length > 0 ? memrchr(programs->prover, '/', (size_t)length) : NULL;
    if (slash)
        *slash = '\0';
    return slash != NULL;
}

/* They are run from within the trees. */
static bool take_programs(struct options *options, const char *dir)
{
    char *full = realpath(dir, NULL);
    if (!full)
        return false;
    snprintf(options->programs.dir, sizeof options->programs.dir, "%s", full);
    free(full);
    return find_prover(&options->programs);
}

static bool take_option(struct options *options, int option, const char *value)
{
    switch (option) {
    case 'p':
        return take_programs(options, value);
    case 'r':
        options->results = value;
        return true;
    case 'd':
        options->dir = value;
        return true;
    case 'P':
        options->point = value;
        return true;
    case 'f':
        options->fresh = true;
        return true;
    case 'l':
        options->list = true;
        return true;
    case 'b':
        return number(value, &options->budget);
    case 'j':
        return number(value, &options->jobs) && options->jobs > 0;
    case 'e':
        return number(value, &options->every) && options->every > 0;
    case 'c':
        return take_case(options, value);
    case 'k':
        return take_kind(options, value);
    default:
        return false;
    }
}

/* True: go on; false: *code is the exit status. */
static bool parse(int argc, char **argv, struct options *options, int *code)
{
    static const struct option known[] = {
        {"programs", required_argument, NULL, 'p'}, {"results", required_argument, NULL, 'r'},
        {"dir", required_argument, NULL, 'd'},      {"point", required_argument, NULL, 'P'},
        {"budget", required_argument, NULL, 'b'},   {"case", required_argument, NULL, 'c'},
        {"kind", required_argument, NULL, 'k'},     {"every", required_argument, NULL, 'e'},
        {"fresh", no_argument, NULL, 'f'},          {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    int option;
    *code = 2;
    while ((option = getopt_long(argc, argv, "j:", known, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            *code = 0;
            return false;
        }
        if (!take_option(options, option, optarg)) {
            fprintf(stderr, "proof-calls: \"%s\" is not understood; --help says what is\n",
                    option == '?' || !optarg ? argv[optind - 1] : optarg);
            return false;
        }
    }
    return true;
}

static bool find_dir(struct options *options)
{
    if (!options->dir)
        options->dir = dir_serves("/dev/shm") ? "/dev/shm" : "/tmp";
    if (dir_serves(options->dir))
        return true;
    fprintf(stderr,
            "proof-calls: %s: its file system takes no trusted attributes or none of chattr's "
            "flags, or nothing can be written there; name another with --dir\n",
            options->dir);
    return false;
}

static int list_cases(void)
{
    for (size_t i = 0; i < proof_case_count; i++)
        printf("%-18s %s\n", proof_cases[i].name, proof_cases[i].about);
    return 0;
}

int main(int argc, char **argv)
{
    /* a run mostly waits for the clock to move on past the times of files */
    struct options options = {.jobs = 4 * (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
    struct pool pool = {.count = 0};
    int code;
    if (!parse(argc, argv, &options, &code))
        return code;
    if (options.list)
        return list_cases();
    if (!*options.programs.dir || (!options.results && !options.point)) {
        fputs("proof-calls: --programs DIR and --results DIR are needed; --help\n", stderr);
        return 2;
    }
    if (!find_dir(&options))
        return 2;
    if (geteuid() != 0)
        fputs("proof-calls: not root: owners and trusted attributes are not part of it\n", stderr);
    if (options.point)
        return run_one(&options);
    if (!name_results(&options, &pool))
        return 2;
    pool.jobs = options.jobs;
    pool.until = options.budget ? time(NULL) + (time_t)options.budget : 0;
    int err = pool_open(&pool, options.fresh);
    if (err < 0) {
        fprintf(stderr, "proof-calls: %s: %s\n", pool.path, strerror(-err));
        return 2;
    }
    code = run_all(&options, &pool);
    pool_close(&pool);
    return code;
}
