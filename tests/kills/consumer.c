/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * consumer - a reader or publisher under the kill harness
 *
 * consumer publish SEED            publish a field, wait, unpublish it
 * consumer leave SEED              publish a field, and end; leaveone: for one reader
 * consumer KIND SEED HANDLE        KIND: see kinds[] at the end
 *
 * Each page of a field is looked at by itself and counted in shared memory: it is right, or it
 * reads as zeros, or as something else, or SIGBUS is what comes of it. A SIGBUS that the kernel
 * or rmmapd sends to the process, and not the access, ends it as it would without a handler.
 */
#include <rmmap.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "field.h"

static struct control *control;
static struct result *result;
static uint64_t seed;
static const char *handle;
static sigjmp_buf *volatile looking;

static void enter(enum phase phase)
{
	atomic_store(&result->phase, phase);
}

static void consumer_wait(atomic_uint *until, unsigned value)
{
	while (atomic_load(until) != value)
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
}

/* errno and its words to the harness; there is nothing to look at then. */
static int refused(void)
{
	result->refused = errno ? errno : EINVAL;
	snprintf(result->why, sizeof(result->why), "%s", rmmap_error());
	return 4;
}

/* ---- pages ---- */

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	bool access = info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR ||
	              info->si_code == BUS_OBJERR;

	(void)context;
	if (access && looking)
		siglongjmp(*looking, 1);
	signal(number, SIG_DFL);
	raise(number);
}

static void count_bad(uint64_t page, uint64_t word, bool zeros)
{
	if (!result->zeros && !result->wrong) {
		result->bad_page = page;
		result->bad_word = word;
	}
	if (zeros)
		result->zeros++;
	else
		result->wrong++;
}

static void look(const uint64_t *field, uint64_t page)
{
	const uint64_t *words = field + page * FIELD_WORDS;
	uint64_t wrong = 0, zeros = 0, first = 0;
	sigjmp_buf here;

	/* another one's turn: see control.h */
	while (atomic_load(&control->gate))
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	if (sigsetjmp(here, 1)) {
		looking = NULL;
		result->sigbus++;
		return;
	}
	looking = &here;
	for (uint64_t i = 0; i < FIELD_WORDS; i++) {
		if (words[i] == field_word(seed, page * FIELD_WORDS + i))
			continue;
		first = wrong++ ? first : i;
		zeros += words[i] == 0;
	}
	looking = NULL;
	if (wrong)
		count_bad(page, first, zeros == FIELD_WORDS);
	else
		result->right++;
}

/* An odd step meets each page once, out of order. */
static void look_at(const uint64_t *field, uint64_t from, uint64_t to)
{
	uint64_t step = field_word(77, seed) | 1;

	enter(WALKING);
	for (uint64_t i = from; i < to; i++)
		look(field, (i * step + seed * 1000) % FIELD_PAGES);
}

static void look_up(const uint64_t *field)
{
	enter(WALKING);
	for (uint64_t i = 0; i < FIELD_PAGES; i++)
		look(field, i);
}

/* ---- what consumers do ---- */

static const uint64_t *attach(unsigned flags)
{
	struct rmmap_attach_options options = RMMAP_ATTACH_OPTIONS_INIT;
	const uint64_t *field;

	options.flags = flags;
	enter(ATTACHING);
	field = rmmap_attach_with(handle, &options);
	if (field)
		enter(ATTACHED);
	return field;
}

static int detach(const uint64_t *field)
{
	int ret;

	enter(DETACHING);
	ret = rmmap_detach(field);
	if (ret)
		return refused();
	enter(DONE);
	return 0;
}

static int attach_and_walk(unsigned flags)
{
	const uint64_t *field = attach(flags);

	if (!field)
		return refused();
	look_at(field, 0, FIELD_PAGES);
	return detach(field);
}

static int lazy(void) { return attach_and_walk(RMMAP_LAZY); }
static int eager(void) { return attach_and_walk(RMMAP_EAGER); }
static int local(void) { return attach_and_walk(0); }

static int up(void)
{
	const uint64_t *field = attach(RMMAP_LAZY);

	if (!field)
		return refused();
	look_up(field);
	return detach(field);
}

