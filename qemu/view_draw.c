/* The picture of a view: pure text first, then the terminal. */
#include "view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "text.h"

#define NAME_WIDTH 26u
#define TAIL_WIDTH 18u /* elapsed and stage */
#define WIDTH_MIN 24u

static const struct {
    const char *word, *colour;
} states[] = {
    [VIEW_WAITING] = {"wait", "2"},   [VIEW_RUNNING] = {"run ", "36"},
    [VIEW_PASSED] = {"ok  ", "32"},   [VIEW_FAILED] = {"FAIL", "1;31"},
    [VIEW_LEFT_OUT] = {"left", "33"},
};

static const char *colour_of(char letter)
{
    switch (letter) {
    case 'G':
    case 'U':
        return "32";
    case 'S':
        return "34";
    case 'P':
    case 'O':
        return "31";
    case '>':
        return "36";
    default:
        return "33";
    }
}

static void put(char **text, const struct view_size *size, const char *colour, const char *words)
{
    TEXT_AUTO coloured = size->colour ? text_format("\033[%sm%s\033[0m", colour, words) : NULL;

    text_append(text, coloured != NULL ? coloured : words);
}

/* Cells that fit; where some do not, the last ones, behind a '<'. The columns that they take. */
static unsigned put_cells(char **text, const struct view_size *size, const struct view_row *row,
                          unsigned room)
{
    size_t count = row->boots > VIEW_BOOTS_MAX ? VIEW_BOOTS_MAX : row->boots;
    size_t shown = count > room ? room : count;

    if (shown < row->boots && room > 0) {
        text_append(text, "<");
        shown = shown < room ? shown : room - 1;
    }
    for (size_t i = count - shown; i < count; i++) {
        char letter[2] = {row->cells[i], '\0'};

        put(text, size, colour_of(letter[0]), letter[0] != '\0' ? letter : " ");
    }
    return (unsigned)shown + (shown < row->boots && room > 0);
}

static char *elapsed(double seconds)
{
    unsigned long whole = seconds > 0 ? (unsigned long)seconds : 0;

    return text_format("%lu:%02lu", whole / 60, whole % 60);
}

static void put_row(char **text, const struct view_size *size, const struct view_row *row,
                    double now)
{
    unsigned name = size->width < 60 ? 14 : NAME_WIDTH;
    bool tail = size->width >= 5 + name + TAIL_WIDTH + 8;
    unsigned room = size->width - 6 - name - (tail ? TAIL_WIDTH : 0), used;
    TEXT_AUTO words = text_format(" %-*.*s ", (int)name - 1, (int)name - 1, row->name);

    put(text, size, states[row->state].colour, states[row->state].word);
    text_append(text, words);
    used = put_cells(text, size, row, room);
    if (tail && row->state != VIEW_WAITING && row->state != VIEW_LEFT_OUT) {
        bool runs = row->state == VIEW_RUNNING;
        TEXT_AUTO time = elapsed((runs ? now : row->ended) - row->started);
        TEXT_AUTO end =
            text_format("%*s%7s %-9.9s", (int)(room - used), "", time, runs ? row->stage : "");

        text_append(text, end);
    }
    text_append(text, "\n");
}

static size_t count_state(const struct view *view, enum view_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < view->count; i++)
        count += view->rows[i].state == state;
    return count;
}

/* Marks the rows that are shown: first what runs, what failed, what is over (the last first), what
 * waits. */
static size_t choose(const struct view *view, size_t most, bool *shown)
{
    static const enum view_state order[] = {VIEW_RUNNING, VIEW_FAILED, VIEW_PASSED, VIEW_LEFT_OUT,
                                            VIEW_WAITING};
    size_t count = 0;

    for (size_t s = 0; s < sizeof order / sizeof *order; s++)
        for (size_t n = 0; n < view->count && count < most; n++) {
            size_t i = order[s] == VIEW_PASSED ? view->count - 1 - n : n;

            if (view->rows[i].state == order[s] && !shown[i]) {
                shown[i] = true;
                count++;
            }
        }
    return count;
}

/* One line, cut to the width. */
static void put_line(char **text, const struct view_size *size, char *line)
{
    if (strlen(line) > size->width)
        line[size->width] = '\0';
    text_append(text, line);
    text_append(text, "\n");
    free(line);
}

