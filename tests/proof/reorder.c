/* reorder.c - see reorder.h */
#include "reorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sign.h"

#define PATH_SIZE 2048

enum fate { FATE_NEW, FATE_FORMER, FATE_EMPTY, FATE_HALF, FATE_ZEROS, FATE_BARE, FATE_COUNT };

/* A state: what is there after a cut. */
struct state {
    unsigned call; /* that were made */
    uint64_t kept; /* bit of each pending change of names */
    enum fate fate, odd_fate;
    const struct node *odd; /* NULL: all files alike */
};

struct pending {
    const struct op *ops[PENDING_MAX];
    size_t count, beyond; /* beyond: changes that ops has no room for */
};

/* ---- what a sync has covered ---- */

static bool concerns(const struct op *op, uint64_t directory)
{
    for (size_t i = 0; i < op->change_count; i++)
        if (op->changes[i].directory == directory)
            return true;
    return false;
}

static bool node_is_fleeting(const struct reorder *reorder, uint64_t inode)
{
    const struct node *node = record_node(&reorder->recording, inode);
    return node && reorder->fleeting[node - reorder->recording.nodes];
}

/* All that is on it. */
static bool covers(const struct op *sync, enum file_system fs)
{
    return sync->kind == OP_SYNC_ALL && (sync->fs == FS_ALL || sync->fs == fs);
}

/* Names that change together are on one file system. */
static enum file_system fs_of(const struct recording *recording, const struct op *op)
{
    const struct node *node = record_node(recording, op->changes[0].directory);
    return node ? node->fs : FS_ROOT;
}

static bool is_durable(const struct recording *recording, const struct op *op, unsigned call)
{
    enum file_system fs = fs_of(recording, op);
    if (fs == FS_VARIABLES)
        return true;
    for (size_t i = 0; i < recording->op_count; i++) {
        const struct op *sync = &recording->ops[i];
        if (sync->call > op->call && sync->call <= call &&
            (covers(sync, fs) || (sync->kind == OP_SYNC && concerns(op, sync->inode))))
            return true;
    }
    return false;
}

static void find_pending(const struct reorder *reorder, unsigned call, struct pending *pending)
{
    const struct recording *recording = &reorder->recording;
    pending->count = pending->beyond = 0;
    for (size_t i = 0; i < recording->op_count; i++) {
        const struct op *op = &recording->ops[i];
        if (op->kind != OP_NAMES || op->call > call ||
            node_is_fleeting(reorder, op->changes[0].directory) || is_durable(recording, op, call))
            continue;
        if (pending->count < PENDING_MAX)
            pending->ops[pending->count++] = op;
        else
            pending->beyond++;
    }
}

static const struct version *newest(const struct node *node, unsigned call)
{
    const struct version *found = &node->versions[0];
    for (size_t i = 0; i < node->count; i++)
        if (node->versions[i].call <= call)
            found = &node->versions[i];
    return found;
}

static const struct version *durable(const struct recording *recording, const struct node *node,
                                     unsigned call)
{
    unsigned covered = node->fs == FS_VARIABLES ? call : 0;
    for (size_t i = 0; i < recording->op_count; i++) {
        const struct op *sync = &recording->ops[i];
        if (sync->call <= call &&
            (covers(sync, node->fs) || (sync->kind == OP_SYNC && sync->inode == node->inode)))
            covered = sync->call > covered ? sync->call : covered;
    }
    return newest(node, covered);
}

/* ---- names of a state ---- */

struct names {
    struct change *items;
    size_t count;
};

static void set_name(struct names *names, const struct change *change)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->items[i].directory == change->directory &&
            strcmp(names->items[i].name, change->name) == 0) {
            names->items[i].inode = change->inode;
            return;
        }
    names->items[names->count++] = *change;
}

static bool is_kept(const struct state *state, const struct pending *pending, const struct op *op)
{
    for (size_t i = 0; i < pending->count; i++)
        if (pending->ops[i] == op)
            return state->kept >> i & 1;
    return true;
}

