/* Substitution in triangles, eight rows at a time: for panels.pxd and register_inverse.pxd.
 *
 * Right-hand sides stand along vectors, P of them a row, u[k * P + q], and pass through registers, t[r][q];
 * the triangle's entries, negated, are broadcast by the load itself. Its diagonal is one, or all is over
 * it: then no product waits for a quotient. `factor` tells entry k of row r of the eight. In C++, since
 * Cython unrolls no loops. */
#ifndef MATGRAD_TRIANGLES_H
#define MATGRAD_TRIANGLES_H

#include "registers.h"

enum { TALL = 8 };

namespace matgrad {

/* Rows that begin at a + rows[r] * pitch. */
template <class V> struct rows_anywhere {
    const scalar<V> *row[TALL];
    rows_anywhere(const V *a, ptrdiff_t pitch, const int *rows) {
#pragma GCC unroll 8
        for (int r = 0; r < TALL; r++) row[r] = (const scalar<V> *)(a + rows[r] * pitch);
    }
    V operator()(int r, ptrdiff_t k) const { return broadcast(row[r][k], V{}); }
};

/* Takes ranks `first` and on, up or, with a step of -1, down to `last`, which is not taken. */
template <int P, int STEP, class V, class F>
static inline void add_ranks(V (*t)[P], const F &factor, const V *u, ptrdiff_t first, ptrdiff_t last) {
    for (ptrdiff_t k = first; STEP > 0 ? k < last : k > last; k += STEP) {
        V y[P];
#pragma GCC unroll 2
        for (int q = 0; q < P; q++) y[q] = u[k * P + q];
#pragma GCC unroll 8
        for (int r = 0; r < TALL; r++)
#pragma GCC unroll 2
            for (int q = 0; q < P; q++) t[r][q] = multiply_add(factor(r, k), y[q], t[r][q]);
    }
}

/* Each row takes those before it, whose entries begin in column `first`. */
template <int P, class V, class F>
static inline void substitute_forward(V (*t)[P], const F &factor, ptrdiff_t first) {
#pragma GCC unroll 8
    for (int s = 0; s < TALL; s++)
#pragma GCC unroll 8
        for (int r = s + 1; r < TALL; r++)
#pragma GCC unroll 2
            for (int q = 0; q < P; q++) t[r][q] = multiply_add(factor(r, first + s), t[s][q], t[r][q]);
}

/* Rows from `first` on of u, by those behind them, up to `last`, where a row that is not substituted stands;
 * the nearest come last, since they have just been computed. Where `lane` is one of the last vector's, it
 * is the right-hand side of column `last`, over the pivots. */
template <int P, class V, class F>
static inline void substitute_backward(V (*t)[P], const F &factor, const scalar<V> *reciprocals, int lane,
                                       ptrdiff_t first, ptrdiff_t last, V *u) {
#pragma GCC unroll 8
    for (int r = 0; r < TALL; r++) {
#pragma GCC unroll 2
        for (int q = 0; q < P; q++) t[r][q] = t[r][q] * broadcast(reciprocals[first + r], V{});
        if (lane >= 0) t[r][P - 1] = select_bits((uint64_t)1 << lane, factor(r, last), t[r][P - 1]);
    }
    add_ranks<P, -1>(t, factor, u, last - 1, first + TALL - 1);
#pragma GCC unroll 8
    for (int s = TALL - 1; s > 0; s--)
        if (first + s < last)
#pragma GCC unroll 8
            for (int r = 0; r < s; r++)
#pragma GCC unroll 2
                for (int q = 0; q < P; q++) t[r][q] = multiply_add(factor(r, first + s), t[s][q], t[r][q]);
#pragma GCC unroll 8
    for (int r = 0; r < TALL; r++)
        if (first + r < last)
#pragma GCC unroll 2
            for (int q = 0; q < P; q++) u[(first + r) * P + q] = t[r][q];
}

} // namespace matgrad

#endif
