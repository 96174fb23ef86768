/* What somebody brings to `rig try`, looked at from outside: disk images and updates. */
#include "scratch.h"

#include <errno.h>
#include <sys/wait.h>

#include "../qemu/enter.h"
#include "../qemu/update.h"

/* Runs a shell line in the scratch directory; the tools are those that make the rig's own disks. */
static void shell(const char *line)
{
    TEXT_AUTO command = text_format(
        "cd %s && PATH=$PATH:/usr/sbin:/sbin && { %s; } >log 2>&1 || { cat log; exit 1; }", scratch,
        line);

    assert_int_equal(system(command), 0);
}

/* A root that looks like a system's, in root/; an ESP of 33 MiB with a loader, in esp.img. */
static const char make_root[] =
    "mkdir -p root/usr/lib/systemd root/usr/lib/modules/6.1.0-1-amd64/kernel "
    "root/usr/lib/modules/6.9.0-2-amd64/kernel root/usr/lib/modules/5.0-gone/updates root/usr/bin "
    "root/var/lib/dpkg root/etc;"
    "ln -s usr/lib root/lib; touch root/usr/lib/systemd/systemd root/usr/bin/dpkg;"
    "echo i386 >root/var/lib/dpkg/arch;"
    "printf 'ID=acme\\nPRETTY_NAME=\"ACME Linux 7\"\\n' >root/usr/lib/os-release;"
    "ln -s ../usr/lib/os-release root/etc/os-release";
static const char make_esp[] = "truncate -s 33M esp.img; mkfs.vfat -F 32 esp.img;"
                               "mmd -i esp.img ::/EFI ::/EFI/BOOT;"
                               "echo x >x; mcopy -i esp.img x ::/EFI/BOOT/BOOTX64.EFI";
/* 1: disk label; 2: type of the ESP; 3: of the root. */
#define MAKE_DISK(label, esp, root)                                                                \
    "truncate -s 64M disk; printf 'label: " label "\\nstart=1MiB, size=33MiB, type=" esp           \
    "\\nstart=34MiB, size=16MiB, type=" root "\\n' | sfdisk -q disk;"                              \
    "dd if=esp.img of=disk bs=1M seek=1 conv=notrunc;"                                             \
    "dd if=root.img of=disk bs=1M seek=34 conv=notrunc"
#define EXT4 "rm -f root.img; mke2fs -q -t ext4 -d root root.img 16M;"
#define X86_ROOT "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"

static int setup(void **state)
{
    assert_int_equal(scratch_make(state), 0);
    shell(make_root);
    shell(make_esp);
    return 0;
}

static const struct {
    const char *name, *make;
    const char *reason; /* part of it; NULL: taken */
} image_rows[] = {
    {"as Debian's cloud images are", EXT4 MAKE_DISK("gpt", "uefi", X86_ROOT), NULL},
    {"as the rig's own", EXT4 MAKE_DISK("gpt", "uefi", "linux"), NULL},
    {"an MBR with an ESP", EXT4 MAKE_DISK("dos", "ef", "83"), NULL},
    {"no loader", "mdel -i esp.img ::/EFI/BOOT/BOOTX64.EFI;" EXT4 MAKE_DISK("gpt", "uefi", "linux"),
     "no \\EFI\\BOOT\\BOOTX64.EFI"},
    {"no ESP", EXT4 MAKE_DISK("gpt", "linux", "linux"), "no EFI system partition"},
    {"a file of text", "echo hello, disk >disk", "no partition table"},
    {"an empty file", "truncate -s 0 disk", "no partition table"},
    {"a file system without a disk around it", EXT4 "mv root.img disk", "no partition table"},
    {"no systemd", "rm root/usr/lib/systemd/systemd;" EXT4 MAKE_DISK("gpt", "uefi", "linux"),
     "ACME Linux 7 has no systemd"},
};

