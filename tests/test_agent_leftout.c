/*
 * What a kernel command line keeps from starting: words, and the boot loader's configuration that
 * may have them at every start.
 */
#include "leftout.h"
#include "scratch.h"

#define GRUB_CFG "/boot/grub/grub.cfg"
#define STARTED "BOOT_IMAGE=/vmlinuz-6.1 root=/dev/vda2 ro "
#define LINE "\tlinux\t/vmlinuz-6.1 root=/dev/vda2 ro "

struct row {
    const char *name, *cmdline;
    bool out;
    struct file {
        const char *path, *text;
    } files[2];
};

static bool leaves_out(const struct row *row)
{
    struct place place;
    bool out;

    assert_int_equal(scratch_make(NULL), 0);
    make_dirs("proc");
    put_file("usr/lib/backstop/sets.d/acme.conf",
             "[set]\nclass=content\npath=/opt/acme/**\ndriver=acme-sensor\n");
    put_file("usr/lib/backstop/sets.d/kmod.conf", "[set]\nclass=driver\npath=/opt/kmod/*\n");
    put_file("opt/kmod/acme-filter.ko.xz", "");
    put_file("opt/acme/acme_pinned_3.ko", "");
    if (row->cmdline)
        put_file("proc/cmdline", row->cmdline);
    for (size_t i = 0; i < 2 && row->files[i].path; i++)
        put_file(row->files[i].path, row->files[i].text);
    assert_int_equal(place_open(&place, scratch), 0);
    out = cmdline_leaves_out(&place, NULL);
    place_close(&place);
    assert_int_equal(scratch_remove(NULL), 0);
    return out;
}

static void judge(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        print_message("  %s\n", rows[i].name);
        assert_int_equal(leaves_out(&rows[i]), rows[i].out);
    }
}

static void words_that_keep_something_away(void **state)
{
    static const struct row rows[] = {
        {"plain", STARTED "quiet\n", false, {{0}}},
        {"no command line", "", false, {{0}}},
        {"none that can be read", NULL, false, {{0}}},
        {"the kernel's own", "ro module_blacklist=acme_sensor quiet\n", true, {{0}}},
        {"modprobe's, first", "modprobe.blacklist=acme_sensor\n", true, {{0}}},
        {"dracut's", "rd.driver.blacklist=acme_sensor\n", true, {{0}}},
        {"initramfs-tools'", "blacklist=acme_sensor\n", true, {{0}}},
        {"what no set knows, for this start", "ro modprobe.blacklist=nouveau\n", true, {{0}}},
        {"among others", "modprobe.blacklist=nouveau,acme-sensor\n", true, {{0}}},
        {"quoted", "\"module_blacklist=acme_sensor\" quiet\n", true, {{0}}},
        {"its value quoted", "module_blacklist=\"acme_sensor\"\n", true, {{0}}},
        {"with a dash", "module-blacklist=acme_sensor\n", true, {{0}}},
        {"a masked unit", "systemd.mask=acme.service\n", true, {{0}}},
        {"one in the initramfs", "rd.systemd.mask=acme.service\n", true, {{0}}},
        {"an initcall", "initcall_blacklist=sysfb_init\n", true, {{0}}},
        {"all graphics drivers", "quiet nomodeset\n", true, {{0}}},
        {"new microcode", "dis_ucode_ldr quiet\n", true, {{0}}},
        {"the same, as kernels of today have it", "microcode=dis_ucode_ldr\n", true, {{0}}},
        {"other firmware", "firmware_class.path=/opt/old\n", true, {{0}}},
        {"one graphics driver", "amdgpu.modeset=0\n", true, {{0}}},
        {"that driver, as it is anyway", "amdgpu.modeset=1\n", false, {{0}}},
        {"older dracut's", "rdblacklist=nouveau\n", true, {{0}}},
        {"policies: AppArmor", "apparmor=0\n", true, {{0}}},
        {"policies: SELinux", "selinux=0\n", true, {{0}}},
        {"policies: SELinux, not enforced", "enforcing=0\n", true, {{0}}},
        {"policies: another module", "security=none\n", true, {{0}}},
        {"policies: a list of modules", "lsm=capability\n", true, {{0}}},
        {"policies: audit", "audit=0\n", true, {{0}}},
        {"another target", "systemd.unit=multi-user.target\n", true, {{0}}},
        {"another runlevel", "quiet 3\n", true, {{0}}},
        {"another first process", "init=/bin/sh\n", true, {{0}}},
        {"of the rest that a program gets", "quiet 33 x=3\n", false, {{0}}},
        {"within another word", "acme.module_blacklist=x quiet\n", false, {{0}}},
        {"within a quoted one", "dyndbg=\"file x modprobe.blacklist=y\"\n", false, {{0}}},
        {"one that is longer", "nomodesetting dis_ucode_ldr=0\n", false, {{0}}},
    };

    (void)state;
    judge(rows, sizeof rows / sizeof rows[0]);
}

