/*
 * Writing whole or not at all; copies with their hash and holes; attributes back on a file.
 */
#include <openssl/evp.h>

#include "check.h"
#include "bytes.h"
#include "io.h"
#include "world.h"

/* SHA-256 of "abc", FIPS 180-4 example; of nothing; and of a million 'a' (NIST). */
#define SHA_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA_MILLION "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static struct world world;
static int dir;

static int set_up(void **state)
{
    (void)state;
    world_make(&world);
    dir = open(world.root, O_RDONLY | O_DIRECTORY);
    return dir < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(dir);
    world_remove(&world);
    return 0;
}

static void assert_holds(const char *name, const char *text)
{
    char *bytes;
    size_t size;

    assert_int_equal(io_read_all(dir, name, 1 << 20, &bytes, &size), 0);
    assert_int_equal(size, strlen(text));
    assert_string_equal(bytes, text);
    free(bytes);
}

static unsigned count_names(void)
{
    struct dirent **names;
    int count = scandir(world.root, &names, NULL, NULL);

    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return (unsigned)count - 2;
}

static void test_write_atomic(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(io_write_atomic(dir, "f", "one", 3, 0640), 0);
    assert_holds("f", "one");
    assert_int_equal(fstatat(dir, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(io_write_atomic(dir, "f", "two and more", 12, 0600), 0);
    assert_holds("f", "two and more");
    assert_int_equal(io_write_atomic(dir, "f", "", 0, 0600), 0);
    assert_holds("f", "");
    assert_int_equal(count_names(), 1);
}

static void test_write_atomic_after_a_cut(void **state)
{
    (void)state;
    world_file(&world, "/.f.new", "a longer text that a cut left behind", 0600);
    assert_int_equal(io_write_atomic(dir, "f", "new", 3, 0600), 0);
    assert_holds("f", "new");
    assert_int_equal(count_names(), 1);
}

static void test_write_atomic_follows_no_link(void **state)
{
    (void)state;
    world_file(&world, "/target", "precious", 0600);
    world_link(&world, "/.f.new", "target");
    assert_int_equal(io_write_atomic(dir, "f", "x", 1, 0600), -ELOOP);
    assert_holds("target", "precious");
    world_link(&world, "/g", "target");
    assert_int_equal(io_write_atomic(dir, "g", "x", 1, 0600), 0);
    assert_holds("target", "precious");
    assert_holds("g", "x");
}

static void test_write_atomic_refused(void **state)
{
    char name[300];

    (void)state;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(io_write_atomic(dir, "a/b", "x", 1, 0600), -EINVAL);
    assert_int_equal(io_write_atomic(dir, "", "x", 1, 0600), -EINVAL);
    assert_int_equal(io_write_atomic(dir, name, "x", 1, 0600), -ENAMETOOLONG);
    world_dirs(&world, "/d");
    assert_int_equal(io_write_atomic(dir, "d", "x", 1, 0600), -EISDIR);
    assert_int_equal(count_names(), 1);
}

static void test_read_all(void **state)
{
    char *bytes = (char *)1;
    size_t size = 7;

    (void)state;
    world_file(&world, "/f", "12345", 0600);
    assert_int_equal(io_read_all(dir, "f", 4, &bytes, &size), -EFBIG);
    assert_int_equal(io_read_all(dir, "none", 4, &bytes, &size), -ENOENT);
    assert_int_equal(io_read_all(dir, ".", 4, &bytes, &size), -EISDIR);
    assert_ptr_equal(bytes, (char *)1);
    assert_int_equal(size, 7);
    assert_int_equal(io_read_all(dir, "f", 5, &bytes, &size), 0);
    assert_int_equal(size, 5);
    assert_string_equal(bytes, "12345");
    free(bytes);
    /* says that its size is 0 */
    assert_int_equal(io_read_all(AT_FDCWD, "/proc/self/maps", 1 << 20, &bytes, &size), 0);
    assert_true(size > 0);
    free(bytes);
}

static int make(const char *name, const char *text, size_t times)
{
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    for (size_t i = 0; i < times; i++)
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static const struct {
    const char *name, *text;
    size_t times;
    const char *sha256;
} known[] = {
    {"nothing", "", 0, SHA_NOTHING},
    {"abc", "abc", 1, SHA_ABC},
    {"a million a, over several buffers", "aaaaaaaaaa", 100000, SHA_MILLION},
};

static void test_copy_hash(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(known); i++) {
        uint8_t wanted[SHA256_SIZE], found[SHA256_SIZE];
        int in = make("in", known[i].text, known[i].times), out = make("out", "", 0);
        struct stat st;

        assert_int_equal(hex_parse(known[i].sha256, wanted, SHA256_SIZE), 0);
        assert_int_equal(io_copy_hash(in, -1, found), 0);
        assert_memory_equal(found, wanted, SHA256_SIZE);
        memset(found, 0, sizeof found);
        assert_int_equal(io_copy_hash(in, out, found), 0);
        assert_memory_equal(found, wanted, SHA256_SIZE);
        assert_int_equal(fstat(out, &st), 0);
        assert_int_equal(st.st_size, strlen(known[i].text) * known[i].times);
        assert_int_equal(io_copy_hash(out, -1, found), 0);
        assert_memory_equal(found, wanted, SHA256_SIZE);
        close(in);
        close(out);
    }
}

/* Holes before, between and after the data, as the hash of all bytes sees them. */
static void test_copy_keeps_holes(void **state)
{
    static const off_t size = 5 << 20;
    uint8_t dense[SHA256_SIZE], sparse[SHA256_SIZE];
    int in = make("in", "", 0), plain = make("plain", "", 0), out = make("out", "", 0);
    char *zeros = calloc(1, (size_t)size);
    struct stat st;

    (void)state;
    assert_non_null(zeros);
    assert_int_equal(pwrite(in, "one", 3, 1 << 20), 3);
    assert_int_equal(pwrite(in, "two", 3, 3 << 20), 3);
    assert_int_equal(ftruncate(in, size), 0);
    memcpy(zeros + (1 << 20), "one", 3);
    memcpy(zeros + (3 << 20), "two", 3);
    assert_int_equal(write(plain, zeros, (size_t)size), size);
    free(zeros);
    assert_int_equal(io_copy_hash(plain, -1, dense), 0);
    assert_int_equal(io_copy_hash(in, out, sparse), 0);
    assert_memory_equal(sparse, dense, SHA256_SIZE);
    assert_int_equal(io_copy_hash(out, -1, sparse), 0);
    assert_memory_equal(sparse, dense, SHA256_SIZE);
    assert_int_equal(fstat(out, &st), 0);
    assert_int_equal(st.st_size, size);
    assert_true(st.st_blocks * 512 < size / 2);
    close(in);
    close(plain);
    close(out);
}

/* The hole of a file small enough to be read at once: 4 KiB of data behind 48 KiB of nothing. */
static void test_copy_keeps_small_hole(void **state)
{
    int in = make("in", "", 0), out = make("out", "", 0);
    uint8_t first[SHA256_SIZE], second[SHA256_SIZE];
    char data[4096];
    struct stat st;

    (void)state;
    memset(data, 'x', sizeof data);
    assert_int_equal(pwrite(in, data, sizeof data, 48 << 10), sizeof data);
    assert_int_equal(io_copy_hash(in, out, first), 0);
    assert_int_equal(io_copy_hash(out, -1, second), 0);
    assert_memory_equal(first, second, SHA256_SIZE);
    assert_int_equal(fstat(out, &st), 0);
    assert_int_equal(st.st_size, 52 << 10);
    assert_true(st.st_blocks * 512 < 48 << 10);
    close(in);
    close(out);
}

/* So large that two threads share the work: every size about a buffer's end, and an error midway.
 */
static void test_copy_large(void **state)
{
    static const size_t sizes[] = {4 << 20, (4 << 20) + 1, (5 << 20) - 1, (6 << 20) + 12345};
    size_t room = 7 << 20;
    uint8_t *bytes = malloc(room), *back = malloc(room), wanted[EVP_MAX_MD_SIZE],
            found[SHA256_SIZE];

    (void)state;
    for (size_t i = 0; i < room; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 4093);
    for (size_t i = 0; i < ROWS(sizes); i++) {
        int in = make("in", "", 0), out = make("out", "", 0), closed;

        assert_int_equal(write(in, bytes, sizes[i]), sizes[i]);
        assert_true(EVP_Digest(bytes, sizes[i], wanted, NULL, EVP_sha256(), NULL));
        assert_int_equal(io_copy_hash(in, -1, found), 0);
        assert_memory_equal(found, wanted, SHA256_SIZE);
        memset(found, 0, sizeof found);
        assert_int_equal(io_copy_hash(in, out, found), 0);
        assert_memory_equal(found, wanted, SHA256_SIZE);
        assert_int_equal(pread(out, back, room, 0), sizes[i]);
        assert_memory_equal(back, bytes, sizes[i]);
        closed = openat(dir, "out", O_RDONLY);
        assert_int_equal(io_copy_hash(in, closed, found), -EBADF);
        close(closed);
        close(in);
        close(out);
    }
    free(bytes);
    free(back);
}

static void test_copy_errors(void **state)
{
    uint8_t sha256[SHA256_SIZE] = {1};
    int in = make("in", "abc", 1);
    int out = openat(dir, "in", O_RDONLY);

    (void)state;
    assert_int_equal(io_copy_hash(in, out, sha256), -EBADF);
    assert_int_equal(sha256[0], 1);
    close(out);
    close(in);
}

static bool set_xattr(const char *path, const char *name, const void *value, size_t size)
{
    if (setxattr(world_path(&world, path), name, value, size, 0) == 0)
        return true;
    print_message("%s cannot be set here: %s\n", name, strerror(errno));
    return false;
}

/* posix_acl_xattr(5): version 2; owner rw-, user 1000 r--, group r--, mask r--, others --- */
static const uint8_t acl[] = {
    2, 0,    0,    0,    0x01, 0,    6,    0, 0xff, 0xff, 0xff, 0xff, 0x02, 0,    4,
    0, 0xe8, 0x03, 0,    0,    0x04, 0,    4, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
    4, 0,    0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff,
};

static void test_xattrs_are_packed(void **state)
{
    static const char wanted[] = "user.a\0\0\0\0\0user.b\0\3\0\0\0xyz";
    uint8_t *packed = (uint8_t *)1;
    size_t size = 9;
    int fd = make("f", "x", 1);

    (void)state;
    assert_int_equal(io_read_xattrs(fd, &packed, &size), 0);
    if (size == 0)
        assert_null(packed);
    free(packed);
    if (!set_xattr("/f", "user.b", "xyz", 3) || !set_xattr("/f", "user.a", "", 0)) {
        close(fd);
        skip();
    }
    assert_int_equal(io_read_xattrs(fd, &packed, &size), 0);
    assert_true(size >= sizeof wanted - 1); /* an LSM's label comes before these */
    assert_memory_equal(packed + size - (sizeof wanted - 1), wanted, sizeof wanted - 1);
    free(packed);
    close(fd);
}

static void test_metadata_goes_back(void **state)
{
    struct entry entry = {.mode = 04751,
                          .uid = geteuid() ? geteuid() : 12,
                          .gid = geteuid() ? getegid() : 34,
                          .mtime_ns = INT64_C(1234567890123456789)};
    int from = make("from", "x", 1), to = make("to", "x", 1);
    struct stat st;
    uint8_t *packed;
    size_t size;

    (void)state;
    if (!set_xattr("/from", "system.posix_acl_access", acl, sizeof acl) ||
        !set_xattr("/from", "user.note", "kept", 4) || !set_xattr("/to", "user.other", "goes", 4)) {
        close(from);
        close(to);
        skip();
    }
    entry.mode = 04640; /* the group's bits are the ACL's mask */
    assert_int_equal(io_read_xattrs(from, &entry.xattrs, &entry.xattrs_size), 0);
    assert_int_equal(io_apply_metadata(to, &entry), 0);
    assert_int_equal(fstat(to, &st), 0);
    assert_int_equal(st.st_mode & 07777, entry.mode);
    assert_int_equal(st.st_uid, entry.uid);
    assert_int_equal(st.st_gid, entry.gid);
    assert_int_equal(st.st_mtim.tv_sec, 1234567890);
    assert_int_equal(st.st_mtim.tv_nsec, 123456789);
    assert_int_equal(io_read_xattrs(to, &packed, &size), 0);
    assert_int_equal(size, entry.xattrs_size);
    assert_memory_equal(packed, entry.xattrs, size);
    assert_int_equal(io_apply_metadata(to, &entry), 0); /* already so */
    free(packed);
    free(entry.xattrs);
    close(from);
    close(to);
}

static void test_times_before_the_epoch(void **state)
{
    struct entry entry = {
        .mode = 0600, .uid = geteuid(), .gid = getegid(), .mtime_ns = -1500000000};
    int fd = make("f", "x", 1);
    struct stat st;

    (void)state;
    assert_int_equal(io_apply_metadata(fd, &entry), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mtim.tv_sec, -2);
    assert_int_equal(st.st_mtim.tv_nsec, 500000000);
    close(fd);
}

static const struct {
    const char *name, *bytes;
    size_t size;
} bad_xattrs[] = {
    {"no NUL", "user.a", 6},
    {"no name", "\0\1\0\0\0x", 6},
    {"length cut", "a\0\1\0\0", 5},
    {"value cut", "a\0\2\0\0\0x", 7},
    {"length beyond all", "a\0\xff\xff\xff\xffx", 7},
};

static void test_packed_xattrs_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(bad_xattrs); i++) {
        const uint8_t *value;
        const char *name;
        size_t at = 0, size;

        if (xattrs_next((const uint8_t *)bad_xattrs[i].bytes, bad_xattrs[i].size, &at, &name,
                        &value, &size) != -EBADMSG)
            fail_msg("%s was taken", bad_xattrs[i].name);
    }
}

