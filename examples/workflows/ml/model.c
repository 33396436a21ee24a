/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model.c - libsvm's models as messages
 *
 * A message has what svm_predict() reads, as a file of svm_save_model() has: support vectors, their
 * coefficients, and the constants of a classifier (C_SVC) with an RBF kernel, as is trained here.
 */
#include <stdlib.h>
#include <string.h>

#include "kinds.h"

static size_t pairs_of(const struct svm_model *model)
{
	return (size_t)model->nr_class * (size_t)(model->nr_class - 1) / 2;
}

static void pack_model(msgpack_packer *to, const struct svm_model *model)
{
	const size_t classes = (size_t)model->nr_class, vectors = (size_t)model->l;

	msgpack_pack_array(to, 5);
	msgpack_pack_int(to, model->param.svm_type);
	msgpack_pack_int(to, model->param.kernel_type);
	msgpack_pack_double(to, model->param.gamma);
	msgpack_pack_uint64(to, classes);
	msgpack_pack_uint64(to, vectors);
	pack_bytes(to, model->rho, pairs_of(model) * sizeof(double));
	pack_bytes(to, model->label, classes * sizeof(int));
	pack_bytes(to, model->nSV, classes * sizeof(int));
	for (size_t i = 0; i + 1 < classes; i++)
		pack_bytes(to, model->sv_coef[i], vectors * sizeof(double));
	for (size_t i = 0; i < vectors; i++)
		pack_point(to, model->SV[i]);
}

static void *next_array_of(struct message *from, size_t count, size_t size)
{
	void *memory = need(count * size);

	next_bytes(from, memory, count * size);
	return memory;
}

static struct svm_model *unpack_model(struct message *from)
{
	const msgpack_object *head = next_array(from, 5);
	struct svm_model *model = need(sizeof(*model));
	size_t classes, vectors;

	memset(model, 0, sizeof(*model));
	model->param.svm_type = (int)get_int(&head[0]);
	model->param.kernel_type = (int)get_int(&head[1]);
	model->param.gamma = get_double(&head[2]);
	classes = get_uint(&head[3]);
	vectors = get_uint(&head[4]);
	model->nr_class = (int)classes;
	model->l = (int)vectors;
	model->rho = next_array_of(from, pairs_of(model), sizeof(double));
	model->label = next_array_of(from, classes, sizeof(int));
	model->nSV = next_array_of(from, classes, sizeof(int));
	model->sv_coef = need(classes * sizeof(*model->sv_coef));
	for (size_t i = 0; i + 1 < classes; i++)
		model->sv_coef[i] = next_array_of(from, vectors, sizeof(double));
	model->SV = need((vectors + 1) * sizeof(*model->SV));
	for (size_t i = 0; i < vectors; i++)
		model->SV[i] = unpack_point(from);
	return model;
}

static void pack_only_model(msgpack_packer *to, const void *root, size_t part)
{
	(void)part;
	pack_model(to, root);
}

static void *unpack_only_model(struct message *from, size_t part)
{
	(void)part;
	return unpack_model(from);
}

static void pack_trained(msgpack_packer *to, const void *root, size_t part)
{
	const struct trained *trained = root;

	(void)part;
	msgpack_pack_array(to, 3);
	msgpack_pack_double(to, trained->c);
	msgpack_pack_double(to, trained->gamma);
	msgpack_pack_double(to, trained->accuracy);
	pack_model(to, trained->model);
}

static void *unpack_trained(struct message *from, size_t part)
{
	const msgpack_object *head = next_array(from, 3);
	struct trained *trained = need(sizeof(*trained));

	(void)part;
	trained->c = get_double(&head[0]);
	trained->gamma = get_double(&head[1]);
	trained->accuracy = get_double(&head[2]);
	trained->model = unpack_model(from);
	return trained;
}

const struct kind model_kind = { .pack = pack_only_model, .unpack = unpack_only_model };
const struct kind trained_kind = { .pack = pack_trained, .unpack = unpack_trained };
