/* Tiles: some rows and one or two vectors of a product, in registers.
 *
 * A tile has up to 8 rows, of two vectors up to 6 where there are 16 registers; the rows of a product
 * are shared out evenly, since a tile of one or two rows waits for its own sums. A vector of B serves
 * all rows, an entry of A is broadcast by the multiply-add itself, so A may lie in memory as it likes.
 * Four rows share an address, so that addresses and steps are registers, too. A tile is a function of
 * its own: its addresses have the registers to themselves.
 *
 * Rejected: rows of 8, 4, 2 and 1 (1.07 to 1.17 times the time at n = 10 to 50), 8 rows of two vectors
 * with 16 registers (1.5 times), tiles of three vectors and loops over k unrolled (the same time). */
#ifndef MATGRAD_TILES_H
#define MATGRAD_TILES_H

#include "parts.h"
#include "transpose.h"

namespace matgrad {

/* The most rows of tiles of one vector, and of two. */
enum { MOST_ROWS = 8 };
#if MATGRAD_VECTOR_BYTES == 64 || defined(__aarch64__)
enum { ROWS_OF_PAIRS = 8 };
#else
enum { ROWS_OF_PAIRS = 6 };
#endif

/* Whether a part of a vector can be loaded in one instruction; elsewhere B is packed in vectors. */
enum { LOADS_PARTS = MATGRAD_VECTOR_BYTES > 16 };

/* A matrix: the address of its first entry, and how many bytes rows and columns are apart. */
struct factor {
    char *first;
    ptrdiff_t row, column;
};

/* What a product ends in: its own sign and a D with one; no D if that has no address. */
struct addend {
    char *first;
    ptrdiff_t step, row, column;
    double sign, product_sign;
};

/* The first lanes from memory, the others as the last of them: they raise no flag of their own. */
template <class V> static inline V load_repeated(const char *from, ptrdiff_t count, V) {
    return load_part(from, count, broadcast(((const scalar<V> *)from)[count - 1], V{}));
}

template <int ROWS, int VECTORS, class V> struct tile {
    V sums[ROWS][VECTORS] = {};

    /* Add A B: rows of k entries of A, k rows of whole vectors of B, or of `count` columns. */
    template <bool WHOLE>
    inline __attribute__((always_inline)) void take(const factor &a, const factor &b, ptrdiff_t k,
                                                    ptrdiff_t count) {
        constexpr ptrdiff_t W = traits<V>::width;
        const char *upper = a.first, *lower = upper + 4 * a.row, *right = b.first;
        for (ptrdiff_t p = 0; p < k; p++, upper += a.column, lower += a.column, right += b.row) {
            V u[VECTORS];
#pragma GCC unroll 2
            for (int s = 0; s < VECTORS; s++)
                u[s] = WHOLE || s + 1 < VECTORS
                           ? load(right + s * sizeof(V), V{})
                           : load_repeated(right + s * sizeof(V), count - s * W, V{});
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; r++) {
                const char *place = r < 4 ? upper + r * a.row : lower + (r - 4) * a.row;
                V f = broadcast(*(const scalar<V> *)place, V{});
#pragma GCC unroll 2
                for (int s = 0; s < VECTORS; s++) sums[r][s] = multiply_add(f, u[s], sums[r][s]);
            }
        }
    }

