/*
 * Manifests: written and read again they are the same, and nothing else is one.
 */
#include <openssl/evp.h>

#include "check.h"
#include "manifest.h"
#include "said.h"
#include "world.h"

static struct said said;

/* ---- whole ---- */

static char *names[] = {"acme", "dkms"};
static uint8_t classes[] = {CLASS_CONTENT, CLASS_DRIVER};
static uint8_t xattrs[] = "security.x\0\2\0\0\0\0\xff"
                          "user.y\0\0\0\0\0";

static struct inventory sample(struct entry entries[4])
{
    return (struct inventory){.entries = entries,
                              .count = 4,
                              .set_names = names,
                              .set_classes = classes,
                              .set_count = 2,
                              .generation = 12,
                              .boot = 345};
}

static void fill(struct entry entries[4])
{
    static char paths[4][32] = {"/a", "/a/odd \n\t%\xff\x01", "/a-", "/b"}, target[] = "to \n";

    entries[0] = (struct entry){.path = paths[0],
                                .type = ENTRY_DIR,
                                .mode = 07777,
                                .hashed = true,
                                .uid = UINT32_MAX,
                                .nlink = 1};
    entries[1] = (struct entry){.path = paths[1],
                                .type = ENTRY_FILE,
                                .set = 1,
                                .hashed = true,
                                .xattrs = xattrs,
                                .xattrs_size = sizeof xattrs - 1,
                                .nlink = 3,
                                .size = INT64_MAX,
                                .inode = UINT64_MAX,
                                .dev = UINT64_MAX,
                                .mtime_ns = INT64_MIN,
                                .ctime_ns = INT64_MAX,
                                .sha256 = {1, 2, 0xff}};
    entries[2] = (struct entry){.path = paths[2],
                                .type = ENTRY_LINK,
                                .target = target,
                                .never = true,
                                .mode = 0777,
                                .mtime_ns = -1};
    entries[3] = (struct entry){.path = paths[3], .type = ENTRY_OTHER};
}

static void test_round_trip(void **state)
{
    struct entry entries[4];
    struct inventory inventory, back;
    char *text, *again;
    size_t size, again_size;

    (void)state;
    inventory = sample(entries);
    fill(entries);
    assert_int_equal(manifest_format(&inventory, &text, &size), 0);
    assert_int_equal(manifest_parse("m", text, size, &back, said_start(&said)), 0);
    assert_string_equal(said.text, "");
    assert_int_equal(back.generation, 12);
    assert_int_equal(back.boot, 345);
    assert_int_equal(back.set_count, 2);
    assert_string_equal(back.set_names[1], "dkms");
    assert_int_equal(back.set_classes[1], CLASS_DRIVER);
    assert_int_equal(back.count, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct entry *a = &entries[i], *b = &back.entries[i];

        assert_string_equal(a->path, b->path);
        assert_true(entry_same_identity(a, b));
        assert_int_equal(a->set, b->set);
        assert_int_equal(a->never, b->never);
        assert_int_equal(a->hashed, b->hashed);
        assert_int_equal(a->mode, b->mode);
        assert_int_equal(a->uid, b->uid);
        assert_int_equal(a->gid, b->gid);
        assert_int_equal(a->nlink, b->nlink);
        assert_true(a->dev == b->dev);
        assert_int_equal(a->xattrs_size, b->xattrs_size);
        if (a->xattrs_size)
            assert_memory_equal(a->xattrs, b->xattrs, a->xattrs_size);
        assert_memory_equal(a->sha256, b->sha256, SHA256_SIZE);
        assert_int_equal(a->target != NULL, b->target != NULL);
        if (a->target)
            assert_string_equal(a->target, b->target);
    }
    assert_int_equal(manifest_format(&back, &again, &again_size), 0);
    assert_int_equal(again_size, size);
    assert_memory_equal(again, text, size);
    inventory_free(&back);
    free(text);
    free(again);
}

static struct scope scopes[] = {
    {0, false, (char[]){"/opt/a b/**"}, (char[]){"/usr/opt/a b"}},
    {1, true, (char[]){"/*"}, (char[]){""}},
};
static char *unread[] = {(char[]){"/srv"}, (char[]){""}, (char[]){"/x\n"}};

