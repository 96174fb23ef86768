/* subject_root.c - recovery on the root file system. See subject.h. */
#include "subject.h"
#include "manifest.h"
#include "recovery.h"
#include "tree.h"

#include <stdlib.h>
#include <string.h>

#define GOOD_FILE "/var/lib/good.manifest"
#define QUARANTINE STATE "/quarantine/"
enum { BOOT_CUT = 5, BOOT_AGAIN };

static struct manifest good, start, end; /* in the good boot, before recovery, after it */
static char *end_quarantine, *end_applied;

/* Of Backstop's own state what was put away matters; the rest, with megabytes kept in reserve, is
 * judged by what it does. */
static bool is_read(const char *path)
{
    return !text_starts(path, STATE "/") || text_starts(path, QUARANTINE);
}

static char *prepare_with(const char *root, char *(*update)(const char *root))
{
    const char *const take[] = {"/bin/backstop", "good", "take", "--now", "--root", root, NULL};
    TEXT_AUTO file = text_format("%s" GOOD_FILE, root);
    struct manifest now = {0};
    char *complaint = tree_make(root);

    if (complaint == NULL)
        complaint = lab_run(take, 0, NULL);
    if (complaint == NULL)
        complaint = manifest_take(&now, root, is_read);
    if (complaint == NULL)
        complaint = manifest_save(&now, file);
    if (complaint == NULL)
        complaint = update(root);
    manifest_free(&now);
    return complaint;
}

static char *prepare(const char *root)
{
    return prepare_with(root, tree_update);
}

static char *prepare_kept(const char *root)
{
    return prepare_with(root, tree_update_kept);
}

static char *act(const char *root, bool again)
{
    return recovery_run(root, again ? BOOT_AGAIN : BOOT_CUT);
}

/* ---- paths ---- */

static bool is_state(const char *path)
{
    return text_starts(path, STATE "/");
}

static bool is_put_back(const char *path)
{
    return tree_is_in_set(path) && !tree_is_never(path);
}

/* Calls judge for each path of the three, once; stops at the first complaint. */
static char *for_all_paths(const struct manifest *now,
                           char *(*judge)(const struct manifest *now, const char *path))
{
    const struct manifest *const all[] = {&start, &good, now};
    char *complaint = NULL;

    for (size_t m = 0; m < 3; m++)
        for (size_t i = 0; i < all[m]->count && complaint == NULL; i++) {
            const char *path = all[m]->items[i].path;

            if ((m > 0 && manifest_find(&start, path) != NULL) ||
                (m > 1 && manifest_find(&good, path) != NULL))
                continue;
            complaint = judge(now, path);
        }
    return complaint;
}

static char *differs(const char *path, const char *what, const struct item *now,
                     const struct item *wanted)
{
    TEXT_AUTO is = item_tell(now);
    TEXT_AUTO should = item_tell(wanted);

    return text_format("%s %s: it is %s; %s", path, what, is, should);
}

/* ---- after the cut ---- */

/* Old or new, never neither. */
static char *judge_cut(const struct manifest *now, const char *path)
{
    const struct item *is = manifest_find(now, path), *old = manifest_find(&start, path);

    if (is_state(path) || item_is(is, old))
        return NULL;
    if (is_put_back(path) && item_is(is, manifest_find(&good, path)))
        return NULL;
    return differs(path, is_put_back(path) ? "is neither old nor new" : "was changed", is, old);
}

static bool is_suspect(const struct item *item)
{
    const struct item *was = manifest_find(&good, item->path);

    return is_put_back(item->path) && !item_is(item, was) &&
           !(item->is_dir && was != NULL && was->is_dir);
}

/* Every suspect is whole: in its place, or in the quarantine. */
static char *judge_suspects(const struct manifest *now, bool may_stand)
{
    for (size_t i = 0; i < start.count; i++) {
        const struct item *suspect = &start.items[i];

        if (!is_suspect(suspect) || manifest_holds(now, QUARANTINE, suspect) ||
            (may_stand && item_is(manifest_find(now, suspect->path), suspect)))
            continue;
        return text_format("%s: the suspect is lost: it lies whole neither in its place nor in the "
                           "quarantine",
                           suspect->path);
    }
    return NULL;
}

