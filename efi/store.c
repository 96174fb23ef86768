#include "store.h"
#include "dumps.h"
#include "file.h"
#include "variable.h"

static EFI_STATUS ledger_to_variable(struct stage *stage)
{
    uint8_t bytes[LEDGER_SIZE];

    ledger_encode(&stage->decision.ledger, bytes);
    return variable_write(stage->rt, WIDE(LEDGER_VARIABLE), LEDGER_ATTRIBUTES, bytes, sizeof bytes);
}

/*
 * The ledger must not count cleared dumps, or the next panic's would not show. Their bits stay:
 * which ones others have as well is not worth another walk.
 */
static int room_is_made(struct stage *stage)
{
    struct decision *decision = &stage->decision;

    if (decision->ticket.dumps_cleared >= DUMPS_CLEAR_MAX ||
        dumps_clear_oldest(stage->rt) != EFI_SUCCESS)
        return 0;
    decision->ticket.dumps_cleared++;
    if (decision->ledger.dumps > 0)
        decision->ledger.dumps--;
    return 1;
}

static int stored_in_nvram(struct stage *stage)
{
    struct ticket *ticket = &stage->decision.ticket;
    EFI_STATUS status = ledger_to_variable(stage);

    while (status == EFI_OUT_OF_RESOURCES && room_is_made(stage))
        status = ledger_to_variable(stage);
    ticket->store_error = (uint32_t)(status & UINT32_MAX);
    if (status == EFI_SUCCESS)
        ticket->stored = STORED_NVRAM;
    return status == EFI_SUCCESS;
}

static int slot_takes(struct stage *stage, const struct ledger *ledger)
{
    uint8_t bytes[LEDGER_SIZE];

    ledger_encode(ledger, bytes);
    return slots_write(stage->root, WIDE(STAGE_DIRECTORY) L"\\" LEDGER_SLOTS_NAME, &stage->slots,
                       bytes, sizeof bytes) == EFI_SUCCESS;
}

static int stored_on_esp(struct stage *stage)
{
    if (!slot_takes(stage, &stage->decision.ledger))
        return 0;
    if (stage->decision.ticket.stored == STORED_NOWHERE)
        stage->decision.ticket.stored = STORED_ESP;
    return 1;
}

static void write_mark(struct stage *stage)
{
    struct ledger mark;

    ledger_mark(&stage->decision.ledger, &mark);
    slot_takes(stage, &mark);
}

void store_attempt(struct stage *stage)
{
    stage->decision.ticket.stored = STORED_NOWHERE;
    switch (stage->decision.store) {
    case STORE_NVRAM:
        if (!stored_in_nvram(stage))
            stored_on_esp(stage);
        else if (stage->decision.mark_due)
            write_mark(stage);
        return;
    case STORE_NVRAM_AND_ESP:
        stored_in_nvram(stage);
        stored_on_esp(stage);
        return;
    case STORE_ESP_THEN_NVRAM:
        if (!stored_on_esp(stage))
            stored_in_nvram(stage);
        return;
    case STORE_ESP_ONLY:
        stored_on_esp(stage);
        return;
    }
}

static uint8_t byte_of(unsigned count)
{
    return count > UINT8_MAX ? UINT8_MAX : (uint8_t)count;
}

void store_ticket(struct stage *stage)
{
    struct ticket *ticket = &stage->decision.ticket;
    uint8_t bytes[TICKET_SIZE];

    ticket->conf_found = stage->conf.next_count > 0;
    ticket->conf_bad_lines = byte_of(stage->conf.bad_lines);
    ticket_encode(ticket, bytes);
    variable_write(stage->rt, WIDE(TICKET_VARIABLE), TICKET_ATTRIBUTES, bytes, sizeof bytes);
}
