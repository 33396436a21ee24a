/* SPDX-License-Identifier: BSD-2-Clause */
/* predict - recognize the digits of this predictor's part with the model */
#include <string.h>

#include "ml.h"

int main(int argc, char **argv)
{
	const struct questions *questions;
	const struct svm_model *model;
	struct answers *answers;

	begin(&argc, argv);
	model = take_one(&model_kind, "model");
	questions = take_one(&questions_kind, "digits");
	if (self.part >= questions->parts)
		die("there are only %zu parts", questions->parts);
	answers = need(sizeof(*answers));
	memset(answers, 0, sizeof(*answers));
	for (size_t i = 0; i < questions->part[self.part].count; i++) {
		const struct question *question = &questions->part[self.part].question[i];
		const int told = (int)svm_predict(model, question->point);

		if (told < 0 || told > 9)
			die("the model is not one of digits");
		answers->told[question->label][told]++;
	}
	hand_over(&answers_kind, answers);
	return finish();
}
