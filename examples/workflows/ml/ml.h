/* SPDX-License-Identifier: BSD-2-Clause */
/* ml.h - handwritten digits: what is handed over when models are trained, and when they are used */
#ifndef ML_H
#define ML_H

#include <libsvm/svm.h>

#include "../common/way.h"

#define PIXELS 64                       /* of an image; each from 0 to 16 */

/* digits.c: images and what they show; repeated so many times, with noise */
struct digits {
	size_t count;
	double (*image)[PIXELS];
	int *label;
};
struct digits read_digits(const char *file, size_t copies);

/* ---- training ---- */

/* Images as points in fewer dimensions: the first ones are to learn from, the rest to be asked. */
struct samples {
	size_t count, training, dimensions;
	double *value;                  /* count rows of so many dimensions */
	int *label;
};
/* samples.c: points for libsvm, `dimensions` and an end each; of sample number i */
struct svm_node *point_of(const struct samples *samples, size_t i);
/* Of the samples that were not learnt from, how many parts are told right. */
double accuracy_of(const struct svm_model *model, const struct samples *samples);

struct trained {
	double c, gamma, accuracy;
	struct svm_model *model;
};

/* ---- prediction ---- */

/* Images to be told, as points for libsvm (without zeros); a part for each predictor. */
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
	size_t told[10][10];            /* by what it is, and what the model says */
};

extern const struct kind samples_kind, trained_kind, model_kind, questions_kind, answers_kind;

#endif
