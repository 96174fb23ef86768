/*
 * Recovery: what is put back, what is kept, and that a cut anywhere changes nothing of that.
 */
#include <signal.h>
#include <sys/resource.h>
#include "check.h"
#include "cut.h"
#include "every_change.h"
#include "masks.h"
#include "quarantine.h"
#include "recover.h"
#include "journal.h"
#include "reserve.h"
#include "store.h"
#include "world.h"

#include <sys/mount.h>
#include <sys/utsname.h>

#define CASE 7u

/* Unsigned and quick where every step counts double: under valgrind. */
static unsigned long stride(unsigned long usual)
{
    return getenv("MODEL_QUICK") ? 40 * usual : usual;
}

static struct ticket ticket_at(enum rung rung)
{
    return (struct ticket){.number = 41,
                           .case_number = CASE,
                           .failures = 3,
                           .rung = (uint8_t)rung,
                           .stance = STANCE_RECOVERY,
                           .case_open = 1,
                           .first_reason = REASON_FAILED_CRASH};
}

static int recover_world(const struct world *world, enum rung rung, struct recover_result *result)
{
    struct place place;
    struct ticket ticket = ticket_at(rung);
    if (place_open(&place, world->root) < 0)
        abort();
    int err = recover(&place, &ticket, NULL, result, NULL);
    place_close(&place);
    return err;
}

/* ---- the tree ---- */

/* What there is after a recovery: the good tree, with what is never touched as it was. */
static void make_expected(const struct world *world)
{
    every_change_good(world->root);
    world_file(world, "/opt/acme/identity", "sensor 2\n", 0600);
    world_dirs(world, "/opt/acme/mixed");
    world_file(world, "/opt/acme/mixed/identity", "mine\n", 0644);
}

static char *expected_tree(void)
{
    struct world world;
    world_make(&world);
    make_expected(&world);
    char *seen = world_seen(&world, "/opt", NULL);
    world_remove(&world);
    return seen;
}

static void make_crashing(struct world *world)
{
    world_make(world);
    every_change_good(world->root);
    world_take_good(world);
    every_change_faulty(world->root);
}

/* Suspects as the quarantine lists them, without ids where a refused call may have moved them. */
static char *suspects_listed(const struct world *world, bool with_ids)
{
    struct place place;
    struct quarantine list;
    char *text = NULL, line[512], *lines[128];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    world_open(world, &place);
    assert_int_equal(quarantine_list(&place, &list, NULL), 0);
    for (size_t i = 0; i < list.count; i++) {
        const struct quarantined *item = &list.items[i];
        snprintf(line, sizeof line, "%u %u %s %s %s %s %s", item->case_number,
                 with_ids ? item->id : 0, item->path, item->state,
                 item->sha256 ? item->sha256 : "-",
                 with_ids && item->replaced_by ? item->replaced_by : "-",
                 with_ids ? item->held_at : "-");
        lines[i] = strdup(line);
    }
    for (size_t i = 0; i < list.count; i++) {
        size_t least = i;
        for (size_t k = i; k < list.count; k++)
            least = strcmp(lines[k], lines[least]) < 0 ? k : least;
        char *swap = lines[i];
        lines[i] = lines[least];
        lines[least] = swap;
        fprintf(out, "%s\n", lines[i]);
        free(lines[i]);
    }
    quarantine_free(&list);
    place_close(&place);
    fclose(out);
    return text;
}

static void assert_same_text(const char *found, const char *wanted, const char *what,
                             unsigned long at)
{
    if (strcmp(found, wanted) == 0)
        return;
    fprintf(stderr, "%s differs (call %lu)\n--- found\n%s--- wanted\n%s", what, at, found, wanted);
    fail();
}

/* A refused call may have cost a second turn, and so more items; none may be missing. */
static void assert_lines_within(const char *lines, const char *all, unsigned long at)
{
    for (const char *line = lines; *line; line += strcspn(line, "\n") + 1) {
        char one[512];
        snprintf(one, sizeof one, "%.*s\n", (int)strcspn(line, "\n"), line);
        if (!strstr(all, one)) {
            fprintf(stderr, "not in the quarantine (call %lu): %s--- found\n%s", at, one, all);
            fail();
        }
    }
}

static void assert_tree(const struct world *world, const char *wanted, unsigned long at)
{
    char *seen = world_seen(world, "/opt", NULL);
    assert_same_text(seen, wanted, "the tree", at);
    free(seen);
}

/* ---- tests ---- */

