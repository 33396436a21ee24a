/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * protected - what a program made of its heap by mprotect() stays so over fork() and publish:
 * code that runs there, a guard page, a page that is only to be read
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handoff.h"

#define PAGE 4096

struct pages {
	unsigned char *code, *guard, *constant;
};

static unsigned char *protected_page(int protection, unsigned char fill)
{
	unsigned char *page = aligned_alloc(PAGE, 3 * PAGE);

	CHECK(page);
	memset(page, fill, 3 * PAGE);
	CHECK(mprotect(page + PAGE, PAGE, protection) == 0);
	return page + PAGE;
}

static struct pages *build(void)
{
	struct pages *pages = malloc(sizeof(*pages));

	CHECK(pages);
	pages->code = protected_page(PROT_READ | PROT_EXEC, 0xc3);       /* ret, on x86-64 */
	pages->guard = protected_page(PROT_NONE, 1);
	pages->constant = protected_page(PROT_READ, 2);
	return pages;
}

/* Does this access end a process? It is tried in one that does nothing else. */
static bool ends(volatile unsigned char *p, bool write)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		if (write)
			*p = 0;
		else
			(void)*p;
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static bool as_built(const struct pages *pages)
{
#ifdef __x86_64__
	void (*code)(void);

	memcpy(&code, &pages->code, sizeof(code));
	code();
#endif
	return ends(pages->guard, false) && ends(pages->constant, true) &&
	       !ends(pages->constant, false) && !ends(pages->constant + PAGE, true) &&
	       pages->constant[0] == 2 && pages->constant[PAGE - 1] == 2;
}

static void in_child(const struct pages *pages)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(as_built(pages) ? 0 : 1);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(as_built(pages));
}

static int verify(const char *handle)
{
	const struct pages *pages = rmmap_attach(handle);

	CHECK(pages && pages->constant[0] == 2 && pages->constant[PAGE - 1] == 2);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char handle[RMMAP_HANDLE_MAX], out[16];
	struct pages *pages;

	if (mode)
		return verify(argv[argc - 1]);
	pages = build();
	in_child(pages);
	pages = build();
	for (int i = 0; i < 3; i++) {
		CHECK(rmmap_publish(pages, handle, sizeof(handle)) == 0);
		CHECK(as_built(pages));
		CHECK(run_self("verify", handle, out, sizeof(out)) == 0);
	}
	in_child(pages);
	return 0;
}
