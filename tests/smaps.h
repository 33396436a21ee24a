/* SPDX-License-Identifier: BSD-2-Clause */
/* smaps.h - what /proc/self/smaps says of huge pages; for tests of any kind */
#ifndef TESTS_SMAPS_H
#define TESTS_SMAPS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * KiB that this process has mapped by huge pages of memory files, in mappings with this word in
 * their name and with these permissions (" rw-p "); "" is any. Ends the process if that cannot be
 * read.
 */
static inline unsigned long smaps_huge_kb(const char *name, const char *permissions)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	unsigned long sum = 0, kb, from, to;
	bool counts = false;
	char text[512];

	if (!smaps) {
		perror("/proc/self/smaps");
		exit(1);
	}
	while (fgets(text, sizeof(text), smaps)) {
		if (sscanf(text, "%lx-%lx ", &from, &to) == 2)
			counts = strstr(text, name) && strstr(text, permissions);
		if (counts && sscanf(text, "ShmemPmdMapped: %lu", &kb) == 1)
			sum += kb;
	}
	fclose(smaps);
	return sum;
}

#endif
