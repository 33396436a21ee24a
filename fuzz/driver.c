/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * driver.c - run a harness without libFuzzer
 *
 *     fuzz_NAME [--runs N] [--seed S] [FILE...]      files, or seeds and N mutations
 *     fuzz_NAME --write-seeds DIR                    a corpus for libFuzzer to begin with
 *
 * The inputs run in a child, on memory shared with the parent, so that the one
 * that kills it is still there to be written down, whichever way it died.
 */
#include "fuzz.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS 20000
#define STUCK_SECONDS 60                /* for a block of inputs; a second would be long */
#define BLOCK 500

static struct shared {
	uint64_t run;
	size_t size;
	uint8_t input[FUZZ_INPUT_MAX];
} *now;

static uint64_t random_state;

static uint64_t next_random(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;       /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static size_t below(size_t n)
{
	return n ? next_random() % n : 0;
}

/* The harness gets a block of just this size, so that a sanitizer sees a byte too far. */
static void run_one(void)
{
	uint8_t *copy = malloc(now->size ? now->size : 1);

	if (!copy) {
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	memcpy(copy, now->input, now->size);
	LLVMFuzzerTestOneInput(copy, now->size);
	free(copy);
}

/* ---- mutations ---- */

static void cut_out(size_t at, size_t length)
{
	memmove(now->input + at, now->input + at + length, now->size - at - length);
	now->size -= length;
}

static void repeat(size_t at, size_t length)
{
	if (length > FUZZ_INPUT_MAX - now->size)
		length = FUZZ_INPUT_MAX - now->size;
	memmove(now->input + at + length, now->input + at, now->size - at);
	now->size += length;
}

static void put_number(size_t at)
{
	static const uint64_t edges[] = { 0, 1, 2, 63, 64, 127, 128, 255, 256, 4095, 4096, 65535,
		65536, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_MAX - 4095,
		UINT64_C(0x100000000000), UINT64_C(0x500000000000) };
	uint64_t value = edges[below(sizeof(edges) / sizeof(edges[0]))] + below(3) - 1;
	size_t bytes = (size_t)1 << below(4);

	at &= ~(bytes - 1);
	if (at + bytes <= now->size)
		memcpy(now->input + at, &value, bytes);
}

static void splice(unsigned seeds)
{
	static uint8_t other[FUZZ_INPUT_MAX];
	size_t size = fuzz_seed((unsigned)below(seeds), other);
	size_t from = below(size), to = below(now->size + 1), length = below(size - from) + 1;

	if (length > FUZZ_INPUT_MAX - to)
		length = FUZZ_INPUT_MAX - to;
	memcpy(now->input + to, other + from, length);
	if (now->size < to + length)
		now->size = to + length;
}

static void mutate(unsigned seeds)
{
	size_t at = below(now->size), left = now->size - at;

	if (now->size == 0) {
		splice(seeds);
		return;
	}
	switch (below(8)) {
	case 0:
		now->input[at] ^= (uint8_t)(1u << below(8));
		break;
	case 1:
		now->input[at] = (uint8_t)next_random();
		break;
	case 2:
		cut_out(at, below(left < 16 ? left : 16) + 1);
		break;
	case 3:
		repeat(at, below(left < 16 ? left : 16) + 1);
		break;
	case 4:
		put_number(at);
		break;
	case 5:
		splice(seeds);
		break;
	case 6:
		now->input[at]++;
		break;
	default:
		now->size = below(4) ? now->size : at;  /* a truncation, not too often */
		break;
	}
}

static void random_bytes(void)
{
	now->size = below(600);
	for (size_t i = 0; i < now->size; i++)
		now->input[i] = (uint8_t)next_random();
}

static void run_all(uint64_t runs)
{
	unsigned seeds = 0;

	while ((now->size = fuzz_seed(seeds, now->input)) != 0) {
		run_one();
		seeds++;
	}
	now->size = 0;
	run_one();
	for (now->run = 0; now->run < runs; now->run++) {
		if (now->run % BLOCK == 0)
			alarm(STUCK_SECONDS);
		if (seeds == 0 || below(16) == 0) {
			random_bytes();
		} else {
			now->size = fuzz_seed((unsigned)below(seeds), now->input);
			for (size_t n = below(6) + 1; n; n--)
				mutate(seeds);
		}
		run_one();
	}
}

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 2;
	}
	now->size = fread(now->input, 1, FUZZ_INPUT_MAX, file);
	fclose(file);
	run_one();
	return 0;
}

/* ---- the parent ---- */

static int save(const char *path)
{
	FILE *file = fopen(path, "wb");
	bool good = file && fwrite(now->input, 1, now->size, file) == now->size;

	if (!file || fclose(file) != 0 || !good) {
		fprintf(stderr, "%s: cannot be written: %s\n", path, strerror(errno));
		return 2;
	}
	return 0;
}

static int write_seeds(const char *directory)
{
	char path[4096];
	int status = 0;

	for (unsigned n = 0; status == 0; n++) {
		now->size = fuzz_seed(n, now->input);
		if (now->size == 0)
			break;
		snprintf(path, sizeof(path), "%s/seed-%u", directory, n);
		status = save(path);
	}
	return status;
}

static int watch(pid_t child, const char *program, uint64_t seed)
{
	const char *name = strrchr(program, '/');
	char path[256];
	int status;

	if (waitpid(child, &status, 0) < 0)
		return 2;
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2))
		return WEXITSTATUS(status);
	snprintf(path, sizeof(path), "%s.crash", name ? name + 1 : program);
	fprintf(stderr, "%s: %s at run %" PRIu64 " of --seed %" PRIu64 "; the input is in %s\n",
	        program, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "ended",
	        now->run, seed, path);
	save(path);
	return 1;
}

static int usage(const char *program)
{
	fprintf(stderr, "usage: %s [--runs N] [--seed S] [FILE...]\n"
	        "       %s --write-seeds DIR\n", program, program);
	return 2;
}

int main(int argc, char **argv)
{
	uint64_t runs = RUNS, seed = 1;
	int i, status = 0;
	pid_t child;

	now = mmap(NULL, sizeof(*now), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (now == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (strcmp(argv[i], "--runs") == 0)
			runs = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--write-seeds") == 0)
			return write_seeds(argv[i + 1]);
		else
			return usage(argv[0]);
	}
	if (i < argc && argv[i][0] == '-')
		return usage(argv[0]);
	child = fork();
	if (child < 0) {
		perror("fork");
		return 2;
	}
	if (child > 0)
		return watch(child, argv[0], seed);
	random_state = seed;
	if (i == argc)
		run_all(runs);
	for (; i < argc && status == 0; i++)
		status = run_file(argv[i]);
	return status;
}