static void images(void **state)
{
    for (size_t i = 0; i < sizeof image_rows / sizeof *image_rows; i++) {
        struct image image;
        TEXT_AUTO reason = NULL;
        int result;

        print_message("%s\n", image_rows[i].name);
        setup(state);
        shell(image_rows[i].make);
        result = image_inspect(&image, at("disk"), "given.img", &reason);
        assert_int_equal(result, image_rows[i].reason == NULL ? 0 : -EINVAL);
        if (result < 0) {
            assert_non_null(strstr(reason, "--image given.img: "));
            assert_non_null(strstr(reason, image_rows[i].reason));
        } else {
            assert_true(image.readable);
            assert_int_equal(image.disk.esp_offset, 1 << 20);
            assert_int_equal(image.disk.root_offset, 34 << 20);
            assert_string_equal(image.system, "ACME Linux 7");
        }
        image_free(&image);
        scratch_remove(state);
    }
}

static void what_a_root_tells(void **state)
{
    struct image image;
    TEXT_AUTO reason = NULL;

    (void)state;
    shell(EXT4 MAKE_DISK("gpt", "uefi", "linux"));
    assert_int_equal(image_inspect(&image, at("disk"), "d", &reason), 0);
    assert_true(words_have(image.kernels, "6.1.0-1-amd64"));
    assert_true(words_have(image.kernels, "6.9.0-2-amd64"));
    assert_false(words_have(image.kernels, "6.1.0-1"));
    assert_false(words_have(image.kernels, "5.0-gone"));
    assert_true(words_have(image.foreign, "i386"));
    assert_true(image.dpkg);
    assert_false(image.cloud_init);
    image_free(&image);
}

/* The agent is laid into a root that has none of the directories for it, nor a clean journal. */
static void the_agent_is_laid_in(void **state)
{
    struct image image;
    TEXT_AUTO reason = NULL;
    TEXT_AUTO unit = NULL;
    TEXT_AUTO listing = NULL;

    (void)state;
    shell(EXT4 MAKE_DISK(
        "gpt", "uefi",
        X86_ROOT) ";"
                  "mkdir -p agent/etc/systemd/system agent/etc/udev/rules.d agent/usr/local/bin;"
                  "echo unit >agent/etc/systemd/system/rig-agent.service;"
                  "touch agent/etc/systemd/system/payload.mount "
                  "agent/etc/udev/rules.d/90-rig.rules;"
                  "echo program >agent/usr/local/bin/rig-agent");
    assert_int_equal(image_inspect(&image, at("disk"), "d", &reason), 0);
    assert_int_equal(enter_root(&image, at("agent"), &reason), 0);
    unit = disk_read(&image.disk, "/etc/systemd/system/rig-agent.service", NULL);
    assert_string_equal(unit, "unit\n");
    listing = disk_listing(&image.disk, "/usr/local/bin/rig-agent");
    assert_non_null(strstr(listing, "mode=0755 owner=0:0"));
    shell("e2fsck -fn \"disk?offset=$((34 * 1048576))\"");
    /* Again: what is there already is replaced. */
    assert_int_equal(enter_root(&image, at("agent"), &reason), 0);
    image_free(&image);
}

static void the_seed_is_what_cloud_init_looks_for(void **state)
{
    TEXT_AUTO reason = NULL;

    (void)state;
    assert_int_equal(enter_seed(at("seed"), &reason), 0);
    shell("blkid -p -o value -s LABEL seed | grep -qx CIDATA");
    shell("mtype -i seed ::/meta-data | grep -q '^instance-id: '");
    shell("mtype -i seed ::/user-data | head -1 | grep -qx '#cloud-config'");
}

static void a_qcow2_is_read_and_left_alone(void **state)
{
    TEXT_AUTO reason = NULL;
    struct image image;

    (void)state;
    shell(EXT4 MAKE_DISK("gpt", "uefi", "linux"));
    shell("qemu-img convert -c -O qcow2 disk given.qcow2; sha256sum given.qcow2 >sum; rm disk");
    assert_int_equal(image_copy(at("given.qcow2"), at("disk"), &reason), 0);
    assert_int_equal(image_inspect(&image, at("disk"), "d", &reason), 0);
    image_free(&image);
    shell("sha256sum -c sum");
    assert_int_equal(image_copy(at("none.qcow2"), at("disk"), &reason), -EINVAL);
}

