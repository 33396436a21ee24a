/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publish.c - rmmap_publish(), rmmap_unpublish()
 *
 * Has snapshot.c make a snapshot, and hands it to this host's rmmapd. Any thread; publishes run one
 * after another under the lock below, which is the first one of the library to be taken. Allocates
 * in own pages only, never from the heap that is being published.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "../../common/handle.h"
#include "../../common/probe.h"
#include "../../common/say.h"
#include "internal.h"
#include "rmmap.h"

static const char me[] = "rmmap_publish";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;        /* one publish at a time */

/*
 * Does the root lie in this process's heap? A block that was freed does: RMMAP_CHECK reports
 * that. 1, 0 or -errno.
 */
static int root_in_heap(uint64_t addr)
{
	struct array ranges;
	const struct heap_range *range;
	int found = heap_ranges(&ranges);

	for (size_t i = 0; !found && i < ranges.count; i++) {
		range = (const struct heap_range *)ranges.data + i;
		found = addr >= range->base && addr < range->top;
	}
	array_free(&ranges);
	return found;
}

static int root_check(uint64_t root)
{
	char name[256];
	int found;

	if (!root)
		return fail(me, EFAULT, "root is NULL; publish a pointer that malloc returned");
	/* Before the root is looked at: without our malloc no root is right. */
	if (!malloc_uses_heap() && other_malloc_name())
		return fail(me, ENOTSUP, "%s has a malloc of its own here, and rmmap publishes "
		            "only what its malloc returned: run the program without %s",
		            other_malloc_name(), other_malloc_name());
	if (!malloc_uses_heap())
		return fail(me, EFAULT, "this program's malloc is not rmmap's, so nothing it "
		            "allocates can be published; link the program itself with -lrmmap, or "
		            "run it with LD_PRELOAD=librmmap.so.0");
	found = rm_in_window(root) ? root_in_heap(root) : 0;
	if (found < 0)
		return fail(me, -found, "%s: there is no memory left to publish with",
		            rm_errno_text(-found));
	if (found)
		return 0;
	/* Attached memory can be published again: the snapshot refers to its layers. */
	if (attach_end(root))
		return 0;
	if (maps_find(root, root + 1, name, sizeof(name)))
		return fail(me, EFAULT, "root (0x%llx) is not memory that malloc returned: it lies "
		            "in %s; copy what is to be published into memory from malloc",
		            (unsigned long long)root, name);
	return fail(me, EFAULT, "root (0x%llx) is no address of this process; publish a pointer "
	            "that malloc returned", (unsigned long long)root);
}

static int options_check(const struct rmmap_publish_options *given,
                         struct rmmap_publish_options *options)
{
	*options = (struct rmmap_publish_options)RMMAP_PUBLISH_OPTIONS_INIT;
	if (take_options(me, options, sizeof(*options), sizeof(*options), given))
		return -1;
	if (options->flags & ~RMMAP_SELF_CONTAINED)
		return fail(me, EINVAL, "unknown flags 0x%x",
		            options->flags & ~RMMAP_SELF_CONTAINED);
	return 0;
}

static int snapshot_failed(int error)
{
	switch (error) {
	case -EMFILE:
	case -ENFILE:
		return fail(me, -error, "too many open files: publishing needs one for each 4 to "
		            "64 MiB of heap for a moment; raise the limit (ulimit -n)");
	case -EFBIG:
		return fail(me, EFBIG, "the limit for the size of files (ulimit -f) is too small "
		            "for the heap's layers; raise it to 64 MiB or more");
	case -ENOMEM:
	case -ENOSPC:
		return fail(me, ENOMEM, "no memory for a copy of the heap");
	case -EHOSTUNREACH:
		return fail(me, EHOSTUNREACH, "a page of what is attached can no longer be had "
		            "from its host; detach that publication, or attach with "
		            "RMMAP_FETCH=eager");
	case -EPERM:
	case -EACCES:
	case -ENOSYS:
		return fail(me, ENOTSUP, "this process may not make what publishing needs, memory "
		            "files and random numbers (memfd_create, getrandom: %s); allow it in "
		            "its seccomp filter", rm_errno_text(-error));
	default:
		return fail(me, -error, "copying the heap: %s", rm_errno_text(-error));
	}
}

/*
 * Is the buffer too small even for a handle without a fabric address? Checked before anything is
 * published. Whether it is large enough is known only when rmmapd has answered with its address.
 */
static bool handle_surely_too_small(size_t size)
{
	struct rm_handle handle = { .layout = rm_layout_here() };
	char text[RM_HANDLE_TEXT_MAX];

	return rm_handle_encode(&handle, text, size < sizeof(text) ? size : sizeof(text)) ==
	        -ERANGE;
}

