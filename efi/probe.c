#include "probe.h"
#include "dumps.h"
#include "file.h"
#include "variable.h"

void probe_conf(struct stage *stage)
{
    char text[STAGECONF_MAX_SIZE];
    UINTN size = file_read(stage->root, WIDE(STAGE_DIRECTORY) L"\\stage.conf", text, sizeof text);

    stageconf_parse(&stage->conf, text, size);
}

static enum record_state ledger_variable(struct stage *stage, struct ledger *ledger)
{
    struct variable found;
    EFI_STATUS status = variable_read(stage->rt, WIDE(LEDGER_VARIABLE), &found);

    if (status == EFI_BUFFER_TOO_SMALL)
        return RECORD_DAMAGED;
    if (status != EFI_SUCCESS || found.size == 0)
        return RECORD_ABSENT;
    if (found.attributes != LEDGER_ATTRIBUTES)
        return RECORD_DAMAGED;
    return ledger_decode(ledger, found.bytes, found.size, 0);
}

static enum record_state ledger_slots(struct stage *stage, struct ledger *ledger)
{
    uint8_t bytes[SLOTS_SIZE];
    UINTN size = slots_read(stage->root, WIDE(STAGE_DIRECTORY) L"\\" LEDGER_SLOTS_NAME, bytes,
                            &stage->slots);

    return slots_newest_ledger(ledger, bytes, size, &stage->slots.next);
}

void probe_ledger(struct stage *stage)
{
    stage->known.nv_state = ledger_variable(stage, &stage->known.nv);
    stage->known.esp_state = ledger_slots(stage, &stage->known.esp);
}

static enum record_state receipt_variable(struct stage *stage, struct receipt *receipt)
{
    struct variable found;
    EFI_STATUS status = variable_read(stage->rt, WIDE(RECEIPT_VARIABLE), &found);

    if (status == EFI_BUFFER_TOO_SMALL)
        return RECORD_DAMAGED;
    if (status != EFI_SUCCESS)
        return RECORD_ABSENT;
    return receipt_decode(receipt, found.bytes, found.size, 0);
}

static enum record_state receipt_slots(struct stage *stage, struct receipt *receipt)
{
    uint8_t bytes[SLOTS_SIZE];
    struct slots slots;
    UINTN size =
        slots_read(stage->root, WIDE(STAGE_DIRECTORY) L"\\" RECEIPT_SLOTS_NAME, bytes, &slots);

    return slots_newest_receipt(receipt, bytes, size, &slots.next);
}

/* The last boot, as NVRAM has it, ended and said so: there is no newer receipt than that. */
static int receipt_settles(const struct known *known)
{
    return known->nv_state == RECORD_VALID && known->receipt_state == RECORD_VALID &&
           (known->esp_state != RECORD_VALID || known->esp.mark) &&
           known->receipt.number == known->nv.number && known->receipt.outcome != OUTCOME_NONE;
}

void probe_receipt(struct stage *stage)
{
    struct known *known = &stage->known;
    struct receipt variable = {0};
    struct receipt slot = {0};
    enum record_state state = receipt_variable(stage, &variable);

    known->receipt_state = state;
    known->receipt = variable;
    if (receipt_settles(known))
        return;
    known->receipt_state =
        receipt_newest(state, &variable, receipt_slots(stage, &slot), &slot, &known->receipt);
}

void probe_dumps(struct stage *stage)
{
    struct known *known = &stage->known;
    const struct ledger *ledger = known->nv_state == RECORD_VALID    ? &known->nv
                                  : known->esp_state == RECORD_VALID ? &known->esp
                                                                     : NULL;

    known->dumps = ledger != NULL ? ledger->dumps : 0;
    known->dumps_seen = ledger != NULL ? ledger->dumps_seen : 0;
    dumps_probe(stage->rt, &known->dumps, &known->dumps_seen);
}

int probe_is_counted(struct stage *stage)
{
    struct variable found;
    struct ticket ticket;

    return variable_read(stage->rt, WIDE(TICKET_VARIABLE), &found) == EFI_SUCCESS &&
           found.attributes == TICKET_ATTRIBUTES &&
           ticket_decode(&ticket, found.bytes, found.size) == RECORD_VALID;
}
