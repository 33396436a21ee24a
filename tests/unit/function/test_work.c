/* SPDX-License-Identifier: BSD-2-Clause */
/* test_work - the queue of rmmap function: what comes while others are looked after is not late */
#include "../unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "../../../src/function/function.h"

/* ---- what work.c calls: a clock, and a handler that waits for the test ---- */

struct settings settings = { .concurrency = 1, .queue = 8, .timeout_ns = 1000 * NS_PER_S };
static atomic_uint_fast64_t clock_ns;
static pthread_t first_thread;
static bool armed;
static sem_t looked, came, called, go, resumed;

static void wait_a_little(sem_t *sem)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 1;
	sem_timedwait(sem, &end);
}

/* Between this and what the first thread does with it, an event comes, unless it must wait. */
uint64_t now_ns(void)
{
	uint64_t now = atomic_fetch_add(&clock_ns, 1);

	if (armed && pthread_equal(pthread_self(), first_thread)) {
		armed = false;
		sem_post(&looked);
		wait_a_little(&came);
	}
	return now;
}

void say(const char *format, ...)
{
	(void)format;
}

int rmmap_unpublish(const char *handle)
{
	(void)handle;
	return 0;
}

void call_run(struct job *job)
{
	job->response.status = 204;
	sem_post(&called);
	sem_wait(&go);
}

static void resume(void *connection)
{
	(void)connection;
	sem_post(&resumed);
}

static void *submit(void *job)
{
	sem_wait(&looked);
	ck_assert(work_submit(job, NULL));
	sem_wait(&called);
	sem_post(&came);
	return NULL;
}

/* ---- tests ---- */

static void begin(void)
{
	sem_t *const all[] = { &looked, &came, &called, &go, &resumed };

	for (size_t i = 0; i < COUNT(all); i++)
		sem_init(all[i], 0, 0);
	first_thread = pthread_self();
	ck_assert_int_eq(work_start(resume), 0);
}

static void answered(struct job *job, int wanted)
{
	const struct response *response;
	int cut;

	sem_wait(&resumed);
	response = work_response(job, &cut);
	ck_assert_int_eq(cut, wanted);
	ck_assert(wanted ? !response : response->status == 204);
	work_release(job, true);
}

/* An event that comes, and is begun, while the first thread looks for those that are late. */
START_TEST(meanwhile)
{
	struct job *job = work_new();
	pthread_t thread;

	begin();
	ck_assert_int_eq(pthread_create(&thread, NULL, submit, job), 0);
	armed = true;
	ck_assert(!(_i ? work_cut(false) : work_is_stuck()));
	pthread_join(thread, NULL);
	ck_assert(!work_is_stuck());
	sem_post(&go);
	answered(job, 0);
	ck_assert_uint_eq(work_count(), 0);
}
END_TEST

START_TEST(too_long)
{
	struct job *job = work_new(), *next = work_new();

	begin();
	ck_assert(work_submit(job, NULL) && work_submit(next, NULL));
	sem_wait(&called);
	ck_assert_uint_eq(work_cut(false), 0);
	atomic_fetch_add(&clock_ns, settings.timeout_ns);
	ck_assert(work_is_stuck());
	ck_assert_uint_eq(work_cut(false), 1);
	answered(job, 504);
	answered(next, 503);
	ck_assert(work_is_running());
	ck_assert_uint_eq(work_cut(false), 0);
	sem_post(&go);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = { { meanwhile, 2 }, { too_long, 0 } };

	return unit_run("work", tests, COUNT(tests));
}