/* Borrows the recording's texts; free(items). */
static struct names names_of(const struct reorder *reorder, const struct state *state)
{
    const struct recording *recording = &reorder->recording;
    struct pending pending;
    struct names names = {
        calloc(recording->name_count + 4 * recording->op_count + 1, sizeof *names.items), 0};
    if (!names.items)
        abort();
    find_pending(reorder, state->call, &pending);
    memcpy(names.items, recording->names, recording->name_count * sizeof *names.items);
    names.count = recording->name_count;
    for (size_t i = 0; i < recording->op_count; i++) {
        const struct op *op = &recording->ops[i];
        if (op->kind != OP_NAMES || op->call > state->call ||
            node_is_fleeting(reorder, op->changes[0].directory) || !is_kept(state, &pending, op))
            continue;
        for (size_t k = 0; k < op->change_count; k++)
            set_name(&names, &op->changes[k]);
    }
    return names;
}

static enum fate fate_of(const struct reorder *reorder, const struct state *state,
                         const struct node *node)
{
    enum fate fate = state->odd == node ? state->odd_fate : state->fate;
    bool settled = newest(node, state->call) == durable(&reorder->recording, node, state->call);
    bool bytes = S_ISREG(node->versions[0].st.st_mode);
    if (settled)
        return FATE_NEW;
    return bytes || fate == FATE_FORMER ? fate : FATE_NEW;
}

/* ---- telling states apart ---- */

static bool begins_with(const struct version *version, const struct version *former)
{
    return version->size >= former->size &&
           (former->size == 0 || memcmp(version->bytes, former->bytes, former->size) == 0);
}

/* What put_bytes() will make of it. */
static uint64_t sign_content(const struct version *version, const struct version *former,
                             enum fate fate)
{
    static const struct version nothing = {.st = {.st_mode = S_IFREG}};
    bool grew = begins_with(version, former);
    size_t base = grew ? former->size : 0, more = version->size - base;
    uint64_t sign = version->bytes_sign;
    if (fate == FATE_FORMER)
        return former->bytes_sign;
    if (fate == FATE_NEW || fate == FATE_BARE || more == 0)
        return sign;
    if (fate == FATE_EMPTY || (fate == FATE_HALF && more == 1))
        return grew ? former->bytes_sign : sign_bytes(&nothing);
    sign = sign_mix(sign, &fate, sizeof fate);
    return sign_mix(sign, &base, sizeof base);
}

static uint64_t sign_node(const struct reorder *reorder, const struct state *state,
                          const struct node *node, uint64_t sign)
{
    const struct version *version = newest(node, state->call),
                         *former = durable(&reorder->recording, node, state->call);
    enum fate fate = fate_of(reorder, state, node);
    size_t number = (size_t)(node - reorder->recording.nodes);
    uint64_t bytes = sign_content(version, former, fate);
    const struct version *has = fate == FATE_FORMER || fate == FATE_BARE ? former : version;
    sign = sign_mix(sign, &number, sizeof number);
    sign = sign_mix(sign, &bytes, sizeof bytes);
    return sign_mix(sign, &has->attributes_sign, sizeof has->attributes_sign);
}

/* Sum over names, so that their order does not matter. */
static uint64_t sign(const struct reorder *reorder, const struct state *state,
                     const struct names *names, uint64_t directory, uint64_t above, unsigned depth)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < names->count && depth < 32; i++) {
        const struct change *name = &names->items[i];
        const struct node *node =
            name->inode ? record_node(&reorder->recording, name->inode) : NULL;
        if (name->directory != directory || !node)
            continue;
        uint64_t one = sign_mix(above, name->name, strlen(name->name) + 1);
        one = sign_end(sign_node(reorder, state, node, one));
        sum += one;
        if (S_ISDIR(node->versions[0].st.st_mode))
            sum += sign(reorder, state, names, name->inode, one, depth + 1);
    }
    return sum;
}

static uint64_t signature(const struct reorder *reorder, const struct state *state)
{
    struct names names = names_of(reorder, state);
    uint64_t sum = sign(reorder, state, &names, reorder->recording.root_inode, SIGN_START, 0);
    free(names.items);
    return sum;
}

/* ---- enumeration ---- */

struct listing {
    const struct reorder *reorder;
    bool any_order;
    unsigned call;
    size_t turn; /* states of this call so far */
    /* each state is given to this; false ends it */
    bool (*take)(const struct state *state, size_t turn, void *user);
    void *user;
    time_t until; /* ends it as well; 0: no limit */
    bool ended;
    struct unlisted unlisted;
};

static bool is_ended(struct listing *listing)
{
    listing->ended = listing->ended || (listing->until && time(NULL) >= listing->until);
    return listing->ended;
}

static void offer(struct listing *listing, const struct state *state)
{
    if (!is_ended(listing))
        listing->ended = !listing->take(state, listing->turn++, listing->user);
}