static void everything_is_put_back(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    char *wanted = expected_tree();
    make_crashing(&world);
    ino_t suspect = world_inode(&world, "/opt/acme/altered");
    ino_t tree = world_inode(&world, "/opt/acme/new-tree");
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_int_equal(result.applied, APPLIED_PUT_BACK);
    assert_true(result.rebuild_initramfs);
    assert_int_equal(result.summary.unprotected, 0);
    assert_int_equal(result.summary.beyond_help, 0);
    assert_tree(&world, wanted, 0);
    assert_int_equal(world_inode(&world, "/opt/acme/hard-a"),
                     world_inode(&world, "/opt/acme/hard-b"));
    assert_int_equal(world_inode(&world, "/opt/acme/hard-c"),
                     world_inode(&world, "/opt/acme/hard-d"));
    struct stat st;
    assert_int_equal(lstat(world_path(&world, "/opt/acme/sub"), &st), 0);
    assert_int_equal(st.st_mtim.tv_sec, WORLD_TIME - 5);
    assert_int_equal(lstat(world_path(&world, "/opt/acme/sparse"), &st), 0);
    assert_true(st.st_blocks * 512 < 1 << 17);

    struct place place;
    struct quarantine list;
    bool found_file = false, found_tree = false;
    world_open(&world, &place);
    assert_int_equal(quarantine_list(&place, &list, NULL), 0);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.items[i].case_number, CASE);
        assert_string_equal(list.items[i].state, "held");
        found_file |= world_inode(&world, list.items[i].held_at) == suspect;
        found_tree |= world_inode(&world, list.items[i].held_at) == tree;
    }
    assert_true(found_file && found_tree);
    quarantine_free(&list);
    place_close(&place);
    world_remove(&world);
    free(wanted);
}

static size_t journal_count(const struct world *world, const char *event)
{
    struct place place;
    struct journal journal;
    size_t count = 0;
    world_open(world, &place);
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    assert_int_equal(journal.broken_line, 0);
    for (size_t i = 0; i < journal.count; i++)
        count += strcmp(journal_text(journal.records[i], "event"), event) == 0;
    journal_free(&journal);
    place_close(&place);
    return count;
}

static void again_there_is_nothing_to_do(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    make_crashing(&world);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    char *before = world_seen(&world, "", "journal");
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_int_equal(result.applied, APPLIED_PUT_BACK); /* of this case: it stands */
    assert_int_equal(result.suspects, 0);
    assert_true(result.rebuild_initramfs);
    char *after = world_seen(&world, "", "journal");
    assert_string_equal(before, after);
    assert_int_equal(journal_count(&world, "intent"), 1);
    free(before);
    free(after);
    world_remove(&world);
}

static void nothing_changed_is_left_alone(void **state)
{
    static const struct {
        enum rung rung;
        enum applied applied;
    } rows[] = {{RUNG_TARGETED, APPLIED_NOTHING},
                {RUNG_ALL, APPLIED_NOTHING},
                {RUNG_DRIVERS_OFF, APPLIED_MASKED},
                {RUNG_HOLD, APPLIED_MASKED}};
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world world;
        struct recover_result result;
        world_make(&world);
        every_change_good(world.root);
        world_take_good(&world);
        char *before = world_seen(&world, "", "journal");
        assert_int_equal(recover_world(&world, rows[i].rung, &result), 0);
        assert_int_equal(result.applied, rows[i].applied);
        char *after = world_seen(&world, "", "journal");
        assert_string_equal(before, after);
        assert_int_equal(journal_count(&world, "done"), 1);
        free(before);
        free(after);
        world_remove(&world);
    }
}

static void without_a_good_generation_nothing_is_touched(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    every_change_faulty(world.root);
    char *before = world_seen(&world, "/opt", NULL);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_int_equal(result.applied, APPLIED_NOTHING);
    assert_tree(&world, before, 0);
    assert_int_equal(journal_count(&world, "done"), 1);
    free(before);
    world_remove(&world);
}

static void damage_object(const struct world *world, const char *text)
{
    uint8_t digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1], path[256];
    world_file(world, "/tmp-text", text, 0600);
    int fd = open(world_path(world, "/tmp-text"), O_RDONLY);
    assert_int_equal(io_copy_hash(fd, -1, digest), 0);
    close(fd);
    plant_remove(world->root, "/tmp-text");
    hex_of(digest, SHA256_SIZE, hex);
    snprintf(path, sizeof path, STATE_DIR "/store/%.2s/%s", hex, hex + 2);
    assert_true(world_has(world, path));
    world_file(world, path, "damaged", 0400);
}

static void a_damaged_object_gives_way_to_an_older_version(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    uint32_t first = world_take_good(&world);
    world_file(&world, "/opt/acme/altered", "version 290b\n", 0640);
    assert_int_not_equal(world_take_good(&world), first);
    damage_object(&world, "version 290b\n");
    world_file(&world, "/opt/acme/altered", "version 291\n", 0640);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_string_equal(world_text(&world, "/opt/acme/altered"), "version 290\n");
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_int_equal(result.suspects, 0); /* the older version is not a suspect */
    struct place place;
    struct quarantine list;
    world_open(&world, &place);
    assert_int_equal(quarantine_list(&place, &list, NULL), 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].generation, first);
    quarantine_free(&list);
    place_close(&place);
    world_remove(&world);
}

/* Content behind a link: never the link of one generation and the content of another. */
static void a_set_with_a_lost_content_goes_back_as_a_whole(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    world_file(&world, "/opt/acme/c290", "channel 290\n", 0640);
    world_link(&world, "/opt/acme/now", "c290");
    world_take_good(&world);
    world_file(&world, "/opt/kmod/new.ko", "came later\n", 0644);
    plant_remove(world.root, "/opt/acme/c290");
    world_file(&world, "/opt/acme/c292", "channel 292\n", 0640);
    plant_remove(world.root, "/opt/acme/now");
    world_link(&world, "/opt/acme/now", "c292");
    world_take_good(&world);
    damage_object(&world, "channel 292\n");
    plant_remove(world.root, "/opt/acme/c292");
    world_file(&world, "/opt/acme/c291", "channel 291\n", 0640);
    plant_remove(world.root, "/opt/acme/now");
    world_link(&world, "/opt/acme/now", "c291");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
        assert_string_equal(world_text(&world, "/opt/acme/now"), "channel 290\n");
        assert_false(world_has(&world, "/opt/acme/c291"));
        assert_false(world_has(&world, "/opt/acme/c292"));
        assert_true(world_has(&world, "/opt/kmod/new.ko")); /* another set stays as it is */
        assert_int_equal(result.summary.beyond_help, 0);
    }
    world_remove(&world);
}

