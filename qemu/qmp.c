#include "qmp.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static const char *member_text(struct json_object *object, const char *first, const char *second)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(object, first, &value))
        return "";
    if (second != NULL && !json_object_object_get_ex(value, second, &value))
        return "";
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static int64_t member_icount(struct json_object *object)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(object, "return", &value) ||
        !json_object_object_get_ex(value, "icount", &value))
        return -1;
    return json_object_get_int64(value);
}

static int message_read(struct json_object *object, struct qmp_message *message)
{
    const char *event = member_text(object, "event", NULL);

    if (json_object_object_get_ex(object, "QMP", NULL)) {
        message->kind = QMP_GREETING;
    } else if (json_object_object_get_ex(object, "return", NULL)) {
        message->kind = QMP_RETURN;
    } else if (json_object_object_get_ex(object, "error", NULL)) {
        message->kind = QMP_ERROR;
        event = member_text(object, "error", "desc");
    } else if (event[0] == '\0') {
        return -EBADMSG;
    } else if (strcmp(event, "SHUTDOWN") == 0) {
        message->kind = QMP_SHUTDOWN;
        event = member_text(object, "data", "reason");
    } else {
        message->kind = QMP_EVENT;
    }
    message->read = strcmp(member_text(object, "data", "operation"), "read") == 0;
    message->icount = member_icount(object);
    snprintf(message->reason, sizeof message->reason, "%s", event);
    return 0;
}

int qmp_parse(const char *line, struct qmp_message *message)
{
    struct json_object *object = json_tokener_parse(line);
    struct qmp_message read = {0};
    int error = -EBADMSG;

    if (object != NULL && json_object_is_type(object, json_type_object))
        error = message_read(object, &read);
    json_object_put(object);
    if (error == 0)
        *message = read;
    return error;
}