    /* What is here with its sign, plus rows of D with theirs; columns as for put. */
    inline __attribute__((always_inline)) void end(const addend &d, const char *place, ptrdiff_t count) {
        constexpr ptrdiff_t W = traits<V>::width;
        const V sign = broadcast(d.sign, V{}), product_sign = broadcast(d.product_sign, V{});
        const bool whole = count >= VECTORS * W;
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++, place += d.row)
#pragma GCC unroll 2
            for (int s = 0; s < VECTORS; s++) {
                const char *from = place + s * sizeof(V);
                const V other = whole || s + 1 < VECTORS ? load(from, V{})
                                                         : load_part(from, count - s * W, V{});
                sums[r][s] = multiply_add(product_sign, sums[r][s], sign * other);
            }
    }

    /* Store all but what lies beyond `count` columns. */
    inline __attribute__((always_inline)) void put(const factor &c, ptrdiff_t count) const {
        constexpr ptrdiff_t W = traits<V>::width;
        if (c.column != sizeof(scalar<V>)) {
            put_apart(c, count);
            return;
        }
        const bool whole = count >= VECTORS * W;
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++) {
            char *place = c.first + r * c.row;
            if (VECTORS == 2) store(place, sums[r][0]);
            place += (VECTORS - 1) * sizeof(V);
            if (whole)
                store(place, sums[r][VECTORS - 1]);
            else
                store_part(place, count - (VECTORS - 1) * W, sums[r][VECTORS - 1]);
        }
    }

    /* Columns that are not side by side: through a copy, since sums whose entries are read would not
     * be registers. */
    inline __attribute__((always_inline)) void put_apart(const factor &c, ptrdiff_t count) const {
        constexpr ptrdiff_t W = traits<V>::width;
        V copy[ROWS][VECTORS];
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 2
            for (int s = 0; s < VECTORS; s++) copy[r][s] = sums[r][s];
        for (int r = 0; r < ROWS; r++)
            for (ptrdiff_t j = 0; j < VECTORS * W && j < count; j++)
                *(scalar<V> *)(c.first + r * c.row + j * c.column) =
                    (scalar<V>)element(&copy[r][0], j);
    }

    /* The sum of x_ij times what is here, lane by lane, added to a vector; columns as for put. */
    inline __attribute__((always_inline)) V weigh(const factor &x, ptrdiff_t count, V total) const {
        constexpr ptrdiff_t W = traits<V>::width;
        const ptrdiff_t last = count - (VECTORS - 1) * W;
        const V beyond = from_lane(last < W ? last : W, V{});
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++) {
            const char *place = x.first + r * x.row;
            if (VECTORS == 2) total = multiply_add(load(place, V{}), sums[r][0], total);
            place += (VECTORS - 1) * sizeof(V);
            if (last >= W)
                total = multiply_add(load(place, V{}), sums[r][VECTORS - 1], total);
            else
                total = multiply_add(load_part(place, last, V{}),
                                     zero_where(beyond, sums[r][VECTORS - 1]), total);
        }
        return total;
    }
};

/* Call work(rows, i) for tiles of so many rows from row i on, all of about the same height; the
 * number of rows is a type, since it has to be known when the tile is compiled. */
template <int VECTORS, class Work> static inline void by_rows(ptrdiff_t m, const Work &work) {
    constexpr int most = VECTORS == 1 ? MOST_ROWS : ROWS_OF_PAIRS;
    const ptrdiff_t tiles = (m + most - 1) / most, least = tiles > 1 ? m / tiles : m;
    ptrdiff_t rest = m - tiles * least, i = 0;
    while (i < m) {
        const ptrdiff_t rows = least + (rest-- > 0);
        switch (rows) {
        case 1: work(std::integral_constant<int, 1>(), i); break;
        case 2: work(std::integral_constant<int, 2>(), i); break;
        case 3: work(std::integral_constant<int, 3>(), i); break;
        case 4: work(std::integral_constant<int, 4>(), i); break;
        case 5: work(std::integral_constant<int, 5>(), i); break;
        case 6: work(std::integral_constant<int, 6>(), i); break;
        case 7: work(std::integral_constant<int, most < 7 ? 6 : 7>(), i); break;
        case 8: work(std::integral_constant<int, most < 8 ? 6 : 8>(), i); break;
        }
        i += rows;
    }
}

/* Numbers, not factors: those would be copied on the way, as vectors that wait for their parts. */
template <int ROWS, int VECTORS, bool WHOLE, class V>
__attribute__((noinline)) static void multiply_rows(
    char *a, ptrdiff_t a_row, ptrdiff_t a_column, char *b, ptrdiff_t b_row, char *c,
    ptrdiff_t c_row, ptrdiff_t c_column, ptrdiff_t k, ptrdiff_t count) {
    tile<ROWS, VECTORS, V> sums;
    sums.template take<WHOLE>({a, a_row, a_column}, {b, b_row, 0}, k, count);
    sums.put({c, c_row, c_column}, count);
}

template <int VECTORS, bool WHOLE, class V>
static inline void multiply_vectors(V, factor a, factor b, factor c, ptrdiff_t m, ptrdiff_t k,
                                    ptrdiff_t count) {
    by_rows<VECTORS>(m, [&](auto rows, ptrdiff_t i) {
        multiply_rows<rows(), VECTORS, WHOLE, V>(a.first + i * a.row, a.row, a.column, b.first,
                                                 b.row, c.first + i * c.row, c.row, c.column, k,
                                                 count);
    });
}

/* One or two vectors of columns of C (m, ...) = A B, of which `count` columns are stored; B has whole
 * vectors, or as many columns. */
template <class V>
static inline void multiply_columns(V like, int vectors, bool whole, factor a, factor b, factor c,
                                    ptrdiff_t m, ptrdiff_t k, ptrdiff_t count) {
    if constexpr (LOADS_PARTS) {
        if (!whole && vectors == 2) return multiply_vectors<2, false>(like, a, b, c, m, k, count);
        if (!whole) return multiply_vectors<1, false>(like, a, b, c, m, k, count);
    }
    if (vectors == 2)
        multiply_vectors<2, true>(like, a, b, c, m, k, count);
    else
        multiply_vectors<1, true>(like, a, b, c, m, k, count);
}

