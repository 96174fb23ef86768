/* Kernels that an update has modules for: what is found in it, and which are refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../qemu/command.h"
#include "../qemu/text.h"
#include "../qemu/update_modules.h"

static const struct {
    const char *paths, *modules, *kernels;
} rows[] = {
    {"", "", ""},
    {"./\n./lib/\n./lib/modules/6.1/\n./lib/modules/6.1/a.ko\n", "6.1 ", ""},
    {"lib/modules/6.1/a.ko.xz\nlib/modules/6.2/x/b.ko.zst\n", "6.1 6.2 ", ""},
    {"lib/modules/6.1/a.ko\nlib/modules/6.1/b.ko\n", "6.1 ", ""},
    {"/usr/lib/modules/6.1/a.ko.gz", "6.1 ", ""},
    {"./lib/modules/6.1/modules.dep\n./lib/modules/6.1/a.kobold\n", "", ""},
    {"./lib/modules/a.ko\n", "", ""},
    {"./opt/lib/modules/6.1/a.ko\n", "", ""},
    {"./boot/vmlinuz-6.1\n./lib/modules/6.1/a.ko\n", "6.1 ", "6.1 "},
    {"usr/lib/modules/6.1/vmlinuz\nusr/lib/modules/6.1/a.ko\n", "6.1 ", "6.1 "},
    {"boot/vmlinuz-\nlib/modules//a.ko\n", "", ""},
};

static void what_is_listed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        TEXT_AUTO modules = text_copy("");
        TEXT_AUTO kernels = text_copy("");

        modules_listed(rows[i].paths, &modules, &kernels);
        assert_string_equal(modules, rows[i].modules);
        assert_string_equal(kernels, rows[i].kernels);
    }
}

/* A tree with a module for 6.1, as it is, as a tar and as a package; a kernel of that release. */
static const char make[] =
    "set -e; cd \"$1\"; mkdir -p tree/lib/modules/6.1/updates kernel/boot deb/DEBIAN "
    "lib/modules/6.9; "
    ": >tree/lib/modules/6.1/updates/a.ko; : >kernel/boot/vmlinuz-6.1; cp -R tree/lib deb; "
    "mv tree lib/modules/6.9/tree; "
    "printf 'Package: a\\nVersion: 1\\nArchitecture: all\\nMaintainer: a\\nDescription: a\\n' "
    ">deb/DEBIAN/control; tar -C lib/modules/6.9/tree -czf tar .; dpkg-deb --nocheck -b deb a.deb";

static const struct {
    const char *what;
    enum update_kind kind;
} kinds[] = {
    {"lib/modules/6.9/tree", UPDATE_DIRECTORY}, {"tar", UPDATE_TAR}, {"a.deb", UPDATE_DEB}};

static void other_kernels_are_refused(void **state)
{
    char dir[] = "/tmp/rig-modules-XXXXXX";
    const char *argv[] = {"sh", "-c", make, "sh", NULL, NULL};
    TEXT_AUTO reason = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    argv[4] = dir;
    if (command_must(argv, &reason) < 0)
        fail_msg("%s", reason);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        TEXT_AUTO path = text_format("%s/%s", dir, kinds[i].what);
        TEXT_AUTO kernel = text_format("%s/kernel", dir);
        TEXT_AUTO wanted = text_format(
            "--update %s: has modules for kernel 6.1 alone; those of the image: 6.0 6.9 ", path);
        struct update updates[] = {{.kind = kinds[i].kind, .path = path, .file = path},
                                   {.kind = UPDATE_DIRECTORY, .path = kernel, .file = kernel}};

        assert_int_equal(update_modules_fit(updates, 1, "6.0 6.1 ", &reason), 0);
        assert_int_equal(update_modules_fit(updates, 2, "6.0 6.9 ", &reason), 0);
        assert_int_equal(update_modules_fit(updates, 1, "6.0 6.9 ", &reason), -EINVAL);
        assert_string_equal(reason, wanted);
    }
    command_must((const char *[]){"rm", "-rf", dir, NULL}, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_listed),
        cmocka_unit_test(other_kernels_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
