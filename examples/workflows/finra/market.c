/* SPDX-License-Identifier: BSD-2-Clause */
/* market FILE COPIES - read market data and pass the table to all rules */
#include <stdlib.h>

#include "finra.h"

int main(int argc, char **argv)
{
	begin(&argc, argv);
	if (argc < 3)
		die("which file, and how many copies of it?");
	hand_over(&market_kind, read_market(argv[1], number_of(argv[2], COPIES_MAX)));
	return finish();
}
