/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list_handoff - a list of 1,000,000 nodes from one process to another: through
 * a pipe in a hand-packed binary form, rebuilt with a malloc a node, against
 * publish and attach. Both times end when the receiver has walked the list.
 *
 *   list_handoff [ROUNDS]
 */
#include <rmmap.h>
#include <sys/wait.h>

#include "bench.h"

#define NODES 1000000u

struct node {
	struct node *next;
	uint64_t key;
	double value;
};

struct packed {                         /* a node on the pipe */
	uint64_t key;
	double value;
};

struct verdict {                        /* what a receiver reports */
	double done;
	uint64_t sum;
	uint64_t count;
};

static struct node *append(struct node **tail, uint64_t key, double value)
{
	struct node *node = malloc(sizeof *node);

	if (!node)
		bench_die("out of memory");
	node->next = NULL;
	node->key = key;
	node->value = value;
	if (*tail)
		(*tail)->next = node;
	*tail = node;
	return node;
}

static struct verdict walk(const struct node *list)
{
	struct verdict verdict = {0};

	for (; list; list = list->next) {
		verdict.sum += list->key + (uint64_t)list->value;
		verdict.count++;
	}
	verdict.done = bench_now();
	return verdict;
}

static void pipe_send(int fd, const struct node *list)
{
	struct packed out[4096];
	size_t n = 0;

	for (; list; list = list->next) {
		out[n++] = (struct packed){ list->key, list->value };
		if (n == sizeof out / sizeof *out || !list->next) {
			bench_write(fd, out, n * sizeof *out);
			n = 0;
		}
	}
}

static const struct node *pipe_receive(int fd)
{
	struct packed in[4096];
	struct node *head = NULL, *tail = NULL;
	size_t got;

	while ((got = bench_read(fd, in, sizeof in)) > 0)
		for (size_t i = 0; i < got / sizeof *in; i++) {
			struct node *node = append(&tail, in[i].key, in[i].value);

			head = head ? head : node;
		}
	return head;
}

/* A program of its own, as another function of a workflow is: argv says what it gets and how. */
static int receive(const char *way, int in, int report)
{
	struct verdict verdict;
	const struct node *list;
	char handle[RMMAP_HANDLE_MAX];

	if (strcmp(way, "rmmap") == 0) {
		if (bench_read(in, handle, sizeof handle) != sizeof handle)
			bench_die("no handle came");
		list = rmmap_attach(handle);
		if (!list)
			bench_die(rmmap_error());
	} else {
		list = pipe_receive(in);
	}
	verdict = walk(list);
	bench_write(report, &verdict, sizeof verdict);
	return 0;
}

/* The receiver: started before the clock, it waits for its input. */
static pid_t receiver(int use_rmmap, const int in[2], const int report[2])
{
	const pid_t pid = fork();

	if (pid == 0) {
		char from[16], to[16];

		close(in[1]);
		close(report[0]);
		snprintf(from, sizeof from, "%d", in[0]);
		snprintf(to, sizeof to, "%d", report[1]);
		execl("/proc/self/exe", "list_handoff", use_rmmap ? "rmmap" : "pipe", from, to,
		      (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		bench_die("fork failed");
	close(in[0]);
	close(report[1]);
	return pid;
}

static double round_trip(const struct node *list, int use_rmmap, uint64_t want)
{
	char handle[RMMAP_HANDLE_MAX] = "";
	struct verdict verdict;
	int data[2], report[2];
	double start;
	pid_t pid;

	if (pipe(data) || pipe(report))
		bench_die("pipe failed");
	pid = receiver(use_rmmap, data, report);
	usleep(50000);
	start = bench_now();
	if (use_rmmap) {
		if (rmmap_publish(list, handle, sizeof handle))
			bench_die(rmmap_error());
		bench_write(data[1], handle, sizeof handle);
	} else {
		pipe_send(data[1], list);
	}
	close(data[1]);
	if (bench_read(report[0], &verdict, sizeof verdict) != sizeof verdict)
		bench_die("the receiver failed");
	if (verdict.count != NODES || verdict.sum != want)
		bench_die("the receiver saw another list");
	waitpid(pid, NULL, 0);
	close(report[0]);
	if (use_rmmap && rmmap_unpublish(handle))
		bench_die(rmmap_error());
	return verdict.done - start;
}

int main(int argc, char **argv)
{
	const size_t rounds = argc > 1 ? (size_t)atoi(argv[1]) : 11;
	double *piped = calloc(rounds, sizeof *piped), *mapped = calloc(rounds, sizeof *mapped);
	struct node *head = NULL, *tail = NULL;
	uint64_t want;
	double p, m;

	if (argc == 4)
		return receive(argv[1], atoi(argv[2]), atoi(argv[3]));
	if (!rounds || !piped || !mapped)
		bench_die("usage: list_handoff [ROUNDS]");
	for (uint64_t i = 0; i < NODES; i++) {
		struct node *node = append(&tail, i * 7919, (double)(i % 1000));

		head = head ? head : node;
	}
	want = walk(head).sum;
	round_trip(head, 1, want);              /* starts rmmapd, outside the figures */
	for (size_t i = 0; i < rounds; i++) {
		piped[i] = round_trip(head, 0, want);
		mapped[i] = round_trip(head, 1, want);
	}
	p = bench_median(piped, rounds);
	m = bench_median(mapped, rounds);
	printf("list of %u nodes, medians of %zu: pipe and rebuild %.1f ms, "
	       "publish + attach + walk %.1f ms, ratio %.2f\n", NODES, rounds, p * 1e3, m * 1e3, p / m);
	return 0;
}
