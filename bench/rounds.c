/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rounds - a list that is built, handed over, freed and built again
 *
 *   rounds publish NODES ROUNDS     by rmmap, to one process that attaches and walks
 *   rounds fork NODES ROUNDS        to a fork() that walks; built without librmmap
 *   rounds walk IN OUT              the process that attaches; started by the first
 *
 * Prints for each round, in seconds: building, publishing (0 for fork), from the begin of the
 * publish or fork to the end of the walk, freeing. The walk's result is checked.
 */
#ifdef WITH_RMMAP
#include <rmmap.h>
#endif
#include <sys/wait.h>

#include "bench.h"

struct node {
	struct node *next;
	uint64_t key;
	char *name;
	double value[3];
};

struct walked {
	uint64_t sum;
	double end;                     /* of bench_now() */
};

static struct node *build(size_t nodes)
{
	struct node *first = NULL, **to = &first;
	char name[32];

	for (size_t i = 0; i < nodes; i++) {
		struct node *n = malloc(sizeof(*n));

		snprintf(name, sizeof(name), "node-%zu", i);
		if (!n || !(n->name = strdup(name)))
			bench_die("no memory");
		n->key = i * 2654435761u;
		for (int k = 0; k < 3; k++)
			n->value[k] = (double)i + k;
		n->next = NULL;
		*to = n;
		to = &n->next;
	}
	return first;
}

static struct walked walk(const struct node *n)
{
	struct walked walked = { 0, 0 };

	for (; n; n = n->next)
		walked.sum = walked.sum * 31 + n->key + (unsigned char)n->name[5] +
		             (uint64_t)n->value[1];
	walked.end = bench_now();
	return walked;
}

static void list_free(struct node *n)
{
	while (n) {
		struct node *next = n->next;

		free(n->name);
		free(n);
		n = next;
	}
}

#ifdef WITH_RMMAP
static int walk_mode(int in, int out)
{
	char handle[RMMAP_HANDLE_MAX];

	while (bench_read(in, handle, sizeof(handle)) == sizeof(handle)) {
		const struct node *list = rmmap_attach(handle);
		struct walked walked;

		if (!list)
			bench_die(rmmap_error());
		walked = walk(list);
		bench_write(out, &walked, sizeof(walked));
		rmmap_detach(list);
	}
	return 0;
}

static void walker_start(int to[2], int from[2])
{
	char in[12], out[12];
	pid_t pid;

	if (pipe(to) || pipe(from))
		bench_die("no pipe");
	pid = fork();
	if (pid < 0)
		bench_die("no fork");
	if (!pid) {
		close(to[1]);
		close(from[0]);
		snprintf(in, sizeof(in), "%d", to[0]);
		snprintf(out, sizeof(out), "%d", from[1]);
		execl("/proc/self/exe", "rounds", "walk", in, out, (char *)NULL);
		_exit(1);
	}
	close(to[0]);
	close(from[1]);
}

/* The handle is kept until the next round, so that who publishes does not end it. */
static void hand_over(const struct node *list, double *published, struct walked *walked)
{
	static int to[2], from[2];
	static char handle[RMMAP_HANDLE_MAX];
	double begin;

	if (!to[1])
		walker_start(to, from);
	begin = bench_now();
	if (rmmap_publish(list, handle, sizeof(handle)))
		bench_die(rmmap_error());
	*published = bench_now() - begin;
	bench_write(to[1], handle, sizeof(handle));
	if (bench_read(from[0], walked, sizeof(*walked)) != sizeof(*walked))
		bench_die("the process that attaches has ended");
	rmmap_unpublish(handle);
}
#else
static void hand_over(const struct node *list, double *published, struct walked *walked)
{
	int from[2];

	*published = 0;
	if (pipe(from))
		bench_die("no pipe");
	if (fork() == 0) {
		*walked = walk(list);
		bench_write(from[1], walked, sizeof(*walked));
		_exit(0);
	}
	close(from[1]);
	if (bench_read(from[0], walked, sizeof(*walked)) != sizeof(*walked))
		bench_die("the child has ended");
	close(from[0]);
	wait(NULL);
}
#endif

static void round_print(size_t nodes)
{
	double start = bench_now(), begin, published, freeing;
	struct node *list = build(nodes);
	double built = bench_now() - start;
	struct walked want = walk(list), walked;

	begin = bench_now();
	hand_over(list, &published, &walked);
	if (walked.sum != want.sum)
		bench_die("the list came out wrong");
	freeing = bench_now();
	list_free(list);
	printf("%.6f %.6f %.6f %.6f\n", built, published, walked.end - begin, bench_now() - freeing);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		bench_die("rounds publish|fork NODES ROUNDS");
#ifdef WITH_RMMAP
	if (!strcmp(argv[1], "walk"))
		return walk_mode(atoi(argv[2]), atoi(argv[3]));
#endif
	for (int i = atoi(argv[3]); i > 0; i--)
		round_print(strtoul(argv[2], NULL, 10));
	return 0;
}