static const struct {
    const char *name, *make;
    const char *reason; /* part of it; NULL: taken */
} look_rows[] = {
    {"a raw one", "true", NULL},
    {"a qcow2", "qemu-img convert -O qcow2 disk d; mv d disk", NULL},
    {"a raw one without a loader", "mdel -i disk@@1M ::/EFI/BOOT/BOOTX64.EFI",
     "no \\EFI\\BOOT\\BOOTX64.EFI"},
    {"packed by xz", "xz -0 disk; mv disk.xz disk", "compressed (xz)"},
    {"packed by gzip", "gzip -1 disk; mv disk.gz disk", "compressed (gzip)"},
    {"packed by zstd", "zstd -q --rm disk -o d; mv d disk", "compressed (zstd)"},
    {"a directory", "rm disk; mkdir disk", "not a file"},
    {"a queue", "rm disk; mkfifo disk", "not a file"},
    {"nothing", "rm disk", "No such file"},
    {"a qcow2 whose backing is gone",
     "mv disk b; qemu-img create -f qcow2 -F raw -b b disk 64M; rm b", "No such file"},
};

static void images_before_they_are_copied(void **state)
{
    (void)state;
    shell(EXT4 MAKE_DISK("gpt", "uefi", "linux") "; mv disk whole");
    for (size_t i = 0; i < sizeof look_rows / sizeof *look_rows; i++) {
        TEXT_AUTO reason = NULL;

        print_message("%s\n", look_rows[i].name);
        shell("rm -rf disk d b; cp --sparse=always whole disk");
        shell(look_rows[i].make);
        assert_int_equal(image_look(at("disk"), &reason),
                         look_rows[i].reason == NULL ? 0 : -EINVAL);
        if (look_rows[i].reason != NULL)
            assert_non_null(strstr(reason, look_rows[i].reason));
    }
}

/* The name of an image may be one of QEMU's protocols; a disk that is full is not its fault. */
static void copies_of_images(void **state)
{
    TEXT_AUTO reason = NULL;
    char *here = get_current_dir_name();

    (void)state;
    shell(EXT4 MAKE_DISK("gpt", "uefi", "linux") "; mv disk nbd:d");
    assert_int_equal(chdir(scratch), 0);
    assert_int_equal(image_copy("nbd:d", at("disk"), &reason), 0);
    assert_int_equal(image_copy("nbd:d", "/dev/full", &reason), -EIO);
    assert_int_equal(chdir(here), 0);
    free(here);
    shell("cmp nbd:d disk");
}

static int without_tools(void)
{
    TEXT_AUTO reason = NULL;
    struct update update;
    int error;

    shell("echo x >x; tar -cf u x");
    setenv("PATH", scratch, 1);
    if (image_look(at("disk"), &reason) != -ENOENT ||
        strcmp(reason, "qemu-img is not installed: `make deps` brings it") != 0)
        return 1;
    error = update_inspect(&update, at("u"), &reason);
    update_free(&update);
    return error == -ENOENT && strcmp(reason, "tar is not installed: `make deps` brings it") == 0
               ? 0
               : 2;
}

