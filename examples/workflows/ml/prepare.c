/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prepare FILE COPIES DIMENSIONS - read digits, find their principal components with GSL, and pass
 * on all images as points in so many dimensions; the last quarter is for testing
 */
#include <gsl/gsl_blas.h>
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_matrix.h>
#include <gsl/gsl_vector.h>
#include <stdlib.h>
#include <string.h>

#include "ml.h"

static void images_centre(const struct digits *digits)
{
	for (size_t j = 0; j < PIXELS; j++) {
		double mean = 0;

		for (size_t i = 0; i < digits->count; i++)
			mean += digits->image[i][j];
		mean /= (double)digits->count;
		for (size_t i = 0; i < digits->count; i++)
			digits->image[i][j] = (digits->image[i][j] - mean) / 16;
	}
}

/* Eigenvectors of the covariance of the columns, those of the largest eigenvalues first. */
static gsl_matrix *principal_components(const gsl_matrix *images)
{
	gsl_matrix *covariance = gsl_matrix_alloc(PIXELS, PIXELS);
	gsl_matrix *vectors = gsl_matrix_alloc(PIXELS, PIXELS);
	gsl_vector *values = gsl_vector_alloc(PIXELS);
	gsl_eigen_symmv_workspace *space = gsl_eigen_symmv_alloc(PIXELS);

	gsl_blas_dgemm(CblasTrans, CblasNoTrans, 1.0 / (double)(images->size1 - 1), images, images, 0,
	               covariance);
	gsl_eigen_symmv(covariance, values, vectors, space);
	gsl_eigen_symmv_sort(values, vectors, GSL_EIGEN_SORT_VAL_DESC);
	gsl_eigen_symmv_free(space);
	gsl_vector_free(values);
	gsl_matrix_free(covariance);
	return vectors;
}

static struct samples *samples_project(const struct digits *digits, size_t dimensions)
{
	struct samples *samples = need(sizeof(*samples));
	gsl_matrix_view images, points, first;
	gsl_matrix *vectors;

	samples->count = digits->count;
	samples->training = digits->count - digits->count / 4;
	samples->dimensions = dimensions;
	samples->label = digits->label;
	samples->value = need(samples->count * dimensions * sizeof(double));
	images = gsl_matrix_view_array(&digits->image[0][0], digits->count, PIXELS);
	points = gsl_matrix_view_array(samples->value, digits->count, dimensions);
	vectors = principal_components(&images.matrix);
	first = gsl_matrix_submatrix(vectors, 0, 0, PIXELS, dimensions);
	gsl_blas_dgemm(CblasNoTrans, CblasNoTrans, 1, &images.matrix, &first.matrix, 0,
	               &points.matrix);
	gsl_matrix_free(vectors);
	return samples;
}

int main(int argc, char **argv)
{
	struct digits digits;
	struct samples *samples;
	size_t dimensions;

	begin(&argc, argv);
	dimensions = argc > 3 ? number_of(argv[3], PIXELS) : 0;
	if (dimensions < 1 || dimensions > PIXELS)
		die("which file, how many copies of it, and in how many dimensions?");
	digits = read_digits(argv[1], number_of(argv[2], COPIES_MAX));
	if (digits.count < 8)
		die("so few images teach nothing");
	images_centre(&digits);
	samples = samples_project(&digits, dimensions);
	free(digits.image);
	hand_over(&samples_kind, samples);
	return finish();
}
