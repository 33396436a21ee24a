/* SPDX-License-Identifier: BSD-2-Clause */
/* train - train a model with the parameters of this part's number, and test it */
#include <string.h>

#include "ml.h"

static void train_print_nothing(const char *text)
{
	(void)text;
}

static struct svm_problem problem_of(const struct samples *samples)
{
	struct svm_problem problem = { .l = (int)samples->training };

	problem.y = need(samples->training * sizeof(*problem.y));
	problem.x = need(samples->training * sizeof(*problem.x));
	for (size_t i = 0; i < samples->training; i++) {
		problem.y[i] = samples->label[i];
		problem.x[i] = point_of(samples, i);
	}
	return problem;
}

int main(int argc, char **argv)
{
	static const double gammas[] = { 0.1, 0.4, 0.025, 1.6 }, cs[] = { 4, 1, 16, 0.25 };
	struct svm_parameter parameters;
	struct svm_problem problem;
	const struct samples *samples;
	struct trained *trained;

	begin(&argc, argv);
	samples = take_one(&samples_kind, "samples");
	trained = need(sizeof(*trained));
	trained->gamma = gammas[self.part % 4];
	trained->c = cs[self.part / 4 % 4];
	memset(&parameters, 0, sizeof(parameters));
	parameters.svm_type = C_SVC;
	parameters.kernel_type = RBF;
	parameters.gamma = trained->gamma;
	parameters.C = trained->c;
	parameters.cache_size = 16;
	parameters.eps = 1e-3;
	parameters.shrinking = 1;
	problem = problem_of(samples);
	svm_set_print_string_function(train_print_nothing);
	trained->model = svm_train(&problem, &parameters);
	trained->accuracy = accuracy_of(trained->model, samples);
	hand_over(&trained_kind, trained);
	return finish();
}
