/* What a seed stands for. */
#include "chaos.h"
#include "random.h"

#include <stdlib.h>
#include <string.h>

/* One kind of step, drawn `weight` times as often as one of weight 1. %u: a number of 1..numbers.
 */
struct kind {
    unsigned weight;
    const char *line;
    unsigned numbers;
};

static const struct kind kinds[] = {
    {6, "update content-292", 0},
    {5, "update content-291", 0},
    {3, "update driver-1.1", 0},
    {3, "update driver-2.0", 0},
    {2, "update driver-2.1", 0},
    {3, "update loading", 0},
    {5, "good", 0},
    {3, "reboot", 0},
    {2, "poweroff", 0},
    {3, "cut", 0},
    {2, "fault firmware power-cut", 0},
    {1, "fault firmware reset", 0},
    {2, "fault kernel power-cut", 0},
    {2, "fault initramfs power-cut", 0},
    {2, "fault initramfs panic", 0},
    {1, "fault initramfs panic count=3", 0},
    {1, "fault kernel hang", 0},
    {2, "fault early panic", 0},
    {1, "fault early reset", 0},
    {1, "fault early hang", 0},
    {1, "fault booted panic", 0},
    {1, "fault booted oops", 0},
    {1, "fault after=10s panic", 0},
    {1, "fault network panic", 0},
    {5, "fault write=%u power-cut", 60},
    {1, "fault write=%u power-cut count=3", 60},
    {2, "fault write=%u io-error", 40},
    {2, "fault write=%u io-error-once", 40},
    {1, "fault firmware read-only", 0},
    {1, "fault firmware disk-full", 0},
    {1, "fault firmware nvram-full", 0},
    {1, "fault firmware clock 1970-01-01", 0},
    {1, "fault firmware variable-lost BackstopLedger", 0},
    {1, "fault firmware variable-lost BackstopReceipt", 0},
    {1, "fault firmware variable-damaged BackstopLedger", 0},
    {1, "fault firmware variable-damaged BackstopReceipt", 0},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static char *line_of(const struct kind *kind, struct randoms *randoms)
{
    const char *mark = strstr(kind->line, "%u");

    if (mark == NULL)
        return text_copy(kind->line);
    return text_format("%.*s%u%s", (int)(mark - kind->line), kind->line,
                       1 + random_below(randoms, kind->numbers), mark + strlen("%u"));
}

/* Half of the sequences begin with an update that does not boot. */
#define FAULTY_FIRST 2
static const char *const faulty[] = {"update content-291", "update driver-2.0", "update driver-2.1",
                                     "update loading"};
#define FAULTY (sizeof faulty / sizeof *faulty)

static char *draw_one(struct randoms *randoms)
{
    unsigned total = 0, at;

    for (size_t i = 0; i < KINDS; i++)
        total += kinds[i].weight;
    at = random_below(randoms, total);
    for (size_t i = 0; i < KINDS; i++) {
        if (at < kinds[i].weight)
            return line_of(&kinds[i], randoms);
        at -= kinds[i].weight;
    }
    abort();
}

/* 4 to 9 steps: long enough for two incidents to meet, short enough to be looked at. */
void sequence_draw(struct sequence *sequence, uint64_t seed)
{
    struct randoms randoms = {seed};

    memset(sequence, 0, sizeof *sequence);
    sequence->count = 4 + random_below(&randoms, 6);
    for (size_t i = 0; i < sequence->count; i++)
        sequence->lines[i] = draw_one(&randoms);
    if (random_below(&randoms, FAULTY_FIRST) == 0)
        text_replace(&sequence->lines[0], text_copy(faulty[random_below(&randoms, FAULTY)]));
}

void sequence_free(struct sequence *sequence)
{
    for (size_t i = 0; i < sequence->count; i++)
        free(sequence->lines[i]);
    memset(sequence, 0, sizeof *sequence);
}

char *sequence_scenario(const struct sequence *sequence, const size_t *chosen, size_t count,
                        const char *title)
{
    char *text = text_format("title  %s\n"
                             "proves nothing that must always hold is broken by it\n"
                             "start  ready\ntag    chaos\n\n",
                             title);

    for (size_t i = 0; i < count; i++) {
        TEXT_AUTO line = text_format("chaos %s\n", sequence->lines[chosen[i]]);

        text_append(&text, line);
    }
    text_append(&text, "chaos settle\n");
    return text;
}
