/*
 * probe.c - acme_probe, the product's diagnostic driver. It is installed and not loaded; loading it
 * crashes, since it was never finished.
 */
#include <linux/module.h>
#include <linux/spinlock.h>

struct probe {
    u32 samples;
};

static DEFINE_SPINLOCK(probe_lock);
static struct probe *probe;

static int __init probe_init(void)
{
    spin_lock_bh(&probe_lock);
    READ_ONCE(probe)->samples++;
    spin_unlock_bh(&probe_lock);
    return 0;
}

static void __exit probe_exit(void) {}

module_init(probe_init);
module_exit(probe_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("ACME Probe (a product made up for Backstop's rig)");
MODULE_VERSION("1.0");