static struct inventory scoped_sample(struct entry entries[4])
{
    struct inventory inventory = sample(entries);

    inventory.scopes = scopes;
    inventory.scope_count = 2;
    inventory.unread = unread;
    inventory.unread_count = 3;
    inventory.scoped = true;
    inventory.count = 0;
    return inventory;
}

/* Where it looked; what no line can hold is left out. */
static void test_scopes(void **state)
{
    static const char wanted[] =
        "backstop-manifest 2\ngeneration 12\nboot 345\nsets 2\ncontent\tacme\ndriver\tdkms\n"
        "scopes 2\n0\t\t/opt/a%20b/**\t/usr/opt/a%20b\n1\ta\t/*\t/\n"
        "unread 3\n/srv\n/\n/x%0A\nentries 0\nsha256 ";
    static char longest[5000];
    char *odd[] = {(char[]){"/srv"}, (char[]){""}, (char[]){"/x\n"}, longest, (char[]){"/a/../b"}};
    struct entry entries[4];
    struct inventory inventory = scoped_sample(entries), back;
    char *text;
    size_t size;

    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    *longest = '/';
    for (int i = 0; i < 2; i++) {
        assert_int_equal(manifest_format(&inventory, &text, &size), 0);
        assert_int_equal(size, sizeof wanted - 1 + 64 + 1);
        assert_memory_equal(text, wanted, sizeof wanted - 1);
        inventory.unread = odd;
        inventory.unread_count = ROWS(odd);
        if (i == 0)
            free(text);
    }
    assert_int_equal(manifest_parse("m", text, size, &back, said_start(&said)), 0);
    free(text);
    assert_true(back.scoped);
    assert_int_equal(back.scope_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(back.scopes[i].set, scopes[i].set);
        assert_int_equal(back.scopes[i].apart, scopes[i].apart);
        assert_string_equal(back.scopes[i].glob, scopes[i].glob);
        assert_string_equal(back.scopes[i].prefix, scopes[i].prefix);
    }
    assert_int_equal(back.unread_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(back.unread[i], unread[i]);
    inventory_free(&back);
}

/* Written out by hand from MANIFEST.md. */
static void test_vector(void **state)
{
    static const char wanted[] =
        "backstop-manifest 1\ngeneration 12\nboot 345\nsets 2\ncontent\tacme\ndriver\tdkms\n"
        "entries 4\n"
        "d\t0\th\t7777\t4294967295\t0\t1\t0\t0\t0\t0\t0\t\t\t\t/a\n"
        "f\t1\th\t0\t0\t0\t3\t9223372036854775807\t18446744073709551615\t18446744073709551615\t"
        "-9223372036854775808\t9223372036854775807\t"
        "0102ff0000000000000000000000000000000000000000000000000000000000\t"
        "73656375726974792e78000200000000ff757365722e790000000000\t\t/a/odd%20%0A%09%25%FF%01\n"
        "l\t0\tn\t777\t0\t0\t0\t0\t0\t0\t-1\t0\t\t\tto%20%0A\t/a-\n"
        "o\t0\t\t0\t0\t0\t0\t0\t0\t0\t0\t0\t\t\t\t/b\n"
        "sha256 ";
    struct entry entries[4];
    struct inventory inventory;
    char *text;
    size_t size;

    (void)state;
    inventory = sample(entries);
    fill(entries);
    assert_int_equal(manifest_format(&inventory, &text, &size), 0);
    assert_int_equal(size, sizeof wanted - 1 + 64 + 1);
    assert_memory_equal(text, wanted, sizeof wanted - 1);
    free(text);
}

/* ---- broken, with a hash that fits ---- */

static char *sealed(const char *body, size_t *size)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[2 * SHA256_SIZE + 1], *text = NULL;
    int n;

    assert_true(EVP_Digest(body, strlen(body), digest, NULL, EVP_sha256(), NULL));
    hex_of(digest, SHA256_SIZE, hex);
    n = asprintf(&text, "%ssha256 %s\n", body, hex);
    assert_true(n > 0);
    *size = (size_t)n;
    return text;
}

