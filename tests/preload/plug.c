/* SPDX-License-Identifier: BSD-2-Clause */
/* plug - a library to be opened and closed: it allocates when it comes and frees when it goes */
#include <stdlib.h>
#include <string.h>

int plug_work(int n);

static char *block;
static __thread char *mine;
static __thread char large[5000];

static void __attribute__((constructor)) come(void)
{
	block = calloc(1, 300000);
}

static void __attribute__((destructor)) go(void)
{
	free(block);
	free(mine);
}

__attribute__((visibility("default"))) int plug_work(int n)
{
	free(mine);
	mine = malloc((size_t)n + 1);
	if (!mine || !block)
		return -1;
	memset(mine, n, (size_t)n + 1);
	memset(large, n, sizeof(large));
	memset(block, n, 300000);
	return large[4999] == mine[n] ? n + 1 : -1;
}