/* What its older generation did not look at is not added since. */
static void a_set_that_goes_back_keeps_what_was_not_looked_at(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    world_dirs(&world, "/opt/more");
    world_file(&world, "/opt/more/old", "stood for years\n", 0640);
    world_dirs(&world, "/opt/wide/a");
    world_file(&world, "/etc/backstop/sets.d/wide.conf",
               "[set]\nclass=content\npath=/opt/wide/a/*\n", 0644);
    world_file(&world, "/opt/wide/a/x", "x 1\n", 0640);
    world_take_good(&world);
    world_file(&world, "/etc/backstop/sets.d/wide.conf",
               "[set]\nclass=content\npath=/opt/wide/a/*\npath=/opt/more/*\n", 0644);
    world_file(&world, "/opt/wide/a/x", "x 2\n", 0640);
    world_take_good(&world);
    damage_object(&world, "x 2\n");
    world_file(&world, "/opt/wide/a/x", "x 3\n", 0640);
    world_file(&world, "/opt/wide/a/y", "y 3\n", 0640);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_string_equal(world_text(&world, "/opt/wide/a/x"), "x 1\n");
    assert_false(world_has(&world, "/opt/wide/a/y"));
    assert_true(world_has(&world, "/opt/more/old"));
    world_remove(&world);
}

static const char *own_modules(void)
{
    static char path[128];
    struct utsname running;
    assert_int_equal(uname(&running), 0);
    snprintf(path, sizeof path, "/usr/lib/modules/%s", running.release);
    return path;
}

/* A content that is lost of what is not there to be put back moves nothing else of its set. */
static void a_doubtful_loss_moves_nothing(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    world_dirs(&world, "/opt/wide/a");
    world_dirs(&world, "/usr/lib/modules/0-other");
    world_dirs(&world, own_modules());
    world_file(&world, "/etc/backstop/sets.d/wide.conf",
               "[set]\nclass=content\npath=/opt/wide/a/*\npath=/usr/lib/modules/*/*\n", 0644);
    world_file(&world, "/opt/wide/a/x", "x 1\n", 0640);
    world_file(&world, "/usr/lib/modules/0-other/m.ko", "m 1\n", 0640);
    world_take_good(&world);
    world_file(&world, "/opt/wide/a/x", "x 2\n", 0640);
    world_file(&world, "/usr/lib/modules/0-other/m.ko", "m 2\n", 0640);
    world_take_good(&world);
    damage_object(&world, "m 2\n");
    world_file(&world, "/usr/lib/modules/0-other/m.ko", "m 3\n", 0640);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_string_equal(world_text(&world, "/opt/wide/a/x"), "x 2\n");
    assert_string_equal(world_text(&world, "/usr/lib/modules/0-other/m.ko"), "m 3\n");
    world_remove(&world);
}

static void no_good_version_left_takes_the_suspect_out(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    world_take_good(&world);
    damage_object(&world, "driver 1\n");
    world_file(&world, "/opt/kmod/acme.ko", "driver 2\n", 0644);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_false(world_has(&world, "/opt/kmod/acme.ko"));
    assert_int_equal(result.applied, APPLIED_PUT_BACK);
    assert_int_equal(result.summary.unprotected, 1);
    assert_int_equal(result.summary.taken_out, 1);
    world_remove(&world);
}

static void what_is_not_mounted_is_not_gone(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    world_take_good(&world);
    world_file(&world, "/etc/fstab", "UUID=1 / ext4 defaults 0 1\nUUID=2 /opt ext4 defaults 0 2\n",
               0644);
    plant_remove(world.root, "/opt");
    world_dirs(&world, "/opt");
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_int_equal(result.applied, APPLIED_NOTHING);
    assert_false(world_has(&world, "/opt/acme"));
    plant_remove(world.root, "/etc/fstab");
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_int_equal(result.applied, APPLIED_PUT_BACK);
    assert_string_equal(world_text(&world, "/opt/acme/sub/gone"), "was deeper\n");
    world_remove(&world);
}

/* Files beneath a mount point whose file system is not there yet are not those that ran. */
static void what_a_mount_will_cover_is_left_alone(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    make_crashing(&world);
    world_file(&world, "/etc/fstab", "UUID=2 /opt/acme ext4 defaults 0 2\n", 0644);
    char *before = world_seen(&world, "/opt/acme", NULL);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    char *after = world_seen(&world, "/opt/acme", NULL);
    assert_string_equal(before, after);
    assert_string_equal(world_text(&world, "/opt/kmod/acme.ko"), "driver 1\n");
    free(before);
    free(after);
    world_remove(&world);
}

