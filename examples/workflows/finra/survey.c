/* SPDX-License-Identifier: BSD-2-Clause */
/* survey.c - statistics of each stock over all its days, and searches by symbol and date */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "finra.h"

static struct survey survey_stock(const struct stock *stock)
{
	struct survey survey = { .lowest = HUGE_VAL, .highest = -HUGE_VAL };
	double volume = 0, sum = 0, squares = 0;

	for (size_t i = 0; i < stock->days; i++) {
		const struct day *day = &stock->day[i];

		if (day->low > day->high || day->close < 0 || day->volume < 0)
			survey.broken++;
		survey.lowest = fmin(survey.lowest, day->low);
		survey.highest = fmax(survey.highest, day->high);
		volume += (double)day->volume;
		if (i) {
			const double change = day->close / day[-1].close - 1;

			sum += change;
			squares += change * change;
		}
	}
	if (stock->days > 2) {
		const double n = (double)stock->days - 1;

		survey.swing = sqrt(fmax(0, squares / n - sum / n * (sum / n)));
	}
	survey.volume = volume / fmax(1, (double)stock->days);
	return survey;
}

struct survey *survey_market(const struct market *market)
{
	struct survey *surveys = need(market->stocks * sizeof(*surveys));

	for (size_t i = 0; i < market->stocks; i++)
		surveys[i] = survey_stock(&market->stock[i]);
	return surveys;
}

const struct stock *find_stock(const struct market *market, const char *symbol)
{
	/* STK and its number */
	const size_t i = strncmp(symbol, "STK", 3) ? market->stocks : strtoul(symbol + 3, NULL, 10);

	return i < market->stocks && !strcmp(market->stock[i].symbol, symbol) ? &market->stock[i]
	                                                                      : NULL;
}

const struct day *find_day(const struct stock *stock, int32_t date)
{
	size_t low = 0, high = stock->days;

	while (low < high) {
		const size_t middle = (low + high) / 2;

		if (stock->day[middle].date == date)
			return &stock->day[middle];
		if (stock->day[middle].date < date)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