/* A tile of G = Q XA + Q' XA', stored unless it has no address, and sum_ij x_ij (Q XA)_ij, added to a
 * vector lane by lane. q is where the rows of the tile begin in Q, qt where they do in Q'. */
template <int ROWS, int VECTORS, class V>
__attribute__((noinline)) static V weigh_tile(char *q, char *qt, ptrdiff_t q_row,
                                              ptrdiff_t q_column, char *xa, char *xat,
                                              ptrdiff_t xa_row, char *x, ptrdiff_t x_row, char *g,
                                              ptrdiff_t g_row, ptrdiff_t g_column, ptrdiff_t n,
                                              ptrdiff_t count, V total) {
    tile<ROWS, VECTORS, V> sums;
    sums.template take<true>({q, q_row, q_column}, {xa, xa_row, 0}, n, count);
    total = sums.weigh({x, x_row, 0}, count, total);
    if (g) {
        sums.template take<true>({qt, q_column, q_row}, {xat, xa_row, 0}, n, count);
        sums.put({g, g_row, g_column}, count);
    }
    return total;
}

template <int VECTORS, class V>
static inline V weigh_vectors(factor q, factor xa, factor xat, factor x, factor g, ptrdiff_t n,
                              ptrdiff_t count, V total) {
    by_rows<VECTORS>(n, [&](auto rows, ptrdiff_t i) {
        total = weigh_tile<rows(), VECTORS, V>(
            q.first + i * q.row, q.first + i * q.column, q.row, q.column, xa.first, xat.first,
            xa.row, x.first + i * x.row, x.row, g.first ? g.first + i * g.row : g.first, g.row,
            g.column, n, count, total);
    });
    return total;
}

/* The same for one or two vectors of columns, of which there are `count`. */
template <class V>
static inline V weigh_columns(int vectors, factor q, factor xa, factor xat, factor x, factor g,
                              ptrdiff_t n, ptrdiff_t count, V total) {
    return vectors == 2 ? weigh_vectors<2>(q, xa, xat, x, g, n, count, total)
                        : weigh_vectors<1>(q, xa, xat, x, g, n, count, total);
}

/* ---- batches ------------------------------------------------------------------------------------ */

/* How the rows of B are read: DENSE_ROWS are whole vectors one behind the other, as those of C are. */
enum reading { DENSE_ROWS, WHOLE_ROWS, PARTS_OF_ROWS, COLLECTED };

/* The most rows of a B that is collected; others are packed first. */
enum { MOST_COLLECTED = 16 };

/* Two scalars from each of the places 0, 2, 4, ... of as many as there are lanes. */
template <class T, int W> struct pairs {
    typedef T vector __attribute__((vector_size(W * sizeof(T))));
    template <int... L>
    static inline vector join(typename pairs<T, W / 2>::vector low, typename pairs<T, W / 2>::vector high,
                              std::integer_sequence<int, L...>) {
        return __builtin_shufflevector(low, high, L...);
    }
    static inline vector load(const char *first, const ptrdiff_t *places) {
        return join(pairs<T, W / 2>::load(first, places), pairs<T, W / 2>::load(first, places + W / 2),
                    std::make_integer_sequence<int, W>());
    }
};
template <class T> struct pairs<T, 2> {
    typedef T vector __attribute__((vector_size(2 * sizeof(T))));
    static inline vector load(const char *first, const ptrdiff_t *places) {
        vector out;
        memcpy(&out, first + places[0], sizeof(out));
        return out;
    }
};

/* Rows of B whose entries are not side by side, in vectors: two rows at a time if columns are,
 * but in vectors of 16 bytes, which take longer than scalars do (2.5 times the time at 2 x 2). */
template <class V>
static inline void collect_rows(const factor &b, const ptrdiff_t *columns, ptrdiff_t k, V *rows) {
    constexpr int W = traits<V>::width;
    ptrdiff_t p = 0;
    if (sizeof(V) > 16 && b.row == sizeof(scalar<V>) && k > 1)
        for (; p < k; p += 2) {
            const char *place = b.first + (p < k - 2 ? p : k - 2) * b.row;
            V *target = rows + (p < k - 2 ? p : k - 2);
            V upper = (V)pairs<scalar<V>, W>::load(place, columns);
            V lower = (V)pairs<scalar<V>, W>::load(place, columns + 1);
            exchange<1>(upper, lower, std::make_integer_sequence<int, W>());
            target[0] = upper, target[1] = lower;
        }
    for (; p < k; p++) {
        V row;
#pragma GCC unroll 16
        for (int l = 0; l < W; l++) row[l] = *(const scalar<V> *)(b.first + p * b.row + columns[l]);
        rows[p] = row;
    }
}