/* What the last "done" says was left: the first reason, or "". */
static const char *left_why(const struct world *world)
{
    static char why[128];
    struct place place;
    struct journal journal;
    struct json_object *left;
    world_open(world, &place);
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    *why = '\0';
    if (json_object_object_get_ex(journal.records[journal.count - 1], "left", &left))
        snprintf(why, sizeof why, "%s", journal_text(json_object_array_get_idx(left, 0), "why"));
    journal_free(&journal);
    place_close(&place);
    return why;
}

/* An upgrade brings a set, or an administrator a drop-in, while failures are being counted. */
static void what_a_new_set_holds_is_left(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    world_dirs(&world, "/usr/lib/systemd/system/empty");
    world_file(&world, "/usr/lib/systemd/system/ssh.service", "[Unit]\n", 0644);
    world_take_good(&world);
    world_file(&world, "/etc/backstop/sets.d/loading.conf",
               "[set]\nclass=loading\npath=/usr/lib/systemd/system/**\n", 0644);
    char *before = world_seen(&world, "/usr", NULL);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_int_equal(result.applied, APPLIED_NOTHING);
    assert_string_equal(left_why(&world), change_doubt_string(DOUBT_UNSEEN));
    world_file(&world, "/opt/acme/altered", "version 291\n", 0640);
    world_file(&world, "/opt/acme/added", "version 291\n", 0640);
    assert_int_equal(recover_world(&world, RUNG_HOLD, &result), 0);
    assert_int_equal(result.applied, APPLIED_PUT_BACK);
    assert_int_equal(result.suspects, 2);
    assert_string_equal(world_text(&world, "/opt/acme/altered"), "version 290\n");
    assert_false(world_has(&world, "/opt/acme/added"));
    char *after = world_seen(&world, "/usr", NULL);
    assert_string_equal(before, after);
    free(before);
    free(after);
    world_remove(&world);
}

/* No content of it is there to put back, so its like is not taken out. */
static void what_was_not_kept_and_looks_the_same_is_left(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    world_file(&world, "/etc/backstop/sets.d/kmod.conf",
               "[set]\nclass=driver\npath=/opt/kmod/**\nmax-size=1\n", 0644);
    world_take_good(&world);
    world_file(&world, "/opt/kmod/.new", "driver 1\n", 0644);
    assert_int_equal(
        rename(world_path(&world, "/opt/kmod/.new"), world_path(&world, "/opt/kmod/acme.ko")), 0);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_int_equal(result.applied, APPLIED_NOTHING);
    assert_true(world_has(&world, "/opt/kmod/acme.ko"));
    assert_string_equal(left_why(&world), change_doubt_string(DOUBT_UNKEPT));
    world_file(&world, "/opt/kmod/acme.ko", "driver 2, longer\n", 0644);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_false(world_has(&world, "/opt/kmod/acme.ko"));
    assert_int_equal(result.summary.unprotected, 1);
    world_remove(&world);
}

/* /lib became a link to usr/lib: nothing is taken out for that, and what changed goes back there.
 */
static void behind_a_link_that_came_since_things_are_put_back(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    world_dirs(&world, "/etc/backstop/sets.d");
    world_file(&world, "/etc/backstop/sets.d/pam.conf",
               "[set]\nclass=policy\npath=/lib/security/*\npath=/usr/lib/security/*\n", 0644);
    world_dirs(&world, "/lib/security");
    world_dirs(&world, "/usr/lib");
    world_file(&world, "/lib/security/pam_unix.so", "unix 1\n", 0644);
    world_file(&world, "/lib/security/pam_deny.so", "deny 1\n", 0644);
    world_file(&world, "/lib/security/pam_env.so", "env 1\n", 0644);
    world_take_good(&world);
    assert_int_equal(
        rename(world_path(&world, "/lib/security"), world_path(&world, "/usr/lib/security")), 0);
    plant_remove(world.root, "/lib");
    world_link(&world, "/lib", "usr/lib");
    char *wanted = world_seen(&world, "/usr", NULL);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_int_equal(result.applied, APPLIED_NOTHING);
    world_file(&world, "/usr/lib/security/pam_unix.so", "unix 2\n", 0644);
    world_file(&world, "/usr/lib/security/pam_new.so", "new\n", 0644);
    plant_remove(world.root, "/usr/lib/security/pam_env.so");
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_int_equal(result.summary.put_back, 2);
    assert_int_equal(result.summary.taken_out, 1);
    char *seen = world_seen(&world, "/usr", ".backstop");
    assert_same_text(seen, wanted, "the tree", 0);
    free(seen);
    free(wanted);
    world_remove(&world);
}

/* By a mount unit, say: fstab knows nothing of it. */
static void what_lay_on_its_own_file_system_is_left_without_it(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    world_dirs(&world, "/opt");
    if (mount("none", world_path(&world, "/opt"), "tmpfs", 0, NULL) < 0) {
        world_remove(&world);
        print_message("no tmpfs can be mounted here: %s\n", strerror(errno));
        skip();
    }
    every_change_good(world.root);
    world_take_good(&world);
    umount(world_path(&world, "/opt"));
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_int_equal(result.applied, APPLIED_NOTHING);
    assert_false(world_has(&world, "/opt/acme"));
    assert_string_equal(left_why(&world), change_doubt_string(DOUBT_AWAY));
    world_remove(&world);
}

