/*
 * channel.h - what the rig's agent in the guest says over the virtio-serial port "rig".
 *
 *   host:   run ID COMMAND
 *   guest:  hello BOOT_ID DEFAULT_TARGET
 *           out ID TEXT
 *           end ID RC
 */
#ifndef BACKSTOP_RIG_CHANNEL_H
#define BACKSTOP_RIG_CHANNEL_H

enum channel_kind { CHANNEL_HELLO = 0, CHANNEL_OUT, CHANNEL_END };

struct channel_message {
    enum channel_kind kind;
    long id;                      /* of OUT and END */
    long code;                    /* of END */
    const char *text;             /* of OUT, within the line */
    char boot_id[64], target[64]; /* of HELLO */
};

/* 0, or -EBADMSG; *message changes only on success. */
int channel_parse(const char *line, struct channel_message *message);

#endif