static int handle_too_small(size_t size)
{
	return fail(me, ERANGE, "a buffer of %zu bytes is too small for the handle; give it "
	            "RMMAP_HANDLE_MAX", size);
}

static int unpublish_token(const char *function, const char *token)
{
	struct rm_wire_name m = { .head.type = RM_UNPUBLISH };
	struct call *call = call_new(&m, sizeof(m), RM_REPLY);
	const struct rm_wire_reply *reply;
	int error;

	if (!call)
		return fail(function, ENOMEM, "no memory for a request to rmmapd");
	reply = (const void *)call->message;
	rm_format(m.name, sizeof(m.name), "%s", token);
	error = client_call(&call->x);
	if (error)
		error = fail(function, -error, "%s", call->x.why);
	/*
	 * ENOENT for a repeated request is success: a worker that died before it answered had done
	 * it, or another rmmapd never had the publication.
	 */
	else if (reply->error && (reply->error != ENOENT || call->x.sendings == 1))
		error = fail(function, reply->error, "%s", reply->text);
	call_free(call);
	return error;
}

/*
 * The slot whose claim goes with the publication: the root's, or, if the root is attached memory of
 * another process, any slot of ours.
 */
static unsigned slot_of_heap(uint64_t root)
{
	unsigned slot = rm_slot_of(root);

	for (unsigned i = 0; slot_state(slot) != SLOT_OWN && i < RM_SLOTS_MAX; i++)
		if (slot_state(i) == SLOT_OWN)
			slot = i;
	return slot;
}

/* Id and secret are chosen here, so that a repeated request makes the same publication. */
static int request_fill(struct rm_wire_publish *m, const struct rmmap_publish_options *options,
                        const struct snapshot *snapshot, uint64_t root)
{
	int error = random_bytes(m->id, sizeof(m->id));

	if (!error)
		error = random_bytes(m->secret, sizeof(m->secret));
	m->head.type = RM_PUBLISH;
	m->terms = rm_terms_or((struct rm_terms) { options->readers, options->ttl_ms },
	                       env_options()->terms);
	m->layer_count = snapshot->layer_count;
	/* The last ones of the table. If rmmapd lacks one of them, it refuses with ESTALE. */
	m->known_layers = snapshot->layer_count - snapshot->fresh_layers;
	m->slot = slot_of_heap(root);
	m->table_size = snapshot->table_size;
	return error;
}

static int hand_over_call(struct call *call, const struct snapshot *snapshot,
                          struct rm_wire_publish *m, char text[RM_HANDLE_TEXT_MAX])
{
	const struct rm_wire_reply *reply = (const void *)call->message;
	int fds[2] = { -1, hooks_claim(m->slot) }, error;
	/* fds[1] is not closed here: all publications of the slot share this descriptor. */
	struct exchange *x = &call->x;

	x->fds = fds;
	x->fd_count = fds[1] >= 0 ? 2 : 1;
	x->layers = snapshot->fds.data;
	x->layer_count = snapshot->fresh_layers;
	m->has_slot_lock = fds[1] >= 0;
	/* rmmapd serves this very file, so it is sealed: nobody can change it after the check. */
	fds[0] = sealed_copy("rmmap-table", snapshot->table, snapshot->table_size);
	if (fds[0] < 0)
		return snapshot_failed(fds[0]);
	error = client_call(x);
	close(fds[0]);
	if (x->reply_fd >= 0 && !error)
		close(x->reply_fd);
	if (error)
		return fail(me, -error, "%s", x->why);
	if (reply->error)
		return fail(me, reply->error, "%s", reply->text);
	/*
	 * Only now. After a refusal or a lost connection the new layers keep their descriptors,
	 * and the next publish hands them in.
	 */
	snapshot_handed_over();
	rm_format(text, RM_HANDLE_TEXT_MAX, "%s", reply->text);
	return 0;
}

static int hand_over_snapshot(const struct snapshot *snapshot, struct rm_wire_publish *m,
                              char text[RM_HANDLE_TEXT_MAX])
{
	struct call *call = call_new(m, sizeof(*m), RM_REPLY);
	int error = call ? hand_over_call(call, snapshot, m, text) : snapshot_failed(-ENOMEM);

	call_free(call);
	return error;
}

static int publish_once(uint64_t root, const struct rmmap_publish_options *options,
                        bool everything, struct rm_wire_publish *m,
                        struct snapshot *snapshot, char text[RM_HANDLE_TEXT_MAX])
{
	int error = snapshot_make(root, everything, options->flags & RMMAP_SELF_CONTAINED,
	                          snapshot);