static void test_mkdir_p(void **state)
{
    (void)state;
    assert_int_equal(io_mkdir_p(dir, "a/b/c", 0755), 0);
    assert_int_equal(io_mkdir_p(dir, "a/b/c", 0755), 0);
    assert_true(world_has(&world, "/a/b/c"));
    world_file(&world, "/a/file", "x", 0600);
    assert_int_equal(io_mkdir_p(dir, "a/file/d", 0755), -ENOTDIR);
}

static void test_hex(void **state)
{
    const uint8_t bytes[] = {0x00, 0x1f, 0xa0, 0xff};
    uint8_t back[4] = {9, 9, 9, 9};
    char text[9];

    (void)state;
    hex_of(bytes, 4, text);
    assert_string_equal(text, "001fa0ff");
    assert_int_equal(hex_parse(text, back, 4), 0);
    assert_memory_equal(back, bytes, 4);
    memset(back, 9, 4);
    assert_int_equal(hex_parse("001fa0fF", back, 4), -EINVAL);
    assert_int_equal(hex_parse("001fa0f", back, 4), -EINVAL);
    assert_int_equal(hex_parse("g01fa0ff", back, 4), -EINVAL);
    assert_int_equal(back[0], 9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_write_atomic),
        TEST(test_write_atomic_after_a_cut),
        TEST(test_write_atomic_follows_no_link),
        TEST(test_write_atomic_refused),
        TEST(test_read_all),
        TEST(test_copy_hash),
        TEST(test_copy_keeps_holes),
        TEST(test_copy_keeps_small_hole),
        TEST(test_copy_large),
        TEST(test_copy_errors),
        TEST(test_xattrs_are_packed),
        TEST(test_metadata_goes_back),
        TEST(test_times_before_the_epoch),
        TEST(test_packed_xattrs_are_checked),
        TEST(test_mkdir_p),
        TEST(test_hex),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
