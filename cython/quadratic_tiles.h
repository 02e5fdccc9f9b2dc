/* tr(XAX'Q) and its gradient QXA + Q'XA' of many small triples, for traces.pxd: one triple at a time, each
 * product in registers until the next has taken it. Each matrix lies in memory without gaps.
 *
 * G = QXA + (A X'Q)', where a factor on the left may be transposed, since its entries are broadcast one by
 * one, and one transposition in registers does for the right of the second term. The value is the inner
 * product of X with QXA, with or without gradient. All steps are known when it is compiled: addresses are
 * constants, and sums of a product are the rows of the next. So 256 multiply-adds of vectors take 77 ns at
 * 8 x 8 in double precision, where their peak is 71 (Zen 4).
 *
 * Share of the time of one triple a lane, or of one at a time along rows: 0.5 at n = m = 2 to 4, 0.7 at 5 to
 * 8, 0.4 to 0.6 for the value alone. Rejected: XA' by collected rows of A', products in loops of a length
 * that is not known, through memory (1.3 times the time), rows any number of bytes apart (1.05 to 1.3 times:
 * addresses are spilled; matrices with gaps are copied first). */
#ifndef MATGRAD_QUADRATIC_TILES_H
#define MATGRAD_QUADRATIC_TILES_H

#include "tiles.h"