template <int ROWS, reading READING, bool ENDED, class V>
__attribute__((noinline)) static void multiply_each_tile(
    factor a, ptrdiff_t a_step, factor b, ptrdiff_t b_step, factor c, ptrdiff_t c_step,
    ptrdiff_t k, ptrdiff_t n, ptrdiff_t count, addend d) {
    constexpr ptrdiff_t W = traits<V>::width;
    V collected[MOST_COLLECTED];
    ptrdiff_t columns[W];
    for (ptrdiff_t l = 0; l < W; l++) columns[l] = (l < n ? l : n - 1) * b.column;
    if (READING == DENSE_ROWS) b.row = c.row = sizeof(V), c.column = sizeof(scalar<V>), n = W;
    for (ptrdiff_t p = 0; p < count; p++) {
        tile<ROWS, 1, V> sums;
        if (READING == COLLECTED) {
            if (p == 0 || b_step) collect_rows(b, columns, k, collected);
            sums.template take<true>(a, {(char *)collected, sizeof(V), 0}, k, n);
        } else
            sums.template take<READING <= WHOLE_ROWS>(a, b, k, n);
        if (ENDED) {
            sums.end(d, d.first, n);
            d.first += d.step;
        }
        sums.put(c, n);
        a.first += a_step, b.first += b_step, c.first += c_step;
    }
}

/* Whether C is a tile, and entries of its rows are side by side. */
template <class V>
static inline bool fits_tile(V, ptrdiff_t b_column, ptrdiff_t c_column, ptrdiff_t m, ptrdiff_t k,
                             ptrdiff_t n) {
    constexpr ptrdiff_t W = traits<V>::width, item = sizeof(scalar<V>);
    const bool readable = b_column != item ? k <= MOST_COLLECTED : n == W || LOADS_PARTS;
    return readable && n <= W && m <= MOST_ROWS && c_column == item;
}

/* `count` products C = A B that fit a tile each, in one loop: a quarter to a half of the time of single
 * ones at n = 2 to 7, 0.9 at 8; 0.25 to 0.7 where B is small and entries of its rows are apart. Steps that
 * are known leave registers to the others: dense rows take 0.8 to 0.9 of the time. Of C that fill no more
 * than half or a quarter of a vector the tiles are of such parts: 0.5 of the time at 8 x 8 x 2 (Zen 4). A
 * function of its own, so that the compiler has room for others: inlined, it costs them 1.05 to 1.3 times
 * the time at n = 9 to 16. */
template <bool ENDED, class V>
__attribute__((noinline)) static void multiply_each_of(V, factor a, ptrdiff_t a_step, factor b,
                                                       ptrdiff_t b_step, factor c, ptrdiff_t c_step,
                                                       ptrdiff_t m, ptrdiff_t k, ptrdiff_t n,
                                                       ptrdiff_t count, addend d) {
    typedef half<V> H;
    constexpr ptrdiff_t W = traits<V>::width, item = sizeof(scalar<V>);
    if constexpr (sizeof(H) < sizeof(V))
        if (n <= traits<H>::width)
            return multiply_each_of<ENDED>(H{}, a, a_step, b, b_step, c, c_step, m, k, n, count, d);
    const bool whole = n == W, scattered = b.column != item;
    by_rows<1>(m, [&](auto rows, ptrdiff_t) {
        const auto run = [&](auto reading) {
            multiply_each_tile<rows(), reading(), ENDED, V>(a, a_step, b, b_step, c, c_step, k, n, count, d);
        };
        if (scattered) run(std::integral_constant<enum reading, COLLECTED>());
        else if (whole && b.row == sizeof(V) && c.row == sizeof(V))
            run(std::integral_constant<enum reading, DENSE_ROWS>());
        else if (whole) run(std::integral_constant<enum reading, WHOLE_ROWS>());
        else run(std::integral_constant<enum reading, PARTS_OF_ROWS>());
    });
}

template <class V>
static inline void multiply_each(V like, factor a, ptrdiff_t a_step, factor b, ptrdiff_t b_step, factor c,
                                 ptrdiff_t c_step, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, ptrdiff_t count,
                                 addend d) {
    if (d.first) multiply_each_of<true>(like, a, a_step, b, b_step, c, c_step, m, k, n, count, d);
    else multiply_each_of<false>(like, a, a_step, b, b_step, c, c_step, m, k, n, count, d);
}

} // namespace matgrad
#endif
