/* SPDX-License-Identifier: BSD-2-Clause */
/* pick - print which trained model recognizes most of the digits for testing, and test it again */
#include <stdio.h>

#include "ml.h"

static bool model_better(const struct trained *a, const struct trained *b)
{
	if (a->accuracy != b->accuracy)
		return a->accuracy > b->accuracy;
	return a->c != b->c ? a->c < b->c : a->gamma < b->gamma;
}

int main(int argc, char **argv)
{
	const struct trained *trained, *best = NULL;
	const struct samples *samples;
	size_t count = 0;

	begin(&argc, argv);
	samples = take_one(&samples_kind, "samples");
	for (; (trained = take(&trained_kind)); count++)
		if (!best || model_better(trained, best))
			best = trained;
	if (!best)
		die("there is no model on standard input");
	printf("best of %zu: C %g, gamma %g, %d vectors, accuracy %.6f, asked again %.6f\n", count,
	       best->c, best->gamma, best->model->l, best->accuracy,
	       accuracy_of(best->model, samples));
	return finish();
}
