/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crc32c.h - CRC-32C (Castagnoli), by the processor's instruction where it has one
 *
 * Handles and saved files use it. Pure: any thread, no allocation.
 */
#ifndef RM_CRC32C_H
#define RM_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continue a checksum over more bytes. crc is 0 at first, then the result of the call before. */
uint32_t rm_crc32c(uint32_t crc, const void *data, size_t length);

#endif
