/* sign.c - see sign.h */
#include "sign.h"

#include <string.h>

/* FNV-1a */
uint64_t sign_mix(uint64_t sign, const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < size; i++)
        sign = (sign ^ p[i]) * UINT64_C(1099511628211);
    return sign;
}

/* splitmix64's finish: each bit of what goes in moves half of those that come out */
uint64_t sign_end(uint64_t sign)
{
    sign = (sign ^ (sign >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    sign = (sign ^ (sign >> 27)) * UINT64_C(0x94d049bb133111eb);
    return sign ^ (sign >> 31);
}

uint64_t sign_bytes(const struct version *version)
{
    mode_t type = version->st.st_mode & S_IFMT;
    uint64_t sign = sign_mix(SIGN_START, &type, sizeof type);
    return sign_mix(sign, version->bytes, version->bytes ? version->size : 0);
}

static uint64_t sign_attributes(const struct version *version, time_t since)
{
    const struct stat *st = &version->st;
    uint64_t sign = sign_mix(SIGN_START, &st->st_mode, sizeof st->st_mode), xattrs = 0;
    sign = sign_mix(sign, &st->st_uid, sizeof st->st_uid);
    sign = sign_mix(sign, &st->st_gid, sizeof st->st_gid);
    if (st->st_mtim.tv_sec < since)
        sign = sign_mix(sign, &st->st_mtim, sizeof st->st_mtim);
    for (size_t i = 0; i < version->xattr_count; i++) {
        const struct xattr *xattr = &version->xattr_list[i];
        uint64_t one = sign_mix(SIGN_START, xattr->name, strlen(xattr->name) + 1);
        xattrs += sign_end(sign_mix(one, xattr->value, xattr->size));
    }
    return sign_end(sign_mix(sign, &xattrs, sizeof xattrs));
}

void sign_versions(struct recording *recording, time_t since)
{
    for (size_t i = 0; i < recording->node_count; i++)
        for (size_t k = 0; k < recording->nodes[i].count; k++) {
            struct version *version = &recording->nodes[i].versions[k];
            version->bytes_sign = sign_bytes(version);
            version->attributes_sign = sign_attributes(version, since);
        }
}