#define HEAD "backstop-manifest 1\ngeneration 1\nboot 2\nsets 1\ncontent\tacme\n"
#define SHA "0102030405060708090a0b0c0d0e0f100102030405060708090a0b0c0d0e0f10"
#define HEAD2 "backstop-manifest 2\ngeneration 1\nboot 2\nsets 1\ncontent\tacme\n"
#define TAIL2 "unread 0\nentries 0\n"
#define ONE HEAD "entries 1\n"
#define FILE_TAIL "\t644\t0\t0\t1\t5\t6\t7\t8\t9\t"

static const struct {
    const char *name, *body, *said; /* said NULL: it is whole */
} bodies[] = {
    {"whole", ONE "f\t0\th" FILE_TAIL SHA "\t\t\t/a\n", NULL},
    {"empty list", HEAD "entries 0\n", NULL},
    {"no sets, no entries", "backstop-manifest 1\ngeneration 1\nboot 2\nsets 0\nentries 0\n", NULL},
    {"newer version", "backstop-manifest 3\nwhatever\n", "m:1: it was written by a newer Backstop"},
    {"version 0", "backstop-manifest 0\ngeneration 1\n",
     "m:1: not \"backstop-manifest\" and a version"},
    {"nowhere looked", HEAD2 "scopes 0\n" TAIL2, NULL},
    {"where it looked", HEAD2 "scopes 1\n0\ta\t/a/*\t/a\n" TAIL2, NULL},
    {"version 2 without", HEAD2 "entries 0\n", "m:6: not \"scopes N\""},
    {"version 1 with", HEAD "scopes 0\n" TAIL2, "m:6: not \"entries N\""},
    {"more scopes than room", HEAD2 "scopes 99999999\n" TAIL2, "more than the file has room for"},
    {"fewer scopes", HEAD2 "scopes 1\n" TAIL2, "m:7: not a set, a glob"},
    {"more scopes", HEAD2 "scopes 0\n0\t\t/a/*\t/a\n" TAIL2, "m:7: not \"unread N\""},
    {"scope of no set", HEAD2 "scopes 1\n1\t\t/a/*\t/a\n" TAIL2, "m:7: not a set, a glob"},
    {"scope's flags", HEAD2 "scopes 1\n0\tx\t/a/*\t/a\n" TAIL2, "m:7: not a set, a glob"},
    {"relative glob", HEAD2 "scopes 1\n0\t\ta/*\t/a\n" TAIL2, "m:7: not a set, a glob"},
    {"empty glob", HEAD2 "scopes 1\n0\t\t\t/a\n" TAIL2, "m:7: not a set, a glob"},
    {"relative prefix", HEAD2 "scopes 1\n0\t\t/a/*\ta\n" TAIL2, "m:7: not a set, a glob"},
    {"no prefix", HEAD2 "scopes 1\n0\t\t/a/*\t\n" TAIL2, "m:7: not a set, a glob"},
    {"prefix with dots", HEAD2 "scopes 1\n0\t\t/a/*\t/a/..\n" TAIL2, "m:7: not a set, a glob"},
    {"no unread", HEAD2 "scopes 0\nentries 0\n", "m:7: not \"unread N\""},
    {"more unread than room", HEAD2 "scopes 0\nunread 99999999\n", "m:7: not \"unread N\""},
    {"relative unread", HEAD2 "scopes 0\nunread 1\nx\nentries 0\n", "m:8: not the name"},
    {"fewer unread", HEAD2 "scopes 0\nunread 1\nentries 0\n", "m:8: not the name"},
    {"no generation", "backstop-manifest 1\nboot 2\n", "m:2: not \"generation N\""},
    {"generation too large", "backstop-manifest 1\ngeneration 4294967296\n",
     "not \"generation N\""},
    {"leading zero", "backstop-manifest 1\ngeneration 01\n", "not \"generation N\""},
    {"no boot", "backstop-manifest 1\ngeneration 1\nsets 0\n", "not \"boot N\""},
    {"class", "backstop-manifest 1\ngeneration 1\nboot 2\nsets 1\nother\tacme\n", "not a set's"},
    {"set's name", "backstop-manifest 1\ngeneration 1\nboot 2\nsets 1\ncontent\tACME\n",
     "not a set's"},
    {"more sets than it says", HEAD "content\tx\nentries 0\n", "m:6: not \"entries N\""},
    {"fewer sets than it says",
     "backstop-manifest 1\ngeneration 1\nboot 2\nsets 2\ncontent\ta\n"
     "entries 0\n",
     "not a set's"},
    {"more entries than room", HEAD "entries 99999999\n", "more than the file has room for"},
    {"fewer entries", HEAD "entries 2\nf\t0\th" FILE_TAIL SHA "\t\t\t/a\n", "m:7: there are fewer"},
    {"more entries", ONE "f\t0\th" FILE_TAIL SHA "\t\t\t/a\nf\t0\th" FILE_TAIL SHA "\t\t\t/b\n",
     "m:8: there are more"},
    {"twice the same", HEAD "entries 2\nf\t0\t" FILE_TAIL "\t\t\t/a\nf\t0\t" FILE_TAIL "\t\t\t/a\n",
     "the same path, or a later one"},
    {"not in order", HEAD "entries 2\nf\t0\t" FILE_TAIL "\t\t\t/b\nf\t0\t" FILE_TAIL "\t\t\t/a\n",
     "the same path, or a later one"},
    {"type", ONE "x\t0\t" FILE_TAIL "\t\t\t/a\n", "m:7: the type"},
    {"no such set", ONE "f\t1\t" FILE_TAIL "\t\t\t/a\n", "there is no such set"},
    {"flags", ONE "f\t0\tnh" FILE_TAIL SHA "\t\t\t/a\n", "the flags"},
    {"mode too large", ONE "f\t0\t\t17777\t0\t0\t1\t5\t6\t7\t8\t9\t\t\t\t/a\n", "the mode"},
    {"mode not octal", ONE "f\t0\t\t648\t0\t0\t1\t5\t6\t7\t8\t9\t\t\t\t/a\n", "the mode"},
    {"mode with a zero", ONE "f\t0\t\t0644\t0\t0\t1\t5\t6\t7\t8\t9\t\t\t\t/a\n", "the mode"},
    {"uid too large", ONE "f\t0\t\t644\t4294967296\t0\t1\t5\t6\t7\t8\t9\t\t\t\t/a\n", "owner"},
    {"negative size", ONE "f\t0\t\t644\t0\t0\t1\t-5\t6\t7\t8\t9\t\t\t\t/a\n", "the size"},
    {"size beyond off_t", ONE "f\t0\t\t644\t0\t0\t1\t9223372036854775808\t6\t7\t8\t9\t\t\t\t/a\n",
     "the size"},
    {"a directory's size", ONE "d\t0\t" FILE_TAIL "\t\t\t/a\n", "the size"},
    {"inode too large", ONE "f\t0\t\t644\t0\t0\t1\t5\t18446744073709551616\t7\t8\t9\t\t\t\t/a\n",
     "inode"},
    {"time minus zero", ONE "f\t0\t\t644\t0\t0\t1\t5\t6\t7\t-0\t9\t\t\t\t/a\n", "a time"},
    {"time too large", ONE "f\t0\t\t644\t0\t0\t1\t5\t6\t7\t9223372036854775808\t9\t\t\t\t/a\n",
     "a time"},
    {"hashed without a hash", ONE "f\t0\th" FILE_TAIL "\t\t\t/a\n", "the sha256"},
    {"a hash, unhashed", ONE "f\t0\t" FILE_TAIL SHA "\t\t\t/a\n", "the sha256"},
    {"short hash", ONE "f\t0\th" FILE_TAIL "0102\t\t\t/a\n", "the sha256"},
    {"upper-case hash",
     ONE "f\t0\th" FILE_TAIL
         "0102030405060708090A0b0c0d0e0f100102030405060708090a0b0c0d0e0f10\t\t\t/a\n",
     "the sha256"},
    {"a directory's hash", ONE "d\t0\th\t755\t0\t0\t1\t0\t6\t7\t8\t9\t" SHA "\t\t\t/a\n",
     "the sha256"},
    {"xattrs of odd length", ONE "f\t0\th" FILE_TAIL SHA "\t616\t\t/a\n", "the xattrs"},
    {"xattrs not packed", ONE "f\t0\th" FILE_TAIL SHA "\t6161\t\t/a\n", "the xattrs"},
    {"xattrs not sorted", ONE "f\t0\th" FILE_TAIL SHA "\t620000000000610000000000\t\t/a\n",
     "the xattrs"},
    {"xattrs twice", ONE "f\t0\th" FILE_TAIL SHA "\t610000000000610000000000\t\t/a\n",
     "the xattrs"},
    {"xattrs, unhashed", ONE "f\t0\t" FILE_TAIL "\t610000000000\t\t/a\n", "the xattrs"},
    {"a file's target", ONE "f\t0\t" FILE_TAIL "\t\tx\t/a\n", "a target"},
    {"a link without", ONE "l\t0\t\t777\t0\t0\t1\t0\t6\t7\t8\t9\t\t\t\t/a\n", "a target"},
    {"relative path", ONE "f\t0\t" FILE_TAIL "\t\t\ta\n", "the path is not"},
    {"root", ONE "d\t0\t\t755\t0\t0\t1\t0\t6\t7\t8\t9\t\t\t\t/\n", "the path is not"},
    {"no path", ONE "f\t0\t" FILE_TAIL "\t\t\t\n", "the path is not"},
    {"dot dot", ONE "f\t0\t" FILE_TAIL "\t\t\t/a/../b\n", "the path is not"},
    {"dot dot, escaped", ONE "f\t0\t" FILE_TAIL "\t\t\t/a/%2E%2E/b\n", "the path is badly escaped"},
    {"dot at the end", ONE "f\t0\t" FILE_TAIL "\t\t\t/a/.\n", "the path is not"},
    {"two slashes", ONE "f\t0\t" FILE_TAIL "\t\t\t/a//b\n", "the path is not"},
    {"slash at the end", ONE "f\t0\t" FILE_TAIL "\t\t\t/a/\n", "the path is not"},
    {"NUL, escaped", ONE "f\t0\t" FILE_TAIL "\t\t\t/a%00b\n", "the path is badly escaped"},
    {"needless escape", ONE "f\t0\t" FILE_TAIL "\t\t\t/%61\n", "the path is badly escaped"},
    {"lower-case escape", ONE "f\t0\t" FILE_TAIL "\t\t\t/%0a\n", "the path is badly escaped"},
    {"half an escape", ONE "f\t0\t" FILE_TAIL "\t\t\t/%0\n", "the path is badly escaped"},
    {"raw blank", ONE "f\t0\t" FILE_TAIL "\t\t\t/a b\n", "the path is badly escaped"},
    {"field too many", ONE "f\t0\t" FILE_TAIL "\t\t\t/a\t\n", "the path is badly escaped"},
    {"field too few", ONE "f\t0\t" FILE_TAIL "\t\t/a\n", "m:7:"},
    {"carriage return", "backstop-manifest 1\r\ngeneration 1\r\n", "m:1:"},
};

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(bodies); i++) {
        struct inventory inventory = {.generation = 77};
        size_t size;
        char *text = sealed(bodies[i].body, &size);
        int error = manifest_parse("m", text, size, &inventory, said_start(&said));

        free(text);
        if (!bodies[i].said) {
            if (error)
                fail_msg("%s was refused: %s", bodies[i].name, said.text);
            inventory_free(&inventory);
            continue;
        }
        if (error != -EBADMSG || !strstr(said.text, bodies[i].said) || !strstr(said.text, "; "))
            fail_msg("%s: %d, said %s", bodies[i].name, error, said.text);
        assert_int_equal(inventory.generation, 77);
    }
}

