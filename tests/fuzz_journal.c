/* Any bytes as a journal: read without harm, and what is read is what the struct says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "intents.h"
#include "journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct journal journal;
    struct intents intents;
    char *text = malloc(size + 1); /* not NUL-terminated where the parser might read on */
    if (!text)
        return 0;
    memcpy(text, data, size);
    if (journal_parse(text, size, &journal) == 0) {
        for (size_t i = 0; i < journal.count; i++)
            if (journal_number(journal.records[i], "seq") <= 0)
                abort();
        if (journal.broken_line == 0 && journal.count > 0 &&
            journal_number(journal.records[journal.count - 1], "seq") != (int64_t)journal.count)
            abort();
        if (intents_load(&journal, &intents) == 0) {
            intents_find(&intents, "/opt/acme/altered");
            intents_free(&intents);
        }
        journal_last_id(&journal, 7);
        journal_case_acted(&journal, 7);
        journal_rebuild_due(&journal, 7);
        journal_has_cases(&journal);
        journal_case_ended(&journal, &(struct ticket){.number = 9, .case_number = 7});
        incident_of(&(struct place){.root_fd = -1, .state_fd = -1}, &journal,
                    &(struct ticket){.number = 9, .case_number = 7});
        journal_free(&journal);
    }
    free(text);
    return 0;
}
