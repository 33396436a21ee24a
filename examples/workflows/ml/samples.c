/* SPDX-License-Identifier: BSD-2-Clause */
/* samples.c - samples as points of libsvm, and the accuracy of a model */
#include <stdlib.h>

#include "ml.h"

struct svm_node *point_of(const struct samples *samples, size_t i)
{
	struct svm_node *point = need((samples->dimensions + 1) * sizeof(*point));

	for (size_t j = 0; j < samples->dimensions; j++) {
		point[j].index = (int)j + 1;
		point[j].value = samples->value[i * samples->dimensions + j];
	}
	point[samples->dimensions].index = -1;
	point[samples->dimensions].value = 0;
	return point;
}

double accuracy_of(const struct svm_model *model, const struct samples *samples)
{
	size_t right = 0;

	for (size_t i = samples->training; i < samples->count; i++) {
		struct svm_node *point = point_of(samples, i);

		right += (int)svm_predict(model, point) == samples->label[i];
		free(point);
	}
	return (double)right / (double)(samples->count - samples->training);
}
