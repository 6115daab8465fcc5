/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nbody.c - five bodies that attract each other, in doubles: dependent additions, products, square
 * roots and divisions. Printed is the energy to eight digits, which fused multiply-add does not
 * change over so many steps; that energy is kept also shows that the steps were right.
 */
#include <math.h>
#include "program.h"

#define NR_BODIES 5
#define STEP	  0.001

struct body {
	double position[3], velocity[3], mass;
};

/* One heavy body and four light ones on nearly circular paths, in units where G is 1. */
static struct body bodies[NR_BODIES] = {
	{ { 0, 0, 0 }, { 0, 0, 0 }, 40 },
	{ { 4, -1, -0.1 }, { 0.72, 3.05, 0.02 }, 0.04 },
	{ { -8, 4, 0.4 }, { -1.0, -1.85, 0.01 }, 0.012 },
	{ { 12, -15, -0.2 }, { 1.1, 0.85, -0.03 }, 0.0017 },
	{ { 15, 25, 0.2 }, { -1.0, 0.6, 0.05 }, 0.002 },
};

static void attract(struct body *a, struct body *b)
{
	double d[3], square = 0, factor;

	for (int k = 0; k < 3; k++) {
		d[k] = a->position[k] - b->position[k];
		square += d[k] * d[k];
	}
	factor = STEP / (square * sqrt(square));
	for (int k = 0; k < 3; k++) {
		a->velocity[k] -= d[k] * b->mass * factor;
		b->velocity[k] += d[k] * a->mass * factor;
	}
}

static void advance(void)
{
	for (int i = 0; i < NR_BODIES; i++)
		for (int j = i + 1; j < NR_BODIES; j++)
			attract(&bodies[i], &bodies[j]);
	for (int i = 0; i < NR_BODIES; i++)
		for (int k = 0; k < 3; k++)
			bodies[i].position[k] += bodies[i].velocity[k] * STEP;
}

static double energy(void)
{
	double sum = 0;

	for (int i = 0; i < NR_BODIES; i++) {
		for (int k = 0; k < 3; k++)
			sum += bodies[i].mass * bodies[i].velocity[k] * bodies[i].velocity[k] / 2;
		for (int j = i + 1; j < NR_BODIES; j++) {
			double square = 0;

			for (int k = 0; k < 3; k++) {
				double d = bodies[i].position[k] - bodies[j].position[k];

				square += d * d;
			}
			sum -= bodies[i].mass * bodies[j].mass / sqrt(square);
		}
	}
	return sum;
}

int main(int argc, char **argv)
{
	unsigned count = program_count(argc, argv, 4000000);
	double before = energy(), after;

	for (unsigned i = 0; i < count; i++)
		advance();
	after = energy();
	if (!(fabs((after - before) / before) < 1e-3)) {
		fprintf(stderr, "nbody: the energy went from %.9f to %.9f\n", before, after);
		return 1;
	}
	return printf("nbody %.8f\n", after) < 0;
}
