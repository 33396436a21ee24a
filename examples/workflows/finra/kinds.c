/* SPDX-License-Identifier: BSD-2-Clause */
/* kinds.c - market, portfolio and verdicts as messages */
#include <string.h>

#include "finra.h"

/* The number of stocks; for each [symbol, days], and an array for each day. */
static void pack_market(msgpack_packer *to, const void *root, size_t part)
{
	const struct market *market = root;

	(void)part;
	msgpack_pack_uint64(to, market->stocks);
	for (size_t i = 0; i < market->stocks; i++) {
		const struct stock *stock = &market->stock[i];

		msgpack_pack_array(to, 2);
		pack_string(to, stock->symbol, strlen(stock->symbol));
		msgpack_pack_uint64(to, stock->days);
		for (size_t j = 0; j < stock->days; j++) {
			const struct day *day = &stock->day[j];

			msgpack_pack_array(to, 8);
			msgpack_pack_int32(to, day->date);
			msgpack_pack_double(to, day->open);
			msgpack_pack_double(to, day->high);
			msgpack_pack_double(to, day->low);
			msgpack_pack_double(to, day->close);
			msgpack_pack_int64(to, day->volume);
			msgpack_pack_double(to, day->dividends);
			msgpack_pack_double(to, day->splits);
		}
	}
}

static void unpack_day(struct message *from, struct day *day)
{
	const msgpack_object *field = next_array(from, 8);

	day->date = (int32_t)get_int(&field[0]);
	day->open = get_double(&field[1]);
	day->high = get_double(&field[2]);
	day->low = get_double(&field[3]);
	day->close = get_double(&field[4]);
	day->volume = get_int(&field[5]);
	day->dividends = get_double(&field[6]);
	day->splits = get_double(&field[7]);
}

static void *unpack_market(struct message *from, size_t part)
{
	struct market *market = need(sizeof(*market));

	(void)part;
	market->stocks = next_uint(from);
	market->stock = need(market->stocks * sizeof(*market->stock));
	for (size_t i = 0; i < market->stocks; i++) {
		const msgpack_object *head = next_array(from, 2);
		struct stock *stock = &market->stock[i];

		stock->symbol = get_string(&head[0]);
		stock->days = get_uint(&head[1]);
		stock->day = need(stock->days * sizeof(*stock->day));
		for (size_t j = 0; j < stock->days; j++)
			unpack_day(from, &stock->day[j]);
	}
	return market;
}

static void pack_portfolio(msgpack_packer *to, const void *root, size_t part)
{
	const struct portfolio *portfolio = root;

	(void)part;
	msgpack_pack_uint64(to, portfolio->trades);
	for (const struct trade *t = portfolio->first; t; t = t->next) {
		msgpack_pack_array(to, 7);
		pack_string(to, t->id, strlen(t->id));
		pack_string(to, t->account, strlen(t->account));
		pack_string(to, t->symbol, strlen(t->symbol));
		msgpack_pack_double(to, t->price);
		msgpack_pack_int64(to, t->quantity);
		msgpack_pack_int32(to, t->date);
		msgpack_pack_int8(to, t->side);
	}
}

static void *unpack_portfolio(struct message *from, size_t part)
{
	struct portfolio *portfolio = need(sizeof(*portfolio));
	struct trade **end = &portfolio->first;

	(void)part;
	portfolio->trades = next_uint(from);
	for (size_t i = 0; i < portfolio->trades; i++) {
		const msgpack_object *field = next_array(from, 7);
		struct trade *trade = need(sizeof(*trade));

		trade->id = get_string(&field[0]);
		trade->account = get_string(&field[1]);
		trade->symbol = get_string(&field[2]);
		trade->price = get_double(&field[3]);
		trade->quantity = get_int(&field[4]);
		trade->date = (int32_t)get_int(&field[5]);
		trade->side = (char)get_int(&field[6]);
		*end = trade;
		end = &trade->next;
	}
	*end = NULL;
	return portfolio;
}

static void pack_verdict(msgpack_packer *to, const void *root, size_t part)
{
	const struct verdict *verdict = root;

	(void)part;
	msgpack_pack_array(to, 3);
	pack_string(to, verdict->rule, strlen(verdict->rule));
	msgpack_pack_uint64(to, verdict->level);
	msgpack_pack_uint64(to, verdict->flagged);
	for (const struct flag *flag = verdict->first; flag; flag = flag->next)
		pack_string(to, flag->id, strlen(flag->id));
}

static void *unpack_verdict(struct message *from, size_t part)
{
	const msgpack_object *head = next_array(from, 3);
	struct verdict *verdict = need(sizeof(*verdict));
	struct flag **end = &verdict->first;

	(void)part;
	verdict->rule = get_string(&head[0]);
	verdict->level = (unsigned)get_uint(&head[1]);
	verdict->flagged = get_uint(&head[2]);
	for (size_t i = 0; i < verdict->flagged; i++) {
		struct flag *flag = need(sizeof(*flag));

		flag->id = get_string(next_object(from));
		*end = flag;
		end = &flag->next;
	}
	*end = NULL;
	return verdict;
}

const struct kind market_kind = { .pack = pack_market, .unpack = unpack_market };
const struct kind portfolio_kind = { .pack = pack_portfolio, .unpack = unpack_portfolio };
const struct kind verdict_kind = { .pack = pack_verdict, .unpack = unpack_verdict };