static void what_a_set_no_longer_names_is_not_gone(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    world_take_good(&world);
    world_file(&world, "/etc/backstop/sets.d/acme.conf",
               "[set]\nclass=content\npath=/opt/acme/alt*\n", 0644);
    plant_remove(world.root, "/opt/acme/gone");
    char *before = world_seen(&world, "/opt/acme/sub", NULL);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_int_equal(result.suspects, 1);
    assert_string_equal(world_text(&world, "/opt/acme/gone"), "was here\n");
    char *after = world_seen(&world, "/opt/acme/sub", NULL);
    assert_string_equal(before, after);
    free(before);
    free(after);
    world_remove(&world);
}

static void a_giant_suspect_is_moved_unread(void **state)
{
    struct world world;
    struct recover_result result;
    struct place place;
    struct quarantine list;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    world_take_good(&world);
    world_file(&world, "/opt/acme/giant", "", 0644);
    assert_int_equal(truncate(world_path(&world, "/opt/acme/giant"), (off_t)5 << 30), 0);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    assert_false(world_has(&world, "/opt/acme/giant"));
    world_open(&world, &place);
    assert_int_equal(quarantine_list(&place, &list, NULL), 0);
    assert_int_equal(list.count, 1);
    assert_null(list.items[0].sha256);
    assert_true(list.items[0].size == (uint64_t)5 << 30);
    quarantine_free(&list);
    place_close(&place);
    world_remove(&world);
}

static void a_later_rung_goes_on_with_the_ids(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    world_take_good(&world);
    world_file(&world, "/opt/acme/altered", "version 291\n", 0640);
    assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
    world_file(&world, "/opt/acme/altered", "version 292\n", 0640);
    assert_int_equal(recover_world(&world, RUNG_DRIVERS_OFF, &result), 0);
    char *listed = suspects_listed(&world, true);
    assert_non_null(strstr(listed, "7 1 /opt/acme/altered held"));
    assert_non_null(strstr(listed, "7 2 /opt/acme/altered held"));
    free(listed);
    world_remove(&world);
}

/* ---- cuts and refusals ---- */

struct plan_of_lies {
    const char *name;
    unsigned lies;
    int fail_with; /* 0: cut */
    unsigned long stride;
    bool with_ids;     /* quarantine is the same to the id */
    bool lose_records; /* after the cut, what was written down of the suspects is damaged */
};

/* In a child, since a cut ends it. Exit status; *calls is told by a pipe. */
static int run_child(const struct world *world, const struct plan_of_lies *lies, unsigned long at,
                     unsigned long *calls)
{
    int ends[2], status = 0;
    if (pipe(ends) < 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        struct recover_result result;
        cut.on = true;
        cut.lies = lies->lies;
        cut.fail_with = lies->fail_with;
        cut.cut_at = lies->fail_with ? 0 : at;
        cut.fail_at = lies->fail_with ? at : 0;
        int err = recover_world(world, RUNG_ALL, &result);
        cut.on = false;
        if (write(ends[1], &cut.calls, sizeof cut.calls) < 0)
            abort();
        _exit(err < 0 ? 1 : 0);
    }
    close(ends[1]);
    waitpid(child, &status, 0);
    ssize_t got = read(ends[0], calls, sizeof *calls);
    close(ends[0]);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != CUT_STATUS && got != sizeof *calls))
        fail_msg("%s, call %lu: the child ended with status %x", lies->name, at, (unsigned)status);
    return WEXITSTATUS(status);
}

static const char *const altered_paths[] = {
    "/opt/acme/altered", "/opt/acme/link",    "/opt/acme/file-to-link", "/opt/acme/link-to-file",
    "/opt/acme/hard-a",  "/opt/acme/hard-b",  "/opt/acme/hard-c",       "/opt/acme/mode",
    "/opt/acme/owned",   "/opt/kmod/acme.ko", "/opt/acme/sparse"};

static void assert_never_neither(const struct world *world, unsigned long at)
{
    for (size_t i = 0; i < ROWS(altered_paths); i++)
        if (!world_has(world, altered_paths[i]))
            fail_msg("%s: neither old nor new after call %lu", altered_paths[i], at);
}

/* Owner, mode, content, times and attributes of all but directories, one a line. */
static char *whats_of(const char *seen)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (const char *line = seen; *line; line += strcspn(line, "\n") + 1) {
        char mode[16], owner[32], rest[1024] = "";
        if (sscanf(line, "%*s %15s %31s %*s%1023[^\n]", mode, owner, rest) == 3 && mode[0] != '4')
            fprintf(out, "%s %s%s\n", mode, owner, rest);
    }
    fclose(out);
    return text;
}

/* Whatever stood in the sets stands there still, or lies in the quarantine. */
static void assert_nothing_lost(const struct world *world, const char *faulty, unsigned long at)
{
    char *seen = world_seen(world, "/opt", NULL);
    char *held = world_seen(world, STATE_DIR "/quarantine", NULL);
    char *all = NULL;
    assert_true(asprintf(&all, "%s%s", seen, held) > 0);
    char *there = whats_of(all);
    assert_lines_within(faulty, there, at);
    free(there);
    free(all);
    free(held);
    free(seen);
}

