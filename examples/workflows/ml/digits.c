/* SPDX-License-Identifier: BSD-2-Clause */
/* digits.c - reads images from a CSV file: 64 grey levels and the digit in each line */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ml.h"

static bool read_image(const char *line, double image[PIXELS], int *label)
{
	char *end;

	for (size_t i = 0; i < PIXELS; i++) {
		image[i] = (double)strtol(line, &end, 10);
		if (end == line || *end != ',')
			return false;
		line = end + 1;
	}
	*label = (int)strtol(line, &end, 10);
	return end != line && *label >= 0 && *label <= 9;
}

/* Add noise to a copy of an image, always the same. */
static void image_tremble(double image[PIXELS], uint64_t *state)
{
	for (size_t i = 0; i < PIXELS; i++) {
		*state = *state * 6364136223846793005u + 1442695040888963407u;
		image[i] = fmin(16, fmax(0, image[i] + (double)((*state >> 33) % 5) - 2));
	}
}

static void digits_make_room(struct digits *digits, size_t room)
{
	digits->image = realloc(digits->image, room * sizeof(*digits->image));
	digits->label = realloc(digits->label, room * sizeof(*digits->label));
	if (!digits->image || !digits->label)
		die("no memory");
}

struct digits read_digits(const char *name, size_t copies)
{
	struct digits digits = { .count = 0 };
	FILE *file = fopen(name, "re");
	uint64_t state = 10;
	char line[1024];
	size_t originals;

	if (!file)
		die("%s: %m", name);
	for (size_t room = 0; fgets(line, sizeof(line), file);) {
		if (digits.count == room)
			digits_make_room(&digits, room = room ? 2 * room : 256);
		digits.count += read_image(line, digits.image[digits.count],
		                           &digits.label[digits.count]);
	}
	fclose(file);
	originals = digits.count;
	if (!originals || !copies)
		die("%s has no images, or none are wanted", name);
	digits_make_room(&digits, originals * copies);
	for (; digits.count < originals * copies; digits.count++) {
		memcpy(digits.image[digits.count], digits.image[digits.count - originals],
		       sizeof(*digits.image));
		digits.label[digits.count] = digits.label[digits.count - originals];
		image_tremble(digits.image[digits.count], &state);
	}
	return digits;
}
