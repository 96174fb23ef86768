/* suspects.c - see suspects.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "io.h"
#include "json.h"
#include "lost.h"
#include "suspects.h"
#include "unmounted.h"

/* Suspects are read for their hash alone: what is over this, all together, is moved unread, since
 * a recovery has its time, and a hole of a terabyte takes as long as bytes. */
#define SUSPECTS_READ_MAX ((uint64_t)4 << 30)

/* What all steps work on. */
struct finding {
    const struct place *place;
    struct good_history *history;
    struct changes *changes;
    const struct strings *needed;
    struct strings unmounted;
    struct plan_change *rows;
    enum plan_action *actions;
    bool *in_tree; /* goes with a directory above it */
    struct suspects *suspects;
    struct diag *diag;
    int error; /* of what was left out for want of memory */
};

static bool is_other(const struct entry *entry)
{
    return entry && entry->type == ENTRY_OTHER;
}

/* What there is to put back at `path`, or NULL. */
static const struct entry *good_version(struct finding *finding, const char *path)
{
    const struct entry *good = NULL;
    int fd = -1;
    if (good_history_version(finding->history, path, &good, &fd, finding->diag) < 0)
        return NULL;
    if (fd >= 0)
        close(fd);
    return is_other(good) ? NULL : good;
}

/* The change's entry, to be completed: changes.now owns it. */
static struct entry *entry_of(struct changes *changes, const struct entry *entry)
{
    return &changes->now.entries[entry - changes->now.entries];
}

/* Where the newest generation's version is damaged, the older one may stand there already. */
static bool is_back(struct finding *finding, const struct change *change, const struct entry *good)
{
    if (!good || !change->now || good == change->good || change->now->size != good->size)
        return false;
    if (!change->now->hashed && entry_hash(finding->place, &finding->changes->now,
                                           entry_of(finding->changes, change->now)) < 0)
        return false;
    return entry_same_content(change->now, good);
}

static void row_fill(struct finding *finding, const struct sets *sets, size_t i)
{
    const struct change *change = &finding->changes->items[i];
    const char *path = change_path(change);
    const struct entry *good = NULL;
    if (change->kind != CHANGE_ADDED && !change->doubt)
        good = good_version(finding, change->good->path);
    int set = sets_find(sets, change->set_name);
    /* what is seen there now lies beneath the mount point, and is not what ran */
    bool away = unmounted_holds(&finding->unmounted, path);
    finding->suspects->goods[i] = good;
    finding->rows[i] = (struct plan_change){
        .set = set < 0 ? UINT32_MAX : (uint32_t)set,
        .set_class = change->set_class,
        .kind = (uint8_t)change->kind,
        .has_good = good != NULL,
        .doubt = (uint8_t)change->doubt,
        .never = change->never || is_other(change->now) || is_other(change->good) || away ||
                 is_back(finding, change, good),
        .needed = needs_file(finding->place, finding->needed, path),
    };
}

/* ---- trees ---- */

static bool starts_below(const char *path, const char *top)
{
    size_t length = strlen(top);
    return strncmp(path, top, length) == 0 && path[length] == '/';
}

/* Index of the change at path, or count. */
static size_t change_at(const struct changes *changes, const char *path)
{
    size_t low = 0, high = changes->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = path_compare(change_path(&changes->items[middle]), path);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return changes->count;
}

static bool directory_is_suspect(const struct finding *finding, int dir_fd, const char *path);

/* `path`, of directory entry `name` in dir_fd, is taken out by the plan, with all beneath it. */
static bool name_is_suspect(const struct finding *finding, int dir_fd, const char *name,
                            const char *path)
{
    size_t i = change_at(finding->changes, path);
    if (i == finding->changes->count || finding->actions[i] != PLAN_TAKE_OUT)
        return false;
    if (finding->changes->items[i].now->type != ENTRY_DIR)
        return true;
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && directory_is_suspect(finding, fd, path);
}

/* Closes dir_fd. */
static bool directory_is_suspect(const struct finding *finding, int dir_fd, const char *path)
{
    DIR *dir = fdopendir(dir_fd);
    bool suspect = dir != NULL;
    if (!dir)
        close(dir_fd);
    for (struct dirent *entry; suspect && (entry = readdir(dir));) {
        char *below = NULL;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        suspect = asprintf(&below, "%s/%s", path, entry->d_name) >= 0 &&
                  name_is_suspect(finding, dirfd(dir), entry->d_name, below);
        free(below);
    }
    if (dir)
        closedir(dir);
    return suspect;
}

static bool tree_is_suspect(const struct finding *finding, const char *path)
{
    int fd = place_openat(finding->place, path, O_RDONLY | O_DIRECTORY, 0, false);
    return fd >= 0 && directory_is_suspect(finding, fd, path);
}

static void drop_from_plan(struct finding *finding, size_t i)
{
    struct plan_summary *summary = &finding->suspects->summary;
    bool altered = finding->changes->items[i].kind == CHANGE_ALTERED;
    if (finding->actions[i] == PLAN_PUT_BACK)
        summary->put_back--;
    else
        summary->taken_out--;
    if (finding->actions[i] == PLAN_TAKE_OUT && altered)
        summary->unprotected--;
    finding->actions[i] = PLAN_LEAVE;
}

