/*
 * image.h - looking into an initramfs image, and into an EFI program. Probe only; hostile until
 * parsed.
 */
#ifndef BACKSTOP_AGENT_IMAGE_H
#define BACKSTOP_AGENT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whether an initramfs image holds a file. An image is any number of uncompressed cpio archives
 * (microcode) with zeros between, and then one that may be compressed (kernel's
 * Documentation/driver-api/early-userspace/buffer-format.rst). 1, 0, or -EBADMSG for no such image.
 */
int image_holds(const uint8_t *image, size_t size, const char *path);
/* The same of an open file. 1, 0 or -errno. */
int image_file_holds(int fd, const char *path);

/* Asked for each name in an image, without a slash or "./" before it; true: that is enough. */
typedef bool image_visitor(const char *name, void *user);
/* 1: a visitor had enough; 0: all names were given; -EBADMSG, or -errno of an open file. */
int image_each(const uint8_t *image, size_t size, image_visitor *visit, void *user);
int image_file_each(int fd, image_visitor *visit, void *user);

/* True if a PE image carries a signature (its certificate table is not empty). */
bool image_is_signed(const uint8_t *image, size_t size);

#endif
