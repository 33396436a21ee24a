/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plan.c - which cases there are, and their names
 *
 *   hold:KIND:N:ACTIONS                         the consumer waits at its N-th message
 *   point:KIND:HOST:MASK:COUNTED:VICTIM:N:M:B   a death at the N-th point, and M further on
 *   chance:SEED[:KIND:ACTIONS]                  kind, actions and times are drawn by the seed
 *
 * A name is all that a case is made of, so that one can be run again.
 */
#include "kills.h"

#include <stdlib.h>
#include <string.h>

#define EACH 2                  /* points of one name that a short run tries: the first, the last */
#define FABRIC_EACH 10          /* points of the whole trace for one of these */
#define COSTLY 6                /* every so many a case in which pages are lost: it takes seconds */

const char *const plan_kinds[] = {
	"lazy", "eager", "handing", "forked", "detaching", "prefetch", "up", "publish", "local",
	"onlyhere", NULL,
};

/*
 * Only by name. Between hosts a reader is admitted by a message, and neither host's next worker
 * knows of it until it is answered: of what is for one reader the only one may be refused then.
 */
static const char *const named_kinds[] = { "only", NULL };

bool kind_is_local(const char *kind)
{
	return strcmp(kind, "local") == 0 || strcmp(kind, "onlyhere") == 0;
}