/* The files alike, each way. */
static void offer_alike(struct listing *listing, uint64_t kept)
{
    struct state state = {.call = listing->call, .kept = kept};
    for (int fate = 0; fate < FATE_COUNT; fate++) {
        state.fate = (enum fate)fate;
        offer(listing, &state);
    }
}

/* Each file alone, each way, the others as they should be. */
static void offer_odd(struct listing *listing, uint64_t kept)
{
    const struct recording *recording = &listing->reorder->recording;
    for (size_t i = 0; i < recording->node_count; i++) {
        const struct node *node = &recording->nodes[i];
        if (newest(node, listing->call) == durable(recording, node, listing->call) ||
            listing->reorder->fleeting[i])
            continue;
        for (int fate = 1; fate < FATE_COUNT; fate++)
            offer(listing, &(struct state){.call = listing->call,
                                           .kept = kept,
                                           .odd = node,
                                           .odd_fate = (enum fate)fate});
    }
}

/* True where op i may be there without op k, which came before. */
static bool is_free_of(const struct pending *pending, size_t i, size_t k)
{
    for (size_t c = 0; c < pending->ops[k]->change_count; c++)
        if (concerns(pending->ops[i], pending->ops[k]->changes[c].directory))
            return false;
    return true;
}

static bool may_be_there(const struct pending *pending, uint64_t kept, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (!(kept >> k & 1) && !is_free_of(pending, i, k))
            return false;
    return true;
}

/* Every subset in which each directory's changes are there up to one of them. */
static void offer_ordered(struct listing *listing, const struct pending *pending, uint64_t kept,
                          size_t i, size_t *sets)
{
    if (is_ended(listing))
        return;
    if (i == pending->count) {
        if (++*sets > SUBSETS_MAX) {
            listing->unlisted.sets++;
            return;
        }
        offer_alike(listing, kept);
        offer_odd(listing, kept);
        return;
    }
    if (may_be_there(pending, kept, i))
        offer_ordered(listing, pending, kept | UINT64_C(1) << i, i + 1, sets);
    offer_ordered(listing, pending, kept, i + 1, sets);
}

/* One or two missing, or alone there. */
static void offer_any(struct listing *listing, const struct pending *pending, uint64_t all)
{
    for (size_t i = 0; i < pending->count; i++)
        for (size_t k = i; k < pending->count; k++) {
            uint64_t two = UINT64_C(1) << i | UINT64_C(1) << k;
            offer(listing, &(struct state){.call = listing->call, .kept = all & ~two});
            offer(listing, &(struct state){.call = listing->call, .kept = two});
            offer(listing,
                  &(struct state){.call = listing->call, .kept = all & ~two, .fate = FATE_FORMER});
        }
}

static void list_call(struct listing *listing)
{
    struct pending pending;
    size_t sets = 0;
    find_pending(listing->reorder, listing->call, &pending);
    uint64_t all = pending.count == 64 ? UINT64_MAX : (UINT64_C(1) << pending.count) - 1;
    listing->turn = 0;
    listing->unlisted.changes += pending.beyond;
    if (listing->any_order) {
        offer_any(listing, &pending, all);
        return;
    }
    offer_ordered(listing, &pending, 0, 0, &sets);
}

/* ---- listing ---- */

struct seen {
    uint64_t *signatures;
    size_t count, room;
    const struct reorder *reorder;
    bool any_order, wanted; /* of the state at hand; of those that are given to add() */
    void (*add)(const char *id, void *user);
    void *user;
};

/* False: it was seen before. Open addressing. */
static bool is_new(struct seen *seen, uint64_t signature)
{
    if (2 * seen->count >= seen->room) {
        struct seen larger = {.room = seen->room ? 2 * seen->room : 4096};
        larger.signatures = calloc(larger.room, sizeof *larger.signatures);
        if (!larger.signatures)
            abort();
        for (size_t i = 0; i < seen->room; i++)
            if (seen->signatures[i])
                is_new(&larger, seen->signatures[i]);
        free(seen->signatures);
        seen->signatures = larger.signatures;
        seen->room = larger.room;
    }
    size_t at = signature % seen->room;
    for (; seen->signatures[at]; at = (at + 1) % seen->room)
        if (seen->signatures[at] == signature)
            return false;
    seen->signatures[at] = signature;
    seen->count++;
    return true;
}

