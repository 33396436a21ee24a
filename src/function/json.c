/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.c - the structured mode: the JSON format of CloudEvents, by cJSON
 *
 * cJSON allocates from a pool too, by its hooks: each thread sets its pool before it calls cJSON.
 * Nothing is freed singly. A tree takes up to 40 times the bytes of its text, so reading uses a
 * bounded pool of its own, which is freed as a whole.
 */
#include "event.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <string.h>

#include "text.h"

#define TREE_MAX ((size_t)128 << 20)    /* bytes of the tree of one event */

static _Thread_local struct pool *tree_pool;    /* NULL: this thread may not call cJSON now */

/* cJSON allocates by this. Freeing does nothing: the pool is freed as a whole. */
static void *tree_malloc(size_t bytes)
{
	return tree_pool ? pool_take(tree_pool, bytes) : NULL;
}

static void tree_free(void *memory)
{
	(void)memory;
}

static void set_hooks(void)
{
	cJSON_Hooks hooks = { tree_malloc, tree_free };

	cJSON_InitHooks(&hooks);
}

/* Set the pool of this thread for the calls of cJSON that follow; NULL after them. */
static void use_pool(struct pool *pool)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_hooks);
	tree_pool = pool;
}

/* The tree of a text that is exactly one JSON value; NULL if it is not, or without memory. */
static cJSON *tree_parse(const char *text, size_t length)
{
	const char *end = NULL;
	cJSON *tree;

	/*
	 * cJSON skips a byte order mark (ef bb bf), which the walk of jsontext.c does not expect.
	 */
	if (!text_utf8(text, length) || !jsontext_lexical(text, length) ||
	    (length && (unsigned char)*text == 0xef))
		return NULL;
	tree = cJSON_ParseWithLengthOpts(text, length, &end, 0);
	if (!tree)
		return NULL;
	for (; end < text + length; end++)
		if (!strchr(" \t\r\n", *end) || !*end)
			return NULL;
	return tree;
}

/* ---- reading ---- */

static int no_memory(struct reason *reason)
{
	return refuse(reason, 503, "no memory for the event: try again later");
}

/*
 * Take the member data. A string is the data itself if the event says that it is not JSON;
 * otherwise the data is the text of the JSON value, unchanged.
 */
static int take_data(struct event *event, struct pool *pool, const cJSON *item,
                     const struct slice *raw, struct reason *reason)
{
	const char *type = event_find(event, "datacontenttype");

	if (cJSON_IsString(item) && type && !text_media_json(type)) {
		if (jsontext_has_nul(raw))
			return refuse(reason, 400, "data has a \\u0000: send it as data_base64");
		event->data_length = strlen(item->valuestring);
		event->data = pool_copy(pool, item->valuestring, event->data_length);
	} else {
		event->data_length = raw->length;
		event->data = pool_copy(pool, raw->at, raw->length);
	}
	if (!event->data)
		return no_memory(reason);
	/* The specification's default for the structured mode. */
	if (!type)
		return event_add_content_type(event, pool, "application/json", reason);
	return 0;
}

/* Take the member data_base64, decoded. */
static int take_base64(struct event *event, struct pool *pool, const cJSON *item,
                       struct reason *reason)
{
	size_t length;
	char *bytes;
	int got;

	if (!cJSON_IsString(item))
		return refuse(reason, 400, "data_base64 is no string");
	length = strlen(item->valuestring);
	/* One more for a NUL, which event.h promises behind the data. */
	bytes = pool_take(pool, length / 4 * 3 + 1);
	if (!bytes)
		return no_memory(reason);
	got = text_base64_decode(item->valuestring, length, (unsigned char *)bytes);
	if (got < 0)
		return refuse(reason, 400, "data_base64 is not base64");
	bytes[got] = 0;
	event->data = bytes;
	event->data_length = (size_t)got;
	return 0;
}

/* Add an attribute. Those of the specification are strings; others may be booleans or integers. */
static int take_attribute(struct event *event, struct pool *pool, const cJSON *item,
                          const struct slice *raw, struct reason *reason)
{
	static const char *const strings[] = { "specversion", "id", "source", "type", "subject",
		"time", "datacontenttype", "dataschema", "dataref" };
	const char *name = item->string;
	bool string = false;

	if (!text_name(name, strlen(name)))
		return refuse(reason, 400, "a member's name is not of a-z and 0-9, at most %d of "
		              "them", TEXT_NAME_MAX);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		string |= !strcmp(name, strings[i]);
	if (cJSON_IsString(item)) {
		if (jsontext_has_nul(raw))
			return refuse(reason, 400, "the attribute %s has a \\u0000", name);
		return event_add(event, pool, name, strlen(name), item->valuestring,
		                 strlen(item->valuestring), reason);
	}
	if (string || (!cJSON_IsNumber(item) && !cJSON_IsBool(item)))
		return refuse(reason, 400, "the attribute %s is no string%s", name,
		              string ? "" : ", no boolean and no integer");
	if (cJSON_IsNumber(item) && (raw->length > 11 || strspn(raw->at, "-0123456789") < raw->length ||
	                             item->valuedouble > 2147483647.0 ||
	                             item->valuedouble < -2147483648.0))
		return refuse(reason, 400, "the attribute %s is no integer of 32 bits", name);
	return event_add(event, pool, name, strlen(name), raw->at, raw->length, reason);
}