/* Of a directory that was gone, its time; of one that stayed, what its record says it was. */
static void assert_directories(const struct world *world, bool has_records, unsigned long at)
{
    char line[2048];
    bool found = !has_records;
    struct stat st;
    if (lstat(world_path(world, "/opt/acme/sub"), &st) < 0 || st.st_mtim.tv_sec != WORLD_TIME - 5)
        fail_msg("/opt/acme/sub has not its time (call %lu)", at);
    FILE *file = fopen(world_path(world, STATE_DIR "/quarantine/7/records.jsonl"), "r");
    assert_non_null(file);
    while (!found && fgets(line, sizeof line, file))
        found = strstr(line, "\"/opt/acme/owned\"") && strstr(line, "\"mode\":448") &&
                (geteuid() != 0 || strstr(line, "626164"));
    fclose(file);
    if (!found)
        fail_msg("the former metadata of /opt/acme/owned are lost (call %lu)", at);
}

static void damage_records(const struct world *world)
{
    char path[] = STATE_DIR "/quarantine/7/records.jsonl";
    if (world_has(world, path))
        world_run("sed -i 's/^{/[/'", world_path(world, path), "");
}

/* What the last record says that ended an intent; -1: none did. */
static int64_t moved_in_journal(const struct world *world)
{
    struct place place;
    struct journal journal;
    struct json_object *intents;
    int64_t moved = -1;
    world_open(world, &place);
    assert_int_equal(journal_read(&place, &journal, NULL), 0);
    for (size_t i = 0; i < journal.count; i++)
        if (json_object_object_get_ex(journal.records[i], "intents", &intents) &&
            json_object_array_length(intents) > 0)
            moved = journal_number(journal.records[i], "moved");
    journal_free(&journal);
    place_close(&place);
    return moved;
}

static void run_lies(const struct plan_of_lies *lies)
{
    struct world crashing, world;
    char *wanted = expected_tree();
    unsigned long calls = 0, at = 1;
    make_crashing(&crashing);
    char *seen = world_seen(&crashing, "/opt", NULL);
    char *faulty = whats_of(seen);
    free(seen);
    world_copy(&crashing, &world);
    assert_int_equal(run_child(&world, lies, 0, &calls), 0);
    assert_true(calls > 50);
    assert_tree(&world, wanted, 0);
    assert_nothing_lost(&world, faulty, 0);
    int64_t moved = moved_in_journal(&world);
    char *suspects = suspects_listed(&world, lies->with_ids);
    world_remove(&world);
    for (; at <= calls; at += stride(lies->stride)) {
        unsigned long ignored;
        world_copy(&crashing, &world);
        int status = run_child(&world, lies, at, &ignored);
        if (!lies->fail_with) {
            assert_int_equal(status, CUT_STATUS);
            assert_never_neither(&world, at);
        }
        if (lies->lose_records)
            damage_records(&world);
        struct plan_of_lies none = {.name = lies->name, .lies = lies->lies};
        assert_int_equal(run_child(&world, &none, 0, &ignored), 0);
        assert_tree(&world, wanted, at);
        assert_nothing_lost(&world, faulty, at);
        if (!lies->fail_with)
            assert_directories(&world, !lies->lose_records, at);
        /* where a directory cannot be exchanged, what took it out and what put back are two */
        if (lies->with_ids)
            assert_in_range(moved_in_journal(&world), moved,
                            moved + (lies->lies & NO_EXCHANGE ? 1 : 0));
        char *listed = suspects_listed(&world, lies->with_ids);
        if (lies->with_ids)
            assert_same_text(listed, suspects, "the quarantine", at);
        else if (!lies->lose_records)
            assert_lines_within(suspects, listed, at);
        free(listed);
        world_remove(&world);
    }
    free(suspects);
    free(faulty);
    free(wanted);
    world_remove(&crashing);
}

static const struct plan_of_lies CUT_ANYWHERE = {"cut anywhere", 0, 0, 1, true, false};
static const struct plan_of_lies CUT_AND_LOST = {
    "cut, unsynced bytes lost", LOSE_UNSYNCED, 0, 1, true, false};
static const struct plan_of_lies CUT_NO_EXCHANGE = {
    "cut, no RENAME_EXCHANGE", NO_EXCHANGE | LOSE_UNSYNCED, 0, 1, true, false};
static const struct plan_of_lies CUT_RECORDS_LOST = {
    "cut, records damaged", LOSE_UNSYNCED, 0, 1, false, true};
static const struct plan_of_lies CUT_RECORDS_LOST_NO_EXCHANGE = {
    "cut, records damaged, no RENAME_EXCHANGE", NO_EXCHANGE | LOSE_UNSYNCED, 0, 1, false, true};
static const struct plan_of_lies DISK_FULL_ONCE = {"disk full once", 0, ENOSPC, 1, false, false};
static const struct plan_of_lies EIO_ONCE = {"EIO once", 0, EIO, 1, false, false};

static void power_is_cut_or_a_call_refused(void **state)
{
    run_lies(*state);
}

static void make_directory_altered(struct world *world)
{
    world_make(world);
    every_change_good(world->root);
    world_take_good(world);
    chmod(world_path(world, "/opt/acme/owned"), 0700);
}

static bool directory_is_back(const struct world *world)
{
    struct stat st;
    return lstat(world_path(world, "/opt/acme/owned"), &st) == 0 && (st.st_mode & 07777) == 0711;
}

