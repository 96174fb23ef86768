include qemu/image.mk
