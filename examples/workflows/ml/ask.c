/* SPDX-License-Identifier: BSD-2-Clause */
/* ask FILE COPIES - read images and divide them between the predictors */
#include <stdlib.h>
#include <string.h>

#include "points.h"

int main(int argc, char **argv)
{
	struct questions *questions;
	struct digits digits;

	begin(&argc, argv);
	if (argc < 3)
		die("which file, and how many copies of it?");
	digits = read_digits(argv[1], number_of(argv[2], COPIES_MAX));
	questions = need(sizeof(*questions));
	questions->parts = self.receivers;
	questions->part = need(self.receivers * sizeof(*questions->part));
	for (size_t p = 0; p < self.receivers; p++) {
		const size_t from = digits.count * p / self.receivers;
		const size_t count = digits.count * (p + 1) / self.receivers - from;

		questions->part[p].count = count;
		questions->part[p].question = need((count + 1) * sizeof(struct question));
		for (size_t i = 0; i < count; i++)
			questions->part[p].question[i] = (struct question){
				.point = sparse_point(digits.image[from + i]),
				.label = digits.label[from + i],
			};
	}
	free(digits.image);
	free(digits.label);
	hand_over(&questions_kind, questions);
	return finish();
}
