#include "timeline.h"

#include <math.h>
#include <stdlib.h>
#include "markup.h"
#include "session.h"

_Static_assert((int)STAGES == TIMELINE_PARTS, "a part for each stage");

static double sane(double seconds)
{
    return isfinite(seconds) && seconds > 0 ? seconds : 0;
}

static double longest(const struct json_object *result)
{
    double most = 1;

    for (size_t i = 0; i < member_count(result, "boots"); i++)
        most = fmax(most, sane(member_number(member_item(result, "boots", i), "seconds")));
    return most;
}

/* The least of 1, 2, 5, 10, 20, 50 ... s with which no more than TIMELINE_TICKS fit. */
static double tick_of(double seconds)
{
    static const double steps[] = {1, 2, 5};

    for (double ten = 1;; ten *= 10)
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
            if (seconds / (steps[i] * ten) <= TIMELINE_TICKS)
                return steps[i] * ten;
}

double timeline_x(const struct timeline *timeline, const struct timeline_row *row, double seconds)
{
    return row->from + fmin(sane(seconds), row->seconds) * timeline->scale;
}

/* A stage lasts until the next one that was reached. */
static void lay_parts(const struct timeline *timeline, struct timeline_row *row,
                      const struct json_object *boot)
{
    struct json_object *reached = member(boot, "reached");
    double end = row->to;

    for (int i = TIMELINE_PARTS - 1; i >= 0; i--) {
        const char *stage = stage_string((enum stage)i);
        double from = i == 0 ? row->from : end;

        if (i > 0 && member(reached, stage) != NULL)
            from = fmin(end, timeline_x(timeline, row, member_number(reached, stage)));
        row->parts[i] = (struct timeline_part){from, end};
        end = from;
    }
}

void timeline_lay_out(struct timeline *timeline, const struct json_object *result,
                      const size_t *notes)
{
    double y = TIMELINE_TOP, most = longest(result);

    timeline->count = member_count(result, "boots");
    timeline->rows = calloc(timeline->count + 1, sizeof *timeline->rows);
    if (timeline->rows == NULL)
        abort();
    timeline->scale = (TIMELINE_RIGHT - TIMELINE_LEFT) / most;
    timeline->tick = tick_of(most);
    for (size_t i = 0; i < timeline->count; i++) {
        struct json_object *boot = member_item(result, "boots", i);
        struct timeline_row *row = &timeline->rows[i];

        row->y = y;
        row->bar_y = y + TIMELINE_HEAD;
        row->seconds = sane(member_number(boot, "seconds"));
        row->from = TIMELINE_LEFT;
        row->to = row->from + row->seconds * timeline->scale;
        row->notes = notes[i];
        lay_parts(timeline, row, boot);
        y = row->bar_y + TIMELINE_BAR + (double)notes[i] * TIMELINE_NOTE + TIMELINE_GAP;
    }
    timeline->height = y;
}

void timeline_free(struct timeline *timeline)
{
    free(timeline->rows);
    timeline->rows = NULL;
    timeline->count = 0;
}
