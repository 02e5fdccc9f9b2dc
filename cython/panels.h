/* What panels.pxd spends its time in: eight rows of a panel, or the columns of one, in registers.
 *
 * In C++, since Cython unrolls no loops, and in functions of their own, since eight rows and their
 * factors' addresses leave no register for anything else. */
#ifndef MATGRAD_PANELS_H
#define MATGRAD_PANELS_H

#include "triangles.h"

/* ---- rows -------------------------------------------------------------------------------------- */

/* out[r] is row rows[r] of the panel, with `count` columns, after ranks u[0] to u[last - 1]; if these rows
 * are the next pivots, after each other, too. */
template <class V>
__attribute__((noinline)) static void take_ranks(const char *source, ptrdiff_t step, ptrdiff_t count,
                                                 const V *a, ptrdiff_t pitch, const int *rows, const V *u,
                                                 ptrdiff_t last, bool pivots, V *out) {
    V t[TALL][1];
#pragma GCC unroll 8
    for (int r = 0; r < TALL; r++)
        if (count == matgrad::traits<V>::width) memcpy(t[r], source + rows[r] * step, sizeof(V));
        else t[r][0] = load_part(source + rows[r] * step, count, V{});
    const matgrad::rows_anywhere<V> factor(a, pitch, rows);
    matgrad::add_ranks<1, 1>(t, factor, u, 0, last);
    if (pivots) matgrad::substitute_forward(t, factor, last);
#pragma GCC unroll 8
    for (int r = 0; r < TALL; r++) out[r] = t[r][0];
}

namespace matgrad {
template <int P, class V>
__attribute__((noinline)) static void solve_forward_by(const V *a, ptrdiff_t pitch, const int *rows,
                                                       ptrdiff_t first, ptrdiff_t last, V *u) {
    V t[TALL][P];
#pragma GCC unroll 16
    for (int i = 0; i < TALL * P; i++) t[i / P][i % P] = u[last * P + i];
    const rows_anywhere<V> factor(a, pitch, rows);
    add_ranks<P, 1>(t, factor, u, first, last);
    substitute_forward(t, factor, last);
#pragma GCC unroll 16
    for (int i = 0; i < TALL * P; i++) u[last * P + i] = t[i / P][i % P];
}
template <int P, class V>
__attribute__((noinline)) static void solve_backward_by(const V *a, ptrdiff_t pitch, const int *rows,
                                                        const scalar<V> *reciprocals, int lane,
                                                        ptrdiff_t first, ptrdiff_t last, V *u) {
    V t[TALL][P];
#pragma GCC unroll 16
    for (int i = 0; i < TALL * P; i++) t[i / P][i % P] = u[first * P + i];
    substitute_backward(t, rows_anywhere<V>(a, pitch, rows), reciprocals, lane, first, last, u);
}
} // namespace matgrad

/* Rows `last` and on of L^-1 in u, from unit rows, by the rows before them from `first` on: one panel, or
 * two side by side, which share loads and wait less for each other's sums. */
template <class V>
static inline void solve_forward(int panels, const V *a, ptrdiff_t pitch, const int *rows, ptrdiff_t first,
                                 ptrdiff_t last, V *u) {
    if (panels == 2) matgrad::solve_forward_by<2>(a, pitch, rows, first, last, u);
    else matgrad::solve_forward_by<1>(a, pitch, rows, first, last, u);
}

/* Rows `first` and on of -U^-1 u by those behind them, up to `last`; `lane` as above. */
template <class V>
static inline void solve_backward(int panels, const V *a, ptrdiff_t pitch, const int *rows,
                                  const V *reciprocals, int lane, ptrdiff_t first, ptrdiff_t last, V *u) {
    const auto *scalars = (const matgrad::scalar<V> *)reciprocals;
    if (panels == 2) matgrad::solve_backward_by<2>(a, pitch, rows, scalars, lane, first, last, u);
    else matgrad::solve_backward_by<1>(a, pitch, rows, scalars, lane, first, last, u);
}

/* ---- columns ----------------------------------------------------------------------------------- */

