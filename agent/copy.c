/*
 * io_copy_hash(): one pass over a file, data alone, its hash of all bytes.
 *
 * A large file is relayed: one thread reads and writes while the other hashes, so that the hash
 * alone is waited for.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"

#define COPY_BUFFER (256u * 1024)
#define RELAY_FROM (4u * 1024 * 1024) /* bytes: less is done before a thread has begun */
#define SMALL (64u * 1024)            /* bytes: up to here it is read before it could be cloned */
#define LANES 2u

/* One copy under way. */
struct copy {
    int in_fd, out_fd; /* out_fd -1: hash alone */
    EVP_MD_CTX *digest;
    uint8_t *buffer;
    size_t room; /* in buffer */
    off_t at;    /* all before is hashed and written */
};

static int copy_zeros(struct copy *copy, off_t until)
{
    if (copy->at < until)
        memset(copy->buffer, 0, copy->room);
    while (copy->at < until) {
        off_t left = until - copy->at;
        size_t n = left < (off_t)copy->room ? (size_t)left : copy->room;

        if (!EVP_DigestUpdate(copy->digest, copy->buffer, n))
            return -EIO;
        copy->at += (off_t)n;
    }
    return 0;
}

static int pwrite_all(int fd, const uint8_t *bytes, size_t size, off_t at)
{
    while (size) {
        ssize_t n = pwrite(fd, bytes, size, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes += n;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Up to `until` or the end of the file. 1: more may follow, 0: end of the file, -errno. */
static int copy_data(struct copy *copy, off_t until)
{
    while (copy->at < until) {
        off_t left = until - copy->at;
        ssize_t n = pread(copy->in_fd, copy->buffer,
                          left < (off_t)copy->room ? (size_t)left : copy->room, copy->at);
        int error = 0;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        if (!EVP_DigestUpdate(copy->digest, copy->buffer, (size_t)n))
            error = -EIO;
        else if (copy->out_fd >= 0)
            error = pwrite_all(copy->out_fd, copy->buffer, (size_t)n, copy->at);
        if (error)
            return error;
        copy->at += n;
    }
    return 1;
}

/* ---- relay ---- */

struct lane {
    uint8_t *bytes;
    size_t size; /* 0: empty, for the mover to fill */
};

struct relay {
    const struct copy *copy;
    off_t from, until;
    struct lane lanes[LANES];
    pthread_mutex_t lock; /* of all below, and of sizes */
    pthread_cond_t turned;
    bool moved_all; /* the mover is done: until, the end of the file, or an error */
    bool at_end;    /* of the file */
    bool stop;      /* the hasher has given up */
    int error;
};

/* Bytes moved into a lane, 0 at the end of the file, -errno. */
static ssize_t move(const struct relay *relay, off_t at, uint8_t *bytes)
{
    off_t left = relay->until - at;
    ssize_t n;
    int error;

    do
        n = pread(relay->copy->in_fd, bytes, left < COPY_BUFFER ? (size_t)left : COPY_BUFFER, at);
    while (n < 0 && errno == EINTR);
    if (n <= 0 || relay->copy->out_fd < 0)
        return n < 0 ? -errno : n;
    error = pwrite_all(relay->copy->out_fd, bytes, (size_t)n, at);
    return error ? error : n;
}

static bool wait_for_room(struct relay *relay, const struct lane *lane)
{
    bool room;

    pthread_mutex_lock(&relay->lock);
    while (lane->size && !relay->stop)
        pthread_cond_wait(&relay->turned, &relay->lock);
    room = !relay->stop;
    pthread_mutex_unlock(&relay->lock);
    return room;
}

static void *move_all(void *argument)
{
    struct relay *relay = argument;
    off_t at = relay->from;
    ssize_t n = 1;

    for (unsigned i = 0; n > 0 && at < relay->until; i++) {
        struct lane *lane = &relay->lanes[i % LANES];

        if (!wait_for_room(relay, lane))
            break;
        n = move(relay, at, lane->bytes);
        pthread_mutex_lock(&relay->lock);
        lane->size = n > 0 ? (size_t)n : 0;
        relay->at_end = n == 0;
        relay->error = n < 0 ? (int)n : 0;
        pthread_cond_signal(&relay->turned);
        pthread_mutex_unlock(&relay->lock);
        at += n > 0 ? n : 0;
    }
    pthread_mutex_lock(&relay->lock);
    relay->moved_all = true;
    pthread_cond_signal(&relay->turned);
    pthread_mutex_unlock(&relay->lock);
    return NULL;
}

/* Size of what the mover put into the lane; 0: nothing more comes. */
static size_t wait_for_bytes(struct relay *relay, const struct lane *lane)
{
    size_t size;

    pthread_mutex_lock(&relay->lock);
    while (!lane->size && !relay->moved_all)
        pthread_cond_wait(&relay->turned, &relay->lock);
    size = lane->size;
    pthread_mutex_unlock(&relay->lock);
    return size;
}

static void turn_over(struct relay *relay, struct lane *lane, bool stop)
{
    pthread_mutex_lock(&relay->lock);
    lane->size = 0;
    relay->stop = stop;
    pthread_cond_signal(&relay->turned);
    pthread_mutex_unlock(&relay->lock);
}

static int hash_all(struct relay *relay, struct copy *copy)
{
    for (unsigned i = 0;; i++) {
        struct lane *lane = &relay->lanes[i % LANES];
        size_t size = wait_for_bytes(relay, lane);
        bool hashed;

        if (!size)
            return 0;
        hashed = EVP_DigestUpdate(copy->digest, lane->bytes, size);
        copy->at += (off_t)size;
        turn_over(relay, lane, !hashed);
        if (!hashed)
            return -EIO;
    }
}

/* As copy_data(); -EAGAIN: no thread could be had, and nothing was done. */
static int relay_data(struct copy *copy, off_t until)
{
    struct relay relay = {.copy = copy,
                          .from = copy->at,
                          .until = until,
                          .lanes = {{.bytes = copy->buffer}, {.bytes = malloc(COPY_BUFFER)}},
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .turned = PTHREAD_COND_INITIALIZER};
    pthread_t mover;
    int error = -EAGAIN;

    if (relay.lanes[1].bytes && pthread_create(&mover, NULL, move_all, &relay) == 0) {
        error = hash_all(&relay, copy);
        pthread_join(mover, NULL);
        if (!error)
            error = relay.error;
        if (!error)
            error = !relay.at_end;
    }
    free(relay.lanes[1].bytes);
    pthread_cond_destroy(&relay.turned);
    pthread_mutex_destroy(&relay.lock);
    return error;
}

static bool is_worth_a_relay(const struct copy *copy, off_t until)
{
    struct stat st;

    if (until - copy->at < RELAY_FROM || sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return false;
    return fstat(copy->in_fd, &st) == 0 && st.st_size - copy->at >= RELAY_FROM;
}

/* ---- segments ---- */

/* A hole up to the end of the file: nothing to write but its length. */
static int copy_last_hole(struct copy *copy)
{
    off_t before = copy->at;
    struct stat st;
    int error;

    if (fstat(copy->in_fd, &st) < 0)
        return -errno;
    error = copy_zeros(copy, st.st_size);
    if (!error && copy->out_fd >= 0 && copy->at > before && ftruncate(copy->out_fd, copy->at) < 0)
        error = -errno;
    return error;
}

static int copy_segments(struct copy *copy)
{
    for (;;) {
        off_t data = lseek(copy->in_fd, copy->at, SEEK_DATA), hole;
        int more;

        if (data < 0 && errno == ENXIO)
            return copy_last_hole(copy);
        if (data < 0) /* no such question on this file system: all is data */
            data = copy->at;
        hole = lseek(copy->in_fd, data, SEEK_HOLE);
        if (hole < 0)
            hole = INT64_MAX;
        more = copy_zeros(copy, data);
        if (!more)
            more = is_worth_a_relay(copy, hole) ? relay_data(copy, hole) : -EAGAIN;
        if (more == -EAGAIN)
            more = copy_data(copy, hole);
        if (more <= 0)
            return more;
    }
}

/* With as many blocks as bytes, no hole is worth a question. */
static bool is_small(const struct stat *st)
{
    return st->st_size <= SMALL && st->st_blocks * 512 >= st->st_size;
}

/* The clone is hashed, not the source: the hash is of what was kept even if the source moves on. */
static bool clone_whole(int in_fd, int out_fd)
{
    int flags = fcntl(out_fd, F_GETFL);

    return flags >= 0 && (flags & O_ACCMODE) == O_RDWR && ioctl(out_fd, FICLONE, in_fd) == 0;
}

static int hash_whole(struct copy *copy, bool small, uint8_t sha256[SHA256_SIZE])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    int error;

    if (!EVP_DigestInit_ex(copy->digest, EVP_sha256(), NULL))
        return -EIO;
    error = small ? copy_data(copy, INT64_MAX) : copy_segments(copy);
    if (!error && !EVP_DigestFinal_ex(copy->digest, digest, NULL))
        error = -EIO;
    if (!error)
        memcpy(sha256, digest, SHA256_SIZE);
    return error;
}

int io_copy_hash(int in_fd, int out_fd, uint8_t sha256[SHA256_SIZE])
{
    struct copy copy = {.in_fd = in_fd, .out_fd = out_fd, .room = COPY_BUFFER};
    struct stat st;
    bool small;
    int error = -ENOMEM;

    if (fstat(in_fd, &st) < 0)
        return -errno;
    small = is_small(&st);
    if (small)
        copy.room = SMALL;
    else if (out_fd >= 0 && clone_whole(in_fd, out_fd)) {
        copy.in_fd = out_fd;
        copy.out_fd = -1;
    }
    copy.buffer = malloc(copy.room);
    copy.digest = io_can_hash() ? EVP_MD_CTX_new() : NULL;
    if (!small)
        posix_fadvise(copy.in_fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (copy.buffer && copy.digest)
        error = hash_whole(&copy, small, sha256);
    EVP_MD_CTX_free(copy.digest);
    free(copy.buffer);
    return error;
}
