/* Of each boot of a scenario: what happened when, its records, its screen, its console. */
#include <string.h>
#include "markup.h"
#include "report.h"
#include "session.h"
#include "text.h"

/* Of a console its beginning and its end are embedded. */
#define CONSOLE_HEAD (16u * 1024u)
#define CONSOLE_TAIL (64u * 1024u)
#define SCREEN_MAX (256u * 1024u)
#define TIMELINE_MAX (32u * 1024u)

static void events(FILE *file, const struct json_object *boot)
{
    size_t count = member_count(boot, "phases");

    if (count == 0)
        return;
    fputs("<table class=\"events\"><thead><tr><th scope=\"col\">Host time</th><th scope=\"col\">Who"
          "</th><th scope=\"col\">What</th></tr></thead><tbody>\n",
          file);
    for (size_t i = 0; i < count; i++) {
        struct json_object *phase = member_item(boot, "phases", i);

        markup(file, "<tr><td class=\"number\">%.1f s</td><td>%s</td><td>%s</td></tr>\n",
               member_number(phase, "at"), member_text(phase, "who"), member_text(phase, "what"));
    }
    fputs("</tbody></table>\n", file);
}

static void record(FILE *file, const char *name, struct json_object *fields)
{
    if (!json_object_is_type(fields, json_type_object) || json_object_object_length(fields) == 0)
        return;
    markup(file, "<div><h4>%s</h4><dl class=\"fields\">", name);
    json_object_object_foreach(fields, key, value)
        markup(file, "<div><dt>%s</dt><dd>%s</dd></div>", key, json_object_get_string(value));
    fputs("</dl></div>\n", file);
}

static void bounded(FILE *file, const char *text, size_t size)
{
    size_t left_out = size > CONSOLE_HEAD + CONSOLE_TAIL ? size - CONSOLE_HEAD - CONSOLE_TAIL : 0;

    if (left_out == 0) {
        markup_bytes(file, text, size);
        return;
    }
    markup_bytes(file, text, CONSOLE_HEAD);
    markup(file,
           "</pre><p class=\"left-out\">%zu bytes are left out here; the whole log is beside "
           "the results.</p><pre tabindex=\"0\">",
           left_out);
    markup_bytes(file, text + size - CONSOLE_TAIL, CONSOLE_TAIL);
}

static void console(FILE *file, const struct result *result, const struct json_object *boot)
{
    const char *name = member_text(boot, "console");
    TEXT_AUTO path = text_format("%s/%s", result->dir, name);
    size_t size = 0;
    TEXT_AUTO text = NULL;

    if (*name == '\0' || strchr(name, '/') != NULL)
        return;
    text = file_read(path, &size);
    if (text == NULL) {
        markup(file, "<p class=\"left-out\">Its console log, %s, is not there.</p>\n", name);
        return;
    }
    markup(file,
           "<details class=\"console\"><summary>Console log <span class=\"meta\">%zu bytes"
           "</span></summary><pre tabindex=\"0\">",
           size);
    bounded(file, text, size);
    fputs("</pre></details>\n", file);
}

static void one_boot(FILE *file, const struct result *result, const struct json_object *boot)
{
    enum how how = HOW_OFF;

    (void)how_from_string(member_text(boot, "how"), &how);
    markup(file,
           "<details class=\"boot\"><summary><span class=\"name\">Boot %.0f</span> "
           "<span class=\"how %s\">%s</span> <span class=\"meta\">%.1f s of the host",
           member_number(boot, "boot"), how_string(how), how_words(how),
           member_number(boot, "seconds"));
    if (member_number(boot, "guest-seconds") > 0)
        markup(file, ", %.1f s by the guest's kernel", member_number(boot, "guest-seconds"));
    markup(file, "; ended by: %s</span></summary>\n", member_text(boot, "end"));
    events(file, boot);
    fputs("<div class=\"records\">", file);
    record(file, "Ledger", member(boot, "ledger"));
    record(file, "Receipt", member(boot, "receipt"));
    fputs("</div>\n", file);
    console(file, result, boot);
    fputs("</details>\n", file);
}

/* A small picture, which opening makes large: so it is in the page once. */
static void screen(FILE *file, const struct result *result, const struct json_object *boot)
{
    const char *name = member_text(boot, "screen");
    TEXT_AUTO path = text_format("%s/%s", result->dir, name);
    TEXT_AUTO url = *name != '\0' && strchr(name, '/') == NULL ? png_url(path, SCREEN_MAX) : NULL;
    double number = member_number(boot, "boot");

    if (url != NULL)
        markup(file,
               "<details class=\"screen\"><summary><img src=\"%s\" alt=\"Screen of boot %.0f\">"
               "<span>Boot %.0f</span></summary></details>\n",
               url, number, number);
}

static void screens(FILE *file, const struct result *result)
{
    fputs("<div class=\"screens\">", file);
    for (size_t i = 0; i < member_count(result->json, "boots"); i++)
        screen(file, result, member_item(result->json, "boots", i));
    fputs("</div>\n", file);
}

/* Of a scenario without a result all that is known is how far its timeline goes. */
static void unfinished(FILE *file, const struct result *result)
{
    TEXT_AUTO path = text_format("%s/timeline.txt", result->dir);
    size_t size = 0;
    TEXT_AUTO text = file_read(path, &size);
    size_t kept = size > TIMELINE_MAX ? TIMELINE_MAX : size;

    if (text == NULL)
        return;
    fputs("<h3>Its timeline so far</h3>\n", file);
    if (kept < size)
        markup(file, "<p class=\"left-out\">%zu bytes before this are left out.</p>", size - kept);
    fputs("<pre tabindex=\"0\">", file);
    markup_bytes(file, text + size - kept, kept);
    fputs("</pre>\n", file);
}

void report_boots(FILE *file, const struct result *result)
{
    size_t count = member_count(result->json, "boots");

    if (result->verdict == VERDICT_UNFINISHED)
        unfinished(file, result);
    if (count > 0) {
        screens(file, result);
        fputs("<h3>Boots</h3>\n", file);
    }
    for (size_t i = 0; i < count; i++)
        one_boot(file, result, member_item(result->json, "boots", i));
}
