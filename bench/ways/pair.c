/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pair - all handovers of a table, way by way in turns: for each a program that has built
 * and one that receives, new ones each time, with a warm connection between them.
 *
 *   pair [OPTION VALUE]...
 *     --ways A,B,...    --kinds list,...    --sizes BYTES,...    --touches full,half,few,runs
 *     --reps N          rounds in which each way has its turn
 *     --net NAME        what the rows are called
 *     --namespaces A,B  --address ADDRESS of A's         two network namespaces
 *     --rundirs A,B     the rmmapd of each side
 *     --seconds N       begin nothing new after so long; the first round may take half as
 *                       much again before cells are left out
 *     --slow N          what took so many seconds is left out at larger sizes
 *
 * Prints a line for each: net, kind, bytes, touch, way, round, seconds until walked, seconds
 * until freed, seconds of a round trip. Lines with # say what was left out, and why. Ends
 * with 1 if anything failed or came out wrong.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../bench.h"
#include "structures.h"

#define LIST_MAX 32
#define DEADLINE_MS 180000

struct words {
	const char *word[LIST_MAX];
	int count;
};

static struct words ways, kinds, sizes, touches, namespaces, rundirs;
static const char *net = "same", *address = "127.0.0.1";
static int reps = 3, failures;
static double seconds = 1e9, slow = 1e9, began;
static char programs[4096];
static int home = -1;

static const char *const kind_names[KINDS] = {
	"list", "list-random", "tree", "hash", "matrix", "graph", "table", "flat", "chase"
};
static const char *const touch_names[TOUCHES] = { "full", "half", "few", "runs" };

static int number_of(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	fprintf(stderr, "pair: there is no %s\n", name);
	exit(2);
}

static void split(struct words *words, char *text)
{
	char *save;

	words->count = 0;
	for (char *word = strtok_r(text, ",", &save); word && words->count < LIST_MAX;
	     word = strtok_r(NULL, ",", &save))
		words->word[words->count++] = word;
}

