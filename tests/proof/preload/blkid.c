/*
 * blkid.c - loaded before the programs under proof, in the place of libblkid: every device is the
 * first partition of a disk, and its ESP. What a boot entry says of its partition is this.
 */
#include <blkid/blkid.h>
#include <string.h>

static const struct {
    const char *name, *value;
} answers[] = {
    {"PART_ENTRY_SCHEME", "gpt"},
    {"PART_ENTRY_TYPE", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"},
    {"PART_ENTRY_UUID", "5c4a1c1e-0a3b-4d5e-8f60-718293a4b5c6"},
    {"PART_ENTRY_NUMBER", "1"},
    {"PART_ENTRY_OFFSET", "2048"},
    {"PART_ENTRY_SIZE", "131072"},
};

blkid_probe blkid_new_probe_from_filename(const char *filename)
{
    static char probe;
    (void)filename;
    return (blkid_probe)&probe;
}

int blkid_probe_enable_superblocks(blkid_probe pr, int enable)
{
    (void)pr;
    (void)enable;
    return 0;
}

int blkid_probe_enable_partitions(blkid_probe pr, int enable)
{
    (void)pr;
    (void)enable;
    return 0;
}

int blkid_probe_set_partitions_flags(blkid_probe pr, int flags)
{
    (void)pr;
    (void)flags;
    return 0;
}

int blkid_do_safeprobe(blkid_probe pr)
{
    (void)pr;
    return 0;
}

int blkid_probe_lookup_value(blkid_probe pr, const char *name, const char **data, size_t *len)
{
    (void)pr;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (strcmp(answers[i].name, name) != 0)
            continue;
        *data = answers[i].value;
        if (len)
            *len = strlen(answers[i].value) + 1;
        return 0;
    }
    return -1;
}

unsigned int blkid_probe_get_sectorsize(blkid_probe pr)
{
    (void)pr;
    return 512;
}

void blkid_free_probe(blkid_probe pr)
{
    (void)pr;
}