/* A directory that is to go: with all it holds, or not at all. */
static void tree_settle(struct finding *finding, size_t i)
{
    const char *top = change_path(&finding->changes->items[i]);
    if (!tree_is_suspect(finding, top)) {
        if (finding->changes->items[i].kind == CHANGE_ALTERED)
            diag_report(finding->diag, DIAG_WARNING,
                        "%s: a directory stands where there was none, and holds files that are "
                        "not suspect; it is left as it is",
                        top);
        drop_from_plan(finding, i);
        return;
    }
    for (size_t k = i + 1; k < finding->changes->count; k++)
        if (starts_below(change_path(&finding->changes->items[k]), top) &&
            finding->changes->items[k].kind == CHANGE_ADDED)
            finding->in_tree[k] = true;
}

static bool is_tree(const struct finding *finding, size_t i)
{
    const struct change *change = &finding->changes->items[i];
    const struct entry *good = finding->suspects->goods[i];
    if (!change->now || change->now->type != ENTRY_DIR || finding->in_tree[i])
        return false;
    return finding->actions[i] == PLAN_TAKE_OUT ||
           (finding->actions[i] == PLAN_PUT_BACK && good->type != ENTRY_DIR);
}

/* ---- moves ---- */

/* What was not read yet: its hash identifies the suspect ever after. */
static void read_suspects(struct finding *finding)
{
    struct changes *changes = finding->changes;
    uint64_t left = SUSPECTS_READ_MAX;
    for (size_t i = 0; i < changes->count; i++) {
        const struct entry *now = changes->items[i].now;
        if (finding->actions[i] == PLAN_LEAVE || !now || now->hashed || is_other(now) ||
            now->size > left)
            continue;
        left -= now->size;
        int err = entry_hash(finding->place, &changes->now, entry_of(changes, now));
        if (err < 0)
            diag_report(finding->diag, DIAG_WARNING, "%s: cannot be read: %s; it is moved unread",
                        now->path, strerror(-err));
    }
}

static struct json_object *held_file(const struct entry *entry)
{
    char type[2] = {entry->type, '\0'};
    bool has_hash = entry->type == ENTRY_FILE && entry->hashed;
    struct json_object *file = json_object_new_object();
    return json_whole(json_add_text(file, "path", entry->path) &&
                          json_add_text(file, "type", type) &&
                          (!has_hash || json_add_hex(file, "sha256", entry->sha256, SHA256_SIZE)),
                      file);
}

/* Array of what the tree at change i holds; owned by suspects. NULL: no memory, which `finding`
 * says. */
static struct json_object *tree_holds(struct finding *finding, size_t i)
{
    struct suspects *suspects = finding->suspects;
    const char *top = change_path(&finding->changes->items[i]);
    struct json_object *holds = json_object_new_array();
    bool whole = holds != NULL;
    for (size_t k = i + 1; whole && k < finding->changes->count; k++)
        if (finding->in_tree[k] && starts_below(change_path(&finding->changes->items[k]), top))
            whole = json_append(holds, held_file(finding->changes->items[k].now));
    holds = json_whole(whole, holds);
    if (!holds) {
        finding->error = -ENOMEM;
        return NULL;
    }
    suspects->holds[suspects->holds_count++] = holds;
    return holds;
}

static bool within(const struct inventory *inventory, const struct entry *entry)
{
    return entry >= inventory->entries && entry < inventory->entries + inventory->count;
}

static void move_add(struct finding *finding, size_t i)
{
    const struct change *change = &finding->changes->items[i];
    const struct entry *good = finding->suspects->goods[i];
    bool tree = is_tree(finding, i), put_back = finding->actions[i] == PLAN_PUT_BACK;
    finding->suspects->moves[finding->suspects->count++] = (struct move){
        .path = change_path(change),
        .set_name = change->set_name,
        .set_class = change->set_class,
        .kind = change->kind,
        .action = finding->actions[i],
        .now = change->now,
        .good = put_back ? good : NULL,
        .generation = put_back ? good_history_generation(finding->history, good) : 0,
        .holds = tree ? tree_holds(finding, i) : NULL,
        .must_stay = change_must_stay(&finding->rows[i]) != 0,
    };
}

/* ---- hard links ---- */

static struct move *staged_before(struct suspects *suspects, const struct move *move,
                                  const struct entry *good)
{
    for (struct move *other = suspects->moves; other < move; other++)
        if (other->good == good)
            return other;
    return NULL;
}

/* Finds another name of the inode that move->good was, as one inode they shall be again. */
static void twin_find(struct finding *finding, struct move *move, const struct inventory *newest)
{
    const struct entry *good = move->good;
    for (size_t i = 0; i < newest->count; i++) {
        const struct entry *other = &newest->entries[i];
        if (other == good || other->inode != good->inode || other->dev != good->dev ||
            other->type != ENTRY_FILE)
            continue;
        move->staged_twin = staged_before(finding->suspects, move, other);
        if (!move->staged_twin &&
            change_at(finding->changes, other->path) == finding->changes->count)
            move->twin = inventory_find(&finding->changes->now, other->path);
        if (move->staged_twin || move->twin)
            return;
    }
}