	/* The program has closed a descriptor: copy everything, and hand it over at once. */
	if (error == -EBADF)
		error = snapshot_make(root, true, options->flags & RMMAP_SELF_CONTAINED, snapshot);
	if (error)
		return snapshot_failed(error);
	surroundings_note(snapshot);
	if (env_options()->check)
		check_snapshot(snapshot);
	error = request_fill(m, options, snapshot, root);
	return error ? fail(me, -error, "getrandom: %s", rm_errno_text(-error))
	             : hand_over_snapshot(snapshot, m, text);
}

/* On ESTALE rmmapd lacks layers of earlier publications, since it is another one: copy all. */
static int publish_locked(uint64_t root, const struct rmmap_publish_options *options,
                          struct rm_wire_publish *m, struct snapshot *snapshot,
                          char text[RM_HANDLE_TEXT_MAX])
{
	int error;

	own_lock(&lock);
	error = publish_once(root, options, false, m, snapshot, text);
	if (error && errno == ESTALE) {
		snapshot_free(snapshot);
		/* It cannot be ESTALE again: no layer of this table has to be known to rmmapd. */
		error = publish_once(root, options, true, m, snapshot, text);
	}
	own_unlock(&lock);
	snapshot_free(snapshot);
	return error;
}

/* In own pages, since a thread's stack may be small. */
struct publish_work {
	struct rm_wire_publish m;
	struct snapshot snapshot;
	char text[RM_HANDLE_TEXT_MAX];
};

static int publish_root(struct publish_work *work, uint64_t root,
                        const struct rmmap_publish_options *given, char *handle, size_t size)
{
	struct rmmap_publish_options options;
	uint64_t begin = rm_now_ns(), took;
	int error;

	if (!handle)
		return fail(me, EINVAL, "the buffer for the handle is NULL");
	if (options_check(given, &options) || root_check(root) ||
	    take_fabric(me, work->m.fabric))
		return -1;
	if (handle_surely_too_small(size))
		return handle_too_small(size);
	error = publish_locked(root, &options, &work->m, &work->snapshot, work->text);
	if (error)
		return error;
	if (strlen(work->text) >= size) {
		/* A publish that fails must leave nothing published. */
		unpublish_token(me, work->text);
		return handle_too_small(size);
	}
	memcpy(handle, work->text, strlen(work->text) + 1);
	count(COUNT_PUBLISHES, 1);
	count(COUNT_PUBLISHED_BYTES, work->snapshot.data_bytes);
	count(COUNT_COPIED_BYTES, work->snapshot.copied_bytes);
	took = rm_now_ns() - begin;
	count(COUNT_PUBLISH_NS, took);
	RM_PROBE(publish, root, work->snapshot.data_bytes, took);
	return 0;
}

/* Cancellation is off: a thread cancelled half-way would leave locks and descriptors behind. */
RM_EXPORT int rmmap_publish_with(const void *root, const struct rmmap_publish_options *options,
                                 char *handle, size_t size)
{
	struct publish_work *work = own_pages(sizeof(*work));
	int cancel, result;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	own_settle();
	/* Cleared here, so that it is empty also if there is no memory for the work. */
	if (handle && size)
		handle[0] = '\0';
	result = work ? publish_root(work, (uintptr_t)root, options, handle, size) :
	         fail(me, ENOMEM, "no memory for a request to rmmapd");
	own_pages_free(work, sizeof(*work));
	pthread_setcancelstate(cancel, &cancel);
	return result;
}

RM_EXPORT int rmmap_publish(const void *root, char *handle, size_t size)
{
	return rmmap_publish_with(root, NULL, handle, size);
}

/*
 * Without the lock of publishes: it waits only while one is being handed over, by the
 * connection's.
 */
RM_EXPORT int rmmap_unpublish(const char *handle)
{
	struct rm_handle decoded;
	char token[RM_HANDLE_TEXT_MAX];
	int cancel, result;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	result = take_handle("rmmap_unpublish", handle, &decoded, token);
	if (!result)
		result = unpublish_token("rmmap_unpublish", token);
	pthread_setcancelstate(cancel, &cancel);
	return result;
}

void publish_prefork(void)
{
	own_lock(&lock);
}

void publish_parent(void)
{
	own_unlock(&lock);
}

void publish_child(void)
{
	/*
	 * What is known stays true in the child, which has the same memory. Only the marks are
	 * the parent's: until it marks its pages anew, each of them counts as changed.
	 */
	track_child();
	own_unlock(&lock);
}
