#include "dumps.h"
#include "mem.h"
#include "seen.h"

#define NAME_MAX 1024u /* CHAR16 with NUL; Linux knows no longer one either */
#define DUMP_NAME_MAX 64u

static EFI_GUID crash_guid = {
    0xcfc8fc79, 0xbe2e, 0x4ddc, {0x97, 0xf0, 0x9f, 0x98, 0xbf, 0xe2, 0x98, 0xa0}};

struct name {
    EFI_GUID guid;
    UINTN size; /* bytes with NUL */
    CHAR16 text[NAME_MAX];
};

/*
 * A walk over all names. Firmware is known that goes round in a circle, so one name that was passed
 * is remembered, twice as far apart each time; meeting it again is the circle (R. P. Brent, 1980).
 */
struct walk {
    EFI_RUNTIME_SERVICES *rt;
    struct name now;
    struct name passed;
    unsigned steps;
    unsigned next_passed;
};

static void walk_begin(struct walk *walk, EFI_RUNTIME_SERVICES *rt)
{
    walk->rt = rt;
    memset(&walk->now.guid, 0, sizeof walk->now.guid);
    walk->now.text[0] = 0;
    walk->now.size = sizeof walk->now.text[0];
    walk->passed.size = 0;
    walk->steps = 0;
    walk->next_passed = 1;
}

static int name_is(const struct name *a, const struct name *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0 &&
           memcmp(&a->guid, &b->guid, sizeof a->guid) == 0;
}

/* Bytes up to and with the NUL; 0 if there is none. What firmware says of the size is not used. */
static UINTN text_size(const CHAR16 *text)
{
    for (UINTN i = 0; i < NAME_MAX; i++)
        if (text[i] == 0)
            return (i + 1) * sizeof *text;
    return 0;
}

/* EFI_NOT_FOUND: that was the last one. */
static EFI_STATUS walk_step(struct walk *walk)
{
    UINTN size = sizeof walk->now.text;
    EFI_STATUS status;

    if (walk->steps++ == VARIABLES_MAX)
        return EFI_ABORTED;
    status = walk->rt->GetNextVariableName(&size, walk->now.text, &walk->now.guid);
    if (status != EFI_SUCCESS)
        return status;
    walk->now.size = text_size(walk->now.text);
    if (walk->now.size == 0 || name_is(&walk->now, &walk->passed))
        return EFI_ABORTED;
    if (walk->steps == walk->next_passed) {
        walk->next_passed *= 2;
        walk->passed.guid = walk->now.guid;
        walk->passed.size = walk->now.size;
        memcpy(walk->passed.text, walk->now.text, walk->now.size);
    }
    return EFI_SUCCESS;
}

static const CHAR16 prefix[] = L"dump-type";
#define PREFIX_LENGTH (sizeof prefix / sizeof prefix[0] - 1)

static int name_is_dump(const struct name *name)
{
    return name->size > PREFIX_LENGTH * sizeof prefix[0] &&
           memcmp(&name->guid, &crash_guid, sizeof crash_guid) == 0 &&
           memcmp(name->text, prefix, PREFIX_LENGTH * sizeof prefix[0]) == 0;
}

EFI_STATUS dumps_probe(EFI_RUNTIME_SERVICES *rt, uint16_t *count, uint32_t *seen)
{
    struct walk walk;
    EFI_STATUS status;
    uint16_t found = 0;
    uint32_t bits = 0;

    walk_begin(&walk, rt);
    while ((status = walk_step(&walk)) == EFI_SUCCESS)
        if (name_is_dump(&walk.now)) {
            found++;
            bits |= seen_bit((const uint8_t *)walk.now.text, walk.now.size - sizeof(CHAR16));
        }
    if (status != EFI_NOT_FOUND && status != EFI_BUFFER_TOO_SMALL)
        return status;
    *count = found;
    *seen = bits;
    return EFI_SUCCESS;
}

/* dump-type<type>-<part>-<count>-<time>-<C|D>, Linux's drivers/firmware/efi/efi-pstore.c. */
struct dump {
    uint64_t time;
    uint64_t count;
    uint64_t part;
    CHAR16 name[DUMP_NAME_MAX];
};

static const CHAR16 *number_parse(const CHAR16 *text, uint64_t *number)
{
    unsigned digits = 0;

    *number = 0;
    for (; *text >= '0' && *text <= '9'; text++, digits++)
        *number = *number * 10 + (uint64_t)(*text - '0');
    return digits > 0 && digits < 19 && *text == '-' ? text + 1 : NULL;
}

static int dump_parse(const struct name *name, struct dump *dump)
{
    const CHAR16 *text = name->text + PREFIX_LENGTH;
    uint64_t type;

    if (name->size > sizeof dump->name)
        return 0;
    if ((text = number_parse(text, &type)) == NULL ||
        (text = number_parse(text, &dump->part)) == NULL ||
        (text = number_parse(text, &dump->count)) == NULL ||
        number_parse(text, &dump->time) == NULL)
        return 0;
    memcpy(dump->name, name->text, name->size);
    return 1;
}

static int dump_is_older(const struct dump *a, const struct dump *b)
{
    if (a->time != b->time)
        return a->time < b->time;
    if (a->count != b->count)
        return a->count < b->count;
    return a->part > b->part;
}

EFI_STATUS dumps_clear_oldest(EFI_RUNTIME_SERVICES *rt)
{
    struct walk walk;
    struct dump dump;
    struct dump oldest;
    int found = 0;

    /* However the walk ends, the oldest of those seen will do. */
    walk_begin(&walk, rt);
    while (walk_step(&walk) == EFI_SUCCESS) {
        if (!name_is_dump(&walk.now) || !dump_parse(&walk.now, &dump))
            continue;
        if (!found || dump_is_older(&dump, &oldest))
            oldest = dump;
        found = 1;
    }
    if (!found)
        return EFI_NOT_FOUND;
    /* Deleting takes the attributes that a variable has; all of efi-pstore's have these. */
    return rt->SetVariable(oldest.name, &crash_guid,
                           EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS |
                               EFI_VARIABLE_RUNTIME_ACCESS,
                           0, NULL);
}
