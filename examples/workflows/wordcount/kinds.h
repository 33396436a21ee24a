/* SPDX-License-Identifier: BSD-2-Clause */
/* kinds.h - the word count's structures (../../wordcount/words.h) as kinds of messages */
#ifndef WORDCOUNT_KINDS_H
#define WORDCOUNT_KINDS_H

#include "../../wordcount/words.h"
#include "../common/way.h"

extern const struct kind parts_kind, table_kind;

#endif
