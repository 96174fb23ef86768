/*
 * ovmf_next.c - what the stage starts in tests/ovmf_stage.sh, in real firmware.
 *
 * One program under several names; it does what its file name says, and switches the machine off:
 *
 *   next.efi    prints the ticket, as an operating system would find it
 *   good.efi    and hands back a good receipt
 *   spoil.efi   and damages the ledger, which only firmware can
 *   drop.efi    and deletes the ledger, as a power cut in the firmware's garbage collection may
 *   fill.efi    and so, and fills NVRAM with dumps of panics
 *   panics.efi  leaves the dumps of 16 panics
 *   install.efi and makes a boot entry for the stage, before all others, as `backstop install` does
 *   BOOTX64.EFI starts hop.efi, with the time of that in the load options; with none, as next.efi
 *   time.efi    prints how long ago that was, then as good.efi; so does hop.efi, without a receipt
 */
#include "stage.h"
#include "bytes.h"
#include "file.h"
#include "mem.h"
#include "start.h"
#include "chars.h"
#include "variable.h"

#define FILL_SIZE 1024u
#define FILL_MAX 400u
#define PANICS_DUMPS (16u * 14u)

static EFI_GUID loaded_image_protocol = EFI_LOADED_IMAGE_PROTOCOL_GUID;
static EFI_GUID device_path_protocol = EFI_DEVICE_PATH_PROTOCOL_GUID;
static EFI_GUID global = EFI_GLOBAL_VARIABLE;
static EFI_GUID vendor = BACKSTOP_GUID_INIT;
static EFI_GUID crash = {
    0xcfc8fc79, 0xbe2e, 0x4ddc, {0x97, 0xf0, 0x9f, 0x98, 0xbf, 0xe2, 0x98, 0xa0}};

