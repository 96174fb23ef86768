/*
 * sentry.c - the ACME Sentry driver: reads its channel file at load and judges a first event.
 *
 * A channel file that cannot be read leaves the driver loaded and without content.
 */
#include <linux/kernel_read_file.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include "acme_sentry.h"

#define pr_acme(format, ...) pr_notice("acme_sentry: " format, ##__VA_ARGS__)

static char *path = "/opt/acme-sentry/content/current";
module_param(path, charp, 0444);
MODULE_PARM_DESC(path, "channel file");

static unsigned int content;
module_param(content, uint, 0444);
MODULE_PARM_DESC(content, "version of the content in use, 0 for none");

static struct acme_sentry sentry = {.lock = __SPIN_LOCK_UNLOCKED(sentry.lock)};

static bool content_is_valid(const struct acme_content *c, size_t size)
{
    if (size < sizeof(c->header) || le32_to_cpu(c->header.magic) != ACME_MAGIC)
        return false;
    return le32_to_cpu(c->header.count) <=
           (size - sizeof(c->header)) / sizeof(struct acme_criterion);
}

static int content_read(void)
{
    void *data = NULL;
    ssize_t size = kernel_read_file_from_path(path, 0, &data, SZ_1M, NULL, READING_UNKNOWN);

    if (size < 0)
        return (int)size;
    if (!content_is_valid(data, (size_t)size)) {
        vfree(data);
        return -EINVAL;
    }
    sentry.content = data;
    sentry.content_size = (size_t)size;
    return 0;
}

/* The event of the driver's own load: every input is its own number. */
static void event_fill(struct acme_inputs *inputs)
{
    unsigned int i;

    for (i = 0; i < ACME_FIELDS; i++) {
        struct acme_input *input = &inputs->input[i];

        input->kind = 1;
        input->length = (u8)scnprintf(input->value, sizeof(input->value), "input %u", i);
    }
    inputs->events++;
}

static int __init sentry_init(void)
{
    u32 matches;
    int r;

    pr_acme("driver %s\n", THIS_MODULE->version);
    sentry.inputs = vzalloc(sizeof(*sentry.inputs));
    if (!sentry.inputs)
        return -ENOMEM;
    r = content_read();
    if (r < 0) {
        pr_acme("%s: no usable content (%d), not protecting\n", path, r);
        return 0;
    }
    spin_lock_bh(&sentry.lock);
    event_fill(sentry.inputs);
    matches = acme_judge(&sentry);
    spin_unlock_bh(&sentry.lock);
    content = le32_to_cpu(sentry.content->header.version);
    pr_acme("content %u loaded, %u criteria match\n", content, matches);
    return 0;
}

static void __exit sentry_exit(void)
{
    vfree(sentry.content);
    vfree(sentry.inputs);
}

module_init(sentry_init);
module_exit(sentry_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("ACME Sentry endpoint sensor (a product made up for Backstop's rig)");
MODULE_VERSION(ACME_VERSION);
