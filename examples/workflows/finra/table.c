/* SPDX-License-Identifier: BSD-2-Clause */
/* table.c - reads market data from a CSV file */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finra.h"

/* Date,Open,High,Low,Close,Volume,Dividends,Splits */
static bool read_day(char *line, struct day *day)
{
	double *const numbers[] = { &day->open, &day->high, &day->low, &day->close, NULL,
	                            &day->dividends, &day->splits };
	int year, month, of_month;
	char *at;

	if (sscanf(line, "%d-%d-%d", &year, &month, &of_month) != 3)
		return false;
	day->date = year * 10000 + month * 100 + of_month;
	at = strchr(line, ',');
	for (size_t i = 0; i < 7 && at; i++) {
		char *end;

		if (numbers[i])
			*numbers[i] = strtod(at + 1, &end);
		else
			day->volume = strtoll(at + 1, &end, 10);
		if (end == at + 1)
			return false;
		at = strchr(end, ',');
	}
	return true;
}

static struct stock *new_stock(struct market *market)
{
	struct stock *stock;

	market->stock = realloc(market->stock, (market->stocks + 1) * sizeof(*stock));
	if (!market->stock)
		die("no memory");
	stock = &market->stock[market->stocks++];
	memset(stock, 0, sizeof(*stock));
	return stock;
}

static void add_day(struct stock *stock, const struct day *day)
{
	/* room for a power of two */
	if (!(stock->days & (stock->days - 1))) {
		stock->day = realloc(stock->day, (stock->days ? 2 * stock->days : 1) * sizeof(*day));
		if (!stock->day)
			die("no memory");
	}
	stock->day[stock->days++] = *day;
}

/* The same days again, under another name and at other prices. */
static void copy_stock(struct market *market, size_t from, size_t copy)
{
	struct stock *to = new_stock(market);
	const struct stock *stock = &market->stock[from];
	const double factor = 1 + 0.01 * (double)copy;

	to->days = stock->days;
	to->day = need(to->days * sizeof(*to->day));
	for (size_t i = 0; i < to->days; i++) {
		struct day day = stock->day[i];

		day.open *= factor;
		day.high *= factor;
		day.low *= factor;
		day.close *= factor;
		to->day[i] = day;
	}
}

struct market *read_market(const char *name, size_t copies)
{
	struct market *market = need(sizeof(*market));
	struct stock *stock = NULL;
	FILE *file = fopen(name, "re");
	char line[512];
	struct day day;
	size_t originals;

	memset(market, 0, sizeof(*market));
	if (!file)
		die("%s: %m", name);
	while (fgets(line, sizeof(line), file)) {
		if (!read_day(line, &day))
			continue;       /* the heading */
		if (!stock || stock->day[stock->days - 1].date >= day.date)
			stock = new_stock(market);
		add_day(stock, &day);
	}
	fclose(file);
	originals = market->stocks;
	if (!originals)
		die("%s has no market data", name);
	for (size_t copy = 1; copy < copies; copy++)
		for (size_t i = 0; i < originals; i++)
			copy_stock(market, i, copy);
	for (size_t i = 0; i < market->stocks; i++) {
		market->stock[i].symbol = need(24);
		snprintf(market->stock[i].symbol, 24, "STK%zu", i);
	}
	return market;
}
