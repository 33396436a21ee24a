/* SPDX-License-Identifier: BSD-2-Clause */
/* crafted.c - layers and tables made by hand, and RM_PUBLISH */
#include "crafted.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "channel.h"
#include "rundir.h"
#include "segment.h"
#include "wire.h"

#define INCREMENTS 10u
#define LAYER_PAGES (RM_LAYER_MAX / RM_PAGE)
#define NS UINT64_C(1000000000)
#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

struct made {                           /* a layer */
	int fd;
	char *data;                     /* while it is being filled */
	uint64_t pages;
	uint64_t bitmap[LAYER_PAGES / 64];
};

static struct crafted whole;
static struct made *layers;             /* bases, increments, and one for the odd page */
static uint32_t bases, layer_count;
static uint32_t *layer_of;              /* by page */
static uint64_t *place_of;              /* page in the layer */
static unsigned published;

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * UINT64_C(0x7fb5d329728ea185);
	x = (x ^ x >> 27) * UINT64_C(0x81dadef4bc2dd44d);
	return x ^ x >> 33;
}

static bool has_base(const struct crafted *crafted, uint64_t page)
{
	return page < crafted->pages - crafted->pages / 16;
}

/* Scattered pages, a long run every 4 MiB, and all that has no base. */
static bool changed(const struct crafted *crafted, uint64_t page)
{
	return mix(page) % 100 < crafted->percent || page % 1024 < 20 || !has_base(crafted, page);
}

static bool hole(const struct crafted *crafted, uint64_t page)
{
	return changed(crafted, page) && mix(page) / 100 % 16 == 0;
}

static void fill(void *at, uint64_t page, unsigned generation)
{
	for (unsigned i = 0; i < 8; i++)
		((uint64_t *)at)[i * 64 + i] = mix(page * 3 + generation) + i;
}

bool crafted_right(const struct crafted *crafted, uint64_t page)
{
	const uint64_t *at = (const void *)(uintptr_t)(CRAFTED_BASE + page * RM_PAGE);
	uint64_t want = mix(page * 3 + changed(crafted, page));

	for (unsigned i = 0; i < 8; i++)
		if (at[i * 64 + i] != (hole(crafted, page) ? 0 : want + i))
			return false;
	return at[511] == 0;
}

static void put_page(uint32_t layer, uint64_t place, uint64_t page, unsigned generation)
{
	fill(layers[layer].data + place * RM_PAGE, page, generation);
	rm_bit_set(layers[layer].bitmap, place);
}

