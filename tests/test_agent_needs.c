/*
 * What the root stands on, read from trees of /sys as kernels show them, and which paths are of
 * which kernel.
 */
#include "check.h"
#include "masks.h"
#include "needs.h"
#include "world.h"

#define PCI "/sys/devices/pci0000:00/0000:00:1f.2"
#define NIC "/sys/devices/pci0000:00/0000:00:03.0"
#define ISCSI "/sys/devices/platform/host3/session1/target3:0:0/3:0:0:0"

static void link_to(const struct world *world, const char *path, const char *target)
{
    char *copy = strdup(world_path(world, path)), *slash = strrchr(path, '/');
    char *directory = strndup(path, (size_t)(slash - path));
    world_dirs(world, directory);
    if (symlink(world_path(world, target), copy) < 0)
        abort();
    free(directory);
    free(copy);
}

static void driver(const struct world *world, const char *device, const char *module)
{
    char path[256], target[256];
    world_dirs(world, device);
    snprintf(target, sizeof target, "/sys/module/%s", module);
    world_dirs(world, target);
    snprintf(path, sizeof path, "%s/driver/module", device);
    link_to(world, path, target);
}

static void disk(const struct world *world, const char *device, const char *name,
                 const char *number)
{
    char path[256], class[256];
    snprintf(path, sizeof path, "%s/block/%s", device, name);
    world_dirs(world, path);
    snprintf(class, sizeof class, "/sys/class/block/%s", name);
    link_to(world, class, path);
    snprintf(class, sizeof class, "/sys/dev/block/%s", number);
    link_to(world, class, path);
}

/* A disk on a vendor's HBA whose module uses another one, a partition of it, a volume of that; a
 * disk over iSCSI; a network card. */
static void make_sys(struct world *world)
{
    world_make(world);
    driver(world, PCI, "vendor_hba");
    driver(world, PCI "/host0/target0:0:0/0:0:0:0", "sd_mod");
    disk(world, PCI "/host0/target0:0:0/0:0:0:0", "sda", "8:0");
    world_dirs(world, PCI "/host0/target0:0:0/0:0:0:0/block/sda/sda2");
    world_file(world, PCI "/host0/target0:0:0/0:0:0:0/block/sda/sda2/partition", "2\n", 0644);
    link_to(world, "/sys/dev/block/8:2", PCI "/host0/target0:0:0/0:0:0:0/block/sda/sda2");
    disk(world, "/sys/devices/virtual", "dm-0", "254:0");
    link_to(world, "/sys/devices/virtual/block/dm-0/slaves/sda2",
            PCI "/host0/target0:0:0/0:0:0:0/block/sda/sda2");
    driver(world, ISCSI, "sd_mod");
    disk(world, ISCSI, "sdb", "8:16");
    driver(world, NIC, "vendor_nic");
    world_dirs(world, NIC "/net/eth0");
    link_to(world, "/sys/class/net/eth0", NIC "/net/eth0");
    world_dirs(world, "/sys/module/vendor_common/holders");
    link_to(world, "/sys/module/vendor_common/holders/vendor_hba", "/sys/module/vendor_hba");
    world_dirs(world, "/sys/module/acme_sensor/holders");
}

struct needs_row {
    const char *name, *mount;
    bool hba, nic;
    const char *also; /* or NULL */
};

static const struct needs_row rows[] = {
    {"a partition", "20 1 8:2 / /root rw - ext4 /dev/sda2 rw\n", true, false, "ext4"},
    {"a volume on it", "20 1 254:0 / /root rw - xfs /dev/mapper/vg-root rw\n", true, false, "xfs"},
    {"a pool of disks that no mount names", "20 1 0:30 / /root rw - zfs rpool/ROOT/debian rw\n",
     true, true, "zfs"},
    {"iSCSI", "20 1 8:16 / /root rw - ext4 /dev/sdb rw\n", false, true, "sd_mod"},
    {"NFS", "20 1 0:40 / /root rw shared:1 - nfs4 10.0.0.1:/export rw\n", true, true, "nfs4"},
    {"another mount point", "20 1 8:2 / /mnt rw - ext4 /dev/sda2 rw\n", false, false, NULL},
    {"the last one on it counts",
     "20 1 8:16 / /root rw - ext4 /dev/sdb rw\n21 20 8:2 / /root rw - ext4 /dev/sda2 rw\n", true,
     false, NULL},
    {"lines cut short", "20\n20 1 8:2 / /root\n - \n20 1 8:2 / /root rw - \n", false, false, NULL},
    {"a number that /sys has not", "20 1 9:9 / /root rw - ext4 /dev/sdz rw\n", true, true, NULL},
};

