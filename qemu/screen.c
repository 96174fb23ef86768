/* Pictures of a machine's screen. */
#include "session.h"

#include <stdio.h>
#include <unistd.h>

char *screen_path(const struct session *session, const char *which)
{
    return text_format("%s/screen-%02u%s.png", session->dir, session_boot(session)->index, which);
}

void boot_picture(struct session *session)
{
    TEXT_AUTO path = session->on ? screen_path(session, "-up") : NULL;

    if (path != NULL)
        machine_picture(&session->machine, path);
}

void boot_look(struct session *session)
{
    if (session->on)
        machine_look(&session->machine);
}

void screen_keep(const struct session *session)
{
    struct boot *boot = session_boot(session);
    TEXT_AUTO end = screen_path(session, "");
    TEXT_AUTO up = screen_path(session, "-up");

    if (!boot->panic && (boot->reset || boot->poweroff))
        (void)rename(up, end);
    else
        (void)unlink(up);
    if (access(end, R_OK) == 0)
        boot->screen = text_format("screen-%02u.png", boot->index);
}
