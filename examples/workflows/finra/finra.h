/* SPDX-License-Identifier: BSD-2-Clause */
/* finra.h - trades of a day's portfolio, audited against years of market data */
#ifndef FINRA_H
#define FINRA_H

#include "../common/way.h"

/* Market data: a table of days for each stock, ascending by date. */
struct day {
	int64_t volume;
	double open, high, low, close, dividends, splits;
	int32_t date;           /* 20040819 */
};

struct stock {
	char *symbol;
	size_t days;
	struct day *day;
};

struct market {
	size_t stocks;
	struct stock *stock;
};

/* The trades of customers, as a list. */
struct trade {
	struct trade *next;
	char *id, *account, *symbol;
	double price;
	int64_t quantity;
	int32_t date;
	char side;              /* B or S */
};

struct portfolio {
	size_t trades;
	struct trade *first;
};

/* The trades that a rule objects to. */
struct flag {
	struct flag *next;
	char *id;               /* of the trade */
};

struct verdict {
	char *rule;
	unsigned level;         /* how strict it was */
	size_t flagged;
	struct flag *first;
};

extern const struct kind market_kind, portfolio_kind, verdict_kind;

/* table.c: read the stocks of a CSV file, and repeat them so often under other names */
struct market *read_market(const char *file, size_t copies);

/* survey.c: statistics of a stock over all its days, for the rules */
struct survey {
	double lowest, highest;         /* prices */
	double volume;                  /* mean */
	double swing;                   /* standard deviation of close by close before */
	size_t broken;                  /* days with impossible figures */
};
/* For each stock of the market. */
struct survey *survey_market(const struct market *market);
/* The stock of this name, and its day of this date; NULL if there is none. */
const struct stock *find_stock(const struct market *market, const char *symbol);
const struct day *find_day(const struct stock *stock, int32_t date);

/* rules.c: apply rule number part to all trades */
struct verdict *audit(const struct market *market, const struct portfolio *portfolio, size_t part);

#endif