static bool note_state(const struct state *state, size_t turn, void *user)
{
    struct seen *seen = user;
    char id[POINT_ID];
    if (!is_new(seen, signature(seen->reorder, state) | 1))
        return true;
    snprintf(id, sizeof id, "%c%u.%zu", seen->any_order ? 'x' : 'r', state->call, turn);
    if (seen->any_order == seen->wanted)
        seen->add(id, seen->user);
    return true;
}

static struct unlisted list_kind(struct seen *seen, time_t until)
{
    struct listing listing = {.reorder = seen->reorder,
                              .any_order = seen->any_order,
                              .take = note_state,
                              .user = seen,
                              .until = until};
    for (; listing.call <= seen->reorder->calls; listing.call++) {
        if (!is_ended(&listing))
            list_call(&listing);
        listing.unlisted.calls += listing.ended;
    }
    return listing.unlisted;
}

struct unlisted reorder_list(const struct reorder *reorder, bool any_order, time_t until,
                             void (*add)(const char *id, void *user), void *user)
{
    struct seen seen = {.reorder = reorder, .wanted = any_order, .add = add, .user = user};
    struct unlisted unlisted = list_kind(&seen, until);
    seen.any_order = true;
    if (any_order)
        unlisted = list_kind(&seen, until);
    free(seen.signatures);
    return unlisted;
}

/* ---- a state made ---- */

struct made {
    uint64_t recorded, inode; /* in the recording, in the tree made */
    char *path;               /* the first */
};

struct making {
    const struct reorder *reorder;
    const struct state *state;
    const char *work;
    struct names names;
    struct made *made;
    size_t count;
    int err;
};

static struct made *find_made(const struct making *making, uint64_t recorded)
{
    for (size_t i = 0; i < making->count; i++)
        if (making->made[i].recorded == recorded)
            return &making->made[i];
    return NULL;
}

static void fail(struct making *making)
{
    if (making->err == 0)
        making->err = errno ? -errno : -EIO;
}

static bool make_one(const struct making *making, const struct version *version, const char *path)
{
    const char *elsewhere = making->reorder->subject->proof_case->elsewhere;
    const char *in_tree = path + strlen(making->work);
    if (S_ISDIR(version->st.st_mode) && elsewhere && strcmp(in_tree, elsewhere) == 0)
        return tree_mount(making->work, elsewhere) == 0;
    if (S_ISDIR(version->st.st_mode))
        return mkdir(path, 0700) == 0;
    if (S_ISLNK(version->st.st_mode))
        return symlink(version->bytes, path) == 0;
    if (!S_ISREG(version->st.st_mode))
        return mknod(path, version->st.st_mode, version->st.st_rdev) == 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd >= 0 && close(fd) == 0;
}

/* Names first: what records say of inodes needs all of them. */
static void make_names(struct making *making, uint64_t directory, const char *path)
{
    for (size_t i = 0; i < making->names.count && making->err == 0; i++) {
        const struct change *name = &making->names.items[i];
        const struct node *node =
            name->inode ? record_node(&making->reorder->recording, name->inode) : NULL;
        char full[PATH_SIZE];
        struct stat st;
        if (name->directory != directory || !node)
            continue;
        snprintf(full, sizeof full, "%s/%s", path, name->name);
        struct made *made = find_made(making, name->inode);
        if (made) {
            if (link(made->path, full) < 0)
                fail(making);
            continue;
        }
        const struct version *version = newest(node, making->state->call);
        if (!make_one(making, version, full) || lstat(full, &st) < 0) {
            fail(making);
            return;
        }
        making->made[making->count++] = (struct made){name->inode, st.st_ino, strdup(full)};
        if (S_ISDIR(st.st_mode))
            make_names(making, name->inode, full);
    }
}

/* Records name suspects: of two files with one number, on two file systems, that elsewhere. */
static uint64_t inode_made(uint64_t inode, void *user)
{
    const struct making *making = user;
    uint64_t found = 1; /* of nothing that is there */
    for (size_t i = 0; i < making->count; i++) {
        const struct made *made = &making->made[i];
        if (inode_number(made->recorded) != inode)
            continue;
        const struct node *node = record_node(&making->reorder->recording, made->recorded);
        if (found == 1 || node->fs == FS_ELSEWHERE)
            found = made->inode;
    }
    return found;
}

/* The bytes of a file by its fate; what was durable stays where the file only grew. Caller frees.
 */
