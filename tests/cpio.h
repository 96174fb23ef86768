/*
 * cpio.h - initramfs images for tests.
 */
#ifndef BACKSTOP_TESTS_CPIO_H
#define BACKSTOP_TESTS_CPIO_H

#include <archive.h>
#include <archive_entry.h>
#include "check.h"

/* A cpio archive (newc) of empty files, with the filter given; its size. */
static inline size_t make_cpio(uint8_t *out, size_t size, int filter, const char *const *names)
{
    struct archive *archive = archive_write_new();
    size_t used = 0;

    archive_write_add_filter(archive, filter);
    archive_write_set_format_cpio_newc(archive);
    archive_write_set_bytes_in_last_block(archive, 1);
    assert_int_equal(archive_write_open_memory(archive, out, size, &used), ARCHIVE_OK);
    for (; *names; names++) {
        struct archive_entry *entry = archive_entry_new();

        archive_entry_set_pathname(entry, *names);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0755);
        archive_entry_set_size(entry, 5);
        assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
        assert_int_equal(archive_write_data(archive, "hello", 5), 5);
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
    return used;
}

#endif
