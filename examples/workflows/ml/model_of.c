/* SPDX-License-Identifier: BSD-2-Clause */
/* model_of FILE - load a trained model and pass it to all predictors */
#include "ml.h"

int main(int argc, char **argv)
{
	struct svm_model *model;

	begin(&argc, argv);
	if (argc < 2)
		die("which model?");
	model = svm_load_model(argv[1]);
	if (!model)
		die("%s is no model of libsvm", argv[1]);
	hand_over(&model_kind, model);
	return finish();
}
