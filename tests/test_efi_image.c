/*
 * The images as firmware, shim and a signer see them: PE/COFF, for both architectures.
 * (Microsoft's "PE Format"; UEFI 2.10, 2.1.1; shim's SBAT.md.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "bytes.h"

#define IMAGE_MAX 32768u
#define PAGE 4096u

#define DLL_DYNAMIC_BASE 0x0040u
#define DLL_NX_COMPAT 0x0100u
#define FILE_RELOCS_STRIPPED 0x0001u
#define SUBSYSTEM_EFI_APPLICATION 10u
#define SECTION_EXECUTE 0x20000000u
#define SECTION_READ 0x40000000u
#define SECTION_WRITE 0x80000000u

struct row {
    const char *name;
    const char *path;
    unsigned machine;
};

static const struct row rows[] = {
    {"x64", EFI_BUILD "/backstopx64.efi", 0x8664},
    {"aa64", EFI_BUILD "/backstopaa64.efi", 0xaa64},
};

struct pe {
    const char *name;
    size_t size;
    const uint8_t *coff;
    const uint8_t *optional;
    const uint8_t *sections;
    unsigned section_count;
    uint8_t bytes[IMAGE_MAX + 1];
};

static void pe_read(struct pe *pe, const struct row *row)
{
    FILE *file = fopen(row->path, "rb");
    size_t header;

    if (file == NULL)
        fail_msg("%s: cannot be read", row->path);
    pe->name = row->name;
    pe->size = fread(pe->bytes, 1, sizeof pe->bytes, file);
    fclose(file);
    assert_in_range(pe->size, 512, IMAGE_MAX);
    header = get_le32(pe->bytes + 0x3c);
    assert_in_range(header, 0x40, pe->size - 0x200);
    assert_memory_equal(pe->bytes + header, "PE\0\0", 4);
    pe->coff = pe->bytes + header + 4;
    pe->optional = pe->coff + 20;
    pe->section_count = get_le16(pe->coff + 2);
    pe->sections = pe->optional + get_le16(pe->coff + 16);
}

static const uint8_t *pe_section(const struct pe *pe, const char *name)
{
    for (unsigned i = 0; i < pe->section_count; i++)
        if (strncmp((const char *)pe->sections + i * 40, name, 8) == 0)
            return pe->sections + i * 40;
    fail_msg("%s: no section %s", pe->name, name);
    return NULL;
}

static void headers_are_of_an_application_for_nx_firmware(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pe pe;
        unsigned dll;

        pe_read(&pe, &rows[i]);
        dll = get_le16(pe.optional + 70);
        assert_int_equal(get_le16(pe.coff), rows[i].machine);
        assert_int_equal(get_le16(pe.optional), 0x20b);
        assert_int_equal(get_le16(pe.optional + 68), SUBSYSTEM_EFI_APPLICATION);
        assert_int_equal(dll & DLL_NX_COMPAT, DLL_NX_COMPAT);
        assert_int_equal(dll & DLL_DYNAMIC_BASE, DLL_DYNAMIC_BASE);
        assert_int_equal(get_le32(pe.optional + 32), PAGE);
        assert_int_equal(get_le16(pe.coff + 18) & FILE_RELOCS_STRIPPED, 0);
        assert_true(get_le32(pe.optional + 112 + 5 * 8) != 0); /* base relocations */
        assert_true(get_le32(pe.optional + 112 + 5 * 8 + 4) >= 12);
    }
}

static void no_section_is_written_and_executed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pe pe;
        unsigned executable = 0;

        pe_read(&pe, &rows[i]);
        assert_in_range(pe.section_count, 4, 8);
        for (unsigned s = 0; s < pe.section_count; s++) {
            const uint8_t *section = pe.sections + s * 40;
            uint32_t flags = get_le32(section + 36);

            assert_int_equal(get_le32(section + 12) % PAGE, 0);
            assert_true((flags & SECTION_READ) != 0);
            assert_false((flags & SECTION_WRITE) != 0 && (flags & SECTION_EXECUTE) != 0);
            assert_true(get_le32(section + 20) + get_le32(section + 16) <= pe.size);
            executable += (flags & SECTION_EXECUTE) != 0;
        }
        assert_int_equal(executable, 1);
        assert_int_equal(get_le32(pe_section(&pe, ".text") + 36) & SECTION_WRITE, 0);
        assert_int_equal(get_le32(pe_section(&pe, ".rdata") + 36) & SECTION_WRITE, 0);
    }
}

/* shim 16 refuses an image whose .data is all zero-initialised. */
static void data_holds_something_initialised(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pe pe;
        const uint8_t *section;
        unsigned set = 0;

        pe_read(&pe, &rows[i]);
        section = pe_section(&pe, ".data");
        for (uint32_t at = 0; at < get_le32(section + 16); at++)
            set += pe.bytes[get_le32(section + 20) + at] != 0;
        assert_true(set > 0);
    }
}

static unsigned columns(const char *line, const char *end)
{
    unsigned count = 1;

    for (; line < end; line++)
        count += *line == ',';
    return count;
}

/* Two rows of six columns, each beginning with component and generation. */
static void sbat_names_itself_and_backstop(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pe pe;
        const uint8_t *section;
        const char *text, *second, *end;
        size_t size;

        pe_read(&pe, &rows[i]);
        section = pe_section(&pe, ".sbat");
        assert_int_equal(get_le32(section + 36) & (SECTION_WRITE | SECTION_EXECUTE), 0);
        size = get_le32(section + 8);
        text = (const char *)pe.bytes + get_le32(section + 20);
        assert_int_equal(text[size - 1], '\n');
        assert_memory_equal(text, "sbat,1,", 7);
        second = (const char *)memchr(text, '\n', size) + 1;
        assert_memory_equal(second, "backstop,1,Backstop,backstop,", 29);
        end = memchr(second, '\n', size - (size_t)(second - text));
        assert_ptr_equal(end, text + size - 1);
        assert_int_equal(columns(text, second), 6);
        assert_int_equal(columns(second, end), 6);
        assert_null(memchr(text, '@', size)); /* the version was filled in */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_of_an_application_for_nx_firmware),
        cmocka_unit_test(no_section_is_written_and_executed),
        cmocka_unit_test(data_holds_something_initialised),
        cmocka_unit_test(sbat_names_itself_and_backstop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