static char *judge_end(const struct manifest *now, const char *path);

static char *check_cut(const char *root, bool done)
{
    struct manifest now;
    char *complaint = manifest_take(&now, root, is_read);

    if (complaint == NULL)
        complaint = for_all_paths(&now, judge_cut);
    if (complaint == NULL)
        complaint = judge_suspects(&now, !done);
    if (complaint == NULL && done)
        complaint = for_all_paths(&now, judge_end);
    if (complaint == NULL && done)
        complaint = recovery_journal(root);
    manifest_free(&now);
    return complaint;
}

/* ---- at the end ---- */

/* Times of directories that the uncut run has changed are those of its clock. */
static bool has_own_time(const struct item *item)
{
    const struct item *old = manifest_find(&start, item->path),
                      *was = manifest_find(&good, item->path);

    return !item->is_dir || (old != NULL && old->mtime_ns == item->mtime_ns) ||
           (was != NULL && was->mtime_ns == item->mtime_ns);
}

static char *judge_end(const struct manifest *now, const char *path)
{
    const struct item *is = manifest_find(now, path), *wanted = manifest_find(&end, path);

    if (is_state(path))
        return NULL;
    if (wanted != NULL && has_own_time(wanted) ? item_is_exactly(is, wanted) : item_is(is, wanted))
        return NULL;
    return differs(path, "is not as after an uncut recovery", is, wanted);
}

/* The uncut end itself: sets as in the good generation, all else as it was. */
static char *judge_uncut(const struct manifest *now, const char *path)
{
    const struct item *is = manifest_find(now, path);
    const struct item *wanted = manifest_find(is_put_back(path) ? &good : &start, path);

    if (is_state(path) || item_is(is, wanted))
        return NULL;
    return differs(path, "is not put back by an uncut recovery", is, wanted);
}

static char *check_reports(const char *root)
{
    TEXT_AUTO applied = NULL;
    TEXT_AUTO quarantine = NULL;
    char *complaint = recovery_applied(&applied);

    if (complaint == NULL)
        complaint = recovery_quarantine(root, &quarantine);
    if (complaint == NULL)
        complaint = recovery_journal(root);
    if (complaint == NULL && strcmp(applied, end_applied) != 0)
        complaint = text_format("recovery says '%s', uncut it says '%s'", applied, end_applied);
    if (complaint == NULL && strcmp(quarantine, end_quarantine) != 0)
        complaint = text_format("the quarantine's list is another than after an uncut recovery: %s",
                                quarantine);
    return complaint;
}

static char *check_end(const char *root)
{
    struct manifest now;
    char *complaint = manifest_take(&now, root, is_read);

    if (complaint == NULL)
        complaint = for_all_paths(&now, judge_end);
    if (complaint == NULL)
        complaint = judge_suspects(&now, false);
    if (complaint == NULL)
        complaint = check_reports(root);
    manifest_free(&now);
    return complaint;
}

/* ---- learnt from the base ---- */

static char *learn_start(const char *root)
{
    TEXT_AUTO file = text_format("%s" GOOD_FILE, root);
    char *complaint = manifest_load(&good, file);

    return complaint != NULL ? complaint : manifest_take(&start, root, is_read);
}

static char *learn_end(const char *root)
{
    char *complaint = manifest_take(&end, root, is_read);

    if (complaint == NULL)
        complaint = recovery_applied(&end_applied);
    if (complaint == NULL)
        complaint = recovery_quarantine(root, &end_quarantine);
    if (complaint == NULL)
        complaint = for_all_paths(&end, judge_uncut);
    return complaint != NULL ? complaint : check_end(root);
}

const struct subject subject_root = {.prepare = prepare,
                                     .act = act,
                                     .learn_start = learn_start,
                                     .learn_end = learn_end,
                                     .check_cut = check_cut,
                                     .check_end = check_end};

const struct subject subject_root_kept = {.prepare = prepare_kept,
                                          .act = act,
                                          .learn_start = learn_start,
                                          .learn_end = learn_end,
                                          .check_cut = check_cut,
                                          .check_end = check_end};
