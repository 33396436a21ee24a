/* SPDX-License-Identifier: BSD-2-Clause */
/* points.h - an image as a point of libsvm, which leaves zeros out */
#ifndef ML_POINTS_H
#define ML_POINTS_H

#include "ml.h"

static inline struct svm_node *sparse_point(const double image[PIXELS])
{
	struct svm_node *point;
	size_t n = 0;

	for (size_t i = 0; i < PIXELS; i++)
		n += image[i] != 0;
	point = need((n + 1) * sizeof(*point));
	n = 0;
	for (size_t i = 0; i < PIXELS; i++)
		if (image[i] != 0)
			point[n++] = (struct svm_node){ .index = (int)i + 1, .value = image[i] / 16 };
	point[n] = (struct svm_node){ .index = -1 };
	return point;
}

#endif