/* In a process of its own, since PATH is changed. */
static void a_missing_tool_is_no_fault_of_what_was_brought(void **state)
{
    pid_t pid;
    int status = 0;

    (void)state;
    shell(EXT4 MAKE_DISK("gpt", "uefi", "linux"));
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(without_tools());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define MAKE_DEB                                                                                   \
    "mkdir -p p/DEBIAN; printf 'Package: acme\\nVersion: 1\\nArchitecture: arm64\\nMaintainer: a " \
    "<a@a>\\nDescription: d\\n' >p/DEBIAN/control; head -c 5000 /dev/urandom >p/x;"                \
    "dpkg-deb --build p u"
static const struct {
    const char *name, *make;
    int result;
    enum update_kind kind;
    const char *reason;
} update_rows[] = {
    {"a package", MAKE_DEB, 0, UPDATE_DEB, NULL},
    {"a package that was cut", "printf '!<arch>\\ndebian-binary   junk' >u", -EINVAL, UPDATE_DEB,
     "a damaged package"},
    {"a tar", "echo x >x; tar -cf u x", 0, UPDATE_TAR, NULL},
    {"a compressed tar", "echo x >x; tar -czf u x", 0, UPDATE_TAR, NULL},
    {"a directory", "mkdir u; touch u/x", 0, UPDATE_DIRECTORY, NULL},
    {"an empty directory", "mkdir u", -EINVAL, UPDATE_DIRECTORY, "an empty directory"},
    {"a package that was cut in half", MAKE_DEB "; truncate -s $(($(stat -c %s u) - 40)) u",
     -EINVAL, UPDATE_DEB, "a damaged package"},
    {"a tar that was cut", "head -c 99999 /dev/urandom >x; tar -cf v x; head -c 20000 v >u",
     -EINVAL, UPDATE_TAR, "tar"},
    {"a tar that climbs", "mkdir -p d; echo x >d/x; tar -cPf u d/../d/x", -EINVAL, UPDATE_TAR,
     "'..' in the name of a member: d/../d/x"},
    {"a tar with a link that climbs",
     "mkdir -p d; echo x >d/x; ln -f d/x d/y; tar --transform 's,d/x,d/../x,RS' -cPf u d/x d/y",
     -EINVAL, UPDATE_TAR, "'..' in the name of a member: d/y"},
    {"a tar with a symbolic link that climbs", "ln -sf ../x l; tar -cf u l", 0, UPDATE_TAR, NULL},
    {"a tar with an absolute name", "echo x >x; tar -cPf u $PWD/x", 0, UPDATE_TAR, NULL},
    {"a queue", "mkfifo u", -EINVAL, UPDATE_TAR, "neither a file nor a directory"},
    {"text", "echo hello >u", -EINVAL, UPDATE_TAR, "neither a .deb"},
    {"an empty file", ": >u", -EINVAL, UPDATE_TAR, "neither a .deb"},
    {"an object that is no module", "echo 'int x;' | gcc -xc -c -o u.ko -", -EINVAL, UPDATE_MODULE,
     "not a kernel module"},
    {"an object", "echo 'int x;' | gcc -xc -c -o u -", -EINVAL, UPDATE_MODULE, "ends with .ko"},
    {"a module",
     "printf '__attribute__((section(\".modinfo\"),used)) static const char "
     "a[]=\"vermagic=6.1.0-1-amd64 SMP preempt\", b[]=\"name=acme\";' | gcc -xc -c -o u.ko -",
     0, UPDATE_MODULE, NULL},
    {"a module whose name is a path",
     "printf '__attribute__((section(\".modinfo\"),used)) static const char "
     "a[]=\"vermagic=6.1.0-1-amd64 SMP preempt\", b[]=\"name=../acme\";' | gcc -xc -c -o u.ko -",
     -EINVAL, UPDATE_MODULE, "not a kernel module"},
    {"nothing", "true", -EINVAL, UPDATE_TAR, "No such file"},
};

static void updates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof update_rows / sizeof *update_rows; i++) {
        struct update update;
        TEXT_AUTO reason = NULL;
        int result;

        print_message("%s\n", update_rows[i].name);
        shell("rm -rf u u.ko p");
        shell(update_rows[i].make);
        result =
            update_inspect(&update, access(at("u.ko"), F_OK) == 0 ? at("u.ko") : at("u"), &reason);
        assert_int_equal(result, update_rows[i].result);
        if (result < 0) {
            assert_non_null(strstr(reason, update_rows[i].reason));
            assert_null(strchr(reason, '\n'));
        } else {
            assert_int_equal(update.kind, update_rows[i].kind);
        }
        if (result == 0 && update.kind == UPDATE_DEB)
            assert_string_equal(update.architecture, "arm64");
        if (result == 0 && update.kind == UPDATE_MODULE) {
            assert_string_equal(update.kernel, "6.1.0-1-amd64");
            assert_string_equal(update.name, "acme");
        }
        update_free(&update);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images),
        cmocka_unit_test_setup_teardown(what_a_root_tells, setup, scratch_remove),
        cmocka_unit_test_setup_teardown(the_agent_is_laid_in, setup, scratch_remove),
        cmocka_unit_test_setup_teardown(the_seed_is_what_cloud_init_looks_for, setup,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(images_before_they_are_copied, setup, scratch_remove),
        cmocka_unit_test_setup_teardown(copies_of_images, setup, scratch_remove),
        cmocka_unit_test_setup_teardown(a_missing_tool_is_no_fault_of_what_was_brought, setup,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(a_qcow2_is_read_and_left_alone, setup, scratch_remove),
        cmocka_unit_test_setup_teardown(updates, setup, scratch_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
