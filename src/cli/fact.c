/* SPDX-License-Identifier: BSD-2-Clause */
/* fact.c - one line of rmmap info, see fact.h. */
#include "fact.h"

void fact_remedy(struct fact *fact, const char *text)
{
	fact->verdict = FACT_SHORT;
	rm_format(fact->remedy, sizeof(fact->remedy), "%s", text);
}

void fact_found(struct fact *fact, const char *text)
{
	rm_format(fact->found, sizeof(fact->found), "%s", text);
}

void fact_print(struct json *json, const char *key, const char *title, const struct fact *fact)
{
	static const char *const verdicts[] = { "ok", "short", "-" };

	if (json) {
		json_object(json, key);
		json_bool(json, "ok", fact->verdict != FACT_SHORT);
		json_text(json, "found", fact->found);
		json_text(json, "remedy", fact->remedy[0] ? fact->remedy : NULL);
		json_close(json, '}');
		return;
	}
	printf("%-14s %-6s %s\n", title, verdicts[fact->verdict], fact->found);
	if (fact->remedy[0])
		printf("%-21s remedy: %s\n", "", fact->remedy);
}