static char *bytes_by_fate(const struct version *version, const struct version *former,
                           enum fate fate, size_t *size)
{
    size_t base = begins_with(version, former) ? former->size : 0, more = version->size - base;
    char *bytes = calloc(1, version->size + former->size + 1);
    const struct version *from = fate == FATE_FORMER ? former : version;
    if (!bytes)
        abort();
    *size = fate == FATE_EMPTY ? base : fate == FATE_HALF ? base + more / 2 : from->size;
    if (from->bytes)
        memcpy(bytes, from->bytes, fate == FATE_ZEROS ? base : *size);
    return bytes;
}

static void put_bytes(struct making *making, const struct made *made, const char *bytes,
                      size_t size)
{
    bool text = path_are_records(made->path) && size && !memchr(bytes, '\0', size);
    char *renamed = text ? records_rename_inodes(bytes, inode_made, making) : NULL;
    const char *from = renamed ? renamed : bytes;
    size_t length = renamed ? strlen(renamed) : size;
    int fd = open(made->path, O_WRONLY | O_CLOEXEC);
    /* holes stay holes */
    for (size_t at = 0; fd >= 0 && at < length; at += 4096) {
        static const char zeros[4096];
        size_t part = length - at < 4096 ? length - at : 4096;
        if (memcmp(from + at, zeros, part) != 0 && pwrite(fd, from + at, part, (off_t)at) < 0)
            fail(making);
    }
    if (fd < 0 || ftruncate(fd, (off_t)length) < 0)
        fail(making);
    if (fd >= 0)
        close(fd);
    free(renamed);
}

static void put_attributes(struct making *making, const char *path, const struct version *version)
{
    const struct stat *st = &version->st;
    struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (geteuid() == 0 && lchown(path, st->st_uid, st->st_gid) < 0)
        fail(making);
    for (size_t i = 0; i < version->xattr_count; i++)
        if (lsetxattr(path, version->xattr_list[i].name, version->xattr_list[i].value,
                      version->xattr_list[i].size, 0) < 0)
            fail(making);
    if (!S_ISLNK(st->st_mode) && chmod(path, st->st_mode & 07777) < 0)
        fail(making);
    if (utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) < 0)
        fail(making);
}

/* From the last made to the first, so that times of directories stay. */
static void fill(struct making *making)
{
    const struct recording *recording = &making->reorder->recording;
    unsigned call = making->state->call;
    for (size_t i = making->count; i-- > 0 && making->err == 0;) {
        const struct made *made = &making->made[i];
        const struct node *node = record_node(recording, made->recorded);
        const struct version *version = newest(node, call),
                             *former = durable(recording, node, call);
        enum fate fate = fate_of(making->reorder, making->state, node);
        if (S_ISREG(version->st.st_mode)) {
            size_t size;
            char *bytes = bytes_by_fate(version, former, fate, &size);
            put_bytes(making, made, bytes, size);
            free(bytes);
        }
        put_attributes(making, made->path,
                       fate == FATE_FORMER || fate == FATE_BARE ? former : version);
    }
}

static int make_state(const struct reorder *reorder, const struct state *state, const char *work)
{
    struct making making = {.reorder = reorder, .state = state, .work = work};
    making.names = names_of(reorder, state);
    making.made = calloc(making.names.count + 1, sizeof *making.made);
    if (!making.made || mkdir(work, 0755) < 0)
        fail(&making);
    if (making.err == 0)
        make_names(&making, reorder->recording.root_inode, work);
    if (making.err == 0)
        fill(&making);
    for (size_t i = 0; i < making.count; i++)
        free(making.made[i].path);
    free(making.made);
    free(making.names.items);
    return making.err;
}

struct wanted {
    size_t turn;
    struct state state;
    bool found;
};

static bool take_wanted(const struct state *state, size_t turn, void *user)
{
    struct wanted *wanted = user;
    if (turn != wanted->turn)
        return true;
    wanted->state = *state;
    wanted->found = true;
    return false;
}

static bool find_state(const struct reorder *reorder, const char *id, struct state *state)
{
    struct wanted wanted = {.found = false};
    struct listing listing = {
        .reorder = reorder, .any_order = *id == 'x', .take = take_wanted, .user = &wanted};
    if (sscanf(id + 1, "%u.%zu", &listing.call, &wanted.turn) != 2)
        return false;
    list_call(&listing);
    *state = wanted.state;
    return wanted.found;
}