/* Read all members: attributes at once, data after them, since it depends on datacontenttype. */
static int read_members(struct event *event, struct pool *pool, const cJSON *tree,
                        const char *body, size_t length, struct reason *reason)
{
	const char *at = body, *end = body + length;
	const cJSON *data = NULL;
	struct slice name, raw, data_raw = { NULL, 0 };
	int wrong = 0;

	/* cJSON keeps the order of members, and duplicates: so both walks see the same ones. */
	for (const cJSON *item = tree->child; item && !wrong; item = item->next) {
		/* the text and the tree are walked in parallel, member by member */
		if (!jsontext_member(&at, end, &name, &raw))
			return refuse(reason, 400, "the body is not JSON");
		if (jsontext_has_nul(&name))
			return refuse(reason, 400, "a member's name has a \\u0000");
		if (!strcmp(item->string, "data") || !strcmp(item->string, "data_base64")) {
			if (data)
				return refuse(reason, 400, "data is there twice");
			data = item;
			data_raw = raw;
		} else if (!cJSON_IsNull(item)) {
			wrong = take_attribute(event, pool, item, &raw, reason);
		}
	}
	if (wrong || !data || cJSON_IsNull(data))
		return wrong;
	return data->string[4] ? take_base64(event, pool, data, reason) :
	       take_data(event, pool, data, &data_raw, reason);
}

int event_read_json(struct event *event, struct pool *pool, const char *body, size_t length,
                    struct reason *reason)
{
	struct pool nodes = { .limit = TREE_MAX };
	const cJSON *tree;
	int wrong;

	use_pool(&nodes);
	tree = length ? tree_parse(body, length) : NULL;
	if (tree && cJSON_IsObject(tree))
		wrong = read_members(event, pool, tree, body, length, reason);
	else if (nodes.full)
		wrong = refuse(reason, 413, "the JSON is too large to be read: send the event in "
		               "binary mode");
	else
		wrong = refuse(reason, 400, "the body is not %s", tree ? "a JSON object" : "JSON");
	pool_free(&nodes);
	use_pool(NULL);
	return wrong;
}

/* ---- writing ---- */

/* Add the data to the tree: as JSON, as a string, or as base64. False if that fails. */
static bool write_data(cJSON *tree, const struct event *event, struct pool *pool,
                       struct reason *reason)
{
	const char *type = event_find(event, "datacontenttype");
	char *encoded;

	if (text_media_json(type)) {
		if (!event->data_length || !tree_parse(event->data, event->data_length)) {
			refuse(reason, 500, "the handler's data is said to be JSON and is not");
			return false;
		}
		return cJSON_AddRawToObject(tree, "data", event->data);
	}
	if (type && !strncmp(type, "text/", 5) && text_utf8(event->data, event->data_length) &&
	    !memchr(event->data, 0, event->data_length))
		return cJSON_AddStringToObject(tree, "data", event->data);
	encoded = pool_take(pool, (event->data_length + 2) / 3 * 4 + 1);
	if (!encoded)
		return false;
	text_base64_encode((const unsigned char *)event->data, event->data_length, encoded);
	return cJSON_AddStringToObject(tree, "data_base64", encoded);
}

int event_write_json(const struct event *event, struct pool *pool, const char **text,
                     size_t *length, struct reason *reason)
{
	cJSON *tree;
	bool good;

	refuse(reason, 500, "no memory for the answer");
	use_pool(pool);
	tree = cJSON_CreateObject();
	good = tree;
	for (unsigned i = 0; good && i < event->count; i++)
		good = cJSON_AddStringToObject(tree, event->attributes[i].name,
		                               event->attributes[i].value);
	if (good && event->data)
		good = write_data(tree, event, pool, reason);
	/*
	 * The text is in the pool, too, and stays until the job ends; the tree is not freed
	 * singly.
	 */
	*text = good ? cJSON_PrintUnformatted(tree) : NULL;
	use_pool(NULL);
	if (!*text)
		return 500;
	*length = strlen(*text);
	return 0;
}