static void open_layer(uint32_t i, uint64_t pages)
{
	layers[i].pages = pages;
	layers[i].fd = memfd_create("crafted", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(layers[i].fd >= 0 && ftruncate(layers[i].fd, (off_t)(pages * RM_PAGE)) == 0);
	layers[i].data = mmap(NULL, pages * RM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
	                      layers[i].fd, 0);
	CHECK(layers[i].data != MAP_FAILED);
}

static void close_layer(uint32_t i)
{
	munmap(layers[i].data, layers[i].pages * RM_PAGE);
	CHECK(fcntl(layers[i].fd, F_ADD_SEALS, SEALS) == 0);
}

/* Which layer has a page, and where: bases by address, increments one page after the other. */
static void place_pages(uint64_t counts[INCREMENTS])
{
	for (uint64_t page = 0; page < whole.pages; page++) {
		unsigned increment = page % 1024 < 20 ? 0 : mix(page) / 1600 % INCREMENTS;

		if (changed(&whole, page)) {
			layer_of[page] = bases + increment;
			place_of[page] = counts[increment]++;
		} else {
			layer_of[page] = (uint32_t)(page / LAYER_PAGES);
			place_of[page] = page % LAYER_PAGES;
		}
	}
}

void crafted_make(const struct crafted *crafted)
{
	uint64_t counts[INCREMENTS] = { 0 };

	whole = *crafted;
	bases = (uint32_t)((whole.pages + LAYER_PAGES - 1) / LAYER_PAGES);
	layer_count = bases + INCREMENTS + 1;
	layers = calloc(layer_count, sizeof(*layers));
	layer_of = calloc(whole.pages, sizeof(*layer_of));
	place_of = calloc(whole.pages, sizeof(*place_of));
	CHECK(layers && layer_of && place_of);
	place_pages(counts);
	for (uint32_t i = 0; i < layer_count; i++)
		open_layer(i, i < bases ? LAYER_PAGES : i < bases + INCREMENTS ?
		           counts[i - bases] + 1 : 1);
	for (uint64_t page = 0; page < whole.pages; page++) {
		/* The base has the page too, as it was before: nobody may see that. */
		if (has_base(&whole, page))
			put_page((uint32_t)(page / LAYER_PAGES), page % LAYER_PAGES, page, 0);
		if (changed(&whole, page) && !hole(&whole, page))
			put_page(layer_of[page], place_of[page], page, 1);
	}
	put_page(layer_count - 1, 0, 0, 2);
	for (uint32_t i = 0; i < layer_count; i++)
		close_layer(i);
}

static unsigned add_segments(struct rm_segment *segments, uint64_t from, uint64_t to, uint64_t odd)
{
	struct rm_segment *last = NULL;
	unsigned n = 0;

	for (uint64_t page = from; page < to; page++) {
		uint32_t layer = page == odd ? layer_count - 1 : layer_of[page];
		uint64_t offset = page == odd ? 0 : place_of[page] * RM_PAGE;

		if (last && last->layer == layer && last->offset + last->length == offset) {
			last->length += RM_PAGE;
			continue;
		}
		last = &segments[n++];
		*last = (struct rm_segment){ .addr = CRAFTED_BASE + page * RM_PAGE,
			.length = RM_PAGE, .offset = offset, .layer = layer, .heap = 99 };
	}
	return n;
}

static int make_table(uint64_t from, uint64_t to, uint64_t odd, unsigned *n, size_t *size)
{
	struct rm_segment *segments = calloc(to - from, sizeof(*segments));
	uint64_t *lengths = calloc(layer_count, sizeof(*lengths));
	int fd = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *memory;

	CHECK(segments && lengths && fd >= 0);
	*n = add_segments(segments, from, to, odd);
	for (uint32_t i = 0; i < layer_count; i++)
		lengths[i] = layers[i].pages * RM_PAGE;
	*size = rm_table_size(lengths, layer_count, *n);
	memory = calloc(1, *size);
	CHECK(*size && memory);
	rm_table_layout(memory, lengths, layer_count, *n, CRAFTED_BASE + from * RM_PAGE);
	memcpy(rm_table_segments(memory), segments, *n * sizeof(*segments));
	for (uint32_t i = 0; i < layer_count; i++) {
		snprintf((char *)rm_table_layers(memory)[i].id, RM_ID_BYTES, "%u-%x", i,
		         (unsigned)getpid());
		memcpy(rm_table_bitmap(memory, i), layers[i].bitmap,
		       (layers[i].pages + 63) / 64 * sizeof(uint64_t));
	}
	CHECK(write(fd, memory, *size) == (ssize_t)*size && fcntl(fd, F_ADD_SEALS, SEALS) == 0);
	free(memory);
	free(lengths);
	free(segments);
	return fd;
}

static void send_message(int fd, void *message, size_t size, int type, const int *fds,
                         unsigned count)
{
	struct rm_wire head = { RM_WIRE_MAGIC, RM_WIRE_VERSION, (uint16_t)type, 1 };

	memcpy(message, &head, sizeof(head));
	CHECK(rm_channel_send(fd, message, size, fds, count, rm_now_ns() + 10 * NS) == 0);
}

static void receive(int fd, void *message, int type)
{
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	do
		CHECK(rm_channel_recv(fd, message, RM_WIRE_MAX, fds, &count,
		                      rm_now_ns() + 30 * NS) > 0);
	while (((struct rm_wire *)message)->type == RM_PROGRESS);
	CHECK(((struct rm_wire *)message)->type == type);
}

unsigned crafted_publish(uint64_t from, uint64_t to, uint64_t odd, char handle[RMMAP_HANDLE_MAX])
{
	struct rm_wire_hello hello = { .pid = (uint32_t)getpid(), .layout = rm_layout_here() };
	struct rm_wire_publish publish = { .layer_count = layer_count, .terms.ttl_ms = 600000 };
	_Alignas(8) char message[RM_WIRE_MAX];
	const struct rm_wire_reply *reply = (const void *)message;
	int fd = rm_rundir_connect(getenv("RMMAP_RUNDIR")), table;
	size_t size;
	unsigned n;

	CHECK(fd >= 0);
	send_message(fd, &hello, sizeof(hello), RM_HELLO, NULL, 0);
	receive(fd, message, RM_HELLO_REPLY);
	table = make_table(from, to, odd, &n, &size);
	publish.table_size = size;
	snprintf(publish.fabric, sizeof(publish.fabric), "%s", getenv("RMMAP_FABRIC"));
	published++;
	snprintf((char *)publish.id, sizeof(publish.id), "%u-%x", published, (unsigned)getpid());
	send_message(fd, &publish, sizeof(publish), RM_PUBLISH, &table, 1);
	for (uint32_t i = 0; i < layer_count; i++) {
		struct rm_wire_layers m = { .first = i, .count = 1 };

		send_message(fd, &m, sizeof(m), RM_LAYERS, &layers[i].fd, 1);
	}
	receive(fd, message, RM_REPLY);
	if (reply->error)
		fprintf(stderr, "rmmapd: %s\n", reply->text);
	CHECK(!reply->error);
	CHECK(strlen(reply->text) < RMMAP_HANDLE_MAX);
	memcpy(handle, reply->text, strlen(reply->text) + 1);
	close(table);
	close(fd);
	return n;
}
