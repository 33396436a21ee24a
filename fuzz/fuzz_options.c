/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_options.c - the environment, RMMAP_FABRIC, numbers, byte counts
 *
 * The first byte chooses the parser; an environment is lines.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "layout.h"
#include "number.h"
#include "options.h"
#include "say.h"

static void check_fabric(const char *text)
{
	struct rm_fabric_spec spec, again;
	char written[160];

	memset(&spec, 0, sizeof(spec));
	memset(&again, 0, sizeof(again));
	if (rm_fabric_spec_parse(text, &spec) != 0) {
		MUST(!spec.off && !spec.provider[0] && !spec.address[0] && !spec.port);
		return;
	}
	MUST(memchr(spec.provider, 0, sizeof(spec.provider)));
	MUST(memchr(spec.address, 0, sizeof(spec.address)));
	MUST(spec.provider[0] || spec.off || !*text);
	/* written out again it says the same */
	rm_format(written, sizeof(written), spec.off ? "off" : "%s%s%s%s:%u", spec.provider,
	          spec.address[0] ? "@[" : "", spec.address, spec.address[0] ? "]" : "", spec.port);
	if (!*text)
		return;
	MUST(rm_fabric_spec_parse(written, &again) == 0);
	MUST(memcmp(&spec, &again, sizeof(spec)) == 0);
}

static void check_numbers(const char *text)
{
	uint64_t n = 7, bytes = 7;
	int number = rm_parse_number(text, 10, 1000000, &n);
	int count = rm_parse_bytes(text, &bytes);

	MUST(number == 0 || number == -EINVAL || number == -ERANGE);
	MUST(number == 0 ? n >= 10 && n <= 1000000 && bytes == n : n == 7);
	MUST(count == 0 || count == -EINVAL || count == -ERANGE);
	MUST(count == 0 || bytes == 7);
}

static void problem(void *arg, const char *name, const char *value, const char *wanted)
{
	(void)arg;
	MUST(strncmp(name, "RMMAP_", 6) == 0 && *value && *wanted);
}

static void check_environment(char *text)
{
	char *environment[65];
	char unknown[100];
	struct rm_options o;
	size_t n = 0;

	for (char *line = strtok(text, "\n"); line && n < 64; line = strtok(NULL, "\n"))
		environment[n++] = line;
	environment[n] = NULL;
	rm_options_read(&o, environment, false, problem, NULL);
	MUST(rm_options_unknown(environment, false, unknown, sizeof(unknown)) <= n);
	MUST(memchr(unknown, 0, sizeof(unknown)) != NULL);
	MUST(o.slot >= -1 && o.slot < (int)RM_WINDOW_SLOTS);
	MUST(o.rank >= -1);
	MUST(o.terms.ttl_ms >= 1000);
	MUST(o.heap <= RM_HEAP_SHARED && o.fetch <= RM_FETCH_EAGER);
	MUST(!o.log || o.log[0] == '/');
	MUST(!o.rundir || o.rundir[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = fuzz_text(data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		check_fabric(text);
		break;
	case 1:
		check_numbers(text);
		break;
	default:
		check_environment(text);
		break;
	}
	free(text);
	return 0;
}

size_t fuzz_seed(unsigned n, uint8_t data[FUZZ_INPUT_MAX])
{
	/* the first character chooses: '0' is 48, so 0 fabric, 1 numbers, 2 environment */
	static const char *const seeds[] = {
		"0off", "0tcp", "0tcp;ofi_rxm@10.0.0.1:4711", "0tcp@[fe80::1%eth0]:65535", "0verbs@ib0",
		"164M", "118446744073709551615", "10", "1100T", "199999",
		"2RMMAP_SLOT=1023\nRMMAP_HEAP=shared\nRMMAP_FETCH=lazy\nRMMAP_TTL=60\nRMMAP_LIMIT=4G",
		"2RMMAP_DAEMON=/x\nRMMAP_RUNDIR=/y\nRMMAP_FABRIC=off\nRMMAP_LOG=/z\nRMMAP_CHECK=1",
		"2RMMAP_SCRUB=1\nRMMAP_STATS=0\nRMMAP_MALLOC_CONF=a:b\nXDG_RUNTIME_DIR=/r\nPMIX_RANK=2",
		"2RMMAP_TTL=none\nSLURM_PROCID=1\nOMPI_COMM_WORLD_RANK=3\nRMMAP_SLOT\nRMMAP_HEAP=\n=",
		"2RMMAP_FETHC=lazy\nRMMAP_\nRMMAP_RUN_DIR=/x",
		"2RMMAP_PREFETCH=off\nRMMAP_PREFETCH=pointer",
	};

	return fuzz_seed_text(seeds, sizeof(seeds) / sizeof(seeds[0]), n, data);
}