struct verdict reorder_run(const struct reorder *reorder, const char *id, const char *work,
                           bool keep)
{
    struct verdict verdict = {.well = true};
    struct state state;
    char output[POINT_PATH];
    int err = find_state(reorder, id, &state) ? make_state(reorder, &state, work) : -EINVAL;
    if (err < 0) {
        verdict_fails(&verdict, "the state cannot be made: %s", strerror(-err));
    } else {
        point_check_lost(reorder->subject, work, FORM_CUT, &verdict);
        if (verdict.well)
            point_again(reorder->subject, work, FORM_CUT, &verdict);
    }
    snprintf(output, sizeof output, "%s.output", work);
    if (!keep) {
        unlink(output);
        tree_remove(work);
    }
    return verdict;
}

/* ---- the run that is recorded ---- */

/* What is made beneath /run, and what lies there. */
static bool spread_fleeting(struct reorder *reorder, const struct change *change)
{
    const struct recording *recording = &reorder->recording;
    const struct node *node = change->inode ? record_node(recording, change->inode) : NULL;
    bool is_run = change->directory == recording->root_inode && strcmp(change->name, "run") == 0;
    bool *mark = node ? &reorder->fleeting[node - recording->nodes] : NULL;
    if (!mark || *mark || !(is_run || node_is_fleeting(reorder, change->directory)))
        return false;
    *mark = true;
    return true;
}

static void mark_fleeting(struct reorder *reorder)
{
    const struct recording *recording = &reorder->recording;
    bool more = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < recording->name_count; i++)
            more = spread_fleeting(reorder, &recording->names[i]) || more;
        for (size_t i = 0; i < recording->op_count; i++)
            for (size_t k = 0; k < recording->ops[i].change_count; k++)
                more = spread_fleeting(reorder, &recording->ops[i].changes[k]) || more;
    }
}

__attribute__((format(printf, 2, 3))) static int goes_wrong(struct reorder *reorder,
                                                            const char *format, ...)
{
    va_list more;
    va_start(more, format);
    vsnprintf(reorder->wrong, sizeof reorder->wrong, format, more);
    va_end(more);
    return -EINVAL;
}

/* What was recorded is a run like the uncut one, and nothing of it is missing. */
static int check_recording(struct reorder *reorder, const struct trace_end *end)
{
    const struct recording *recording = &reorder->recording;
    const struct subject *subject = reorder->subject;
    if (end->endless || !WIFEXITED(end->status) || WEXITSTATUS(end->status) != 0)
        return goes_wrong(reorder, "the recorded run did not end well: %s %d",
                          WIFEXITED(end->status) ? "exit status" : "signal",
                          WIFEXITED(end->status) ? WEXITSTATUS(end->status)
                                                 : WTERMSIG(end->status));
    if (end->calls != subject->call_count)
        return goes_wrong(reorder, "the recorded run made %u calls, the uncut one %zu", end->calls,
                          subject->call_count);
    if (recording->lost)
        return goes_wrong(reorder, "call %u (%s) cannot be recorded", recording->lost,
                          subject->calls[recording->lost - 1].rule->name);
    return 0;
}

static int record_run(struct reorder *reorder)
{
    struct trace_plan plan = {
        .before = record_before, .after = record_after, .user = &reorder->recording};
    struct trace_end end = {0};
    int err =
        tree_copy(reorder->subject->before, reorder->root, reorder->subject->proof_case->elsewhere);
    if (err == 0)
        err = record_begin(&reorder->recording, reorder->root);
    if (err == 0)
        err = point_trace(reorder->subject, reorder->root, &plan, &end);
    if (err < 0) {
        goes_wrong(reorder, "the run cannot be recorded: %s", strerror(-err));
        return err;
    }
    reorder->calls = end.calls;
    return check_recording(reorder, &end);
}

int reorder_make(struct reorder *reorder, const struct subject *subject)
{
    *reorder = (struct reorder){.subject = subject};
    snprintf(reorder->root, sizeof reorder->root, "%s/recorded", subject->dir);
    int err = record_run(reorder);
    if (err < 0)
        return err;
    reorder->fleeting = calloc(reorder->recording.node_count + 1, sizeof *reorder->fleeting);
    if (!reorder->fleeting)
        abort();
    sign_versions(&reorder->recording, subject->since);
    mark_fleeting(reorder);
    return 0;
}

void reorder_free(struct reorder *reorder)
{
    record_free(&reorder->recording);
    free(reorder->fleeting);
    tree_remove(reorder->root);
}
