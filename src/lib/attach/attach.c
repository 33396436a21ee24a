/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attach.c - rmmap_attach(), rmmap_detach(): ask rmmapd, and have the answer mapped
 *
 * Any thread, several at once: nothing here is shared, and attachments.c has the lock over what
 * is attached. Allocates in own pages only.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../common/channel.h"
#include "../../common/handle.h"
#include "../../common/probe.h"
#include "../../common/say.h"
#include "internal.h"
#include "rmmap.h"

static const char me[] = "rmmap_attach";

/* A request, and what rmmapd answered. In own pages. */
struct asked {
	struct exchange x;
	_Alignas(8) char message[RM_WIRE_MAX];  /* the reply */
	void *memory;                   /* the mapped table, or NULL, also once it was passed on;
	                                   its size is the reply's table_size */
	struct rm_table table;          /* a view of memory, checked */
	int lazy_err;                   /* why there is no userfaultfd now; 0: there is one */
	char why[RM_TEXT_MAX];
};

static const struct rm_wire_attach_reply *asked_reply(const struct asked *asked)
{
	return (const void *)asked->message;
}

static uint64_t file_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

/* The table stays mapped while it is attached, so it must lie outside the window. */
static void *table_map(int fd, uint64_t size)
{
	void *memory = own_pages(size), *p;

	if (!memory)
		return NULL;
	p = mmap(memory, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	if (p != MAP_FAILED)
		return p;
	own_pages_unmap(memory, size);
	return NULL;
}

/* Map and check the table. Each layer's file must be as long as the table says. */
static int table_open(struct asked *asked)
{
	const struct rm_wire_attach_reply *reply = asked_reply(asked);
	const char *wrong = "no table";
	uint64_t size = reply->table_size;
	int error = -EPROTO;

	if (asked->x.reply_fd >= 0 && size && file_size(asked->x.reply_fd) >= size) {
		asked->memory = table_map(asked->x.reply_fd, size);
		if (!asked->memory) {
			rm_format(asked->why, sizeof(asked->why), "no room for the table");
			return -ENOMEM;
		}
		error = rm_table_check(asked->memory, size, &asked->table, &wrong);
	}
	if (!error && asked->table.layer_count != asked->x.layer_fd_count) {
		error = -EPROTO;
		wrong = "another number of layers than came";
	}
	for (uint32_t i = 0; !error && i < asked->table.layer_count; i++)
		if (file_size(asked->x.layer_fds[i]) < asked->table.layers[i].length) {
			error = -EPROTO;
			wrong = "a layer is shorter than the table says";
		}
	if (!error)
		return 0;
	rm_format(asked->why, sizeof(asked->why), "rmmapd sent a snapshot that cannot be right: %s",
	          wrong);
	return -EPROTO;
}

/* Close and unmap all that came with the answer; the table is void then. */
static void asked_close(struct asked *asked)
{
	own_pages_unmap(asked->memory, asked_reply(asked)->table_size);
	asked->memory = NULL;
	if (asked->x.reply_fd >= 0)
		close(asked->x.reply_fd);
	for (uint32_t i = 0; i < asked->x.layer_fd_count; i++)
		close(asked->x.layer_fds[i]);
	if (asked->x.layer_fds)
		own_pages_free(asked->x.layer_fds,
		               asked->x.layer_fd_count * sizeof(*asked->x.layer_fds));
}

/*
 * rmmapd refuses with ENOTSUP if pages would have to come lazily, and this process has said that it
 * has no userfaultfd. If that is for want of descriptors or memory, the text says so.
 */
static int asked_refused(struct asked *asked)
{
	const struct rm_wire_attach_reply *reply = asked_reply(asked);

	if (reply->error == ENOTSUP && asked->lazy_err && asked->lazy_err != -EPERM &&
	    asked->lazy_err != -ENOTSUP) {
		rm_format(asked->why, sizeof(asked->why), "no userfaultfd for fetching pages when "
		          "they are touched: %s%s", rm_errno_text(-asked->lazy_err),
		          asked->lazy_err == -EMFILE ? "; raise the limit (ulimit -n)" : "");
		return asked->lazy_err;
	}
	rm_format(asked->why, sizeof(asked->why), "%s",
	          reply->text[0] ? reply->text : rm_errno_text(reply->error));
	return -reply->error;
}

/* Send RM_ATTACH. 0 with the table mapped and all descriptors, or -errno with asked->why. */
static int asked_send(struct asked *asked, struct rm_wire_attach *m)
{
	const struct rm_wire_attach_reply *reply = asked_reply(asked);
	int error;

	memset(asked->message, 0, sizeof(asked->message));
	asked->x = (struct exchange){
		.request = m, .request_size = sizeof(*m),
		.reply = asked->message, .reply_type = RM_ATTACH_REPLY,
		.reply_fd = -1,
	};
	error = client_call(&asked->x);
	if (error) {
		/* Its descriptors did not fit into this process, so give the attachment up. */
		if (error == -EMFILE && reply->head.type == RM_ATTACH_REPLY && !reply->error)
			attach_tell_detach(reply->attachment, asked->x.era);
		memcpy(asked->why, asked->x.why, sizeof(asked->why));
		return error;
	}
	if (reply->error) {
		asked_close(asked);
		return asked_refused(asked);
	}
	error = table_open(asked);
	if (error) {
		asked_close(asked);
		attach_tell_detach(reply->attachment, asked->x.era);
	}
	return error;
}

static int attach_asked(struct asked *asked, struct rm_wire_attach *m,
                        const struct rm_handle *handle, uint64_t *root, char *why)
{
	struct offer offer = { .id = handle->id };
	uint64_t own_left;
	int error;

	asked->lazy_err = lazy_possible();
	m->can_lazy = !asked->lazy_err;
	error = asked_send(asked, m);

	rm_format(why, RM_TEXT_MAX, "%s", asked->why);
	if (error)
		return error;
	offer.table = asked->table;
	offer.layer_fds = asked->x.layer_fds;
	offer.lazy = asked_reply(asked)->mode == RM_ATTACH_LAZY;
	offer.number = asked_reply(asked)->attachment;
	offer.era = asked->x.era;
	*root = asked->table.root;
	error = attached_add(&offer, &own_left, why);
	/*
	 * After -EEXIST, too: the attachment that another thread made counts for both, and this
	 * one is rmmapd's to drop.
	 */
	if (error)
		attach_tell_detach(offer.number, offer.era);
	else
		asked->memory = NULL;           /* kept */
	asked_close(asked);
	if (!error)
		count(COUNT_OWN_PAGES, own_left);
	return error == -EEXIST ? 0 : error;        /* another thread was quicker: the same root */
}

static int attach_once(struct rm_wire_attach *m, const struct rm_handle *handle, uint64_t *root,
                       char *why)
{
	struct asked *asked = own_pages(sizeof(*asked));
	int error = asked ? attach_asked(asked, m, handle, root, why) : -ENOMEM;

	own_pages_free(asked, sizeof(*asked));
	return error;
}

/* In own pages, since a thread's stack may be small. */
struct attach_work {
	struct rm_wire_attach m;
	struct rm_handle handle;
	char why[RM_TEXT_MAX];
};

static int take_mode(const struct rmmap_attach_options *given, struct rm_wire_attach *m)
{
	struct rmmap_attach_options options = RMMAP_ATTACH_OPTIONS_INIT;

	if (take_options(me, &options, sizeof(options), sizeof(options), given))
		return -1;
	if (options.flags & ~(RMMAP_EAGER | RMMAP_LAZY))
		return fail(me, EINVAL, "unknown flags 0x%x",
		            options.flags & ~(RMMAP_EAGER | RMMAP_LAZY));
	if (options.flags == (RMMAP_EAGER | RMMAP_LAZY))
		return fail(me, EINVAL, "RMMAP_EAGER and RMMAP_LAZY exclude each other");
	m->prefetch = (uint32_t)env_options()->prefetch;
	m->want = options.flags & RMMAP_EAGER ? RM_FETCH_EAGER :
	          options.flags & RMMAP_LAZY ? RM_FETCH_LAZY : (uint32_t)env_options()->fetch;
	return 0;
}

static void *attach_run(struct attach_work *work, const char *text,
                        const struct rmmap_attach_options *options)
{
	struct rm_wire_attach *m = &work->m;
	uint64_t begin = rm_now_ns(), root = 0, took;
	int error = -ESTALE;

	if (!other_malloc_permits_maps()) {
		fail(me, ENOTSUP, "%s lets a program map nothing at the addresses of publications: "
		     "run the program without %s", other_malloc_name(), other_malloc_name());
		return NULL;
	}
	/*
	 * The fork handlers are registered before there is anything that a fork has to complete.
	 */
	heap_attaches();
	m->head.type = RM_ATTACH;
	if (take_mode(options, m) || take_handle(me, text, &work->handle, m->handle) ||
	    take_fabric(me, m->fabric))
		return NULL;
	/*
	 * From here on free() looks at pointers: set before any attached memory can reach the
	 * program.
	 */
	heap_mix();
	/* rmmapd may be replaced between its answer and RM_LAZY: then begin again. */
	for (int i = 0; i < 3 && error == -ESTALE; i++)
		error = attached_again(work->handle.id, &root) ? 0 :
		        attach_once(m, &work->handle, &root, work->why);
	if (error) {
		fail(me, error == -ESTALE ? ECONNREFUSED : -error, "%s",
		     work->why[0] ? work->why : rm_errno_text(-error));
		return NULL;
	}
	count(COUNT_ATTACHES, 1);
	took = rm_now_ns() - begin;
	count(COUNT_ATTACH_NS, took);
	RM_PROBE(attach, root, attach_bytes(), took);
	return (void *)(uintptr_t)root;
}

RM_EXPORT void *rmmap_attach_with(const char *handle, const struct rmmap_attach_options *options)
{
	struct attach_work *work = own_pages(sizeof(*work));
	void *root = NULL;
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	/* Before any lock: in a child of an inner fork, this does what fork() has left undone. */
	own_settle();
	if (work)
		root = attach_run(work, handle, options);
	else
		fail(me, ENOMEM, "no memory for a request to rmmapd");
	own_pages_free(work, sizeof(*work));
	pthread_setcancelstate(cancel, &cancel);
	return root;
}

RM_EXPORT void *rmmap_attach(const char *handle)
{
	return rmmap_attach_with(handle, NULL);
}

static int detach_root(uint64_t root)
{
	if (!attached_remove(root))
		return fail("rmmap_detach", EINVAL, "0x%llx is not the root of anything attached "
		            "here; pass what rmmap_attach() returned, once for each attach",
		            (unsigned long long)root);
	return 0;
}

RM_EXPORT int rmmap_detach(const void *root)
{
	int cancel, result;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	own_settle();
	result = detach_root((uintptr_t)root);
	pthread_setcancelstate(cancel, &cancel);
	return result;
}