static uint64_t now(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* QEMU's debug console: a serial port has a rate, and firmware drops what it cannot get rid of. */
static void debug_port(char c)
{
    __asm__ volatile("outb %0, %1" : : "a"(c), "Nd"((uint16_t)0xe9));
}

static void print(EFI_SYSTEM_TABLE *table, const char *text)
{
    CHAR16 wide[256];
    size_t i = 0;

    for (; text[i] != '\0' && i < 255; i++) {
        wide[i] = (CHAR16)text[i];
        debug_port(text[i]);
    }
    wide[i] = 0;
    table->ConOut->OutputString(table->ConOut, wide);
}

static void field(struct text *text, const char *name, uint32_t value)
{
    text_string(text, " ");
    text_string(text, name);
    text_string(text, "=");
    text_number(text, value, 1);
}

static void ticket_print(EFI_SYSTEM_TABLE *table, struct ticket *ticket)
{
    struct variable found = {0};
    EFI_STATUS status = variable_read(table->RuntimeServices, WIDE(TICKET_VARIABLE), &found);
    enum record_state state =
        ticket_decode(ticket, found.bytes, status == EFI_SUCCESS ? found.size : 0);
    struct text text;
    char line[256];

    text_begin(&text, line, sizeof line);
    text_string(&text, "\r\nTICKET");
    field(&text, "state", (uint32_t)state);
    field(&text, "attributes", found.attributes);
    field(&text, "number", ticket->number);
    field(&text, "failures", ticket->failures);
    field(&text, "rung", ticket->rung);
    field(&text, "stance", ticket->stance);
    field(&text, "reason", ticket->last_reason);
    field(&text, "found", ticket->ledger_found);
    field(&text, "stored", ticket->stored);
    field(&text, "dumps", ticket->dumps);
    field(&text, "cleared", ticket->dumps_cleared);
    text_string(&text, "\r\n");
    print(table, line);
}

static void receipt_hand_back(EFI_SYSTEM_TABLE *table, uint32_t number)
{
    struct receipt receipt = {.number = number, .outcome = OUTCOME_GOOD, .phase = PHASE_BOOTED};
    uint8_t bytes[RECEIPT_SIZE];

    receipt_encode(&receipt, bytes);
    variable_write(table->RuntimeServices, WIDE(RECEIPT_VARIABLE),
                   LEDGER_ATTRIBUTES | EFI_VARIABLE_RUNTIME_ACCESS, bytes, sizeof bytes);
}

static void ledger_spoil(EFI_SYSTEM_TABLE *table)
{
    struct variable found;

    variable_read(table->RuntimeServices, WIDE(LEDGER_VARIABLE), &found);
    found.bytes[20] ^= 4;
    table->RuntimeServices->SetVariable(WIDE(LEDGER_VARIABLE), &vendor, found.attributes,
                                        found.size, found.bytes);
}

/* As efi-pstore does it, until there are `most` or nothing more goes in. */
static void nvram_fill(EFI_SYSTEM_TABLE *table, unsigned most)
{
    UINT32 attributes = LEDGER_ATTRIBUTES | EFI_VARIABLE_RUNTIME_ACCESS;
    uint8_t bytes[FILL_SIZE];
    UINTN size = sizeof bytes;
    unsigned count = 0;

    memset(bytes, 0x5a, sizeof bytes);
    while (count < most && size > 0) {
        CHAR16 wide[40];
        char name[40];
        struct text text;

        text_begin(&text, name, sizeof name);
        text_string(&text, "dump-type0-");
        text_number(&text, count % 14 + 1, 1);
        text_string(&text, "-");
        text_number(&text, count / 14, 1);
        text_string(&text, "-1700000000-C");
        for (size_t i = 0; i <= text.length; i++)
            wide[i] = (CHAR16)name[i];
        count++;
        if (table->RuntimeServices->SetVariable(wide, &crash, attributes, size, bytes) !=
            EFI_SUCCESS)
            size /= 2;
    }
}

/* The last node of a disk's partition, which is the short form of its path (UEFI 2.10, 3.1.2). */
static const uint8_t *partition_node(EFI_SYSTEM_TABLE *table, EFI_LOADED_IMAGE *self, size_t *size)
{
    void *path = NULL;
    const uint8_t *node;

    table->BootServices->HandleProtocol(self->DeviceHandle, &device_path_protocol, &path);
    for (node = path; node != NULL && (node[0] & EFI_DP_TYPE_MASK) != END_DEVICE_PATH_TYPE;
         node += *size) {
        *size = get_le16(node + 2);
        if (node[0] == MEDIA_DEVICE_PATH && node[1] == MEDIA_HARDDRIVE_DP)
            return node;
        if (*size < 4)
            break;
    }
    return NULL;
}

static size_t wide_put(uint8_t *out, const char *text)
{
    size_t i = 0;

    do
        put_le16(out + 2 * i, (uint8_t)text[i]);
    while (text[i++] != '\0');
    return 2 * i;
}

/* EFI_LOAD_OPTION (UEFI 2.10, 3.1.3). */
static size_t option_make(uint8_t *out, const uint8_t *partition, size_t size)
{
    size_t at = 6, path, file;

    at += wide_put(out + at, "Backstop");
    path = at;
    memcpy(out + at, partition, size);
    at += size;
    file = at;
    at += 4 + wide_put(out + at + 4, STAGE_PATH);
    out[file] = MEDIA_DEVICE_PATH;
    out[file + 1] = MEDIA_FILEPATH_DP;
    put_le16(out + file + 2, (uint16_t)(at - file));
    memcpy(out + at, "\x7f\xff\x04\x00", 4);
    at += 4;
    put_le32(out, 1); /* LOAD_OPTION_ACTIVE */
    put_le16(out + 4, (uint16_t)(at - path));
    return at;
}

static void entry_install(EFI_SYSTEM_TABLE *table, EFI_LOADED_IMAGE *self)
{
    UINT32 attributes = LEDGER_ATTRIBUTES | EFI_VARIABLE_RUNTIME_ACCESS;
    uint8_t option[256];
    uint8_t order[64];
    UINTN rest = sizeof order - 2;
    size_t size = 0;
    const uint8_t *partition = partition_node(table, self, &size);

    if (partition == NULL || size > 64)
        return;
    table->RuntimeServices->SetVariable(L"Boot0010", &global, attributes,
                                        option_make(option, partition, size), option);
    put_le16(order, 0x10);
    if (table->RuntimeServices->GetVariable(L"BootOrder", &global, NULL, &rest, order + 2) !=
        EFI_SUCCESS)
        rest = 0;
    table->RuntimeServices->SetVariable(L"BootOrder", &global, attributes, rest + 2, order);
}

static void hop(EFI_HANDLE image, EFI_SYSTEM_TABLE *table, EFI_LOADED_IMAGE *self, uint64_t *time)
{
    struct stage chain = {
        .image = image, .table = table, .bs = table->BootServices, .rt = table->RuntimeServices};
    EFI_LOADED_IMAGE options = *self;

    options.LoadOptions = time;
    options.LoadOptionsSize = sizeof *time;
    chain.self = &options;
    chain.conf.next_count = 1;
    memcpy(chain.conf.next[0], "\\EFI\\test\\hop.efi", sizeof "\\EFI\\test\\hop.efi");
    start_path_of(self->FilePath, chain.path); /* or it would start itself */
    *time = now();
    start_next(&chain);
}

static void time_print(EFI_SYSTEM_TABLE *table, EFI_LOADED_IMAGE *self, uint64_t arrived)
{
    struct text text;
    char line[64];
    uint64_t left = 0;

    if (self->LoadOptionsSize == sizeof left)
        memcpy(&left, self->LoadOptions, sizeof left);
    text_begin(&text, line, sizeof line);
    text_string(&text, "\r\nTICKS ");
    text_number(&text, (uint32_t)(arrived - left), 1);
    text_string(&text, "\r\n");
    print(table, line);
}

/* "\EFI\test\NAME.efi" begins so; one letter tells them apart. */
static char action_of(const EFI_LOADED_IMAGE *self)
{
    static const char directory[] = "\\EFI\\test\\";
    char path[STAGECONF_PATH_MAX];

    start_path_of(self->FilePath, path);
    if (memcmp(path, directory, sizeof directory - 1) != 0)
        return 'c'; /* \EFI\BOOT\BOOTX64.EFI */
    return path[sizeof directory - 1];
}

EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    uint64_t arrived = now();
    uint64_t time;
    struct ticket ticket = {0};
    EFI_LOADED_IMAGE *self;
    char action;

    table->BootServices->HandleProtocol(image, &loaded_image_protocol, (void **)&self);
    action = action_of(self);
    if (action == 'c')
        hop(image, table, self, &time);
    if (action == 't' || action == 'h')
        time_print(table, self, arrived);
    ticket_print(table, &ticket);
    if (action == 'g' || action == 't')
        receipt_hand_back(table, ticket.number);
    if (action == 's')
        ledger_spoil(table);
    if (action == 'i')
        entry_install(table, self);
    if (action == 'd' || action == 'f')
        variable_delete(table->RuntimeServices, WIDE(LEDGER_VARIABLE));
    if (action == 'f')
        nvram_fill(table, FILL_MAX);
    if (action == 'p')
        nvram_fill(table, PANICS_DUMPS);
    table->RuntimeServices->ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL);
    return EFI_SUCCESS;
}
