/*
 * efibind.h - EFI's basic types for AArch64 (UEFI 2.10, 2.3.1), for gnu-efi's headers.
 *
 * Debian's gnu-efi package for amd64 brings no aarch64 directory; <efi.h> finds this one by -Iefi.
 */
#ifndef BACKSTOP_EFI_AARCH64_EFIBIND_H
#define BACKSTOP_EFI_AARCH64_EFIBIND_H

#include <stdint.h>

typedef uint64_t UINT64;
typedef int64_t INT64;
typedef uint32_t UINT32;
typedef int32_t INT32;
typedef uint16_t UINT16;
typedef int16_t INT16;
typedef uint8_t UINT8;
typedef int8_t INT8;
typedef __WCHAR_TYPE__ WCHAR;
typedef int64_t INTN;
typedef uint64_t UINTN;

#define VOID void
#define VOLATILE volatile
#define EFIAPI /* the procedure call standard of the architecture is that of EFI */
#define BOOTSERVICE
#define RUNTIMESERVICE
#define RUNTIMEFUNCTION
#define EXPORTAPI
#define INTERFACE_DECL(x) struct x

#define EFI_ERROR_MASK 0x8000000000000000
#define EFIERR(a) (EFI_ERROR_MASK | (a))
#define EFIERR_OEM(a) (0xc000000000000000 | (a))

#define EFI_SIGNATURE_16(A, B) ((A) | ((B) << 8))
#define EFI_SIGNATURE_32(A, B, C, D) (EFI_SIGNATURE_16(A, B) | (EFI_SIGNATURE_16(C, D) << 16))
#define EFI_SIGNATURE_64(A, B, C, D, E, F, G, H)                                                   \
    (EFI_SIGNATURE_32(A, B, C, D) | ((UINT64)(EFI_SIGNATURE_32(E, F, G, H)) << 32))

#endif