static void words_of_every_start(void **state)
{
    static const struct row rows[] = {
        {"GRUB's",
         STARTED "modprobe.blacklist=nouveau,nvidiafb quiet\n",
         false,
         {{GRUB_CFG,
           "menuentry 'Debian' {\n" LINE "quiet modprobe.blacklist=nouveau,nvidiafb\n}\n"}}},
        {"its settings alone, not yet made into a menu",
         STARTED "modprobe.blacklist=nouveau\n",
         true,
         {{GRUB_CFG, LINE "quiet\n"},
          {"/etc/default/grub", "GRUB_CMDLINE_LINUX=modprobe.blacklist=nouveau\n"}}},
        {"quoted as a script has it",
         STARTED "modprobe.blacklist=nouveau\n",
         false,
         {{GRUB_CFG, LINE "'modprobe.blacklist=nouveau' \"a=b c\"\n"}}},
        {"escaped",
         STARTED "modprobe.blacklist=nouveau\n",
         false,
         {{GRUB_CFG, LINE "a=\"x \\\"y\" modprobe.blacklist\\=nouveau\n"}}},
        {"part of another word there",
         STARTED "modprobe.blacklist=nouveau\n",
         true,
         {{GRUB_CFG, LINE "dyndbg='file x modprobe.blacklist=nouveau'\n"}}},
        {"one of two",
         STARTED "modprobe.blacklist=nouveau module_blacklist=amdgpu\n",
         true,
         {{GRUB_CFG, LINE "modprobe.blacklist=nouveau\n"}}},
        {"one more in the list",
         STARTED "modprobe.blacklist=nouveau,amdgpu\n",
         true,
         {{GRUB_CFG, LINE "modprobe.blacklist=nouveau\n"}}},
        {"a weaker word at every start",
         STARTED "module_blacklist=amdgpu\n",
         true,
         {{GRUB_CFG, LINE "rd.driver.blacklist=amdgpu\n"}}},
        {"a spelling that the kernel does not know",
         STARTED "module_blacklist=snd_hda\n",
         true,
         {{GRUB_CFG, LINE "module_blacklist=snd-hda\n"}}},
        {"of another kernel",
         STARTED "modprobe.blacklist=nouveau\n",
         true,
         {{GRUB_CFG, "\tlinux\t/vmlinuz-6.2 modprobe.blacklist=nouveau\n"}}},
        {"not of the first entry",
         STARTED "nomodeset\n",
         true,
         {{GRUB_CFG, LINE "quiet\n" LINE "single nomodeset\n"}}},
        {"of the normal entry, not of that for repair",
         STARTED "nomodeset\n",
         false,
         {{GRUB_CFG, "linux /vmlinuz-6.2 ro\n" LINE "nomodeset\n" LINE "single\n"}}},
        {"of an entry for repair, before the others",
         STARTED "recovery nomodeset\n",
         true,
         {{GRUB_CFG, LINE "recovery nomodeset\n" LINE "quiet\n"}}},
        {"of entries for repair alone",
         STARTED "recovery nomodeset\n",
         true,
         {{GRUB_CFG, LINE "recovery nomodeset\n"}}},
        {"of an entry made by hand, before the usual one",
         STARTED "nomodeset\n",
         true,
         {{GRUB_CFG, LINE "nomodeset\n" LINE "quiet\n" LINE "nomodeset\n"}}},
        {"of the usual one and of a submenu's",
         STARTED "nomodeset\n",
         false,
         {{GRUB_CFG, LINE "quiet nomodeset\n" LINE "nomodeset\n"}}},
        {"put out of use with a #",
         STARTED "nomodeset\n",
         true,
         {{GRUB_CFG, LINE "quiet # nomodeset\n"}}},
        {"with a # that is quoted",
         STARTED "nomodeset\n",
         false,
         {{GRUB_CFG, LINE "'#' a#b \\# nomodeset\n"}}},
        {"of the next command",
         STARTED "nomodeset\n",
         true,
         {{GRUB_CFG, LINE "quiet; echo nomodeset\n"}}},
        {"before the next command",
         STARTED "nomodeset\n",
         false,
         {{GRUB_CFG, LINE "nomodeset; echo nomodeset\n"}}},
        {"in a comment", STARTED "nomodeset\n", true, {{GRUB_CFG, "#" LINE "nomodeset\n"}}},
        {"of a variable for one start", STARTED "nomodeset\n", true, {{GRUB_CFG, LINE "$once\n"}}},
        {"no configuration", STARTED "nomodeset\n", true, {{0}}},
        {"another loader's, where GRUB started it",
         STARTED "nomodeset\n",
         true,
         {{"/etc/kernel/cmdline", "nomodeset\n"}}},

        {"an entry's",
         "ro modprobe.blacklist=nouveau\n",
         false,
         {{"/boot/efi/loader/entries/a.conf",
           "title Debian\nlinux /6.1/linux\noptions ro modprobe.blacklist=nouveau\r\n"}}},
        {"of an entry's second line",
         "ro nomodeset\n",
         false,
         {{"/efi/loader/entries/a.conf", "options ro\noptions nomodeset\n"}}},
        {"not of every entry",
         "ro nomodeset\n",
         true,
         {{"/boot/loader/entries/a.conf", "options nomodeset\n"},
          {"/boot/loader/entries/b.conf", "options ro\n"}}},
        {"an entry without options",
         "ro nomodeset\n",
         false,
         {{"/boot/loader/entries/a.conf", "options nomodeset\n"},
          {"/boot/loader/entries/b.conf", "efi /shellx64.efi\n"}}},
        {"not of one in capitals",
         "ro nomodeset\n",
         true,
         {{"/boot/loader/entries/a.conf", "options nomodeset\n"},
          {"/boot/loader/entries/B.CONF", "options ro\n"}}},
        {"not of one that cannot be read",
         "ro nomodeset\n",
         true,
         {{"/boot/loader/entries/a.conf", "options nomodeset\n"},
          {"/boot/loader/entries/b.conf/directory", ""}}},
        {"of another place, where the only entry cannot be read",
         "ro nomodeset\n",
         true,
         {{"/boot/loader/entries/b.conf/directory", ""}, {"/etc/kernel/cmdline", "nomodeset\n"}}},
        {"of the vendor's, where the local one cannot be read",
         "ro nomodeset\n",
         true,
         {{"/etc/kernel/cmdline/directory", ""}, {"/usr/lib/kernel/cmdline", "nomodeset"}}},
        {"where the entries' directory is none",
         "ro nomodeset\n",
         false,
         {{"/boot/loader", ""}, {"/etc/kernel/cmdline", "nomodeset"}}},
        {"in a file that is none",
         "ro nomodeset\n",
         true,
         {{"/boot/loader/entries/a.conf.bak", "options nomodeset\n"}}},
        {"settings that no entry has yet",
         "ro nomodeset\n",
         true,
         {{"/boot/loader/entries/a.conf", "options ro\n"},
          {"/etc/kernel/cmdline", "ro nomodeset\n"}}},
        {"a unified image's",
         "root=/dev/vda2 nomodeset\n",
         false,
         {{"/etc/kernel/cmdline", "# made by hand\nroot=/dev/vda2\r\nnomodeset\r\n"}}},
        {"in a comment there",
         "ro nomodeset\n",
         true,
         {{"/etc/kernel/cmdline", "# nomodeset\nro\n"}}},
        {"the vendor's", "nomodeset\n", false, {{"/usr/lib/kernel/cmdline", "nomodeset"}}},
        {"the vendor's, put aside",
         "nomodeset\n",
         true,
         {{"/etc/kernel/cmdline", "ro\n"}, {"/usr/lib/kernel/cmdline", "nomodeset"}}},
    };

    (void)state;
    judge(rows, sizeof rows / sizeof rows[0]);
}

