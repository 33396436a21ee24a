/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * alloc_run LIBRARY COMMAND ARG... - prints seconds and KiB at the peak of a command under
 * LD_PRELOAD=LIBRARY; its output goes nowhere. "" is no library.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

int main(int argc, char **argv)
{
	struct rusage usage;
	double start;
	int status;
	pid_t pid;

	if (argc < 3)
		bench_die("usage: alloc_run LIBRARY COMMAND ARG...");
	start = bench_now();
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		if (argv[1][0])
			setenv("LD_PRELOAD", argv[1], 1);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		bench_die("no process");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		bench_die("the command failed");
	printf("%.6f %ld\n", bench_now() - start, usage.ru_maxrss);
	return 0;
}
