/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * alloc_run LIBRARY COMMAND ARG... - prints seconds, KiB at the peak and seconds of CPU time of a
 * command under LD_PRELOAD=LIBRARY; its output goes nowhere. "" is no library.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

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
	printf("%.6f %ld %.6f\n", bench_now() - start, usage.ru_maxrss,
	       seconds(usage.ru_utime) + seconds(usage.ru_stime));
	return 0;
}