/* Whichever call is refused: of a directory that is back no run says "failed", and none after it
 * "nothing to do". */
static void a_directory_that_is_back_is_called_so(void **state)
{
    struct recover_result result = {0};
    bool reached = true;
    (void)state;
    for (unsigned long at = 1; reached; at++) {
        struct world world;
        make_directory_altered(&world);
        cut.calls = 0;
        cut.fail_at = at;
        cut.fail_with = EIO;
        cut.on = true;
        recover_world(&world, RUNG_ALL, &result);
        cut.on = false;
        reached = cut.calls >= at;
        if (directory_is_back(&world))
            assert_int_equal(result.applied, APPLIED_PUT_BACK);
        cut.fail_at = 0;
        assert_int_equal(recover_world(&world, RUNG_ALL, &result), 0);
        assert_int_equal(result.applied, APPLIED_PUT_BACK);
        assert_true(directory_is_back(&world));
        world_remove(&world);
    }
    cut.calls = 0;
}

static void full_disk_gives_up_the_reserve(void **state)
{
    struct world world;
    struct place place;
    (void)state;
    world_make(&world);
    every_change_good(world.root);
    world_open(&world, &place);
    assert_int_equal(reserve_keep(&place), 0);
    assert_int_equal(reserve_keep(&place), 0);
    struct stat st;
    assert_int_equal(stat(world_path(&world, STATE_DIR "/" RESERVE_NAME), &st), 0);
    assert_true(st.st_blocks * 512 >= RESERVE_SIZE);
    assert_true(reserve_give_up(&place));
    assert_false(world_has(&world, STATE_DIR "/" RESERVE_NAME));
    assert_false(reserve_give_up(&place));
    place_close(&place);
    world_remove(&world);
}

#define LIES(plan)                                                                                 \
    {                                                                                              \
#plan, power_is_cut_or_a_call_refused, NULL, NULL, (void *)(uintptr_t)&plan                \
    }

/* ---- numbers of cases that come again ---- */

enum between { UNINSTALLED, RECOUNTED, BOOTS_FROM_ONE, ENDED, JOURNAL_LOST, NOTHING_BETWEEN };

static void come_between(const struct world *world, enum between between)
{
    static const char *const events[] = {"uninstall", "recount", NULL, "case-end", NULL, NULL};
    struct place place;
    if (events[between]) {
        world_open(world, &place);
        struct json_object *record = journal_record(events[between], between == ENDED ? 41 : 0,
                                                    between == ENDED ? CASE : 0, "");
        assert_int_equal(journal_append(&place, record), 0);
        place_close(&place);
    }
    if (between == JOURNAL_LOST)
        assert_int_equal(unlink(world_path(world, "/var/lib/backstop/journal.jsonl")), 0);
}

static struct recover_result recover_again(const struct world *world, uint32_t number)
{
    struct recover_result result;
    struct place place;
    struct ticket ticket = ticket_at(RUNG_ALL);
    ticket.number = number;
    assert_int_equal(place_open(&place, world->root), 0);
    assert_int_equal(recover(&place, &ticket, NULL, &result, NULL), 0);
    place_close(&place);
    return result;
}

static void a_case_number_that_comes_again_is_another_incident(void **state)
{
    static const struct {
        const char *name;
        enum between between;
        uint32_t number; /* of the boot */
        bool another;
    } rows[] = {
        {"removed and installed", UNINSTALLED, 50, true},
        {"seen to begin anew", RECOUNTED, 50, true},
        {"boots counted from one", BOOTS_FROM_ONE, 4, true},
        {"the case had ended", ENDED, 50, true},
        {"the journal is lost", JOURNAL_LOST, 50, true},
        {"the same case", NOTHING_BETWEEN, 50, false},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct world world;
        make_crashing(&world);
        assert_int_equal(recover_again(&world, 41).case_number, CASE);
        come_between(&world, rows[i].between);
        struct recover_result nothing = recover_again(&world, rows[i].number);
        enum applied wanted = rows[i].another ? APPLIED_NOTHING : APPLIED_PUT_BACK;
        world_file(&world, "/opt/acme/altered", "another fault\n", 0644);
        struct recover_result fault = recover_again(&world, rows[i].number + 1);
        struct recover_result after = recover_again(&world, rows[i].number + 2);
        uint32_t incident = rows[i].another ? CASE + 1 : CASE;
        bool own = world_has(&world, "/var/lib/backstop/quarantine/8/1");
        if (nothing.applied != wanted || fault.applied != APPLIED_PUT_BACK ||
            fault.case_number != incident || after.case_number != incident ||
            after.applied != APPLIED_PUT_BACK || own != rows[i].another)
            fail_msg("%s: %d %u %u", rows[i].name, nothing.applied, fault.case_number,
                     after.case_number);
        world_remove(&world);
    }
}

/* ---- modules ---- */

#define DKMS_A "/lib/modules/6.1-a/updates/dkms"
#define DKMS_B "/lib/modules/6.1-b/updates/dkms"

/* Kernel A and its drivers are good; then kernel B comes, whose drivers DKMS builds, and an update
 * of a driver for both, and a new one. */
