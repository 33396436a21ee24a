/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * portfolio FILE TRADES - make a portfolio of trades in the stocks of FILE, some of them faulty,
 * and pass it to all rules
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finra.h"

#define TRADES_MAX 100000000

static uint64_t state = 20041119;

static uint64_t dice_roll(uint64_t sides)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % sides;
}

static char *text_of(const char *format, uint64_t number)
{
	char text[32];
	char *copy = need(sizeof(text));

	snprintf(text, sizeof(text), format, (unsigned long long)number);
	return strcpy(copy, text);
}

static struct trade *new_trade(const struct market *market, size_t number)
{
	const struct stock *stock = &market->stock[dice_roll(market->stocks)];
	const struct day *day = &stock->day[dice_roll(stock->days)];
	const double inside = (double)dice_roll(1001) / 1000;
	struct trade *trade = need(sizeof(*trade));

	trade->id = text_of("T%08llu", number);
	trade->account = text_of("ACC%04llu", dice_roll(500));
	trade->symbol = strcpy(need(strlen(stock->symbol) + 1), stock->symbol);
	trade->date = day->date;
	trade->price = day->low + (day->high - day->low) * inside;
	trade->quantity = (int64_t)dice_roll(1000) + 1;
	trade->side = dice_roll(3) ? 'B' : 'S';
	return trade;
}

/* Make about one trade in fifteen faulty. */
static void trade_spoil(struct trade *trade)
{
	switch (dice_roll(120)) {
	case 0: trade->price *= 1.2; break;
	case 1: trade->price *= 0.7; break;
	case 2: trade->side = 'X'; break;
	case 3: trade->quantity = 0; break;
	case 4: trade->date = 20041345; break;
	case 5: trade->id[0] = '?'; break;
	case 6: trade->symbol[0] = 'x'; break;
	case 7: trade->quantity *= 100000; break;
	}
}

int main(int argc, char **argv)
{
	struct portfolio *portfolio;
	struct trade **end;
	struct market *market;

	begin(&argc, argv);
	if (argc < 3)
		die("which file, and how many trades?");
	market = read_market(argv[1], 1);
	portfolio = need(sizeof(*portfolio));
	portfolio->trades = number_of(argv[2], TRADES_MAX);
	end = &portfolio->first;
	for (size_t i = 0; i < portfolio->trades; i++) {
		struct trade *trade = new_trade(market, i);

		trade_spoil(trade);
		*end = trade;
		end = &trade->next;
		if (i + 1 < portfolio->trades && !dice_roll(200)) {
			struct trade *twin = need(sizeof(*twin));       /* the same again */

			*twin = *trade;
			twin->id = text_of("T%08llu", ++i);
			twin->account = strcpy(need(strlen(trade->account) + 1), trade->account);
			twin->symbol = strcpy(need(strlen(trade->symbol) + 1), trade->symbol);
			*end = twin;
			end = &twin->next;
		}
	}
	*end = NULL;
	hand_over(&portfolio_kind, portfolio);
	return finish();
}
