/* SPDX-License-Identifier: BSD-2-Clause */
/* rule - audit the portfolio against the market data by the rule of this function's number */
#include "finra.h"

int main(int argc, char **argv)
{
	const struct market *market;
	const struct portfolio *portfolio;

	begin(&argc, argv);
	market = take_one(&market_kind, "market data");
	portfolio = take_one(&portfolio_kind, "portfolio");
	hand_over(&verdict_kind, audit(market, portfolio, self.part));
	return finish();
}
