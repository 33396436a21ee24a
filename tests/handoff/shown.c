/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shown - of a layer another host gets the pages that the publication shows, and no others; and
 * who hands on several publications that show different pages of one layer loses none of them,
 * in whichever order they come, and though its rmmapd's worker is killed
 */
#include <signal.h>
#include <unistd.h>

#include "crafted.h"

#define PAGES 4096u
#define CUT_FROM 1400u                  /* the first one shows what is below CUT_TO, */
#define CUT_TO 2600u                    /* the second one what is above CUT_FROM */
#define SLACK 40u                       /* pages of a heap of a few blocks */

static const struct crafted crafted = { PAGES, 10 };
static char home[256];

static uint64_t counter(size_t at)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };

	CHECK(rmmap_stats(&stats) == 0);
	return *(uint64_t *)((char *)&stats + at);
}
#define COUNTER(name) counter(offsetof(struct rmmap_stats, name))

static void all_right(uint64_t from, uint64_t to)
{
	for (uint64_t page = from; page < to; page++)
		CHECK(crafted_right(&crafted, page));
}

static void *attach(const char *handle)
{
	void *root = rmmap_attach(handle);

	if (!root)
		fprintf(stderr, "%s\n", rmmap_error());
	CHECK(root);
	return root;
}

/* "FROM TO HANDLE" */
static int see_mode(const char *argument)
{
	char handle[RMMAP_HANDLE_MAX];
	unsigned from, to;

	CHECK(sscanf(argument, "%u %u %511s", &from, &to, handle) == 3);
	attach(handle);
	all_right(from, to);
	CHECK(COUNTER(fetched_pages) <= to - from + SLACK);
	return 0;
}

/* HANDLE or two: publish what came with a block of one's own; its handle. */
static int on_mode(const char *argument)
{
	char handles[2][RMMAP_HANDLE_MAX], handle[RMMAP_HANDLE_MAX];
	int count = sscanf(argument, "%511s %511s", handles[0], handles[1]);
	void **own = malloc(100);

	CHECK(count > 0 && own);
	for (int i = 0; i < count; i++)
		*own = attach(handles[i]);
	if (rmmap_publish(own, handle, sizeof(handle)))
		fprintf(stderr, "%s\n", rmmap_error());
	else
		printf("%s", handle);
	CHECK(COUNTER(copied_bytes) < SLACK * 4096);
	return 0;
}

static void run_at(const char *dir, const char *mode, const char *argument, char *out)
{
	char text[RMMAP_HANDLE_MAX];

	setenv("RMMAP_RUNDIR", dir, 1);
	CHECK(run_self(mode, argument, out ? out : text, RMMAP_HANDLE_MAX) == 0);
	setenv("RMMAP_RUNDIR", home, 1);
}

static void see(const char *dir, unsigned from, unsigned to, const char *handle)
{
	char argument[RMMAP_HANDLE_MAX + 32];

	snprintf(argument, sizeof(argument), "%u %u %s", from, to, handle);
	run_at(dir, "see", argument, NULL);
}

static void kill_worker(const char *dir)
{
	pid_t children[4];

	setenv("RMMAP_RUNDIR", dir, 1);
	CHECK(daemon_children(daemon_pid(), children, 4) == 1);
	CHECK(kill(children[0], SIGKILL) == 0);
	while (!process_gone(children[0]))
		usleep(1000);
	setenv("RMMAP_RUNDIR", home, 1);
}

/* The middle hands on first the one, or first the other; all see the same, here and there. */
static void in_turn(const char *fetch, bool second_first)
{
	const char *middle = other_rundir(), *last = third_rundir();
	char first[RMMAP_HANDLE_MAX], second[RMMAP_HANDLE_MAX], both[2 * RMMAP_HANDLE_MAX];
	char on_first[RMMAP_HANDLE_MAX], on_second[RMMAP_HANDLE_MAX], on_both[RMMAP_HANDLE_MAX];

	setenv("RMMAP_FETCH", fetch, 1);
	crafted_publish(0, CUT_TO, NO_PAGE, first);
	crafted_publish(CUT_FROM, PAGES, NO_PAGE, second);
	snprintf(both, sizeof(both), "%s %s", second, first);
	if (second_first)
		run_at(middle, "on", second, on_second);
	run_at(middle, "on", first, on_first);
	if (!second_first)
		run_at(middle, "on", second, on_second);
	run_at(middle, "on", both, on_both);
	CHECK(rmmap_unpublish(first) == 0 && rmmap_unpublish(second) == 0);
	for (int round = 0; round < 2; round++) {
		const char *dirs[] = { middle, last };

		for (int i = 0; i < 2; i++) {
			see(dirs[i], 0, CUT_TO, on_first);
			see(dirs[i], CUT_FROM, PAGES, on_second);
			see(dirs[i], 0, PAGES, on_both);
		}
		kill_worker(middle);
	}
}

/* HANDLE: have it attached until this process is killed. */
static int hold_mode(const char *handle)
{
	attach(handle);
	printf("attached");
	fflush(stdout);
	pause();
	return 1;
}

/*
 * What was handed on needs nobody any more: not the origin, which is gone, though another
 * process here has another publication's pages of the same layer still to come.
 */
static void origin_gone(void)
{
	char first[RMMAP_HANDLE_MAX], second[RMMAP_HANDLE_MAX], once[RMMAP_HANDLE_MAX];
	char twice[RMMAP_HANDLE_MAX], said[sizeof("attached")] = "";
	const char *middle = other_rundir();
	pid_t children[4], holder, daemon = daemon_pid();
	int out;

	setenv("RMMAP_FETCH", "auto", 1);
	crafted_publish(0, CUT_TO, NO_PAGE, first);
	crafted_publish(CUT_FROM, PAGES, NO_PAGE, second);
	run_at(middle, "on", first, once);
	setenv("RMMAP_RUNDIR", middle, 1);
	holder = start_self("hold", second, &out);
	setenv("RMMAP_RUNDIR", home, 1);
	CHECK(read(out, said, sizeof(said) - 1) == sizeof(said) - 1);
	CHECK(daemon_children(daemon, children, 4) == 1);
	CHECK(kill(daemon, SIGKILL) == 0 && kill(children[0], SIGKILL) == 0);
	run_at(middle, "on", once, twice);
	see(middle, 0, CUT_TO, twice);
	kill(holder, SIGKILL);
	close(out);
}

/* The layers belong to this process and go with it. */
static int layers_mode(void)
{
	snprintf(home, sizeof(home), "%s", getenv("RMMAP_RUNDIR"));
	crafted_make(&crafted);
	in_turn("eager", false);
	in_turn("eager", true);
	in_turn("auto", true);
	origin_gone();
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char handle[RMMAP_HANDLE_MAX], out[64];

	if (mode && strcmp(mode, "see") == 0)
		return see_mode(argv[2]);
	if (mode && strcmp(mode, "on") == 0)
		return on_mode(argv[2]);
	if (mode && strcmp(mode, "hold") == 0)
		return hold_mode(argv[2]);
	if (mode && strcmp(mode, "layers") == 0)
		return layers_mode();
	setenv("RMMAP_SLOT", "3", 1);           /* not where the crafted ones are */
	CHECK(rmmap_publish(malloc(100), handle, sizeof(handle)) == 0); /* starts rmmapd */
	CHECK(run_self("layers", "", out, sizeof(out)) == 0);
	return 0;
}
