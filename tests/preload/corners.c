/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * corners - programs that do what few do, and still have a heap and may publish.
 * Argument: which corner. Exit 77: it cannot be turned here, and stdout says why.
 */
#include "corners.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rmmap.h"

static const struct {
	const char *name;
	void (*turn)(void);
} corners[] = {
	{ "address_space", corner_address_space },
	{ "alternate_stack", corner_alternate_stack },
	{ "cancelled", corner_cancelled },
	{ "chroot", corner_chroot },
	{ "cleared_environment", corner_cleared_environment },
	{ "close_all", corner_close_all },
	{ "committed", corner_committed },
	{ "data_fork", corner_data_fork },
	{ "data_limit", corner_data_limit },
	{ "deepbind", corner_deepbind },
	{ "descriptors", corner_descriptors },
	{ "dlopen", corner_dlopen },
	{ "dumpable", corner_dumpable },
	{ "dup2_over", corner_dup2_over },
	{ "exec_children", corner_exec_children },
	{ "file_size", corner_file_size },
	{ "fork_threads", corner_fork_threads },
	{ "full_slot", corner_full_slot },
	{ "full_window", corner_full_window },
	{ "mlockall", corner_mlockall },
	{ "mlockall_ordinary", corner_mlockall_ordinary },
	{ "nested_threads", corner_nested_threads },
	{ "no_memfd", corner_no_memfd },
	{ "no_proc", corner_no_proc },
	{ "other_threads", corner_other_threads },
	{ "setuid", corner_setuid },
	{ "short_threads", corner_short_threads },
	{ "signals", corner_signals },
};

/* What is allocated before main() stays good. */
static char *early;

static void __attribute__((constructor(101))) at_start(void)
{
	early = malloc(70000);
	CHECK(early && in_window(early));
	memset(early, 'e', 70000);
}

static void __attribute__((destructor(101))) at_end(void)
{
	if (!early)
		return;
	CHECK(early[0] == 'e' && early[69999] == 'e');
	free(early);
	free(malloc(1000));
}

void use_heap_here(void)
{
	char *blocks[300];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 300; i++) {
			size_t size = (size_t)(i % 100 ? i * 61 : i * 7001) + 1;

			blocks[i] = i % 7 ? malloc(size) : memalign(64, size);
			CHECK(blocks[i] && in_window(blocks[i]));
			memset(blocks[i], i, size);
			if (i % 3 == 0)
				CHECK((blocks[i] = realloc(blocks[i], size * 2)));
		}
		for (int i = 0; i < 300; i++) {
			CHECK(blocks[i][0] == (char)i);
			free(blocks[i]);
		}
	}
}

static void *in_thread(void *arg)
{
	use_heap_here();
	return arg;
}

void use_heap(void)
{
	pthread_t threads[3];
	int status;
	pid_t pid;

	use_heap_here();
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, in_thread, NULL) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		use_heap_here();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

void publish(enum wanted wanted)
{
	char handle[RMMAP_HANDLE_MAX] = "old";
	char *root = malloc(100000);

	CHECK(root);
	memset(root, 'r', 100000);
	errno = 0;
	if (rmmap_publish(root, handle, sizeof(handle))) {
		CHECK(errno && handle[0] == 0 && strlen(rmmap_error()) > 20);
		printf("publish: %s\n", rmmap_error());
		CHECK(wanted == TELLS);
	} else {
		CHECK(rmmap_unpublish(handle) == 0);
		printf("published\n");
	}
	CHECK(root[99999] == 'r');
	free(root);
}

void become_ordinary(void)
{
	if (geteuid())
		return;
	CHECK(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
}

long status_kb(const char *key)
{
	char text[4096], *at;
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	CHECK(n > 0);
	close(fd);
	text[n] = 0;
	at = strstr(text, key);
	CHECK(at);
	return strtol(at + strlen(key), NULL, 10);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof(corners) / sizeof(*corners); i++)
		if (!strcmp(argv[1], corners[i].name)) {
			corners[i].turn();
			puts("ok");
			return 0;
		}
	for (size_t i = 0; i < sizeof(corners) / sizeof(*corners); i++)
		puts(corners[i].name);
	return argc > 1 ? 99 : 0;
}
