#include "view.h"
#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static size_t size_of(size_t room)
{
    return sizeof(struct view) + room * sizeof(struct view_row);
}

struct view *view_new(size_t room)
{
    struct view *view =
        mmap(NULL, size_of(room), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (view == MAP_FAILED)
        return NULL;
    view->room = room;
    view->started = clock_now();
    return view;
}

void view_free(struct view *view)
{
    if (view != NULL)
        munmap(view, size_of(view->room));
}

struct view_row *view_add(struct view *view, const char *name)
{
    struct view_row *row;

    if (view == NULL || view->count == view->room)
        return NULL;
    row = &view->rows[view->count];
    snprintf(row->name, sizeof row->name, "%s", name);
    view->count++;
    return row;
}

void view_begin(struct view_row *row)
{
    if (row == NULL)
        return;
    row->started = clock_now();
    row->state = VIEW_RUNNING;
}

void view_boot(struct view_row *row, size_t index, enum how how)
{
    if (row == NULL || index == 0)
        return;
    if (index <= VIEW_BOOTS_MAX)
        row->cells[index - 1] = how_letter(how);
    if (index > row->boots)
        row->boots = index;
    view_stage(row, how == HOW_RUNNING ? "firmware" : "off");
}

void view_stage(struct view_row *row, const char *stage)
{
    if (row != NULL)
        snprintf(row->stage, sizeof row->stage, "%s", stage);
}

void view_end(struct view_row *row, enum view_state state, const char *said)
{
    if (row == NULL)
        return;
    snprintf(row->said, sizeof row->said, "%s", said);
    row->ended = clock_now();
    row->state = state;
}

void view_gone(struct view *view, pid_t pid)
{
    for (size_t i = 0; view != NULL && i < view->count; i++)
        if (view->rows[i].pid == pid && view->rows[i].state == VIEW_RUNNING)
            view_end(&view->rows[i], VIEW_FAILED, "its process ended without a word");
}