static void what_the_root_stands_on(void **state)
{
    struct world world;
    char *sys, *mounts;
    (void)state;
    make_sys(&world);
    sys = strdup(world_path(&world, "/sys"));
    mounts = strdup(world_path(&world, "/mountinfo"));
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct strings found = {0};
        world_file(&world, "/mountinfo", rows[i].mount, 0644);
        assert_int_equal(
            needs_probe(&(struct needs_source){.sys = sys, .mounts = mounts}, "/root", &found), 0);
        if (masks_hold(&found, "vendor_hba") != rows[i].hba ||
            masks_hold(&found, "vendor_common") != rows[i].hba ||
            masks_hold(&found, "vendor_nic") != rows[i].nic ||
            (rows[i].also && !masks_hold(&found, rows[i].also)) ||
            masks_hold(&found, "acme_sensor"))
            fail_msg("%s", rows[i].name);
        masks_free(&found);
    }
    free(sys);
    free(mounts);
    world_remove(&world);
}

/* On this pool no disk is over the network. */
static void a_pool_of_local_disks_needs_no_network(void **state)
{
    struct world world;
    struct strings found = {0};
    (void)state;
    make_sys(&world);
    unlink(world_path(&world, "/sys/class/block/sdb"));
    world_file(&world, "/mountinfo", "20 1 0:30 / / rw - zfs rpool/ROOT/debian rw\n", 0644);
    char *sys = strdup(world_path(&world, "/sys"));
    assert_int_equal(
        needs_probe(&(struct needs_source){.sys = sys, .mounts = world_path(&world, "/mountinfo")},
                    "/", &found),
        0);
    assert_true(masks_hold(&found, "vendor_hba"));
    assert_false(masks_hold(&found, "vendor_nic"));
    masks_free(&found);
    free(sys);
    world_remove(&world);
}

static void which_kernel_a_path_is_of(void **state)
{
    static const struct {
        const char *path, *release; /* NULL: none */
    } paths[] = {
        {"/lib/modules/6.1-b/updates/dkms/zfs.ko", "6.1-b"},
        {"/usr/lib/modules/6.1-b/updates/dkms/zfs.ko", "6.1-b"},
        {"/usr/lib/modules/6.1-b", "6.1-b"},
        {"/lib/modules//updates/x.ko", NULL},
        {"/lib/modules/", NULL},
        {"/lib/modules", NULL},
        {"/lib/firmware/6.1-b/x", NULL},
        {"/opt/lib/modules/6.1-b/x.ko", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(paths); i++) {
        size_t length = 0;
        const char *release = needs_release_of(paths[i].path, &length);
        if (!release != !paths[i].release ||
            (release && (length != strlen(paths[i].release) ||
                         strncmp(release, paths[i].release, length) != 0)))
            fail_msg("%s", paths[i].path);
    }
}

static void a_module_that_the_kernel_has_itself_is_replaced(void **state)
{
    struct world world;
    struct place place;
    struct strings modules = {0};
    (void)state;
    world_make(&world);
    world_dirs(&world, "/lib/modules/6.1/kernel/drivers/scsi");
    world_file(&world, "/lib/modules/6.1/kernel/drivers/scsi/mpt3-sas.ko.xz", "own\n", 0644);
    assert_int_equal(place_open(&place, world.root), 0);
    assert_int_equal(needs_usual(NULL, &modules), 0);
    assert_int_equal(masks_add(&modules, "mpt3_sas"), 0);
    assert_true(needs_file(&place, &modules, "/lib/modules/6.1/updates/dkms/zfs.ko.xz"));
    assert_false(needs_file(&place, &modules, "/lib/modules/6.1/updates/mpt3_sas.ko"));
    assert_true(needs_file(&place, &modules, "/lib/modules/6.2/updates/mpt3_sas.ko"));
    assert_false(needs_file(&place, &modules, "/lib/modules/6.1/updates/acme.ko"));
    assert_false(needs_file(&place, &modules, "/lib/modules/6.1/updates/zfs.txt"));
    assert_false(needs_file(&place, NULL, "/lib/modules/6.1/updates/zfs.ko"));
    masks_free(&modules);
    place_close(&place);
    world_remove(&world);
}

/* ZFS may hold data alone: then a faulty one is an ordinary suspect. */
static void of_the_usual_modules_those_that_are_loaded(void **state)
{
    struct world world;
    struct strings all = {0}, found = {0};
    (void)state;
    world_make(&world);
    world_dirs(&world, "/sys/module/drbd");
    const char *sys = world_path(&world, "/sys");
    assert_int_equal(needs_usual(NULL, &all), 0);
    assert_true(masks_hold(&all, "zfs"));
    assert_int_equal(needs_usual(&(struct needs_source){.sys = sys, .mounts = sys}, &found), 0);
    assert_int_equal(found.count, 1);
    assert_true(masks_hold(&found, "drbd"));
    masks_free(&all);
    masks_free(&found);
    world_remove(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_root_stands_on),
        cmocka_unit_test(a_pool_of_local_disks_needs_no_network),
        cmocka_unit_test(which_kernel_a_path_is_of),
        cmocka_unit_test(of_the_usual_modules_those_that_are_loaded),
        cmocka_unit_test(a_module_that_the_kernel_has_itself_is_replaced),
    };
    return cmocka_run_group_tests_name("needs", tests, NULL, NULL);
}
