/* SPDX-License-Identifier: BSD-2-Clause */
/* kinds.h - points of libsvm as messages */
#ifndef ML_KINDS_H
#define ML_KINDS_H

#include "ml.h"

void pack_point(msgpack_packer *to, const struct svm_node *point);
struct svm_node *unpack_point(struct message *from);

#endif