namespace matgrad {

/* The first row of those that are `free` whose |entry| is largest; best is that |entry|. The first of all if
 * they are NaN, as the pivot is then, and all that comes of it. */
template <class V>
static inline ptrdiff_t largest(const V *x, ptrdiff_t height, const uint64_t *free, V *best) {
    constexpr int W = traits<V>::width, vectors = 64 / W;
    V most = broadcast(-1.0, V{}), second = most;
#pragma GCC unroll 8
    for (ptrdiff_t g = 0; g < height; g += 2) {
        most = maximum(only_places(free + g / vectors, g % vectors, absolute(x[g])), most);
        if (g + 1 < height)
            second = maximum(
                only_places(free + (g + 1) / vectors, (g + 1) % vectors, absolute(x[g + 1])), second);
    }
    *best = broadcast(greatest(maximum(most, second)), V{});
    const ptrdiff_t words = (height + vectors - 1) / vectors;
#pragma GCC unroll 2
    for (ptrdiff_t word = 0; word < words; word++) {
        uint64_t equals = 0;
#pragma GCC unroll 8
        for (ptrdiff_t g = 0; g < vectors; g++)
            if (word * vectors + g < height)
                equals |= (uint64_t)equal_bits(absolute(x[word * vectors + g]), *best) << g * W;
        equals &= free[word];
        if (equals) return word * 64 + first_bit(equals);
    }
    ptrdiff_t word = 0;
    while (!free[word]) word++;
    return word * 64 + first_bit(free[word]);
}

/* Whether an odd number of free rows stands before row p, and moves when it goes to the top. */
static inline bool odd_before(const uint64_t *free, ptrdiff_t p) {
    int found = ones(free[p / 64] & (((uint64_t)1 << p % 64) - 1));
    for (ptrdiff_t word = 0; word < p / 64; word++) found += ones(free[word]);
    return found & 1;
}

/* With a HEIGHT the column whose turn it is stays in registers, else it is read where it is. */
template <int HEIGHT, class V>
__attribute__((noinline)) static bool eliminate_columns_of(V *column, ptrdiff_t height, ptrdiff_t count,
                                                           uint64_t *free, int *chosen, V *pivots, V *upper) {
    if (HEIGHT) height = HEIGHT;
    bool odd = false;
    V own[HEIGHT ? HEIGHT : 1], f[HEIGHT ? HEIGHT : 1], best;
    V *x = HEIGHT ? own : column;
#pragma GCC unroll 8
    for (ptrdiff_t g = 0; g < HEIGHT; g++) own[g] = column[g];
    for (ptrdiff_t c = 0; c < count; c++) {
        const ptrdiff_t p = largest(x, height, free, &best);
        const V reciprocal = broadcast(-1.0, V{}) / best;
        odd ^= odd_before(free, p);
        free[p / 64] ^= (uint64_t)1 << p % 64;
        chosen[c] = (int)p;
        const V pivot = pivots[c] = broadcast(element(column, p), V{});
        /* -1 / pivot, begun before the pivot's row is known; -0 keeps the signs of x - 0 u. */
        const V factor = select(equal(pivot, V{}), broadcast(-0.0, V{}),
                                differ(reciprocal, both(broadcast(-0.0, V{}), pivot)));
        V *next = column + height;
        if (c + 1 < count) {
            const V u = broadcast(element(next, p), V{});
            if (upper) set_element(upper + c, c + 1, element(next, p));
#pragma GCC unroll 8
            for (ptrdiff_t g = 0; g < height; g++) {
                const V y = column[g] = x[g] * factor;
                next[g] = multiply_add(y, u, next[g]);
                if (HEIGHT) f[g] = y, x[g] = next[g];
            }
        } else {
#pragma GCC unroll 8
            for (ptrdiff_t g = 0; g < height; g++) column[g] = x[g] * factor;
        }
        for (ptrdiff_t j = 2; j < count - c; j++) {
            V *other = column + j * height;
            const V u = broadcast(element(other, p), V{});
            if (upper) set_element(upper + c, c + j, element(other, p));
#pragma GCC unroll 8
            for (ptrdiff_t g = 0; g < height; g++)
                other[g] = multiply_add(HEIGHT ? f[g] : column[g], u, other[g]);
        }
        column = next;
        if (!HEIGHT) x = next;
    }
    return odd;
}

} // namespace matgrad

/* `count` pivots, column by column of `height` vectors each; factors, negated, take the columns' places.
 * chosen[c] is the row of a pivot, which is `free` no longer; upper[c], if there is one, what is right of
 * the pivot. Whether the permutation is odd. */
template <class V>
static inline bool eliminate_columns(V *columns, ptrdiff_t height, ptrdiff_t count, uint64_t *free,
                                     int *chosen, V *pivots, V *upper) {
    switch (height) {
    case 1: return matgrad::eliminate_columns_of<1>(columns, 1, count, free, chosen, pivots, upper);
    case 2: return matgrad::eliminate_columns_of<2>(columns, 2, count, free, chosen, pivots, upper);
    case 3: return matgrad::eliminate_columns_of<3>(columns, 3, count, free, chosen, pivots, upper);
    case 4: return matgrad::eliminate_columns_of<4>(columns, 4, count, free, chosen, pivots, upper);
    case 5: return matgrad::eliminate_columns_of<5>(columns, 5, count, free, chosen, pivots, upper);
    case 6: return matgrad::eliminate_columns_of<6>(columns, 6, count, free, chosen, pivots, upper);
    case 7: return matgrad::eliminate_columns_of<7>(columns, 7, count, free, chosen, pivots, upper);
    case 8: return matgrad::eliminate_columns_of<8>(columns, 8, count, free, chosen, pivots, upper);
    default: return matgrad::eliminate_columns_of<0>(columns, height, count, free, chosen, pivots, upper);
    }
}

#endif