static void make_new_kernel(struct world *world)
{
    world_make(world);
    world_dirs(world, "/etc/backstop/sets.d");
    world_file(world, "/etc/backstop/sets.d/dkms.conf",
               "[set]\nclass=driver\npath=/lib/modules/*/updates/dkms/**\n", 0644);
    world_dirs(world, DKMS_A);
    world_file(world, DKMS_A "/zfs.ko", "zfs 1\n", 0644);
    world_file(world, DKMS_A "/acme.ko", "acme 1\n", 0644);
    world_take_good(world);
    world_file(world, DKMS_A "/acme.ko", "acme 2, faulty\n", 0644);
    world_file(world, DKMS_A "/new.ko", "new, faulty\n", 0644);
    world_dirs(world, DKMS_B);
    world_file(world, DKMS_B "/zfs.ko", "zfs 1\n", 0644);
    world_file(world, DKMS_B "/acme.ko", "acme 2, faulty\n", 0644);
}

static void recover_modules(const struct world *world, struct recover_result *result)
{
    struct place place;
    struct ticket ticket = ticket_at(RUNG_ALL);
    struct strings modules = {0};
    assert_int_equal(needs_usual(NULL, &modules), 0);
    assert_int_equal(place_open(&place, world->root), 0);
    assert_int_equal(recover(&place, &ticket, &modules, result, NULL), 0);
    place_close(&place);
    masks_free(&modules);
}

static void what_the_root_needs_stays(void **state)
{
    struct world world;
    struct recover_result result;
    (void)state;
    make_new_kernel(&world);
    recover_modules(&world, &result);
    assert_int_equal(result.applied, APPLIED_PUT_BACK);
    assert_true(world_has(&world, DKMS_B "/zfs.ko"));
    assert_false(world_has(&world, DKMS_B "/acme.ko"));
    assert_string_equal(world_text(&world, DKMS_A "/acme.ko"), "acme 1\n");
    assert_string_equal(world_text(&world, DKMS_A "/zfs.ko"), "zfs 1\n");
    world_remove(&world);
}

/* Their good versions cannot be made: an ordinary suspect goes all the same, this one does not. */
static void what_the_root_needs_is_not_given_up(void **state)
{
    const struct rlimit small = {.rlim_cur = 65536, .rlim_max = RLIM_INFINITY};
    const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    static const char *const paths[] = {DKMS_A "/zfs.ko", DKMS_A "/acme.ko"};
    struct world world;
    struct place place;
    struct recover_result result;
    struct ticket ticket = ticket_at(RUNG_ALL);
    struct strings modules = {0};
    (void)state;
    make_new_kernel(&world);
    for (size_t i = 0; i < ROWS(paths); i++)
        if (truncate(world_path(&world, paths[i]), 100000) < 0)
            abort();
    world_take_good(&world);
    for (size_t i = 0; i < ROWS(paths); i++)
        world_file(&world, paths[i], "2\n", 0644);
    assert_int_equal(needs_usual(NULL, &modules), 0);
    assert_int_equal(place_open(&place, world.root), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int err = recover(&place, &ticket, &modules, &result, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(err, -EFBIG);
    assert_string_equal(world_text(&world, DKMS_A "/zfs.ko"), "2\n");
    assert_false(world_has(&world, DKMS_A "/acme.ko"));
    place_close(&place);
    masks_free(&modules);
    world_remove(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_put_back),
        cmocka_unit_test(a_case_number_that_comes_again_is_another_incident),
        cmocka_unit_test(what_the_root_needs_stays),
        cmocka_unit_test(what_the_root_needs_is_not_given_up),
        cmocka_unit_test(again_there_is_nothing_to_do),
        cmocka_unit_test(nothing_changed_is_left_alone),
        cmocka_unit_test(without_a_good_generation_nothing_is_touched),
        cmocka_unit_test(a_damaged_object_gives_way_to_an_older_version),
        cmocka_unit_test(a_set_with_a_lost_content_goes_back_as_a_whole),
        cmocka_unit_test(a_set_that_goes_back_keeps_what_was_not_looked_at),
        cmocka_unit_test(a_doubtful_loss_moves_nothing),
        cmocka_unit_test(no_good_version_left_takes_the_suspect_out),
        cmocka_unit_test(what_is_not_mounted_is_not_gone),
        cmocka_unit_test(what_a_mount_will_cover_is_left_alone),
        cmocka_unit_test(what_a_set_no_longer_names_is_not_gone),
        cmocka_unit_test(what_a_new_set_holds_is_left),
        cmocka_unit_test(what_was_not_kept_and_looks_the_same_is_left),
        cmocka_unit_test(behind_a_link_that_came_since_things_are_put_back),
        cmocka_unit_test(what_lay_on_its_own_file_system_is_left_without_it),
        cmocka_unit_test(a_giant_suspect_is_moved_unread),
        cmocka_unit_test(a_later_rung_goes_on_with_the_ids),
        cmocka_unit_test(a_directory_that_is_back_is_called_so),
        cmocka_unit_test(full_disk_gives_up_the_reserve),
        LIES(CUT_ANYWHERE),
        LIES(CUT_AND_LOST),
        LIES(CUT_NO_EXCHANGE),
        LIES(CUT_RECORDS_LOST),
        LIES(CUT_RECORDS_LOST_NO_EXCHANGE),
        LIES(DISK_FULL_ONCE),
        LIES(EIO_ONCE),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
