/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * beside.c - a user's program, to be built with sanitizers: its heap in threads and children;
 * "publish" prints a handle, "attach HANDLE" reads what it stands for, "overrun" is a bug
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rmmap.h>

#define WANT(what) do { if (!(what)) { fprintf(stderr, "%d: %s: %s\n", __LINE__, #what, \
	rmmap_error()); exit(1); } } while (0)

struct node {
	struct node *next;
	int n;
};

static struct node *list(int length)
{
	struct node *first = NULL;

	while (length) {
		struct node *node = malloc(sizeof(*node));

		WANT(node);
		node->next = first;
		node->n = length--;
		first = node;
	}
	return first;
}

static int drop(struct node *node)
{
	int sum = 0;

	while (node) {
		struct node *next = node->next;

		sum += node->n;
		free(node);
		node = next;
	}
	return sum;
}

static void *churn(void *arg)
{
	for (int i = 1; i < 50; i++) {
		char *p = calloc(1, (size_t)i * 997);

		WANT(p && !p[i * 997 - 1] && (p = realloc(p, (size_t)i * 1997)));
		free(p);
		WANT(drop(list(i)) == i * (i + 1) / 2);
	}
	return arg;
}

static void heap(void)
{
	pthread_t threads[4];
	int status;
	pid_t pid;

	for (int i = 0; i < 4; i++)
		WANT(!pthread_create(&threads[i], NULL, churn, NULL));
	for (int i = 0; i < 4; i++)
		WANT(!pthread_join(threads[i], NULL));
	pid = fork();
	WANT(pid >= 0);
	if (!pid) {
		churn(NULL);
		_exit(0);
	}
	WANT(waitpid(pid, &status, 0) == pid && !status);
}

static void attach(const char *handle)
{
	const struct node *root = rmmap_attach(handle);
	int sum = 0, status;
	pid_t pid;

	WANT(root);
	for (const struct node *node = root; node; node = node->next)
		sum += node->n;
	WANT(sum == 5050);
	pid = fork();
	WANT(pid >= 0);
	if (!pid)
		_exit(root->n + 41);
	WANT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 42);
	WANT(!rmmap_detach(root));
}

int main(int argc, char **argv)
{
	static char handle[RMMAP_HANDLE_MAX];
	volatile size_t past = sizeof(struct node);

	heap();
	if (argc > 2) {
		attach(argv[2]);
	} else if (argc > 1 && !strcmp(argv[1], "publish")) {
		struct node *root = list(100);

		if (rmmap_publish(root, handle, sizeof(handle))) {
			puts(rmmap_error());
			drop(root);
			return 2;
		}
		puts(handle);
		return 0;
	} else if (argc > 1) {
		char *p = malloc(past);

		p[past] = 1;
		free(p);
	}
	puts("ok");
	return 0;
}
