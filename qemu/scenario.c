#include "scenario.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct scenario *scenario;
    const struct verb *verbs;
    unsigned line;
    char **reason;
    bool write_armed; /* a fault at a write, since the last "fault none" */
};

static int fault(const struct reader *reader, const char *what, const char *remedy)
{
    text_replace(reader->reason,
                 text_format("%s:%u: %s: %s", reader->scenario->file, reader->line, what, remedy));
    return -EINVAL;
}

/* What is left of a line behind its first word, without a comment sign's meaning. */
static char *rest_of(const char *line)
{
    line += strspn(line, " \t");
    line += strcspn(line, " \t");
    line += strspn(line, " \t");
    return text_copy(line);
}

static bool name_is_plain(const char *name)
{
    return name[0] != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

static int heading_name(const struct reader *reader, char **target, char *value)
{
    bool taken = *target != NULL, plain = name_is_plain(value);

    text_replace(target, value);
    if (taken)
        return fault(reader, "given twice", "leave one");
    if (!plain)
        return fault(reader, "not a name", "use one of a-z, 0-9 and -");
    return 0;
}

static int heading_tag(const struct reader *reader, char *value)
{
    bool plain = name_is_plain(value);
    TEXT_AUTO tag = text_format("%s ", value);

    free(value);
    text_append(&reader->scenario->tags, tag);
    return plain ? 0 : fault(reader, "not a tag", "use one of a-z, 0-9 and -, one a line");
}

/* 0 or -EINVAL; 1 where the line is no heading. */
static int heading_read(const struct reader *reader, const char *line)
{
    struct scenario *scenario = reader->scenario;

    if (text_starts(line, "title ")) {
        text_replace(&scenario->title, rest_of(line));
        return 0;
    }
    if (text_starts(line, "proves ")) {
        TEXT_AUTO more = rest_of(line);

        if (scenario->proves != NULL)
            text_append(&scenario->proves, " ");
        text_append(&scenario->proves, more);
        return 0;
    }
    if (text_starts(line, "start ")) {
        scenario->start_line = reader->line;
        return heading_name(reader, &scenario->start, rest_of(line));
    }
    if (text_starts(line, "provides "))
        return heading_name(reader, &scenario->provides, rest_of(line));
    if (text_starts(line, "tag "))
        return heading_tag(reader, rest_of(line));
    return 1;
}

static const struct verb *verb_find(const struct verb *verbs, const char *name)
{
    for (; verbs->name != NULL; verbs++)
        if (strcmp(verbs->name, name) == 0)
            return verbs;
    return NULL;
}

/* The disk's writes are counted for one fault alone. */
static int write_check(struct reader *reader, const struct step *step)
{
    bool again = reader->write_armed;

    if (strcmp(step->verb->name, "fault") != 0)
        return 0;
    if (strcmp(step->words[0], "none") == 0)
        reader->write_armed = false;
    if (!text_starts(step->words[0], "write="))
        return 0;
    reader->write_armed = true;
    return again ? fault(reader, "a fault at a write is armed already",
                         "put `fault none` before this one")
                 : 0;
}

static int step_check(struct reader *reader, struct step *step, const char *name)
{
    TEXT_AUTO what = NULL;
    TEXT_AUTO remedy = NULL;
    const char *found;

    step->verb = verb_find(reader->verbs, name);
    if (step->verb == NULL) {
        what = text_format("no step is called '%s'", name);
        return fault(reader, what, "`rig steps` lists them");
    }
    remedy = text_format("write: %s %s", name, step->verb->usage);
    if (step->count < step->verb->min_words || step->count > step->verb->max_words)
        return fault(reader, "too few or too many words", remedy);
    found = step->verb->fault != NULL ? step->verb->fault(step->words, step->count) : NULL;
    return found != NULL ? fault(reader, found, remedy) : write_check(reader, step);
}

static int step_read(struct reader *reader, const char *line)
{
    struct scenario *scenario = reader->scenario;
    char *words[STEP_WORDS_MAX + 1];
    struct step *step;
    int count;

    scenario->steps = realloc(scenario->steps, (scenario->count + 1) * sizeof *scenario->steps);
    if (scenario->steps == NULL)
        abort();
    step = &scenario->steps[scenario->count++];
    memset(step, 0, sizeof *step);
    step->line = reader->line;
    step->text = text_copy(line + strspn(line, " \t"));
    step->buffer = text_copy(line);
    count = text_words(step->buffer, words, STEP_WORDS_MAX + 1);
    if (count == -EINVAL)
        return fault(reader, "a quote is left open", "close it with \"");
    if (count < 1)
        return fault(reader, "too many words", "put quotes round what belongs together");
    step->count = count - 1;
    memcpy(step->words, words + 1, (size_t)step->count * sizeof words[0]);
    return step_check(reader, step, words[0]);
}

static int line_read(struct reader *reader, const char *line)
{
    const char *start = line + strspn(line, " \t");
    int heading;

    if (*start == '\0' || *start == '#')
        return 0;
    heading = heading_read(reader, start);
    return heading == 1 ? step_read(reader, line) : heading;
}

static int whole_check(const struct reader *reader)
{
    const struct scenario *scenario = reader->scenario;

    if (scenario->title == NULL)
        return fault(reader, "no title", "add a line: title WHAT HAPPENS");
    if (scenario->proves == NULL)
        return fault(reader, "nothing is said to be proved", "add a line: proves WHAT");
    if (scenario->start == NULL)
        return fault(reader, "no state to start from", "add a line: start base|installed|ready");
    if (scenario->count == 0)
        return fault(reader, "no steps", "add some; `rig steps` lists them");
    return 0;
}

int scenario_parse(struct scenario *scenario, const char *name, const char *file, const char *text,
                   const struct verb *verbs, char **reason)
{
    struct reader reader = {.scenario = scenario, .verbs = verbs, .reason = reason};
    TEXT_AUTO copy = text_copy(text);
    char *rest = copy, *line;
    int error = 0;

    memset(scenario, 0, sizeof *scenario);
    scenario->name = text_copy(name);
    scenario->file = text_copy(file);
    scenario->tags = text_copy(" ");
    while (error == 0 && (line = strsep(&rest, "\n")) != NULL) {
        reader.line++;
        error = line_read(&reader, line);
    }
    return error == 0 ? whole_check(&reader) : error;
}

int scenario_load(struct scenario *scenario, const char *file, const struct verb *verbs,
                  char **reason)
{
    TEXT_AUTO text = file_read(file, NULL);
    const char *slash = strrchr(file, '/');
    TEXT_AUTO name = text_copy(slash != NULL ? slash + 1 : file);

    if (text_ends(name, ".scn"))
        name[strlen(name) - strlen(".scn")] = '\0';
    if (text != NULL)
        return scenario_parse(scenario, name, file, text, verbs, reason);
    text_replace(reason,
                 text_format("%s: %s: `rig list` names the scenarios", file, strerror(errno)));
    memset(scenario, 0, sizeof *scenario);
    return -EINVAL;
}

void scenario_free(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->count; i++) {
        free(scenario->steps[i].text);
        free(scenario->steps[i].buffer);
    }
    free(scenario->steps);
    free(scenario->name);
    free(scenario->file);
    free(scenario->title);
    free(scenario->proves);
    free(scenario->start);
    free(scenario->provides);
    free(scenario->tags);
    memset(scenario, 0, sizeof *scenario);
}

bool scenario_has_tag(const struct scenario *scenario, const char *tag)
{
    TEXT_AUTO word = text_format(" %s ", tag);

    return strstr(scenario->tags, word) != NULL;
}
