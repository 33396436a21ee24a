/* SPDX-License-Identifier: BSD-2-Clause */
/* kinds.c - samples, questions and answers as messages; model.c has the models */
#include <string.h>

#include "kinds.h"

/* ---- samples: a matrix and a vector, as they lie in memory ---- */

static void pack_samples(msgpack_packer *to, const void *root, size_t part)
{
	const struct samples *samples = root;

	(void)part;
	msgpack_pack_array(to, 3);
	msgpack_pack_uint64(to, samples->count);
	msgpack_pack_uint64(to, samples->training);
	msgpack_pack_uint64(to, samples->dimensions);
	pack_bytes(to, samples->value, samples->count * samples->dimensions * sizeof(double));
	pack_bytes(to, samples->label, samples->count * sizeof(int));
}

static void *unpack_samples(struct message *from, size_t part)
{
	const msgpack_object *head = next_array(from, 3);
	struct samples *samples = need(sizeof(*samples));
	size_t bytes;

	(void)part;
	samples->count = get_uint(&head[0]);
	samples->training = get_uint(&head[1]);
	samples->dimensions = get_uint(&head[2]);
	bytes = samples->count * samples->dimensions * sizeof(double);
	samples->value = need(bytes);
	next_bytes(from, samples->value, bytes);
	samples->label = need(samples->count * sizeof(int));
	next_bytes(from, samples->label, samples->count * sizeof(int));
	return samples;
}

/* ---- points: [index, value, index, value, ...] ---- */

void pack_point(msgpack_packer *to, const struct svm_node *point)
{
	size_t count = 0;

	while (point[count].index != -1)
		count++;
	msgpack_pack_array(to, 2 * count);
	for (size_t i = 0; i < count; i++) {
		msgpack_pack_int(to, point[i].index);
		msgpack_pack_double(to, point[i].value);
	}
}

struct svm_node *unpack_point(struct message *from)
{
	const msgpack_object *object = next_object(from), *number;
	struct svm_node *point;
	size_t count;

	if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size % 2)
		die("a message has something else where a point should be");
	count = object->via.array.size / 2;
	number = object->via.array.ptr;
	point = need((count + 1) * sizeof(*point));
	for (size_t i = 0; i < count; i++) {
		point[i].index = (int)get_int(&number[2 * i]);
		point[i].value = get_double(&number[2 * i + 1]);
	}
	point[count].index = -1;
	point[count].value = 0;
	return point;
}

/* ---- questions: their number, and for each a label and a point ---- */

static void pack_questions(msgpack_packer *to, const void *root, size_t part)
{
	const struct questions *questions = root;

	if (part >= questions->parts)
		die("there are only %zu parts", questions->parts);
	msgpack_pack_uint64(to, questions->part[part].count);
	for (size_t i = 0; i < questions->part[part].count; i++) {
		msgpack_pack_int(to, questions->part[part].question[i].label);
		pack_point(to, questions->part[part].question[i].point);
	}
}

static void *unpack_questions(struct message *from, size_t part)
{
	struct questions *questions = need(sizeof(*questions));
	struct question *question;
	size_t count = next_uint(from);

	questions->parts = part + 1;
	questions->part = need(questions->parts * sizeof(*questions->part));
	memset(questions->part, 0, questions->parts * sizeof(*questions->part));
	question = need((count + 1) * sizeof(*question));
	for (size_t i = 0; i < count; i++) {
		question[i].label = (int)next_uint(from);
		question[i].point = unpack_point(from);
	}
	questions->part[part].count = count;
	questions->part[part].question = question;
	return questions;
}

static void pack_answers(msgpack_packer *to, const void *root, size_t part)
{
	const struct answers *answers = root;

	(void)part;
	pack_bytes(to, answers->told, sizeof(answers->told));
}

static void *unpack_answers(struct message *from, size_t part)
{
	struct answers *answers = need(sizeof(*answers));

	(void)part;
	next_bytes(from, answers->told, sizeof(answers->told));
	return answers;
}

const struct kind samples_kind = { .pack = pack_samples, .unpack = unpack_samples };
const struct kind questions_kind = {
	.parted = true, .pack = pack_questions, .unpack = unpack_questions,
};
const struct kind answers_kind = { .pack = pack_answers, .unpack = unpack_answers };
