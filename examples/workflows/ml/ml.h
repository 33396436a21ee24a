/* SPDX-License-Identifier: BSD-2-Clause */
/* ml.h - the structures that pass between functions that train and use models of digits */
#ifndef ML_H
#define ML_H

#include <libsvm/svm.h>

#include "../common/way.h"

#define PIXELS 64                       /* of an image; each from 0 to 16 */

/* digits.c: read images and their digits, and repeat them so often, with noise */
struct digits {
	size_t count;
	double (*image)[PIXELS];
	int *label;
};
struct digits read_digits(const char *file, size_t copies);

/* ---- training ---- */

/* Images as points in fewer dimensions: the first ones for training, the rest for testing. */
struct samples {
	size_t count, training, dimensions;
	double *value;                  /* count rows of so many dimensions */
	int *label;
};
/* samples.c: sample number i as a point of libsvm; the caller frees it */
struct svm_node *point_of(const struct samples *samples, size_t i);
/* The share of the samples for testing that the model recognizes. */
double accuracy_of(const struct svm_model *model, const struct samples *samples);

struct trained {
	double c, gamma, accuracy;
	struct svm_model *model;
};

/* ---- prediction ---- */

/* Images to recognize, as points of libsvm without zeros; a part for each predictor. */
struct question {
	struct svm_node *point;
	int label;
};

struct questions {
	size_t parts;
	struct {
		size_t count;
		struct question *question;
	} *part;
};

struct answers {
	size_t told[10][10];            /* counts, by the true digit and by the model's answer */
};

extern const struct kind samples_kind, trained_kind, model_kind, questions_kind, answers_kind;

#endif
