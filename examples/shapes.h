/* SPDX-License-Identifier: BSD-2-Clause */
/* shapes.h - the structure that 01_publish.c publishes and 02_attach.c attaches: plain C */
#ifndef SHAPES_H
#define SHAPES_H

struct planet {                 /* a list, with strings */
	struct planet *next;
	char *name;
};

struct tree {                   /* a search tree of numbers */
	struct tree *left, *right;
	long number;
};

struct shapes {
	struct planet *planets;
	struct tree *tree;
};

#endif
