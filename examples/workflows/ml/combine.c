/* SPDX-License-Identifier: BSD-2-Clause */
/* combine - add up all answers; print how many were right, and which digit was taken for which */
#include <stdio.h>

#include "ml.h"

int main(int argc, char **argv)
{
	size_t all[10][10] = { { 0 } }, count = 0, right = 0;
	const struct answers *answers;

	begin(&argc, argv);
	while ((answers = take(&answers_kind))) {
		for (size_t i = 0; i < 100; i++) {
			all[i / 10][i % 10] += answers->told[i / 10][i % 10];
			count += answers->told[i / 10][i % 10];
		}
	}
	for (size_t is = 0; is < 10; is++) {
		right += all[is][is];
		for (size_t told = 0; told < 10; told++)
			printf("%5zu%s", all[is][told], told < 9 ? " " : "\n");
	}
	printf("%zu of %zu right, accuracy %.6f\n", right, count,
	       count ? (double)right / (double)count : 0.0);
	return finish();
}