uint64_t draw(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static bool plan_add(struct plan *plan, const struct kase *kase)
{
	if (plan->count == plan->room) {
		size_t room = plan->room ? plan->room * 2 : 256;
		struct kase *more = realloc(plan->cases, room * sizeof(*more));

		if (!more)
			return false;
		plan->cases = more;
		plan->room = room;
	}
	plan->cases[plan->count++] = *kase;
	return true;
}

/* ---- consumers that wait ---- */

static void plan_holds(struct plan *plan, const char *kind, unsigned points, bool all)
{
	static const char *const both[] = { "k", "kf", "fk", "p", "A", "B", "K", "Q", NULL };
	static const char *const here[] = { "p", "A", "Q", NULL };
	const char *const *actions = kind_is_local(kind) ? here : both;

	for (unsigned i = 1; i <= points; i++) {
		for (unsigned a = 0; actions[a]; a++) {
			struct kase kase = { .way = BY_HOLD, .kind = kind, .hold = i };

			if (!all && strpbrk(actions[a], "pABKQ") && (i + a) % COSTLY)
				continue;
			strcpy(kase.actions, actions[a]);
			plan_add(plan, &kase);
		}
	}
}

/* ---- points ---- */

static bool same_name(const struct point *x, const struct point *y)
{
	return x->kind == y->kind && x->after == y->after && x->received == y->received &&
	       x->type == y->type;
}

/*
 * Of each name the first ones and the last: what lies between is like these. Libfabric's
 * messages have no names here, so some are taken at equal distances.
 */
static bool worth_it(const struct point *trace, unsigned count, unsigned at)
{
	unsigned before = 0, behind = 0;

	if (trace[at].kind == POINT_FABRIC)
		return at % (count / FABRIC_EACH + 1) == 0;
	for (unsigned i = 0; i < count; i++) {
		before += i < at && same_name(&trace[i], &trace[at]);
		behind += i > at && same_name(&trace[i], &trace[at]);
	}
	return before < EACH - 1 || !behind;
}

static void plan_points(struct plan *plan, struct kase kase, const struct control *control,
                        bool all)
{
	unsigned count = control->traced < KILLS_TRACE ? control->traced : KILLS_TRACE, nth = 0;
	unsigned number = 0;

	kase.way = BY_POINT;
	for (unsigned i = 0; i < count; i++) {
		number += (control->trace[i].kind & kase.mask) != 0;
		if (!(control->trace[i].kind & kase.mask) ||
		    (!all && !worth_it(control->trace, count, i)))
			continue;
		kase.at[0] = number;
		kase.counted = WORKER;
		kase.victim = WORKER;
		nth++;
		for (unsigned between = 0; between < 2; between++) {
			kase.between = between;
			/* a short run has either, by turns */
			if (all ? !between || kase.host == 'b' : between == (nth & 1))
				plan_add(plan, &kase);
		}
		kase.between = false;
		if (nth % COSTLY == 0) {
			kase.victim = nth % 2 ? KEEPER : BOTH;
			plan_add(plan, &kase);
		}
	}
}

/* The keeper itself, as it takes records. */
static void plan_keeper(struct plan *plan, struct kase kase, unsigned records)
{
	kase.way = BY_POINT;
	kase.counted = kase.victim = KEEPER;
	kase.mask = POINT_RECORD;
	for (unsigned i = 1; i <= records; i += COSTLY) {
		kase.at[0] = i;
		plan_add(plan, &kase);
	}
}

void plan_once(struct plan *plan, const char *kind, const struct control *consumer,
               const struct control *a, const struct control *b, bool all)
{
	static const char masks[] = { POINT_CLIENT | POINT_RECORD | POINT_PAGER, POINT_FABRIC };
	struct kase kase = { .kind = kind };
	unsigned records = 0;

	plan_holds(plan, kind, consumer->count, all);
	for (unsigned i = 0; i < b->traced && i < KILLS_TRACE; i++)
		records += b->trace[i].kind == POINT_RECORD;
	for (unsigned i = 0; i < sizeof(masks); i++) {
		kase.mask = masks[i];
		kase.host = 'a';
		plan_points(plan, kase, a, all);
		kase.host = 'b';
		if (!kind_is_local(kind))
			plan_points(plan, kase, b, all);
	}
	if (records)
		plan_keeper(plan, kase, records);
}

/* ---- twice ---- */

static void plan_twice_hold(struct plan *plan, struct kase kase)
{
	static const char *const twice[] = { "kk", "kfk", "kkf", "fkk", "pk", "kp", "Kk", NULL };

	if (strcmp(kase.actions, "k") != 0)
		return;
	for (unsigned i = 0; twice[i]; i++) {
		strcpy(kase.actions, twice[i]);
		plan_add(plan, &kase);
	}
}

/* The second death at growing distances: while the first one's successor restores, and later. */
static void plan_twice_point(struct plan *plan, struct kase kase, bool all)
{
	if (kase.victim != WORKER || kase.counted != WORKER)
		return;
	for (unsigned far = 1; far < 120; far = all ? far + 1 + far / 3 : far * 2 + 1) {
		kase.at[1] = far;
		plan_add(plan, &kase);
	}
}

void plan_twice(struct plan *twice, const struct plan *once, bool all)
{
	for (size_t i = 0; i < once->count; i++) {
		if (once->cases[i].way == BY_HOLD)
			plan_twice_hold(twice, once->cases[i]);
		else
			plan_twice_point(twice, once->cases[i], all);
	}
}

void plan_shuffle(struct plan *plan, uint64_t seed)
{
	for (size_t i = plan->count; i > 1; i--) {
		size_t j = draw(&seed) % i;
		struct kase kept = plan->cases[i - 1];

		plan->cases[i - 1] = plan->cases[j];
		plan->cases[j] = kept;
	}
}

/* ---- by chance ---- */

struct kase kase_chance(uint64_t seed)
{
	static const char actions[] = "kkkkkkffppKQBA";
	struct kase kase = { .way = BY_CHANCE, .seed = seed };
	unsigned kinds = 0, n;

	while (plan_kinds[kinds])
		kinds++;
	kase.kind = plan_kinds[draw(&seed) % kinds];
	n = 1 + draw(&seed) % 3;
	for (unsigned i = 0; i < n; i++)
		kase.actions[i] = actions[draw(&seed) % (sizeof(actions) - 1)];
	return kase;
}

/* ---- names ---- */

void kase_name(const struct kase *kase, char *text, size_t size)
{
	if (kase->way == BY_CHANCE)
		snprintf(text, size, "chance:%llu:%s:%s", (unsigned long long)kase->seed, kase->kind,
		         kase->actions);
	else if (kase->way == BY_HOLD)
		snprintf(text, size, "hold:%s:%u:%s", kase->kind, kase->hold, kase->actions);
	else
		snprintf(text, size, "point:%s:%c:%u:%u:%u:%u:%u:%u", kase->kind, kase->host,
		         (unsigned)kase->mask, kase->counted, kase->victim, kase->at[0], kase->at[1],
		         kase->between);
}

static const char *kind_among(const char *const *kinds, const char *name)
{
	while (*kinds && strcmp(*kinds, name) != 0)
		kinds++;
	return *kinds;
}

static const char *kind_named(const char *name)
{
	const char *kind = kind_among(plan_kinds, name);

	return kind ? kind : kind_among(named_kinds, name);
}

bool kase_parse(const char *text, struct kase *kase)
{
	unsigned mask, counted, victim, between;
	unsigned long long seed;
	char kind[16];

	memset(kase, 0, sizeof(*kase));
	if (sscanf(text, "chance:%llu", &seed) == 1) {
		*kase = kase_chance(seed);
		return true;
	}
	if (sscanf(text, "hold:%15[a-z]:%u:%7[A-Za-z]", kind, &kase->hold, kase->actions) == 3) {
		kase->way = BY_HOLD;
	} else if (sscanf(text, "point:%15[a-z]:%c:%u:%u:%u:%u:%u:%u", kind, &kase->host, &mask,
	                  &counted, &victim, &kase->at[0], &kase->at[1], &between) == 8) {
		kase->way = BY_POINT;
		kase->mask = (char)mask;
		kase->counted = (uint8_t)counted;
		kase->victim = (uint8_t)victim;
		kase->between = between != 0;
	} else {
		return false;
	}
	kase->kind = kind_named(kind);
	return kase->kind != NULL;
}
