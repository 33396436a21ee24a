/* SPDX-License-Identifier: BSD-2-Clause */
/* fit FILE COPIES MODEL - train a model of digits and save it, as the input of prediction */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "points.h"

static void fit_print_nothing(const char *text)
{
	(void)text;
}

int main(int argc, char **argv)
{
	struct svm_parameter parameters;
	struct svm_problem problem;
	struct digits digits;

	if (argc != 4) {
		fprintf(stderr, "usage: fit FILE COPIES MODEL\n");
		return 2;
	}
	digits = read_digits(argv[1], number_of(argv[2], COPIES_MAX));
	problem.l = (int)digits.count;
	problem.y = need(digits.count * sizeof(*problem.y));
	problem.x = need(digits.count * sizeof(*problem.x));
	for (size_t i = 0; i < digits.count; i++) {
		problem.y[i] = digits.label[i];
		problem.x[i] = sparse_point(digits.image[i]);
	}
	memset(&parameters, 0, sizeof(parameters));
	parameters.svm_type = C_SVC;
	parameters.kernel_type = RBF;
	parameters.gamma = 0.25;
	parameters.C = 4;
	parameters.cache_size = 200;
	parameters.eps = 1e-2;
	parameters.shrinking = 1;
	svm_set_print_string_function(fit_print_nothing);
	if (svm_save_model(argv[3], svm_train(&problem, &parameters))) {
		perror(argv[3]);
		return 1;
	}
	return 0;
}
