/* SPDX-License-Identifier: BSD-2-Clause */
/* split FILE... - read texts and divide them between the mappers */
#include "kinds.h"

int main(int argc, char **argv)
{
	begin(&argc, argv);
	if (argc < 2)
		die("which files?");
	hand_over(&parts_kind, deal_texts(self.receivers, argv + 1));
	return finish();
}
