/*
 * every_change.h - a tree in which every kind of change happens: as it was when it was good, and
 * the faulty update on it.
 */
#ifndef BACKSTOP_TESTS_EVERY_CHANGE_H
#define BACKSTOP_TESTS_EVERY_CHANGE_H

#include "plant.h"

/* The set that /opt/acme is; what it must never touch is in it. */
static inline void every_change_set(const char *root)
{
    plant_dirs(root, "/etc/backstop/sets.d");
    plant_dirs(root, "/opt/acme");
    plant_file(root, "/etc/backstop/sets.d/acme.conf",
               "[set]\nclass=content\npath=/opt/acme/**\nnever=/opt/acme/identity\n"
               "never=/opt/acme/mixed/identity\ndriver=acme-sensor\n",
               0644);
}

static inline void every_change_good(const char *root)
{
    every_change_set(root);
    plant_file(root, "/etc/backstop/sets.d/kmod.conf",
               "[set]\nclass=driver\npath=/opt/kmod/**\ndriver=acme_kmod\n", 0644);
    plant_dirs(root, "/opt/acme/sub");
    plant_dirs(root, "/opt/acme/dir-to-file/below");
    plant_dirs(root, "/opt/acme/dir-to-link");
    plant_dirs(root, "/opt/acme/owned");
    plant_dirs(root, "/opt/kmod");
    plant_file(root, "/opt/acme/altered", "version 290\n", 0640);
    plant_owner(root, "/opt/acme/altered", 12, 34);
    plant_note(root, "/opt/acme/altered", "good");
    plant_file(root, "/opt/acme/listed", "with an ACL\n", 0640);
    plant_acl(root, "/opt/acme/listed", 12);
    plant_file(root, "/opt/acme/gone", "was here\n", 0600);
    plant_file(root, "/opt/acme/sub/gone", "was deeper\n", 0444);
    plant_mode(root, "/opt/acme/sub", 0750);
    plant_owner(root, "/opt/acme/sub", 1, 2);
    plant_link(root, "/opt/acme/link", "altered");
    plant_file(root, "/opt/acme/file-to-dir", "a file\n", 0644);
    plant_file(root, "/opt/acme/file-to-link", "a file too\n", 0644);
    plant_file(root, "/opt/acme/dir-to-file/below/x", "x\n", 0644);
    plant_file(root, "/opt/acme/dir-to-link/y", "y\n", 0644);
    plant_link(root, "/opt/acme/link-to-file", "nowhere");
    plant_file(root, "/opt/acme/hard-a", "both altered\n", 0644);
    plant_hard_link(root, "/opt/acme/hard-a", "/opt/acme/hard-b");
    plant_file(root, "/opt/acme/hard-c", "one altered\n", 0644);
    plant_hard_link(root, "/opt/acme/hard-c", "/opt/acme/hard-d");
    plant_file(root, "/opt/acme/mode", "same bytes\n", 04755);
    plant_file(root, "/opt/acme/owned/z", "z\n", 0644);
    plant_mode(root, "/opt/acme/owned", 0711);
    plant_note(root, "/opt/acme/owned", "good");
    plant_file(root, "/opt/acme/identity", "sensor 1\n", 0600);
    plant_sparse(root, "/opt/acme/sparse", 'a');
    plant_file(root, "/opt/acme/same", "same\n", 0644);
    plant_file(root, "/opt/kmod/acme.ko", "driver 1\n", 0644);
    plant_time(root, "/opt/acme/sub", PLANT_TIME - 5);
}

static inline void every_change_faulty(const char *root)
{
    plant_file(root, "/opt/acme/altered", "version 291\n", 0600);
    plant_owner(root, "/opt/acme/altered", 99, 99);
    plant_note(root, "/opt/acme/altered", "bad");
    plant_acl(root, "/opt/acme/listed", 13);
    plant_remove(root, "/opt/acme/gone");
    plant_remove(root, "/opt/acme/sub");
    plant_link(root, "/opt/acme/link", "elsewhere");
    plant_remove(root, "/opt/acme/file-to-dir");
    plant_dirs(root, "/opt/acme/file-to-dir/deep");
    plant_file(root, "/opt/acme/file-to-dir/deep/f", "f\n", 0644);
    plant_link(root, "/opt/acme/file-to-link", "same");
    plant_remove(root, "/opt/acme/dir-to-file");
    plant_file(root, "/opt/acme/dir-to-file", "no directory\n", 0644);
    plant_remove(root, "/opt/acme/dir-to-link");
    plant_link(root, "/opt/acme/dir-to-link", "owned");
    plant_file(root, "/opt/acme/link-to-file", "no link\n", 0644);
    plant_file(root, "/opt/acme/hard-a", "new a\n", 0644);
    plant_file(root, "/opt/acme/hard-b", "new b\n", 0644);
    plant_file(root, "/opt/acme/hard-c", "new c\n", 0644);
    plant_mode(root, "/opt/acme/mode", 0600);
    plant_mode(root, "/opt/acme/owned", 0700);
    plant_note(root, "/opt/acme/owned", "bad");
    plant_file(root, "/opt/acme/identity", "sensor 2\n", 0600);
    plant_sparse(root, "/opt/acme/sparse", 'b');
    plant_file(root, "/opt/acme/new", "new\n", 0644);
    plant_dirs(root, "/opt/acme/new-tree/below");
    plant_file(root, "/opt/acme/new-tree/a", "a\n", 0644);
    plant_file(root, "/opt/acme/new-tree/below/b", "b\n", 0644);
    plant_dirs(root, "/opt/acme/mixed");
    plant_file(root, "/opt/acme/mixed/identity", "mine\n", 0644);
    plant_file(root, "/opt/acme/mixed/c", "c\n", 0644);
    plant_file(root, "/opt/kmod/acme.ko", "driver 2\n", 0644);
}

#endif
