/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handle.h - the printable capability for one publication
 *
 * "rmmap1:" and base64url (RFC 4648 section 5, no padding) of a fixed-layout
 * little-endian record that ends in a CRC-32C over the prefix and all of it.
 * Whoever has a handle may attach the publication: it contains the secret.
 * Pure: any thread, no globals, no allocation, no system call. Decoding is fuzzed.
 */
#ifndef RM_HANDLE_H
#define RM_HANDLE_H

#include <stddef.h>
#include <stdint.h>

#include "crc32c.h"
#include "layout.h"

#define RM_HANDLE_PREFIX "rmmap1:"
#define RM_HANDLE_TEXT_MAX 512          /* NUL included; RMMAP_HANDLE_MAX */
#define RM_PROVIDER_MAX 32              /* NUL included */
#define RM_FABRIC_NAME_MAX 128

/* How other hosts reach the publisher's rmmapd; provider is "" if they cannot. */
struct rm_fabric_addr {
	char provider[RM_PROVIDER_MAX]; /* libfabric's name: "tcp;ofi_rxm" */
	uint32_t protocol;              /* fi_ep_attr.protocol */
	uint32_t protocol_version;      /* fi_ep_attr.protocol_version */
	uint32_t fi_version;            /* fi_version() of its libfabric */
	uint32_t addr_format;           /* fi_info.addr_format */
	uint8_t length;                 /* bytes used of name[] */
	uint8_t name[RM_FABRIC_NAME_MAX]; /* fi_getname() */
};

struct rm_handle {
	uint8_t id[RM_ID_BYTES];
	uint8_t secret[RM_SECRET_BYTES];
	uint8_t host[RM_ID_BYTES];      /* the id in the publisher's run directory */
	struct rm_layout layout;
	struct rm_fabric_addr fabric;
};

/*
 * Write a handle as text with a NUL. 0; -ERANGE if size is too small; -EINVAL if the
 * provider or the address exceeds its bounds.
 */
int rm_handle_encode(const struct rm_handle *handle, char *text, size_t size);

/*
 * Read a handle from a NUL-terminated text; white space after it is ignored.
 *   0        *out is the handle
 *   -EINVAL  not a handle, or damaged; *out is zeroed
 *   -EPROTO  another version of the format ("rmmapN:"), also if damage changed the
 *            digit; *out is zeroed
 *   -EPROTO  undamaged, but its layout differs from this build's; *out is filled in,
 *            so that rm_layout_difference() can describe it (pointer_bytes is not 0)
 */
int rm_handle_decode(const char *text, struct rm_handle *out);

/* The first 8 hex digits of an id, as rmmap list, logs and messages show it. */
void rm_short_id(const uint8_t id[RM_ID_BYTES], char text[9]);

#endif