/* ---- damaged ---- */

static void test_every_bit(void **state)
{
    size_t size;
    char *text = sealed(ONE "f\t0\th" FILE_TAIL SHA "\t\t\t/a\n", &size);

    (void)state;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        struct inventory inventory;

        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        if (manifest_parse("m", text, size, &inventory, NULL) != -EBADMSG)
            fail_msg("bit %zu was not missed", bit);
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
    }
    free(text);
}

static void test_every_length(void **state)
{
    size_t size;
    char *text = sealed(ONE "f\t0\th" FILE_TAIL SHA "\t\t\t/a\n", &size);
    struct inventory inventory;

    (void)state;
    for (size_t length = 0; length < size; length++) {
        char *cut = malloc(length + 1);

        memcpy(cut, text, length);
        if (manifest_parse("m", cut, length, &inventory, NULL) != -EBADMSG)
            fail_msg("length %zu was taken", length);
        free(cut);
    }
    text = realloc(text, size + 1);
    text[size] = '\n';
    assert_int_equal(manifest_parse("m", text, size + 1, &inventory, NULL), -EBADMSG);
    free(text);
}

static void test_files(void **state)
{
    struct world world;
    struct entry entries[4];
    struct inventory inventory, back;
    int dir;

    (void)state;
    world_make(&world);
    dir = open(world.root, O_RDONLY | O_DIRECTORY);
    inventory = sample(entries);
    fill(entries);
    assert_int_equal(manifest_read(dir, "m", &back, said_start(&said)), -ENOENT);
    assert_int_equal(manifest_write(dir, "m", &inventory), 0);
    assert_int_equal(manifest_write(dir, "m", &inventory), 0);
    assert_int_equal(manifest_read(dir, "m", &back, &said.diag), 0);
    assert_int_equal(back.count, 4);
    inventory_free(&back);
    world_file(&world, "/m", "backstop", 0600);
    assert_int_equal(manifest_read(dir, "m", &back, &said.diag), -EBADMSG);
    assert_non_null(strstr(said.text, "m:1: not a manifest"));
    close(dir);
    world_remove(&world);
}