/* Parent and child look at all of it; the child's pages are counted by themselves. */
static int forked(void)
{
	const uint64_t *field = attach(RMMAP_LAZY);
	int status = 0;
	pid_t child;

	if (!field)
		return refused();
	look_at(field, 0, FIELD_PAGES / 8);
	enter(FORKING);
	child = fork();
	if (child == 0) {
		result = &control->results[1];
		look_at(field, 0, FIELD_PAGES);
		enter(DONE);
		_exit(0);
	}
	look_at(field, FIELD_PAGES / 8, FIELD_PAGES);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child < 0)
		return refused();
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGBUS)
		return 5;
	return detach(field);
}

static int prefetch(void)
{
	const uint64_t *field = attach(RMMAP_LAZY);

	if (!field)
		return refused();
	enter(PREFETCHING);
	/* advice: a refusal changes nothing of what is read */
	rmmap_prefetch(field, FIELD_PAGES / 2 * FIELD_PAGE);
	look_at(field, 0, FIELD_PAGES / 4);
	rmmap_prefetch(field, FIELD_PAGES * FIELD_PAGE);
	look_at(field, FIELD_PAGES / 4, FIELD_PAGES);
	return detach(field);
}

static int publish(const void *root)
{
	enter(PUBLISHING);
	if (rmmap_publish(root, control->handle, sizeof(control->handle)))
		return refused();
	enter(PUBLISHED);
	consumer_wait(&control->go, 2);
	enter(PUBLISHING);
	return rmmap_unpublish(control->handle) ? refused() : 0;
}

/* Hand on what is attached, of which only a part is here. */
static int handing(void)
{
	const uint64_t *field = attach(RMMAP_LAZY);
	int ret;

	if (!field)
		return refused();
	look_at(field, 0, 3);
	ret = publish(field);
	if (ret)
		return ret;
	look_at(field, 3, FIELD_PAGES);
	return detach(field);
}

/* Detached with most of it absent, attached again. */
static int detaching(void)
{
	const uint64_t *field = attach(RMMAP_LAZY);

	if (!field)
		return refused();
	look_at(field, 0, FIELD_PAGES / 16);
	if (detach(field))
		return 4;
	return lazy();
}

static uint64_t *build(void)
{
	uint64_t *field = aligned_alloc(FIELD_PAGE, FIELD_PAGES * FIELD_PAGE);

	for (uint64_t i = 0; field && i < FIELD_PAGES * FIELD_WORDS; i++)
		field[i] = field_word(seed, i);
	return field;
}

static int publisher(void)
{
	uint64_t *field = build();
	int ret = field ? publish(field) : refused();

	if (!ret)
		enter(DONE);
	return ret;
}

/* Publish, and end: rmmapd has it. */
static int leave(unsigned readers)
{
	struct rmmap_publish_options options = RMMAP_PUBLISH_OPTIONS_INIT;
	uint64_t *field = build();

	options.readers = readers;
	enter(PUBLISHING);
	if (!field || rmmap_publish_with(field, &options, control->handle, sizeof(control->handle)))
		return refused();
	enter(DONE);
	return 0;
}

static int leaving(void) { return leave(0); }
static int leaving_one(void) { return leave(1); }

/* Of what is for one reader: whoever is asked for it twice is that one still, another is not. */
static int only_reader(unsigned flags)
{
	int ret = attach_and_walk(flags);

	if (ret)
		return ret;
	return attach(flags) ? 6 : 0;
}

static int only(void) { return only_reader(RMMAP_LAZY); }
static int onlyhere(void) { return only_reader(0); }

static int drop(void)
{
	rmmap_unpublish(handle);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} kinds[] = {
	{ "lazy", lazy }, { "up", up }, { "eager", eager }, { "local", local },
	{ "forked", forked }, { "prefetch", prefetch }, { "handing", handing },
	{ "detaching", detaching }, { "publish", publisher }, { "leave", leaving },
	{ "leaveone", leaving_one }, { "only", only }, { "onlyhere", onlyhere }, { "drop", drop },
};

static struct control *map_control(void)
{
	const char *path = getenv("KILLS_CONTROL");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = MAP_FAILED;

	if (fd >= 0)
		map = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	return map == MAP_FAILED ? NULL : map;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	control = map_control();
	if (argc < 3 || !control) {
		fputs("consumer: the kill harness runs it\n", stderr);
		return 2;
	}
	result = &control->results[0];
	seed = strtoull(argv[2], NULL, 10);
	handle = argc > 3 ? argv[3] : NULL;
	sigaction(SIGBUS, &action, NULL);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(argv[1], kinds[i].name) == 0)
			return kinds[i].run();
	return 2;
}
