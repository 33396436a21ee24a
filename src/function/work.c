/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * work.c - the queue of jobs and the threads that call the handler
 *
 * A thread cannot be stopped while it runs the handler. If that takes too long, the client is
 * answered without it: the job is "cut". A publication that no client has received, because its job
 * was cut or the client went away, is unpublished later. Unpublishing may wait for rmmapd, so the
 * first thread does it (work_forget()).
 *
 * One lock guards all the variables here and the fields of jobs that function.h names. It is not
 * held while the handler runs.
 */
#include "function.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static struct job *first, **last = &first;      /* the queue: jobs that are JOB_QUEUED. last is
                                                   where the next one is linked */
static unsigned waiting;                        /* jobs in the queue */
static unsigned open_jobs;                      /* queued once and not released, see work_count() */
static struct job **running;                    /* the job of each thread, or NULL */
static struct job *forgotten;                   /* jobs without holders, whose handle is to be
                                                   unpublished by work_forget() */
static struct pool pool;                        /* has running[] */
static void (*resume_connection)(void *connection);

/* Under the lock. */
static void job_set_state(struct job *job, enum job_state state)
{
	job->state = state;
	job->since_ns = now_ns();
}

/* The pool contains the job itself, so it is freed by a copy. */
static void job_free(struct job *job)
{
	struct pool whole = job->pool;

	blob_free(&job->body);
	pool_free(&whole);
}

/*
 * One holder releases the job, under the lock. The last one frees it; or leaves it to
 * work_forget(), if something is published that no client knows of.
 */
static void job_drop(struct job *job)
{
	if (--job->holders)
		return;
	if (!job->handle[0]) {
		job_free(job);
		return;
	}
	job->next = forgotten;
	forgotten = job;
}

/* A worker: serve jobs forever. arg is its item of running[]. */
static void *worker_thread(void *arg)
{
	struct job **mine = arg;
	struct job *job;

	pthread_mutex_lock(&lock);
	for (;;) {
		while (!first)
			pthread_cond_wait(&filled, &lock);
		job = first;
		first = job->next;
		if (!first)
			last = &first;
		waiting--;
		job_set_state(job, JOB_RUNNING);
		*mine = job;
		pthread_mutex_unlock(&lock);
		call_run(job);
		pthread_mutex_lock(&lock);
		*mine = NULL;
		job_set_state(job, JOB_DONE);
		/* A job that was cut has been answered: its connection may not exist any more. */
		if (!job->cut)
			resume_connection(job->connection);
		job_drop(job);
	}
	return NULL;
}

int work_start(void (*resume)(void *connection))
{
	pthread_t thread;
	int error = 0;

	resume_connection = resume;
	running = pool_take(&pool, settings.concurrency * sizeof(struct job *));
	if (!running)
		error = ENOMEM;
	for (unsigned i = 0; i < settings.concurrency && !error; i++)
		error = pthread_create(&thread, NULL, worker_thread, &running[i]);
	if (error)
		say("cannot start %u threads: %s; try a smaller --concurrency",
		    settings.concurrency, strerror(error));
	return error ? 1 : 0;
}

struct job *work_new(void)
{
	struct pool own = { 0 };
	struct job *job = pool_take(&own, sizeof(*job));

	if (!job)
		return NULL;
	/* The job lies in the pool's first chunk; from here on the pool lies in the job. */
	job->pool = own;
	job->holders = 1;
	return job;
}

bool work_submit(struct job *job, void *connection)
{
	bool room;

	pthread_mutex_lock(&lock);
	room = waiting < settings.queue;
	if (room) {
		job->connection = connection;
		job->next = NULL;
		job->holders++;
		job_set_state(job, JOB_QUEUED);
		*last = job;
		last = &job->next;
		waiting++;
		open_jobs++;
		pthread_cond_signal(&filled);
	}
	pthread_mutex_unlock(&lock);
	return room;
}

const struct response *work_response(struct job *job, int *status)
{
	const struct response *response;

	pthread_mutex_lock(&lock);
	*status = job->cut;
	response = job->cut ? NULL : &job->response;
	pthread_mutex_unlock(&lock);
	return response;
}

void work_release(struct job *job, bool delivered)
{
	pthread_mutex_lock(&lock);
	if (job->state != JOB_NEW)
		open_jobs--;
	/* the answer of a job that was cut does not have the handle */
	if (delivered && !job->cut)
		job->handle[0] = 0;
	job_drop(job);
	pthread_mutex_unlock(&lock);
}

unsigned work_count(void)
{
	unsigned count;

	pthread_mutex_lock(&lock);
	count = open_jobs;
	pthread_mutex_unlock(&lock);
	return count;
}

/* True if the job is late. now is read under the lock, so it is not before since_ns. */
static bool job_late(const struct job *job, uint64_t now)
{
	return now - job->since_ns > settings.timeout_ns;
}

bool work_is_stuck(void)
{
	bool stuck = false;
	uint64_t now;

	pthread_mutex_lock(&lock);
	now = now_ns();
	for (unsigned i = 0; i < settings.concurrency; i++)
		stuck |= running[i] && job_late(running[i], now);
	pthread_mutex_unlock(&lock);
	return stuck;
}

bool work_is_running(void)
{
	bool any = false;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < settings.concurrency; i++)
		any |= running[i] != NULL;
	pthread_mutex_unlock(&lock);
	return any;
}

/* Answer a job without waiting for it. */
static void job_cut(struct job *job, int status)
{
	job->cut = status;
	resume_connection(job->connection);
}

unsigned work_cut(bool all)
{
	unsigned count = 0;
	uint64_t now;

	pthread_mutex_lock(&lock);
	now = now_ns();
	/* last walks along the queue, and so is right again when the loop ends. */
	last = &first;
	while (*last) {
		struct job *job = *last;

		if (!all && !job_late(job, now)) {
			last = &job->next;
			continue;
		}
		*last = job->next;
		waiting--;
		job_set_state(job, JOB_DONE);
		/* The worker's hold, which no worker will release. */
		job_cut(job, 503);
		job_drop(job);
	}
	for (unsigned i = 0; i < settings.concurrency; i++) {
		if (!running[i] || running[i]->cut || (!all && !job_late(running[i], now)))
			continue;
		job_cut(running[i], all ? 503 : 504);
		count++;
	}
	pthread_mutex_unlock(&lock);
	return count;
}

void work_forget(void)
{
	struct job *job, *next;

	pthread_mutex_lock(&lock);
	job = forgotten;
	forgotten = NULL;
	pthread_mutex_unlock(&lock);
	/* Without the lock: a request to rmmapd may take seconds, and workers need it. */
	for (; job; job = next) {
		next = job->next;
		rmmap_unpublish(job->handle);
		job_free(job);
	}
}