/* What the reader would refuse takes nobody's place. */
static void test_replace(void **state)
{
    static char long_path[PATH_SIZE_MAX + 1], up[] = "/a/../b", plain[] = "/a";
    static const struct {
        const char *name;
        struct entry entry;
        const char *why; /* NULL: it is written */
    } rows[] = {
        {"a file", {.path = plain, .type = ENTRY_FILE}, NULL},
        {"a path of 4096 bytes",
         {.path = long_path, .type = ENTRY_FILE},
         "m:8: the path is not absolute and plain"},
        {"a path that leads up",
         {.path = up, .type = ENTRY_FILE},
         "m:8: the path is not absolute and plain"},
        {"a link without a target",
         {.path = plain, .type = ENTRY_LINK},
         "m:8: a target belongs to links, and to all of them"},
        {"a set that is not there",
         {.path = plain, .type = ENTRY_FILE, .set = 9},
         "m:8: there is no such set"},
        {"a size beyond all", {.path = plain, .type = ENTRY_FILE, .size = UINT64_MAX}, "m:8: "},
    };
    struct world world;
    int dir;

    (void)state;
    memset(long_path, 'p', PATH_SIZE_MAX);
    long_path[0] = '/';
    world_make(&world);
    dir = open(world.root, O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct entry entries[4] = {rows[i].entry};
        struct inventory inventory = sample(entries), back;
        struct entry former = {.path = plain, .type = ENTRY_OTHER};

        inventory.count = 1;
        print_message("  %s\n", rows[i].name);
        entries[0] = former;
        assert_int_equal(manifest_replace(dir, "m", &inventory, said_start(&said)), 0);
        entries[0] = rows[i].entry;
        assert_int_equal(manifest_replace(dir, "m", &inventory, &said.diag),
                         rows[i].why ? -EBADMSG : 0);
        if (rows[i].why)
            assert_non_null(strstr(said.text, rows[i].why));
        assert_int_equal(manifest_read(dir, "m", &back, &said.diag), 0);
        assert_int_equal(back.entries[0].type, rows[i].why ? ENTRY_OTHER : ENTRY_FILE);
        inventory_free(&back);
    }
    close(dir);
    world_remove(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_vector),
        cmocka_unit_test(test_scopes),     cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_every_bit),  cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_files),      cmocka_unit_test(test_replace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
