/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * function_handler - a handler for tests of rmmap function: the event's type says what it does
 *
 *   echo     data back as it came
 *   show     all that was in the event, a line each, and the words of the list attached
 *   list     publish a list of the words in data
 *   append   a list of what is attached, and then of the words in data: they are linked
 *   none     neither root nor data
 *   fail     fails, with data as the reason
 *   static   a root that is not in the heap
 *   json     data that is no JSON, and said to be
 *   name     an attribute whose name none may have
 *   slow     sleep as many milliseconds as data says, then like echo
 *   gate     make the file data.in, wait for the file data.go, and then like echo; with a
 *            subject like list
 *   attach   attach what data names (a handle) oneself, and count the list's words
 *   spread   how many calls run at once, at most, so far
 *   crash    abort()
 *   forever  never return
 */
#include <rmmap-function.h>
#include <rmmap.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct word {
	struct word *next;
	char *text;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int now_running, most_running;

static void count_running(int step)
{
	pthread_mutex_lock(&lock);
	now_running += step;
	if (now_running > most_running)
		most_running = now_running;
	pthread_mutex_unlock(&lock);
}

static void *need(size_t bytes)
{
	void *memory = malloc(bytes);

	if (!memory)
		abort();
	return memory;
}

/* A word in front of a list; in the end they stand in the other order. */
static struct word *words(const char *text, size_t length, struct word *list)
{
	for (size_t from = 0, to; from < length; from = to + 1) {
		struct word *word = need(sizeof(*word));

		for (to = from; to < length && text[to] != ' '; to++)
			;
		word->text = need(to - from + 1);
		memcpy(word->text, text + from, to - from);
		word->text[to - from] = 0;
		word->next = list;
		list = word;
	}
	return list;
}

static char *show(const struct rmmap_event *event)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	for (size_t i = 0; i < event->attribute_count; i++)
		if (strcmp(event->attributes[i].name, "dataref"))
			fprintf(out, "%s=%s\n", event->attributes[i].name,
			        event->attributes[i].value);
	for (const struct word *word = event->root; word; word = word->next)
		fprintf(out, "word %s\n", word->text);
	if (event->data)
		fprintf(out, "data %zu %s\n", event->data_length, (const char *)event->data);
	fclose(out);
	return text;
}

/* What answer->context is, rmmap_function_release() frees. */
static void text_answer(struct rmmap_answer *answer, char *text)
{
	answer->context = text;
	answer->data = text;
	answer->data_length = strlen(text);
	answer->datacontenttype = "text/plain";
}

static void echo(const struct rmmap_event *event, struct rmmap_answer *answer)
{
	answer->data = event->data ? event->data : "";
	answer->data_length = event->data_length;
	answer->datacontenttype = event->datacontenttype;
}

static int attach_it(const struct rmmap_event *event, struct rmmap_answer *answer)
{
	char *text = need(32);
	struct word *list = rmmap_attach(event->data);
	int count = 0;

	answer->context = text;
	if (!list) {
		answer->reason = rmmap_error();
		return 1;
	}
	for (const struct word *word = list; word; word = word->next)
		count++;
	rmmap_detach(list);
	sprintf(text, "%d", count);
	text_answer(answer, text);
	return 0;
}

/* Until the test says so. A server that is killed takes its waiting with it. */
static void gate(const char *name)
{
	char in[256], go[256];
	int fd;

	snprintf(in, sizeof(in), "%s.in", name);
	snprintf(go, sizeof(go), "%s.go", name);
	fd = open(in, O_WRONLY | O_CREAT, 0600);
	if (fd < 0)
		abort();
	close(fd);
	while (access(go, F_OK))
		usleep(10000);
}

static int handle(const struct rmmap_event *event, struct rmmap_answer *answer)
{
	static const struct rmmap_attribute more = { "Not-A-Name", "1" };
	static int on_no_heap;
	const char *data = event->data ? event->data : "";
	char *text;

	if (!strcmp(event->type, "show")) {
		text_answer(answer, show(event));
	} else if (!strcmp(event->type, "list")) {
		answer->subject = event->subject;
		answer->root = words(data, event->data_length, NULL);
	} else if (!strcmp(event->type, "append")) {
		answer->root = words(data, event->data_length, event->root);
	} else if (!strcmp(event->type, "none")) {
		answer->subject = "nobody will see it";
	} else if (!strcmp(event->type, "fail")) {
		answer->reason = event->data;
		return 7;
	} else if (!strcmp(event->type, "static")) {
		answer->root = &on_no_heap;
	} else if (!strcmp(event->type, "json")) {
		answer->data = "{";
		answer->data_length = 1;
		answer->datacontenttype = "application/json";
	} else if (!strcmp(event->type, "name")) {
		answer->data = "x";
		answer->data_length = 1;
		answer->attributes = &more;
		answer->attribute_count = 1;
	} else if (!strcmp(event->type, "attach")) {
		return attach_it(event, answer);
	} else if (!strcmp(event->type, "spread")) {
		text = need(32);
		sprintf(text, "%d", most_running);
		text_answer(answer, text);
	} else if (!strcmp(event->type, "crash")) {
		abort();
	} else if (!strcmp(event->type, "forever")) {
		for (;;)
			pause();
	} else {
		if (!strcmp(event->type, "slow"))
			usleep((useconds_t)strtoul(data, NULL, 10) * 1000);
		if (!strcmp(event->type, "gate"))
			gate(data);
		if (!strcmp(event->type, "gate") && event->subject)
			answer->root = words(data, event->data_length, NULL);
		else
			echo(event, answer);
	}
	return 0;
}

int rmmap_function(const struct rmmap_event *event, struct rmmap_answer *answer)
{
	int result;

	if (event->size != sizeof(*event) || answer->size != sizeof(*answer) || answer->root)
		return 1;
	count_running(1);
	result = handle(event, answer);
	count_running(-1);
	return result;
}

void rmmap_function_release(const struct rmmap_answer *answer)
{
	free(answer->context);
}

int rmmap_function_start(void)
{
	return getenv("HANDLER_FAILS") ? 3 : 0;
}

void rmmap_function_stop(void)
{
	fprintf(stderr, "the handler was told to stop\n");
}
