/*
 * check.h - what every cmocka program includes first.
 */
#ifndef BACKSTOP_TESTS_CHECK_H
#define BACKSTOP_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

#endif
