/* A scenario's timeline, drawn. */
#include <stdlib.h>
#include <string.h>
#include "markup.h"
#include "report.h"
#include "session.h"
#include "timeline.h"

#define LABEL_ROOM 9.0 /* units that a letter of a bar's label takes */

static const char *const mark_paths[HOWS] = {
    [HOW_RUNNING] = "M-6-6 6 0-6 6Z",
    [HOW_GOOD] = "M-7 0-2 5 7-6",
    [HOW_SAFE] = "M0-8 7-5V1C7 5 3 7 0 9-3 7-7 5-7 1V-5Z",
    [HOW_UP] = "M0-7V7M-6-1 0-7 6-1",
    [HOW_PANIC] = "M-6-6 6 6M6-6-6 6",
    [HOW_HANG] = "M-6-6H6V6H-6Z",
    [HOW_CUT] = "M2-9-5 2H1L-2 9 6-3H0Z",
    [HOW_RESET] = "M6-2A6 6 0 1 0 5 4M7-7V-2H2",
    [HOW_OFF] = "M0-8V0M-5-4A6 6 0 1 0 5-4",
};

static void draw_axis(FILE *file, const struct timeline *timeline)
{
    double most = (TIMELINE_RIGHT - TIMELINE_LEFT) / timeline->scale;

    fputs("<g class=\"axis\">", file);
    for (double at = 0; at <= most; at += timeline->tick) {
        double x = TIMELINE_LEFT + at * timeline->scale;

        markup(file, "<path d=\"M%.1f 20V%.1f\"/><text x=\"%.1f\" y=\"13\">%.0f s</text>", x,
               timeline->height, x, at);
    }
    fputs("</g>", file);
}

static void draw_parts(FILE *file, const struct timeline_row *row)
{
    for (int i = 0; i < TIMELINE_PARTS; i++) {
        const struct timeline_part *part = &row->parts[i];
        const char *stage = stage_string((enum stage)i);
        double width = part->to - part->from;

        if (width <= 0)
            continue;
        markup(file,
               "<g class=\"part\"><title>%s: %.1f s</title>"
               "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
               stage, width / ((row->to - row->from) / row->seconds), stage, part->from, row->bar_y,
               width, TIMELINE_BAR);
        if (width > (double)strlen(stage) * LABEL_ROOM)
            markup(file, "<text class=\"in\" x=\"%.1f\" y=\"%.1f\">%s</text>", part->from + 6,
                   row->bar_y + 15, stage);
        fputs("</g>", file);
    }
}

/* When the receipt came to say good, and where the kernel panicked. */
static void draw_events(FILE *file, const struct timeline *timeline, const struct timeline_row *row,
                        const struct json_object *boot)
{
    for (size_t i = 0; i < member_count(boot, "phases"); i++) {
        struct json_object *phase = member_item(boot, "phases", i);
        const char *who = member_text(phase, "who"), *what = member_text(phase, "what");
        bool panic = strcmp(who, "kernel") == 0 && strncmp(what, "Kernel panic", 12) == 0;
        bool ours = strcmp(who, "stage") == 0 || strcmp(who, "agent") == 0;
        double x = timeline_x(timeline, row, member_number(phase, "at"));

        if (panic || ours)
            markup(file,
                   "<g class=\"event %s\"><title>%.1f s: %s: %s</title>"
                   "<path d=\"M%.1f %.1fl5-7h-10ZM%.1f %.1fv%.1f\"/></g>",
                   panic ? "panic" : who, member_number(phase, "at"), who, what, x, row->bar_y, x,
                   row->bar_y, TIMELINE_BAR);
    }
}

static void draw_mark(FILE *file, const struct timeline_row *row, enum how how)
{
    markup(file,
           "<g class=\"mark %s\" transform=\"translate(%.1f %.1f)\"><title>%s</title>"
           "<path d=\"%s\"/></g>",
           how_string(how), row->to + 16, row->bar_y + TIMELINE_BAR / 2, how_words(how),
           mark_paths[how]);
}

/* What the stage decided of it. */
static void draw_head(FILE *file, const struct timeline_row *row, const struct json_object *boot,
                      enum how how)
{
    struct json_object *ledger = member(boot, "ledger");
    const char *stance = member_text(ledger, "stance");

    markup(file,
           "<text class=\"head\" x=\"%.1f\" y=\"%.1f\"><tspan class=\"name\">Boot %.0f</tspan> ",
           TIMELINE_LEFT, row->y + 13, member_number(boot, "boot"));
    markup(file, "<tspan class=\"%s\">%s</tspan>", how_string(how), how_words(how));
    if (member_true(boot, "counted"))
        markup(file,
               "<tspan class=\"stage\"> \u00b7 attempt %.0f, %.0f failed in a row before it"
               " \u00b7 decision: %s%s%s</tspan>",
               member_number(ledger, "number"), member_number(ledger, "failures"), stance,
               strcmp(stance, "recovery") == 0 ? ", rung " : "",
               strcmp(stance, "recovery") == 0 ? member_text(ledger, "rung") : "");
    else
        fputs("<tspan class=\"stage\"> \u00b7 not counted by a stage</tspan>", file);
    fputs("</text>", file);
}

static void draw_notes(FILE *file, const struct timeline_row *row, const struct notes *notes)
{
    for (size_t i = 0; i < notes->count; i++)
        markup(file, "<text class=\"note\" x=\"%.1f\" y=\"%.1f\">%s</text>", TIMELINE_LEFT,
               row->bar_y + TIMELINE_BAR + TIMELINE_NOTE * (double)(i + 1) - 3, notes->text[i]);
}

static void draw_row(FILE *file, const struct timeline *timeline, size_t index,
                     const struct json_object *boot, const struct notes *notes)
{
    const struct timeline_row *row = &timeline->rows[index];
    enum how how = HOW_OFF;

    (void)how_from_string(member_text(boot, "how"), &how);
    draw_head(file, row, boot, how);
    draw_parts(file, row);
    draw_events(file, timeline, row, boot);
    draw_mark(file, row, how);
    draw_notes(file, row, notes);
}

void report_svg(FILE *file, const struct result *result)
{
    size_t count = member_count(result->json, "boots");
    struct notes *notes = calloc(count + 1, sizeof *notes);
    size_t *lines = calloc(count + 1, sizeof *lines);
    struct timeline timeline;

    if (notes == NULL || lines == NULL)
        abort();
    for (size_t i = 0; i < count; i++) {
        journal_notes(result, i, &notes[i]);
        lines[i] = notes[i].count;
    }
    timeline_lay_out(&timeline, result->json, lines);
    markup(file,
           "<svg viewBox=\"0 0 %d %.0f\" width=\"%d\" height=\"%.0f\" role=\"img\" "
           "aria-label=\"Timeline of %zu boots of %s, in seconds of the host\">",
           TIMELINE_WIDTH, timeline.height, TIMELINE_WIDTH, timeline.height, count, result->name);
    draw_axis(file, &timeline);
    for (size_t i = 0; i < count; i++)
        draw_row(file, &timeline, i, member_item(result->json, "boots", i), &notes[i]);
    fputs("</svg>", file);
    timeline_free(&timeline);
    free(lines);
    free(notes);
}
