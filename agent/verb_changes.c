/*
 * verb_changes.c - `backstop changes`: what is not as the newest good generation has it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "good.h"
#include "io.h"
#include "options.h"

static const char *type_text(char type)
{
    return type == ENTRY_FILE   ? "file"
           : type == ENTRY_DIR  ? "directory"
           : type == ENTRY_LINK ? "link"
                                : "other";
}

static struct json_object *change_json(const struct change *change)
{
    struct json_object *object = json_object_new_object();

    json_add_text(object, "set", change->set_name);
    json_add_text(object, "class", set_class_string((enum set_class)change->set_class));
    json_add_text(object, "kind", change->doubt ? "unknown" : change_kind_string(change->kind));
    if (change->doubt)
        json_add_text(object, "why", change_doubt_string(change->doubt));
    json_add_name(object, "path", change_path(change));
    json_add_text(object, "type", type_text((change->now ? change->now : change->good)->type));
    json_add_flag(object, "never_touched", change->never);
    if (change->now && change->now->type == ENTRY_FILE)
        json_add_number(object, "size", change->now->size);
    if (change->good && change->good->type == ENTRY_FILE)
        json_add_number(object, "good_size", change->good->size);
    if (change->good && change->good->type == ENTRY_FILE && change->good->hashed)
        json_add_hex(object, "good_sha256", change->good->sha256, SHA256_SIZE);
    return object;
}

static void print_json(const struct inventory *good, const struct changes *changes)
{
    struct json_object *object = json_object_new_object(), *list = json_object_new_array();

    json_add_number(object, "generation", good->generation);
    json_add_number(object, "boot", good->boot);
    json_add_number(object, "files", changes->now.count);
    json_add_number(object, "read", changes->hashed);
    for (size_t i = 0; i < changes->count; i++)
        json_append(list, change_json(&changes->items[i]));
    json_add(object, "changes", list);
    json_print(object);
}

static void print_change(const struct change *change)
{
    printf("  %-7s ", change_kind_string(change->kind));
    print_name(change_path(change));
    if ((change->now ? change->now : change->good)->type == ENTRY_DIR)
        putchar('/');
    putchar('\n');
}

/* By set, then as they came: by path. */
static int compare_changes(const void *a, const void *b)
{
    const struct change *const *x = a, *const *y = b;
    int order = strcmp((*x)->set_name, (*y)->set_name);

    return order ? order : (*x > *y) - (*x < *y);
}

/* One that a recovery may put back. */
static bool is_touched(const struct change *change)
{
    return !change->never && !change->doubt;
}

static size_t count_touched(const struct changes *changes)
{
    size_t count = 0;

    for (size_t i = 0; i < changes->count; i++)
        count += is_touched(&changes->items[i]);
    return count;
}

static int print_groups(const struct changes *changes)
{
    const struct change **sorted = calloc(changes->count + 1, sizeof *sorted);
    size_t count = 0;

    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < changes->count; i++)
        if (is_touched(&changes->items[i]))
            sorted[count++] = &changes->items[i];
    qsort(sorted, count, sizeof *sorted, compare_changes);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(sorted[i - 1]->set_name, sorted[i]->set_name) != 0)
            printf("%s (%s)\n", sorted[i]->set_name,
                   set_class_string((enum set_class)sorted[i]->set_class));
        print_change(sorted[i]);
    }
    free(sorted);
    return 0;
}

/* What nobody can tell. */
static void print_doubtful(const struct doubtful *list, size_t count)
{
    if (count)
        puts("Unknown, and left as they are by a recovery:");
    for (size_t i = 0; i < count; i++)
        printf("  %s: %zu file%s: %s\n", list[i].set_name, list[i].count,
               list[i].count == 1 ? "" : "s", change_doubt_string(list[i].doubt));
}

static int print_people(const struct inventory *good, const struct changes *changes)
{
    size_t count = count_touched(changes), kinds, unknown = 0;
    struct doubtful *doubtful;
    int error = changes_doubtful(changes, &doubtful, &kinds);

    if (error)
        return error;
    for (size_t i = 0; i < kinds; i++)
        unknown += doubtful[i].count;
    if (count)
        printf("%zu change%s since good generation %u:\n", count, count == 1 ? "" : "s",
               good->generation);
    else if (unknown)
        printf("Nothing is known to have changed since good generation %u.\n", good->generation);
    else
        printf("Nothing changed since good generation %u: %zu files of sets are as they were.\n",
               good->generation, changes->now.count);
    error = print_groups(changes);
    print_doubtful(doubtful, kinds);
    free(doubtful);
    if (changes->count > count + unknown)
        printf("Besides, %zu on never-touch lists differ, as they may.\n",
               changes->count - count - unknown);
    return error;
}

static int load(const struct place *place, struct sets *sets, struct inventory *good,
                struct diag *diag)
{
    int error = good_load_newest(place, good, diag);

    if (error == -ENOENT) {
        diag_report(diag, DIAG_ERROR,
                    "there is no good generation to compare with; `backstop good take` makes one");
        return EXIT_NOT_HERE;
    }
    if (error) {
        diag_report(diag, DIAG_ERROR, STATE_DIR "/generations: %s; run this as root",
                    strerror(-error));
        return EXIT_FAILED;
    }
    error = sets_load(place, sets, diag);
    if (error) {
        diag_report(diag, DIAG_ERROR, "%s: the sets cannot be read: %s; check the file system",
                    SETS_DIR_LOCAL, strerror(-error));
        inventory_free(good);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static int show(const struct place *place, const struct options *options, struct diag *diag)
{
    struct inventory good;
    struct changes changes;
    struct sets sets;
    int code = load(place, &sets, &good, diag), error;

    if (code != EXIT_OK)
        return code;
    error = changes_probe(place, &sets, &good, &changes, diag);
    if (!error) {
        if (options->json)
            print_json(&good, &changes);
        else
            error = print_people(&good, &changes);
        code = count_touched(&changes) ? EXIT_ATTENTION : EXIT_OK;
        changes_free(&changes);
    }
    if (error) {
        diag_report(diag, DIAG_ERROR, "the sets' files cannot be compared: %s; try again",
                    strerror(-error));
        code = EXIT_FAILED;
    }
    inventory_free(&good);
    sets_free(&sets);
    return code;
}

int verb_changes(int argc, char **argv, struct diag *diag)
{
    struct options options;
    struct place place;
    int code;

    if (!options_parse(argc, argv, OPTION_JSON | OPTION_ROOT, &options, diag))
        return EXIT_USAGE;
    if (options.word_count) {
        diag_report(diag, DIAG_ERROR,
                    "changes: \"%s\" is not understood; it takes --json and --root DIR",
                    options.words[0]);
        return EXIT_USAGE;
    }
    code = options_open(&options, true, &place, diag);
    if (code != EXIT_OK)
        return code;
    code = show(&place, &options, diag);
    place_close(&place);
    return code;
}
