/*
 * The store: whole objects under their hash, damaged ones never given out, nothing kept for ever.
 */
#include "check.h"
#include "said.h"
#include "store.h"
#include "world.h"

#include <sys/mount.h>

#define SHA_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define OBJECT_ABC                                                                                 \
    STATE_DIR "/store/ba/7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static struct world world;
static struct place place;
static uint8_t abc[SHA256_SIZE];

static int set_up(void **state)
{
    (void)state;
    world_make(&world);
    world_open(&world, &place);
    return hex_parse(SHA_ABC, abc, SHA256_SIZE);
}

static int tear_down(void **state)
{
    (void)state;
    place_close(&place);
    umount2(world_path(&world, STATE_DIR), MNT_DETACH); /* of a test that failed */
    world_remove(&world);
    return 0;
}

static int put(const char *text, uint8_t sha256[SHA256_SIZE])
{
    int fd, error;

    world_file(&world, "/in", text, 0644);
    fd = open(world_path(&world, "/in"), O_RDONLY);
    assert_true(fd >= 0);
    error = store_put(&place, fd, sha256);
    close(fd);
    return error;
}

static void assert_object(const uint8_t sha256[SHA256_SIZE], const char *text)
{
    char found[64] = "";
    int fd = store_open_verified(&place, sha256);

    assert_true(fd >= 0);
    assert_int_equal(read(fd, found, sizeof found - 1), strlen(text));
    assert_string_equal(found, text);
    close(fd);
}

/* Everything in the store but its two-letter directories. */
static unsigned count_files(void)
{
    char command[256];
    FILE *pipe;
    unsigned count = 0;

    snprintf(command, sizeof command, "find '%s' ! -type d | wc -l",
             world_path(&world, STATE_DIR "/store"));
    pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%u", &count), 1);
    pclose(pipe);
    return count;
}

static void test_put_and_open(void **state)
{
    uint8_t sha256[SHA256_SIZE];
    struct stat st;

    (void)state;
    assert_false(store_has(&place, abc, 3));
    assert_int_equal(store_open_verified(&place, abc), -ENOENT);
    assert_int_equal(put("abc", sha256), 0);
    assert_memory_equal(sha256, abc, SHA256_SIZE);
    assert_false(store_has(&place, abc, 3)); /* not before it is synced */
    assert_int_equal(store_sync(&place), 0);
    assert_true(store_has(&place, abc, 3));
    assert_false(store_has(&place, abc, 4));
    assert_object(abc, "abc");
    assert_int_equal(stat(world_path(&world, OBJECT_ABC), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(store_sync(&place), 0);
    assert_int_equal(count_files(), 1);
}

static void test_put_twice(void **state)
{
    uint8_t sha256[SHA256_SIZE];
    ino_t before;

    (void)state;
    assert_int_equal(put("abc", sha256), 0);
    assert_int_equal(put("abc", sha256), 0);
    assert_int_equal(store_sync(&place), 0);
    before = world_inode(&world, OBJECT_ABC);
    assert_int_equal(put("abc", sha256), 0);
    assert_int_equal(store_sync(&place), 0);
    assert_int_equal(world_inode(&world, OBJECT_ABC), before);
    assert_int_equal(count_files(), 1);
}

static const struct {
    const char *name, *text;
} damages[] = {{"other bytes", "abd"}, {"cut", "ab"}, {"empty", ""}, {"longer", "abcd"}};

static void test_damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(damages); i++) {
        uint8_t sha256[SHA256_SIZE];

        assert_int_equal(put("abc", sha256), 0);
        assert_int_equal(store_sync(&place), 0);
        world_file(&world, OBJECT_ABC, damages[i].text, 0400);
        if (store_open_verified(&place, abc) != -EBADMSG)
            fail_msg("%s was given out", damages[i].name);
        assert_int_equal(put("abc", sha256), 0);
        assert_int_equal(store_sync(&place), 0);
        assert_object(abc, "abc");
    }
}