namespace matgrad {

/* Which triples have tiles of such vectors: they have four or eight lanes, and can be loaded in part. */
template <class V> struct quadratic_tiles {
    static constexpr int width = traits<V>::width;
    static constexpr bool exist = LOADS_PARTS && (width == 4 || width == 8);
    /* Eight lanes without halves have 16 registers: they do well only if nearly full. */
    static constexpr int least_rows = sizeof(half<V>) < sizeof(V) || width == 4 ? 2 : 7;
    /* With two of eight columns a triple a lane is faster (1.1 times the time). */
    static constexpr int least_columns = least_rows > 2 || width == 4 ? least_rows : 3;
};

/* A matrix without gaps. */
template <int ROWS, int COLUMNS, class T> struct dense {
    const T *first;
    const T *row(int i) const { return first + i * COLUMNS; }
};

template <int ROWS, int COLUMNS, class V>
static inline __attribute__((always_inline)) void load_rows(dense<ROWS, COLUMNS, scalar<V>> b, V *rows) {
#pragma GCC unroll 8
    for (int k = 0; k < ROWS; k++)
        rows[k] = COLUMNS == traits<V>::width ? load((const char *)b.row(k), V{})
                                              : load_repeated((const char *)b.row(k), COLUMNS, V{});
}

/* Add A B, or A'B, to rows; B is rows, too. */
template <bool TRANSPOSED, int ROWS, int COLUMNS, class V>
static inline __attribute__((always_inline)) void add_product(dense<ROWS, COLUMNS, scalar<V>> a, const V *b,
                                                              V *sums) {
#pragma GCC unroll 8
    for (int k = 0; k < (TRANSPOSED ? ROWS : COLUMNS); k++)
#pragma GCC unroll 8
        for (int r = 0; r < (TRANSPOSED ? COLUMNS : ROWS); r++)
            sums[r] = multiply_add(broadcast(TRANSPOSED ? a.row(k)[r] : a.row(r)[k], V{}), b[k], sums[r]);
}

template <int N, int M, bool GRADIENT, class V>
__attribute__((noinline)) static void
quadratic_each_tile(const char *x, ptrdiff_t x_step, const char *a, ptrdiff_t a_step, const char *q,
                    ptrdiff_t q_step, char *value, ptrdiff_t value_step, char *g, ptrdiff_t g_step,
                    ptrdiff_t count) {
    typedef scalar<V> T;
    constexpr int W = traits<V>::width;
    constexpr ptrdiff_t bytes = M * sizeof(T);
    for (; count > 0; count--, x += x_step, a += a_step, q += q_step, value += value_step, g += g_step) {
        const dense<N, M, T> X{(const T *)x};
        const dense<M, M, T> A{(const T *)a};
        const dense<N, N, T> Q{(const T *)q};
        tile<N, 1, V> product;
        V rows[MOST_ROWS], first[MOST_ROWS] = {};
        load_rows(A, rows);
        add_product<false>(X, rows, first);
        add_product<false>(Q, first, &product.sums[0][0]);
        const V total = product.weigh({(char *)x, bytes, 0}, M, V{});
        if (GRADIENT) {
            V second[MOST_ROWS] = {}, columns[W] = {};
            /* What has been broadcast is read again: kept, it would be spilled (1.25 times the time). */
            __asm__ volatile("" ::: "memory");
            load_rows(Q, rows);
            add_product<true>(X, rows, second);
            add_product<false>(A, second, columns);
            stages<1, W, W>(columns);
#pragma GCC unroll 8
            for (int r = 0; r < N; r++) product.sums[r][0] += columns[r];
            product.put({g, bytes, sizeof(T)}, M);
        }
        T sum = 0;
#pragma GCC unroll 8
        for (int l = 0; l < W; l++) sum += total[l];
        *(T *)value = sum;
    }
}

/* Call work(n) with a number from LEAST to MOST as a type. */
template <int LEAST, int MOST, class Work> static inline void by_size(ptrdiff_t n, const Work &work) {
    if (n == LEAST)
        work(std::integral_constant<int, LEAST>());
    else if constexpr (LEAST < MOST)
        by_size<LEAST + 1, MOST>(n, work);
}

/* Whether triples of this size are for such tiles. */
template <class V> static inline bool fits_quadratic_tiles(V, ptrdiff_t n, ptrdiff_t m) {
    typedef quadratic_tiles<V> tiles;
    typedef half<V> H;
    if constexpr (tiles::width > 4 && sizeof(H) < sizeof(V))
        if (n <= traits<H>::width && m <= traits<H>::width) return fits_quadratic_tiles(H{}, n, m);
    return tiles::exist && tiles::least_rows <= n && n <= tiles::width && tiles::least_columns <= m &&
           m <= tiles::width;
}

/* `count` triples in C order. A function of its own, so that the compiler has room for others: inlined, it
 * costs lanes 1.1 to 1.3 times the time. */
template <bool GRADIENT, class V>
__attribute__((noinline)) static void
quadratic_each_of(V, const char *x, ptrdiff_t x_step, const char *a, ptrdiff_t a_step, const char *q,
                  ptrdiff_t q_step, char *value, ptrdiff_t value_step, char *g, ptrdiff_t g_step, ptrdiff_t n,
                  ptrdiff_t m, ptrdiff_t count) {
    typedef quadratic_tiles<V> tiles;
    typedef half<V> H;
    constexpr bool halved = tiles::width > 4 && sizeof(H) < sizeof(V);
    if constexpr (halved)
        if (n <= traits<H>::width && m <= traits<H>::width)
            return quadratic_each_of<GRADIENT>(H{}, x, x_step, a, a_step, q, q_step, value, value_step, g,
                                               g_step, n, m, count);
    if constexpr (tiles::exist)
        by_size<tiles::least_rows, tiles::width>(n, [&](auto rows) {
            by_size<tiles::least_columns, tiles::width>(m, [&](auto columns) {
                if constexpr (!halved || rows() > traits<H>::width || columns() > traits<H>::width)
                    quadratic_each_tile<rows(), columns(), GRADIENT, V>(
                        x, x_step, a, a_step, q, q_step, value, value_step, g, g_step, count);
            });
        });
}

/* No gradient if that has no address. */
template <class V>
static inline void quadratic_each(V like, const char *x, ptrdiff_t x_step, const char *a, ptrdiff_t a_step,
                                  const char *q, ptrdiff_t q_step, char *value, ptrdiff_t value_step, char *g,
                                  ptrdiff_t g_step, ptrdiff_t n, ptrdiff_t m, ptrdiff_t count) {
    if (g)
        quadratic_each_of<true>(like, x, x_step, a, a_step, q, q_step, value, value_step, g, g_step, n, m,
                                count);
    else
        quadratic_each_of<false>(like, x, x_step, a, a_step, q, q_step, value, value_step, g, g_step, n, m,
                                 count);
}

} // namespace matgrad
#endif