static void twins_find(struct finding *finding)
{
    const struct inventory *newest = good_history_newest(finding->history);
    for (size_t i = 0; newest && i < finding->suspects->count; i++) {
        struct move *move = &finding->suspects->moves[i];
        if (move->good && move->good->type == ENTRY_FILE && move->good->nlink > 1 &&
            within(newest, move->good))
            twin_find(finding, move, newest);
    }
}

/* ---- all of it ---- */

static int note_lost(struct finding *finding)
{
    for (size_t i = 0; i < finding->changes->count; i++) {
        const struct change *change = &finding->changes->items[i];
        if (change->kind == CHANGE_GONE && !finding->rows[i].has_good && !finding->rows[i].never &&
            !finding->rows[i].doubt &&
            !lost_note(&finding->suspects->lost, change_path(change), change->set_name))
            return -ENOMEM;
    }
    return 0;
}

static struct json_object *doubtful_json(const struct doubtful *doubtful)
{
    struct json_object *one = json_object_new_object();

    return json_whole(json_add_text(one, "set", doubtful->set_name) &&
                          json_add_text(one, "why", change_doubt_string(doubtful->doubt)) &&
                          json_add_number(one, "files", doubtful->count),
                      one);
}

static int note_left(struct finding *finding)
{
    struct doubtful *list;
    size_t count;
    int err = changes_doubtful(finding->changes, &list, &count);

    if (err < 0 || count == 0) /* nothing is there to free then */
        return err;
    finding->suspects->left = json_object_new_array();
    for (size_t i = 0; err == 0 && i < count; i++)
        if (!json_append(finding->suspects->left, doubtful_json(&list[i])))
            err = -ENOMEM;
    free(list);
    return err;
}

static int make_room(struct finding *finding)
{
    size_t count = finding->changes->count + 1;
    struct suspects *suspects = finding->suspects;
    suspects->moves = calloc(count, sizeof *suspects->moves);
    suspects->holds = calloc(count, sizeof *suspects->holds);
    suspects->goods = calloc(count, sizeof(struct entry *));
    finding->rows = calloc(count, sizeof *finding->rows);
    finding->actions = calloc(count, sizeof *finding->actions);
    finding->in_tree = calloc(count, sizeof *finding->in_tree);
    return suspects->moves && suspects->holds && suspects->goods && finding->rows &&
                   finding->actions && finding->in_tree
               ? unmounted_list(finding->place, &finding->unmounted)
               : -ENOMEM;
}

static void report_stays(const struct finding *finding)
{
    for (size_t i = 0; finding->suspects->summary.stays > 0 && i < finding->changes->count; i++) {
        const struct plan_change *row = &finding->rows[i];
        if (finding->actions[i] == PLAN_LEAVE && change_must_stay(row) && !row->never &&
            !row->doubt && !row->has_good && row->kind != CHANGE_GONE)
            diag_report(finding->diag, DIAG_WARNING,
                        "%s: it stays, with nothing to replace it: the root needs this module",
                        change_path(&finding->changes->items[i]));
    }
}

static int find_all(struct finding *finding, const struct sets *sets, enum rung rung)
{
    size_t count = finding->changes->count;
    for (size_t i = 0; i < count; i++)
        row_fill(finding, sets, i);
    plan(rung, finding->rows, count, finding->actions, &finding->suspects->summary);
    report_stays(finding);
    for (size_t i = 0; i < count; i++)
        if (is_tree(finding, i))
            tree_settle(finding, i);
    read_suspects(finding);
    for (size_t i = 0; i < count; i++) {
        finding->suspects->files += finding->actions[i] != PLAN_LEAVE;
        if (finding->actions[i] != PLAN_LEAVE && !finding->in_tree[i])
            move_add(finding, i);
    }
    twins_find(finding);
    int err = note_lost(finding);
    if (err == 0)
        err = note_left(finding);
    return err < 0 ? err : finding->error;
}

int suspects_find(const struct place *place, const struct sets *sets, struct good_history *history,
                  struct changes *changes, const struct strings *needed, enum rung rung,
                  struct suspects *suspects, struct diag *diag)
{
    struct suspects found = {0};
    struct finding finding = {.place = place,
                              .history = history,
                              .changes = changes,
                              .needed = needed,
                              .suspects = &found,
                              .diag = diag};
    int err = make_room(&finding);
    if (err == 0)
        err = find_all(&finding, sets, rung);
    unmounted_free(&finding.unmounted);
    free(finding.rows);
    free(finding.actions);
    free(finding.in_tree);
    if (err < 0)
        suspects_free(&found);
    else
        *suspects = found;
    return err;
}

void suspects_free(struct suspects *suspects)
{
    for (size_t i = 0; i < suspects->holds_count; i++)
        json_object_put(suspects->holds[i]);
    free(suspects->holds);
    free(suspects->moves);
    free(suspects->goods);
    json_object_put(suspects->lost);
    json_object_put(suspects->left);
    *suspects = (struct suspects){0};
}
