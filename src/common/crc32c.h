/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crc32c.h - CRC-32C, by the processor's own instruction where it has one
 *
 * Pure. crc is 0 to begin with, then what the call before returned.
 */
#ifndef RM_CRC32C_H
#define RM_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t rm_crc32c(uint32_t crc, const void *data, size_t length);

#endif