static void put_summary(char **text, const struct view *view, const struct view_size *size,
                        double now)
{
    TEXT_AUTO time = elapsed(now - view->started);
    size_t left = count_state(view, VIEW_LEFT_OUT);
    TEXT_AUTO left_out = left > 0 ? text_format(", %zu left out", left) : text_copy("");

    put_line(text, size,
             text_format("%zu passed, %zu failed, %zu running, %zu waiting%s, %s",
                         count_state(view, VIEW_PASSED), count_state(view, VIEW_FAILED),
                         count_state(view, VIEW_RUNNING), count_state(view, VIEW_WAITING), left_out,
                         time));
}

char *view_render(const struct view *view, const struct view_size *asked, double now)
{
    struct view_size size = *asked;
    bool *shown = calloc(view->count + 1, sizeof *shown);
    char *text = text_copy("");
    size_t most = view->count, count;

    if (shown == NULL)
        abort();
    if (size.width < WIDTH_MIN)
        size.width = WIDTH_MIN;
    if (size.height > 0 && most + 2 >= size.height)
        most = size.height > 4 ? size.height - 4 : 0;
    count = choose(view, most, shown);
    for (size_t i = 0; i < view->count; i++)
        if (shown[i])
            put_row(&text, &size, &view->rows[i], now);
    if (count < view->count)
        put_line(&text, &size, text_format("... and %zu more", view->count - count));
    if (size.height == 0 || size.height > 3)
        put_line(&text, &size,
                 text_copy("G good  S safe  U up  P panic  H hang  C cut  R reset  O off  > now"));
    put_summary(&text, view, &size, now);
    free(shown);
    return text;
}

/* ---- the terminal ---- */

bool view_is_possible(void)
{
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) == 1 && term != NULL && strcmp(term, "dumb") != 0;
}

static struct view_size terminal_size(void)
{
    struct winsize window = {0};
    struct view_size size = {80, 24, getenv("NO_COLOR") == NULL};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 && window.ws_row > 0) {
        size.width = window.ws_col;
        size.height = window.ws_row;
    }
    return size;
}

/* Lines that a text takes on a terminal of this width: one that became narrower has wrapped them.
 */
static unsigned lines_taken(const char *text, unsigned width)
{
    unsigned lines = 0, column = 0;

    for (; *text != '\0'; text++) {
        if (*text == '\033') {
            text += strcspn(text, "m");
        } else if (*text == '\n') {
            lines += column == 0 ? 1 : (column + width - 1) / width;
            column = 0;
        } else {
            column++;
        }
    }
    return lines;
}

#define DRAW_NS 300000000l

pid_t view_wait(struct view *view, int *status)
{
    pid_t pid;

    while ((pid = waitpid(-1, status, view != NULL ? WNOHANG : 0)) <= 0) {
        struct timespec pause = {0, DRAW_NS};

        if (pid < 0 && errno != EINTR)
            return -1;
        if (view != NULL) {
            view_draw(view, false);
            nanosleep(&pause, NULL);
        }
    }
    view_gone(view, pid);
    return pid;
}

void view_finish(const struct view *view)
{
    view_draw(view, true);
    for (size_t i = 0; i < view->count; i++)
        if (view->rows[i].state == VIEW_FAILED)
            printf("%s\n", view->rows[i].said);
}

static void print_lines(const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        printf("%.*s\033[K\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}

void view_draw(const struct view *view, bool last)
{
    static char *drawn;
    static struct view_size before;
    struct view_size size = terminal_size();
    unsigned up = drawn != NULL ? lines_taken(drawn, size.width) : 0, height = size.height;
    char *text;

    if (last)
        size.height = 0;
    text = view_render(view, &size, clock_now());
    if (!last && drawn != NULL && strcmp(text, drawn) == 0 && size.width == before.width) {
        free(text);
        return;
    }
    if (up >= height)
        fputs("\033[H\033[J", stdout);
    else if (up > 0)
        printf("\033[%uA\r", up);
    text_replace(&drawn, text);
    before = size;
    print_lines(drawn);
    if (last)
        text_replace(&drawn, NULL);
}