static void enter(int side)     /* a side's network namespace, or, -1, our own */
{
	char path[256];
	int fd = home;

	if (!namespaces.count)
		return;
	if (side >= 0) {
		snprintf(path, sizeof path, "/run/netns/%s", namespaces.word[side]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		bench_die("cannot enter a network namespace");
	if (fd != home)
		close(fd);
}

static void connect_both(int link[2])
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	socklen_t length = sizeof to;
	const int one = 1;
	int listener;

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		bench_die("--address is not an IPv4 address");
	enter(0);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&to, sizeof to) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&to, &length))
		bench_die("cannot listen");
	enter(1);
	link[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link[1] < 0 || connect(link[1], (struct sockaddr *)&to, sizeof to))
		bench_die("cannot connect");
	enter(-1);
	link[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (link[0] < 0)
		bench_die("nobody connected");
	close(listener);
	for (int i = 0; i < 2; i++)
		setsockopt(link[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static int is_rmmap(const char *way)
{
	return strncmp(way, "rmmap", 5) == 0;
}

/* rmmap-eager, rmmap-lazy, rmmap-noprefetch: how the receiver is told to fetch */
static void configure(const char *way, int side)
{
	const char *how = is_rmmap(way) && way[5] == '-' ? way + 6 : "";

	if (rundirs.count)
		setenv("RMMAP_RUNDIR", rundirs.word[side < rundirs.count ? side : 0], 1);
	if (strcmp(how, "noprefetch") == 0)
		setenv("RMMAP_PREFETCH", "off", 1);
	else if (*how)
		setenv("RMMAP_FETCH", how, 1);
}

static pid_t start(int side, const char *way, const char *kind, const char *bytes, const char *touch,
                   int link, int report)
{
	char k[8], t[8], l[8], r[8], program[4200];
	const pid_t pid = fork();

	if (pid < 0)
		bench_die("fork failed");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter(side);
	configure(way, side);
	snprintf(k, sizeof k, "%d", number_of(kind_names, KINDS, kind));
	snprintf(t, sizeof t, "%d", number_of(touch_names, TOUCHES, touch));
	snprintf(l, sizeof l, "%d", link);
	snprintf(r, sizeof r, "%d", report);
	fcntl(link, F_SETFD, 0);
	fcntl(report, F_SETFD, 0);
	snprintf(program, sizeof program, "%s/.libs/mapped", programs);
	if (!is_rmmap(way) || access(program, X_OK))
		snprintf(program, sizeof program, "%s/%s", programs, is_rmmap(way) ? "mapped" : "plain");
	execl(program, "side", side ? "consume" : "produce", is_rmmap(way) ? "rmmap" : way, k, bytes,
	      t, l, r, namespaces.count ? "0" : "1", (char *)NULL);
	fprintf(stderr, "pair: %s: %s\n", program, strerror(errno));
	_exit(127);
}

struct result {
	double walked, freed, trip;
	unsigned long long sum, wanted;
};

/* 0, or -1 if a side failed or was too slow. */
static int measure(const char *way, const char *kind, const char *bytes, const char *touch,
                   struct result *result)
{
	const int alone = strcmp(way, "fork") == 0;
	int link[2], report[2], status, failed = 0;
	char line[256] = "";
	struct pollfd wait;
	pid_t sides[2] = { -1, -1 };

	connect_both(link);
	if (pipe2(report, O_CLOEXEC))
		bench_die("pipe failed");
	sides[0] = start(0, way, kind, bytes, touch, link[0], report[1]);
	if (!alone)
		sides[1] = start(1, way, kind, bytes, touch, link[1], report[1]);
	close(link[0]);
	close(link[1]);
	close(report[1]);
	wait = (struct pollfd){ .fd = report[0], .events = POLLIN };
	if (poll(&wait, 1, DEADLINE_MS) <= 0 || read(report[0], line, sizeof line - 1) <= 0 ||
	    sscanf(line, "%lf %lf %lf %llu %llu", &result->walked, &result->freed, &result->trip,
	           &result->sum, &result->wanted) != 5) {
		failed = -1;
		for (int i = 0; i < 2 - alone; i++)
			kill(sides[i], SIGKILL);
	}
	close(report[0]);
	for (int i = 0; i < 2 - alone; i++)
		if (waitpid(sides[i], &status, 0) != sides[i] || status)
			failed = -1;
	return failed;
}

static unsigned long long available(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib << 10;
}

/* Why this one is not measured at all, or NULL. last: how long it took at a smaller size. */
static const char *reason(const char *way, const char *bytes, double last)
{
	const unsigned long long size = strtoull(bytes, NULL, 10);

	if (namespaces.count && (strcmp(way, "fork") == 0 || strcmp(way, "shm") == 0))
		return "one host only";
	if (strcmp(way, "redis") == 0 && size > (256ull << 20))
		return "a value of Redis has at most 512 MiB";
	if (strcmp(way, "redis") == 0 && !getenv("WAYS_REDIS"))
		return "no redis-server";
	if (available() < size * (strcmp(way, "redis") == 0 ? 8 : 4) + (256ull << 20))
		return "not enough memory is left";
	if (last > slow)
		return "too slow at a smaller size";
	if (bench_now() - began > seconds * 1.5)
		return "no time is left";
	return NULL;
}

struct cell {
	const char *not[LIST_MAX];      /* for each way: why it is not measured */
	unsigned long long sum;
	int any;                        /* there is a sum */
};

/* One way's turn; last is how long its last one took, here or at a smaller size. */
static void turn(struct cell *cell, int w, int rep, const char *kind, const char *bytes,
                 const char *touch, double *last)
{
	const double before = bench_now();
	struct result result;
	int wrong = measure(ways.word[w], kind, bytes, touch, &result);

	*last = bench_now() - before;
	if (!wrong && (result.sum != result.wanted || (cell->any && result.sum != cell->sum)))
		wrong = 1;
	if (wrong) {
		printf("# %s\t%s\t%s\t%s\t%s\t%s\n", wrong < 0 ? "failed" : "wrong sum", net, kind, bytes,
		       touch, ways.word[w]);
		failures++;
		cell->not[w] = "failed";
		return;
	}
	cell->sum = result.sum;
	cell->any = 1;
	printf("%s\t%s\t%s\t%s\t%s\t%d\t%.9f\t%.9f\t%.9f\n", net, kind, bytes, touch, ways.word[w],
	       rep, result.walked, result.freed, result.trip);
}

static void turns(struct cell *cell, int rep, const char *kind, const char *bytes, const char *touch,
                  double *last)
{
	for (int w = 0; w < ways.count; w++) {
		if (rep == 0) {
			cell->not[w] = reason(ways.word[w], bytes, last[w]);
			if (cell->not[w])
				printf("# left out\t%s\t%s\t%s\t%s\t%s\t%s\n", net, kind, bytes, touch,
				       ways.word[w], cell->not[w]);
		}
		if (!cell->not[w])
			turn(cell, w, rep, kind, bytes, touch, &last[w]);
	}
	fflush(stdout);
}

/* Each round takes all cells, so that time that runs out takes rounds from all alike. */
static void rounds(void)
{
	static struct cell cells[LIST_MAX][TOUCHES][LIST_MAX];
	int rep;

	for (rep = 0; rep < reps && (rep == 0 || bench_now() - began < seconds); rep++)
		for (int k = 0; k < kinds.count; k++)
			for (int t = 0; t < touches.count; t++) {
				double last[LIST_MAX] = {0};

				for (int s = 0; s < sizes.count; s++)
					if (rep == 0 || bench_now() - began < seconds)
						turns(&cells[k][t][s], rep, kinds.word[k], sizes.word[s],
						      touches.word[t], last);
			}
	if (rep < reps || bench_now() - began > seconds)
		printf("# note\t%s: %d to %d of %d rounds in the %.0f s it was given\n", net,
		       rep > 1 ? rep - 1 : 1, rep, reps, seconds);
}

static void options(int argc, char **argv)
{
	static char all_kinds[] = "list,list-random,tree,hash,matrix,graph,table";
	static char all_touches[] = "full,half,few", all_sizes[] = "1024,65536,1048576,16777216";

	split(&kinds, all_kinds);
	split(&touches, all_touches);
	split(&sizes, all_sizes);
	if (argc % 2 == 0)
		bench_die("usage: pair [OPTION VALUE]...");
	for (int i = 1; i < argc; i += 2) {
		const struct { const char *name; struct words *words; } lists[] = {
			{ "--ways", &ways }, { "--kinds", &kinds }, { "--sizes", &sizes },
			{ "--touches", &touches }, { "--namespaces", &namespaces }, { "--rundirs", &rundirs },
		};
		size_t l = 0;

		while (l < sizeof lists / sizeof *lists && strcmp(lists[l].name, argv[i]) != 0)
			l++;
		if (l < sizeof lists / sizeof *lists)
			split(lists[l].words, argv[i + 1]);
		else if (strcmp(argv[i], "--reps") == 0)
			reps = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--net") == 0)
			net = argv[i + 1];
		else if (strcmp(argv[i], "--address") == 0)
			address = argv[i + 1];
		else if (strcmp(argv[i], "--seconds") == 0)
			seconds = atof(argv[i + 1]);
		else if (strcmp(argv[i], "--slow") == 0)
			slow = atof(argv[i + 1]);
		else
			bench_die("an unknown option");
	}
	if (!ways.count || touches.count > TOUCHES || (namespaces.count && namespaces.count != 2))
		bench_die("--ways is needed, and --namespaces takes two");
}

int main(int argc, char **argv)
{
	ssize_t length = readlink("/proc/self/exe", programs, sizeof programs - 1);

	options(argc, argv);
	while (length > 0 && programs[length - 1] != '/')
		length--;
	programs[length > 0 ? length - 1 : 0] = '\0';
	signal(SIGPIPE, SIG_IGN);
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	began = bench_now();
	for (int w = 0; w < ways.count; w++) {          /* the rmmapd of each side, and its connection */
		struct result result;

		if (is_rmmap(ways.word[w]) && measure(ways.word[w], "list", "1024", "full", &result))
			bench_die("rmmap does not work here");
	}
	rounds();
	return failures ? 1 : 0;
}