static void test_sparse(void **state)
{
    uint8_t sha256[SHA256_SIZE], again[SHA256_SIZE];
    struct stat st;
    int fd = open(world_path(&world, "/in"), O_RDWR | O_CREAT, 0600);

    (void)state;
    assert_int_equal(ftruncate(fd, 64 << 20), 0);
    assert_int_equal(pwrite(fd, "x", 1, 32 << 20), 1);
    assert_int_equal(store_put(&place, fd, sha256), 0);
    assert_int_equal(store_sync(&place), 0);
    assert_int_equal(io_copy_hash(fd, -1, again), 0);
    assert_memory_equal(sha256, again, SHA256_SIZE);
    close(fd);
    fd = store_open_verified(&place, sha256);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 64 << 20);
    assert_true(st.st_blocks * 512 < 4 << 20);
    close(fd);
}

static void test_discard(void **state)
{
    uint8_t sha256[SHA256_SIZE];

    (void)state;
    assert_int_equal(put("abc", sha256), 0);
    store_discard(&place);
    assert_int_equal(store_sync(&place), 0);
    assert_false(store_has(&place, abc, 3));
    assert_int_equal(count_files(), 0);
}

/* What another boot left unsynced may be anything. */
static void test_batch_of_another_boot(void **state)
{
    static const char batch[] = STATE_DIR "/store/new-00000000-0000-0000-0000-000000000000";
    char object[256];

    (void)state;
    snprintf(object, sizeof object, "%s/" SHA_ABC, batch);
    world_dirs(&world, batch);
    world_file(&world, object, "", 0400);
    assert_int_equal(store_sync(&place), 0);
    assert_int_equal(store_open_verified(&place, abc), -ENOENT);
    store_discard(&place);
    assert_false(world_has(&world, batch));
}

static void test_collect(void **state)
{
    uint8_t sha256[SHA256_SIZE];
    struct said said;

    (void)state;
    world_dirs(&world, SETS_DIR_LOCAL);
    world_dirs(&world, "/opt/acme");
    world_file(&world, SETS_DIR_LOCAL "/acme.conf", "[set]\nclass=content\npath=/opt/acme/*\n",
               0644);
    world_file(&world, "/opt/acme/a", "abc", 0644);
    assert_int_equal(world_take_good(&world), 1);
    assert_int_equal(put("no generation names this", sha256), 0);
    assert_int_equal(store_sync(&place), 0);
    world_file(&world, STATE_DIR "/store/ba/README", "not an object", 0600);
    assert_int_equal(count_files(), 3);
    /* a damaged manifest may name anything */
    world_file(&world, STATE_DIR "/generations/000002.manifest", "damaged", 0600);
    assert_int_equal(store_collect(&place, said_start(&said)), 0);
    assert_non_null(strstr(said.text, "nothing is deleted"));
    assert_int_equal(count_files(), 3);
    unlink(world_path(&world, STATE_DIR "/generations/000002.manifest"));
    assert_int_equal(store_collect(&place, said_start(&said)), 1);
    assert_string_equal(said.text, "");
    assert_object(abc, "abc");
    assert_int_equal(count_files(), 2);
}

static void test_full(void **state)
{
    uint8_t sha256[SHA256_SIZE] = {1};
    char *text = malloc(1 << 20);

    (void)state;
    memset(text, 'x', (1 << 20) - 1);
    text[(1 << 20) - 1] = '\0';
    place_close(&place);
    if (mount("none", world_path(&world, STATE_DIR), "tmpfs", 0, "size=64k") < 0) {
        print_message("tmpfs cannot be mounted here: %s\n", strerror(errno));
        free(text);
        world_open(&world, &place);
        skip();
    }
    world_open(&world, &place);
    assert_int_equal(put(text, sha256), -ENOSPC);
    assert_int_equal(sha256[0], 1);
    assert_int_equal(count_files(), 0);
    assert_int_equal(put("abc", sha256), 0);
    assert_int_equal(store_sync(&place), 0);
    assert_object(abc, "abc");
    free(text);
    place_close(&place);
    umount(world_path(&world, STATE_DIR));
    world_open(&world, &place);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_put_and_open), TEST(test_put_twice), TEST(test_damaged),
        TEST(test_sparse),       TEST(test_discard),   TEST(test_batch_of_another_boot),
        TEST(test_collect),      TEST(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
