/* Products of many matrices with a vector each, c = M b, for matmul.pxd, and what is added to products.
 *
 * Rows of M along memory: inner products with b, W rows at a time, whose lanes are added up by pairs
 * (transposed and then added, they took 1.8 times the time at 50 x 8); in halves of vectors, which takes
 * fewer operations (0.7 to 0.9 of the time, Zen 4). Single rows, each with a b of its own, go together
 * likewise. Columns of M along memory: a sum of them, four at a time, which hides the latency of one.
 * Rejected: columns by the tiles of tiles.h (one sum), packed columns (1.5 times the time). */
#ifndef MATGRAD_VECTORS_H
#define MATGRAD_VECTORS_H

#include "tiles.h"

namespace matgrad {

/* Where the vectors of a group begin: four share an address, so that addresses and steps are registers. */
struct starts {
    const char *first, *fourth;
    ptrdiff_t step;
    starts(const char *first, ptrdiff_t step) : first(first), fourth(first + 4 * step), step(step) {}
    const char *operator[](int r) const { return r < 4 ? first + r * step : fourth + (r - 4) * step; }
};
/* The same where there are fewer: the others are the last one again. */
struct fewer_starts {
    const char *first;
    ptrdiff_t step, last;
    const char *operator[](ptrdiff_t r) const { return first + (r < last ? r : last) * step; }
};

/* The inner products of W vectors of k scalars with one vector, or with one each. */
template <bool ONE, class V, class P> static inline V inner_products_of(P a, P b, ptrdiff_t k) {
    constexpr int W = traits<V>::width;
    V sums[W] = {};
    ptrdiff_t p = 0;
    for (const ptrdiff_t end = k / W * sizeof(V); p < end; p += sizeof(V)) {
        const V u = load(b[0] + p, V{});
#pragma GCC unroll 16
        for (int r = 0; r < W; r++)
            sums[r] = multiply_add(load(a[r] + p, V{}), ONE ? u : load(b[r] + p, V{}), sums[r]);
    }
    if (k % W) {
        const V u = load_part(b[0] + p, k % W, V{});
#pragma GCC unroll 16
        for (int r = 0; r < W; r++)
            sums[r] = multiply_add(load_part(a[r] + p, k % W, V{}),
                                   ONE ? u : load_part(b[r] + p, k % W, V{}), sums[r]);
    }
    return sum_of_each(sums);
}

/* Scalars of c are `c_step` apart. If they are side by side, the last group overlaps the one before it. */
template <bool ONE, class V>
static inline __attribute__((always_inline)) void inner_products_in_groups(const char *a, ptrdiff_t a_step,
                                                                           const char *b, ptrdiff_t b_step,
                                                                           char *c, ptrdiff_t c_step,
                                                                           ptrdiff_t k, ptrdiff_t count) {
    constexpr ptrdiff_t W = traits<V>::width;
    if (c_step == sizeof(scalar<V>) && count >= W)
        for (; count > 0; count -= W, a += W * a_step, b += W * b_step, c += sizeof(V)) {
            const ptrdiff_t back = count < W ? W - count : 0;
            a -= back * a_step, b -= back * b_step, c -= back * c_step;
            store(c, inner_products_of<ONE, V>(starts(a, a_step), starts(b, b_step), k));
        }
    for (; count > 0; count -= W, a += W * a_step, b += W * b_step, c += W * c_step) {
        const V sums = inner_products_of<ONE, V>(fewer_starts{a, a_step, count - 1},
                                                 fewer_starts{b, b_step, count - 1}, k);
        for (ptrdiff_t r = 0; r < W && r < count; r++)
            memcpy(c + r * c_step, (const scalar<V> *)&sums + r, sizeof(scalar<V>));
    }
}

/* c_i = a_i b or a_i b_i, for `count` rows a_i of k scalars; b is the same for all if it has no step. */
template <class V>
__attribute__((noinline)) static void inner_products(V, const char *a, ptrdiff_t a_step, const char *b,
                                                     ptrdiff_t b_step, char *c, ptrdiff_t c_step,
                                                     ptrdiff_t k, ptrdiff_t count) {
    if (b_step)
        inner_products_in_groups<false, half<V>>(a, a_step, b, b_step, c, c_step, k, count);
    else
        inner_products_in_groups<true, half<V>>(a, a_step, b, 0, c, c_step, k, count);
}

/* c = A b for `count` matrices of so many rows, which lie along memory. In one loop: a call for each matrix
 * takes 1.1 times the time at 50 x 8, 1.4 at 9 x 9. */
template <class V>
__attribute__((noinline)) static void combine_rows(V, const char *a, ptrdiff_t a_step, ptrdiff_t a_row,
                                                   const char *b, ptrdiff_t b_step, char *c,
                                                   ptrdiff_t c_step, ptrdiff_t c_row, ptrdiff_t rows,
                                                   ptrdiff_t k, ptrdiff_t count) {
    for (; count > 0; count--, a += a_step, b += b_step, c += c_step)
        inner_products_in_groups<true, half<V>>(a, a_row, b, 0, c, c_row, k, rows);
}

template <bool WHOLE, class V> static inline V load_row(const char *from, ptrdiff_t count) {
    return WHOLE ? load(from, V{}) : load_repeated(from, count, V{});
}

/* A vector of the sum of b_p times column p of M, or the first `count` scalars of one, to c. */
template <bool WHOLE, class V>
static inline __attribute__((always_inline)) void sum_columns(const char *m, ptrdiff_t m_column,
                                                              const char *b, ptrdiff_t b_row, char *c,
                                                              ptrdiff_t c_row, ptrdiff_t k,
                                                              ptrdiff_t count) {
    tile<1, 1, V> total;
    V sums[4] = {};
    ptrdiff_t p = 0;
    for (; p < k / 4 * 4; p += 4, m += 4 * m_column, b += 4 * b_row)
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++)
            sums[r] = multiply_add(broadcast(*(const scalar<V> *)(b + r * b_row), V{}),
                                   load_row<WHOLE, V>(m + r * m_column, count), sums[r]);
    for (; p < k; p++, m += m_column, b += b_row)
        sums[0] = multiply_add(broadcast(*(const scalar<V> *)b, V{}), load_row<WHOLE, V>(m, count), sums[0]);
    total.sums[0][0] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    total.put({c, 0, c_row}, count);
}

