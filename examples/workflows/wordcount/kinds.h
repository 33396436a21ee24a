/* SPDX-License-Identifier: BSD-2-Clause */
/* kinds.h - what the word count's functions hand over: see ../../wordcount/words.h */
#ifndef WORDCOUNT_KINDS_H
#define WORDCOUNT_KINDS_H

#include "../../wordcount/words.h"
#include "../common/way.h"

extern const struct kind parts_kind, table_kind;

#endif
