/* SPDX-License-Identifier: BSD-2-Clause */
/* rules.c - the audit rules: each examines all trades, with statistics of the whole market */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finra.h"

#define BOOKS 1024                      /* buckets */

struct auditor {
	const struct market *market;
	const struct survey *surveys;   /* of its stocks */
	double tolerance;               /* 1, and less for a stricter one */
	struct book *books[BOOKS];
	struct verdict *verdict;
	struct flag **end;
};

/* The state of a rule for an account, for a stock of an account, or for a trade seen before. */
struct book {
	struct book *next;
	const struct trade *of;
	double cash, worth;
	int64_t held;
};

static bool same_account(const struct trade *a, const struct trade *b)
{
	return !strcmp(a->account, b->account);
}

static bool same_position(const struct trade *a, const struct trade *b)
{
	return same_account(a, b) && !strcmp(a->symbol, b->symbol);
}

static bool same_trade(const struct trade *a, const struct trade *b)
{
	return same_position(a, b) && a->date == b->date && a->side == b->side &&
	       a->quantity == b->quantity && fabs(a->price - b->price) < 1e-9;
}

/* The book for this trade; a new one, of this trade, if there is none. */
static struct book *book_of(struct auditor *auditor, const struct trade *trade,
                            bool (*same)(const struct trade *, const struct trade *))
{
	unsigned hash = 0;
	struct book **place, *book;

	for (const char *c = trade->account; *c; c++)
		hash = hash * 31 + (unsigned char)*c;
	place = &auditor->books[hash % BOOKS];
	for (book = *place; book; book = book->next)
		if (same(book->of, trade))
			return book;
	book = need(sizeof(*book));
	*book = (struct book){ .next = *place, .of = trade };
	*place = book;
	return book;
}

static const struct survey *survey_of(const struct auditor *auditor, const struct stock *stock)
{
	return &auditor->surveys[stock - auditor->market->stock];
}

/* ---- the rules: true if somebody has to examine the trade ---- */

static bool bad_format(struct auditor *auditor, const struct trade *t)
{
	const struct stock *stock = find_stock(auditor->market, t->symbol);
	const int month = t->date / 100 % 100, day = t->date % 100;

	return t->id[0] != 'T' || strspn(t->id + 1, "0123456789") != 8 ||
	       strncmp(t->account, "ACC", 3) || !stock || survey_of(auditor, stock)->broken ||
	       month < 1 || month > 12 || day < 1 || day > 31 || t->quantity <= 0 || t->price <= 0;
}

static bool bad_side(struct auditor *auditor, const struct trade *t)
{
	struct book *book;

	if (t->side != 'B' && t->side != 'S')
		return true;
	book = book_of(auditor, t, same_position);      /* sells more than is held, beyond a limit */
	book->held += t->side == 'B' ? t->quantity : -t->quantity;
	return (double)book->held < -4000 * auditor->tolerance;
}

static bool bad_price(struct auditor *auditor, const struct trade *t)
{
	const struct stock *stock = find_stock(auditor->market, t->symbol);
	const struct day *day = stock ? find_day(stock, t->date) : NULL;
	const double slack = 0.05 * auditor->tolerance;

	return day && (t->price < day->low * (1 - slack) || t->price > day->high * (1 + slack));
}

static bool beyond_all_days(struct auditor *auditor, const struct trade *t)
{
	const struct stock *stock = find_stock(auditor->market, t->symbol);
	const struct survey *survey = stock ? survey_of(auditor, stock) : NULL;

	return survey && (t->price < survey->lowest || t->price > survey->highest);
}

static bool is_duplicate(struct auditor *auditor, const struct trade *t)
{
	return book_of(auditor, t, same_trade)->of != t;
}

static bool no_margin(struct auditor *auditor, const struct trade *t)
{
	const struct stock *stock = find_stock(auditor->market, t->symbol);
	struct book *book = book_of(auditor, t, same_account);
	const double amount = t->price * (double)t->quantity, sign = t->side == 'B' ? 1 : -1;

	if (!stock || (t->side != 'B' && t->side != 'S'))
		return false;
	book->cash -= sign * amount;
	book->worth += sign * (double)t->quantity * stock->day[stock->days - 1].close;
	/* borrowed money is limited by half of the holdings' worth and a first deposit */
	return -book->cash > 0.5 * fabs(book->worth) + 5e6 * auditor->tolerance;
}

static bool volume_too_large(struct auditor *auditor, const struct trade *t)
{
	const struct stock *stock = find_stock(auditor->market, t->symbol);

	return stock && (double)t->quantity > 0.05 * auditor->tolerance *
	                                      survey_of(auditor, stock)->volume;
}

static bool at_a_jump(struct auditor *auditor, const struct trade *t)
{
	const struct stock *stock = find_stock(auditor->market, t->symbol);
	const struct day *day = stock ? find_day(stock, t->date) : NULL;

	return day && day > stock->day && fabs(day->close / day[-1].close - 1) >
	       6 * auditor->tolerance * survey_of(auditor, stock)->swing;
}

static const struct rule {
	const char *name;
	bool (*objects)(struct auditor *auditor, const struct trade *trade);
} rules[] = {
	{ "format", bad_format }, { "price", bad_price }, { "margin", no_margin },
	{ "side", bad_side }, { "duplicate", is_duplicate }, { "volume", volume_too_large },
	{ "jump", at_a_jump }, { "range", beyond_all_days },
};
#define RULES (sizeof(rules) / sizeof(*rules))

static void object_to(struct auditor *auditor, const struct trade *trade)
{
	struct flag *flag = need(sizeof(*flag));

	flag->id = strcpy(need(strlen(trade->id) + 1), trade->id);
	flag->next = NULL;
	*auditor->end = flag;
	auditor->end = &flag->next;
	auditor->verdict->flagged++;
}

struct verdict *audit(const struct market *market, const struct portfolio *portfolio, size_t part)
{
	const struct rule *rule = &rules[part % RULES];
	const unsigned level = (unsigned)(part / RULES);
	struct verdict *verdict = need(sizeof(*verdict));
	struct auditor auditor = { .market = market, .surveys = survey_market(market),
	                           .tolerance = 1 / (1 + 0.5 * level), .verdict = verdict,
	                           .end = &verdict->first };

	verdict->rule = strcpy(need(strlen(rule->name) + 1), rule->name);
	verdict->level = level;
	verdict->flagged = 0;
	verdict->first = NULL;
	for (const struct trade *trade = portfolio->first; trade; trade = trade->next)
		if (rule->objects(&auditor, trade))
			object_to(&auditor, trade);
	return verdict;
}
