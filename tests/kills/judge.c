/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * judge.c - what a consumer came to: each page is right, or SIGBUS; where a worker and its
 * keeper live SIGBUS has its line; where only workers died there is none at all
 */
#include "kills.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include "../../src/common/channel.h"

#define LINE_NS (15 * SECOND)           /* a child of the keeper writes it, in its own time */

void judge_failed(struct lane *lane, atomic_uint *counter, const char *format, ...)
{
	size_t used = strlen(lane->what);
	va_list args;

	atomic_fetch_add(counter, 1);
	lane->failed = true;
	va_start(args, format);
	if (used && used + 2 < sizeof(lane->what))
		used += (size_t)snprintf(lane->what + used, sizeof(lane->what) - used, "; ");
	vsnprintf(lane->what + used, sizeof(lane->what) - used, format, args);
	va_end(args);
}

/* May pages be lost: has something died that no worker's successor makes good? */
static bool may_lose(const struct kase *kase)
{
	switch (kase->way) {
	case BY_HOLD: return strpbrk(kase->actions, "KQBA") != NULL;
	case BY_POINT: return kase->victim != WORKER;
	case BY_CHANCE: return strpbrk(kase->actions, "KQBA") != NULL;
	}
	return true;
}

/* rmmapd does not begin a third time what two of its workers died of: that is ENOMEM. */
static bool may_refuse(const struct kase *kase, int error)
{
	const char *first = strpbrk(kase->actions, "kp");
	bool twice = kase->way == BY_POINT ? kase->at[1] != 0
	                                   : first && strpbrk(first + 1, "kp");

	return may_lose(kase) || (twice && error == ENOMEM);
}

static bool told(const char *path)
{
	char line[1024];
	bool found = false;
	FILE *f = fopen(path, "re");

	while (f && !found && fgets(line, sizeof(line), f))
		found = strncmp(line, "rmmap: publication ", 19) == 0;
	if (f)
		fclose(f);
	return found;
}

/*
 * The line is there, or nobody who could write it. A keeper that was killed closes the lifeline
 * before it can be waited for, so its consumer may have ended while it still seems to live.
 */
static bool told_in_time(const struct child *child)
{
	uint64_t deadline = rm_now_ns() + LINE_NS;

	while (host_lives(child->host) && !told(child->err)) {
		if (rm_now_ns() > deadline)
			return false;
		pause_ns(10 * MS);
	}
	return true;
}

static const char *phase_name(enum phase phase)
{
	static const char *const names[] = {
		"before it began", "publishing", "published", "in rmmap_attach()", "attached",
		"reading", "in rmmap_detach()", "in rmmap_prefetch()", "in fork()", "done",
	};

	return phase <= DONE ? names[phase] : "nowhere";
}

/*
 * While something attached is absent the kernel ends a reader whose rmmapd is gone as a whole,
 * wherever it is; but not in the call that attaches, which has an error to return.
 */
static bool may_end(enum phase phase)
{
	return phase != STARTING && phase != ATTACHING && phase != DONE;
}

static void judge_pages(struct lane *lane, const struct result *result, const char *who)
{
	struct tally *tally = lane->tally;

	atomic_fetch_add(&tally->right, result->right);
	if (result->zeros)
		judge_failed(lane, &tally->zeros, "%s: %u pages are zeros, the first is %llu", who,
		             result->zeros, (unsigned long long)result->bad_page);
	if (result->wrong)
		judge_failed(lane, &tally->wrong, "%s: %u pages are wrong, the first is %llu, word %llu",
		             who, result->wrong, (unsigned long long)result->bad_page,
		             (unsigned long long)result->bad_word);
}

static void judge_sigbus(struct lane *lane, const struct kase *kase, const struct child *child,
                         const char *who)
{
	struct tally *tally = lane->tally;

	atomic_fetch_add(&tally->sigbus, 1);
	if (!may_lose(kase))
		judge_failed(lane, &tally->needless, "%s: SIGBUS, though only workers died", who);
	if (!told_in_time(child))
		judge_failed(lane, &tally->mute, "%s: SIGBUS without its line", who);
}

void judge(struct lane *lane, const struct kase *kase, struct child *child, const char *who)
{
	struct tally *tally = lane->tally;
	const struct result *result = &child->control->results[0];
	enum phase phase = atomic_load(&result->phase);
	bool signalled = WIFSIGNALED(child->status);
	uint32_t sigbus = 0;

	for (unsigned i = 0; i < KILLS_RESULTS; i++) {
		judge_pages(lane, &child->control->results[i], i ? "its child" : who);
		sigbus += child->control->results[i].sigbus;
	}
	if (signalled && (WTERMSIG(child->status) != SIGBUS || !may_end(phase)))
		judge_failed(lane, &tally->died, "%s: signal %d while %s", who,
		             WTERMSIG(child->status), phase_name(phase));
	else if (signalled || sigbus)
		judge_sigbus(lane, kase, child, who);
	if (result->refused) {
		atomic_fetch_add(&tally->refused, 1);
		if (!may_refuse(kase, result->refused))
			judge_failed(lane, &tally->needless, "%s: %s while %s, though only workers "
			             "died: %s", who, strerror(result->refused), phase_name(phase),
			             result->why);
	} else if (!signalled && WEXITSTATUS(child->status)) {
		judge_failed(lane, &tally->died, "%s: exit status %d while %s", who,
		             WEXITSTATUS(child->status), phase_name(phase));
	}
}