/* c = M b for `count` matrices of so many rows, whose columns lie along memory. */
template <class V>
__attribute__((noinline)) static void combine_columns(V, const char *m, ptrdiff_t m_step, ptrdiff_t m_column,
                                                      const char *b, ptrdiff_t b_step, ptrdiff_t b_row,
                                                      char *c, ptrdiff_t c_step, ptrdiff_t c_row,
                                                      ptrdiff_t rows, ptrdiff_t k, ptrdiff_t count) {
    typedef half<V> H;
    constexpr ptrdiff_t W = traits<V>::width;
    if constexpr (sizeof(H) < sizeof(V))
        if (rows <= traits<H>::width)
            return combine_columns(H{}, m, m_step, m_column, b, b_step, b_row, c, c_step, c_row, rows, k,
                                   count);
    for (; count > 0; count--, m += m_step, b += b_step, c += c_step) {
        if (rows < W) sum_columns<false, V>(m, m_column, b, b_row, c, c_row, k, rows);
        else
            for (ptrdiff_t i = 0; i < rows; i += W) {
                if (i > rows - W) i = rows - W; /* the last vector overlaps the one before it */
                const char *place = m + i * sizeof(scalar<V>);
                sum_columns<true, V>(place, m_column, b, b_row, c + i * c_row, c_row, k, W);
            }
    }
}

/* What products end in, once they are stored. */
template <class V>
static void end_matrices(V, factor c, ptrdiff_t c_step, addend d, ptrdiff_t m, ptrdiff_t n, ptrdiff_t count) {
    typedef scalar<V> T;
    const T sign = (T)d.sign, product_sign = (T)d.product_sign;
    for (; count > 0; count--, c.first += c_step, d.first += d.step)
        for (ptrdiff_t i = 0; i < m; i++)
            for (ptrdiff_t j = 0; j < n; j++) {
                T *place = (T *)(c.first + i * c.row + j * c.column);
                *place = product_sign * *place + sign * *(const T *)(d.first + i * d.row + j * d.column);
            }
}

} // namespace matgrad
#endif