#define ALWAYS(word)                                                                               \
    STARTED word "\n", /* out */ true,                                                             \
    {                                                                                              \
        {                                                                                          \
            GRUB_CFG, LINE word "\n"                                                               \
        }                                                                                          \
    }
#define EXCUSED(word)                                                                              \
    STARTED word "\n", false,                                                                      \
    {                                                                                              \
        {                                                                                          \
            GRUB_CFG, LINE word "\n"                                                               \
        }                                                                                          \
    }

/* x86 takes 2048 bytes, but a bootconfig's come before them, and other machines take more. */
static void a_long_line_is_read_whole(void **state)
{
    static const char word[] = " nomodeset\n";
    static char line[80000];
    struct row row = {.name = "", .cmdline = line, .out = true};

    (void)state;
    memset(line, 'x', 60000);
    assert_false(leaves_out(&row));
    for (size_t length = 4000; length < sizeof line - sizeof word; length += 5000) {
        memset(line, 'x', length);
        memcpy(line + length, word, sizeof word);
        assert_true(leaves_out(&row));
    }
}

/* At every start, and yet not to be proven by a boot without it. */
static void what_sets_use_is_missing_all_the_same(void **state)
{
    static const struct row rows[] = {
        {"a driver that a set names", ALWAYS("module_blacklist=acme_sensor")},
        {"one that a set of drivers holds", ALWAYS("rd.driver.blacklist=acme_filter")},
        {"one that a set of content holds", ALWAYS("module_blacklist=acme_pinned_3")},
        {"one whose name begins alike", EXCUSED("module_blacklist=acme_sensor_2")},
        {"one whose file is a variant of it", ALWAYS("module_blacklist=acme_pinned")},
        {"one whose name is the beginning of a word", EXCUSED("module_blacklist=acm")},
        {"an initcall of such a driver", ALWAYS("initcall_blacklist=acme_sensor_init")},
        {"one of a driver that is held", ALWAYS("initcall_blacklist=sysfb_init,acme_filter_init")},
        {"an initcall", EXCUSED("initcall_blacklist=sysfb_init")},
        {"what is no name", ALWAYS("initcall_blacklist=a.b")},
        {"a masked unit", ALWAYS("systemd.mask=acme.service")},
        {"all graphics drivers", EXCUSED("nomodeset")},
    };

    (void)state;
    judge(rows, sizeof rows / sizeof rows[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_that_keep_something_away),
        cmocka_unit_test(words_of_every_start),
        cmocka_unit_test(a_long_line_is_read_whole),
        cmocka_unit_test(what_sets_use_is_missing_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
