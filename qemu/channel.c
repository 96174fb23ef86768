#include "channel.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ID_MAX 1000000L

/* Takes a number and the one blank behind it, or the end of the line. */
static bool number_take(const char **cursor, long *value)
{
    char *end = NULL;

    if (**cursor < '0' || **cursor > '9')
        return false;
    *value = strtol(*cursor, &end, 10);
    if (*value > ID_MAX || (*end != ' ' && *end != '\0'))
        return false;
    *cursor = *end == ' ' ? end + 1 : end;
    return true;
}

/* Takes a word of 1..size-1 characters and the blank behind it. */
static bool word_take(const char **cursor, char *out, size_t size)
{
    size_t length = strcspn(*cursor, " ");

    if (length == 0 || length >= size)
        return false;
    memcpy(out, *cursor, length);
    out[length] = '\0';
    *cursor += length + ((*cursor)[length] == ' ');
    return true;
}

static bool rest_read(const char *line, struct channel_message *message)
{
    const char *cursor = strchr(line, ' ');

    if (cursor == NULL)
        return false;
    cursor++;
    switch (message->kind) {
    case CHANNEL_HELLO:
        return word_take(&cursor, message->boot_id, sizeof message->boot_id) &&
               word_take(&cursor, message->target, sizeof message->target) && *cursor == '\0';
    case CHANNEL_OUT:
        if (!number_take(&cursor, &message->id))
            return false;
        message->text = cursor;
        return true;
    case CHANNEL_END:
        return number_take(&cursor, &message->id) && number_take(&cursor, &message->code) &&
               *cursor == '\0';
    }
    return false;
}

int channel_parse(const char *line, struct channel_message *message)
{
    struct channel_message read = {0};

    if (text_starts(line, "hello "))
        read.kind = CHANNEL_HELLO;
    else if (text_starts(line, "out "))
        read.kind = CHANNEL_OUT;
    else if (text_starts(line, "end "))
        read.kind = CHANNEL_END;
    else
        return -EBADMSG;
    if (!rest_read(line, &read))
        return -EBADMSG;
    *message = read;
    return 0;
}
