#include "thisboot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "io.h"
#include "vars.h"

enum mode this_boot_mode(enum record_state ticket_state, const struct ticket *ticket,
                         const struct early_report *early)
{
    if (ticket_state == RECORD_VALID && !(early->present && early->number == ticket->number))
        return ticket_mode(ticket);
    return early->present ? early->mode : MODE_NORMAL;
}

static void probe_receipt(int run_fd, struct this_boot *boot)
{
    struct receipt receipt;
    char *bytes = NULL;
    size_t size = 0;

    if (io_read_all(run_fd, RECEIPTED_NAME, RECORD_MAX_SIZE, &bytes, &size) < 0)
        return;
    /* a machine resumed from hibernation has a newer ticket than the receipt that it wrote before
     */
    if (receipt_decode(&receipt, (const uint8_t *)bytes, size, 0) == RECORD_VALID &&
        boot->ticket_state == RECORD_VALID && receipt.number == boot->ticket.number) {
        boot->has_receipt = true;
        boot->receipt = receipt;
    }
    free(bytes);
}

void this_boot_probe(const char *run_dir, struct this_boot *boot)
{
    int run_fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *boot = (struct this_boot){0};
    boot->ticket_error = vars_read_ticket(&boot->ticket, &boot->ticket_state);
    if (run_fd >= 0) {
        if (early_report_read(run_dir, &boot->early) < 0)
            boot->early = (struct early_report){0};
        probe_receipt(run_fd, boot);
        boot->retired = faccessat(run_fd, RETIRED_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        close(run_fd);
    }
    boot->mode = this_boot_mode(boot->ticket_state, &boot->ticket, &boot->early);
}

uint32_t this_boot_case(const struct this_boot *boot)
{
    bool told =
        boot->early.present && boot->early.number == boot->ticket.number && boot->early.case_number;

    return told ? boot->early.case_number : boot->ticket.case_number;
}

int this_boot_note_receipt(const char *run_dir, const struct receipt *receipt)
{
    uint8_t bytes[RECEIPT_SIZE];
    int fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;

    if (fd < 0)
        return -errno;
    receipt_encode(receipt, bytes);
    error = io_write_atomic(fd, RECEIPTED_NAME, bytes, sizeof bytes, 0644);
    close(fd);
    return error;
}
