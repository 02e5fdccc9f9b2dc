/* Inverses of small matrices from what fixed_elimination.h leaves, for fixed.pxd.
 *
 * Entry (j, k) is, for k < j, what row j has taken of row k, an entry of the upper triangle; for k > j a
 * factor of row j, an entry of the lower one; on the diagonal stands -1 / pivot. The upper triangle is
 * inverted in its place. The inverse is found and stored a cache line of rows at a time, and nothing else is
 * kept, since a group has to stay in the first-level cache.
 *
 * Rejected: the upper triangle's inverse row by row, where each product waits for the one before (inv 1.05
 * times at n = 16), tiles of a few rows up to n = 16 (1.05 times), each row by itself beyond (1.03 and 1.2
 * times at n = 24 and 32), all rows before the first is stored (1.02 times at n = 16), cache lines fetched
 * for writing beforehand (1.02). */
#ifndef MATGRAD_FIXED_INVERSE_H
#define MATGRAD_FIXED_INVERSE_H

#include "fixed_elimination.h"

namespace matgrad {

/* ---- the upper triangle's inverse ------------------------------------------------------------------ */

/* Places change as all rows have it. */
template <int K, int N, class V> static inline void put_in_order(V *x, const pivot_place<V, N> *places) {
    if constexpr (K < N - 1) {
        change_places<K, N>(x, places[K]);
        put_in_order<K + 1, N>(x, places);
    }
}
/* In row j what is above the diagonal becomes column j of the upper triangle's inverse, which takes the
 * columns before it: no product waits for another one of its step, as row by row each does. Factors are put
 * in the order that later rows give them, as if it had been theirs from the start. */
template <int K, int N, class V>
static inline void invert_row(int j, V *x, V *entries, const pivot_place<V, N> *places, V *total) {
    const V *column = entries + K * N;
    V *row = entries + j * N;
    if (K < j) {
#pragma GCC unroll 32
        for (int b = 0; b < K; b++) x[b] = multiply_add(x[K], column[b], x[b]);
        x[K] *= column[K];
    } else if (K == j) {
#pragma GCC unroll 32
        for (int b = 0; b < K; b++) {
            row[b] = x[b] *= column[K];
            *total += absolute(x[b]);
        }
    } else {
        if constexpr (K < N - 1) change_places<K, N>(x, places[K]);
        row[K] = x[K];
    }
    if constexpr (K < N - 1) invert_row<K + 1, N>(j, x, entries, places, total);
}
/* The inverse of the upper triangle times `multiple`, above factors in their last order, and the sum of its
 * entries' sizes. */
template <int N, class V>
__attribute__((noinline, flatten)) static V invert_triangle(V *entries, const void *kept, V last, V multiple,
                                                            V *order) {
    pivot_place<V, N> places[N];
    V x[N], total{};
    memcpy(places, kept, sizeof(places));
#pragma GCC unroll 32
    for (int i = 0; i < N; i++) x[i] = (V)(bits<V>{} + i);
    put_in_order<0, N>(x, places);
#pragma GCC unroll 32
    for (int i = 0; i < N; i++) order[i] = x[i];
    entries[N * N - 1] = -broadcast(1.0, last) / last;
    for (int j = 0; j < N; j++) {
#pragma GCC unroll 32
        for (int i = 0; i < N; i++) x[i] = entries[j * N + i];
        invert_row<0, N>(j, x, entries, places, &total);
        entries[j * N + j] *= -multiple;
        total += absolute(entries[j * N + j]);
    }
    return total;
}

/* ---- its product with the lower triangle's inverse ------------------------------------------------- */

/* So many rows and columns at a time are in registers: a row, as long as it fits. */
static constexpr int tile_rows(int n) { return n <= 16 ? 1 : 4; }
static constexpr int tile_columns(int n) { return n <= 16 ? n : MATGRAD_VECTOR_BYTES == 64 ? 6 : 3; }

/* Rows of the upper triangle's inverse from row b on. */
template <int ROWS, int START, int END, int N, class V>
static inline void load_tile(int b, V (*z)[END - START], const V *entries) {
    const bool full = START >= b + ROWS - 1;
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 16
        for (int k = START; k < END; k++)
            z[r][k - START] = full || k >= b + r ? entries[k * N + b + r] : V{};
}
/* Rows of the inverse from row b on, whose columns are in another order: from the last one to the first. */
template <int ROWS, int END, int N, class V>
static inline void substitute_back(int b, const V *entries, V *result) {
    if constexpr (END > 0) {
        constexpr int most = tile_columns(N), tiles = (END + most - 1) / most;
        constexpr int START = END - (END + tiles - 1) / tiles;
        V z[ROWS][END - START];
        load_tile<ROWS, START, END, N>(b, z, entries);
        for (int i = END; i < N; i++)
#pragma GCC unroll 16
            for (int k = START; k < END; k++)
#pragma GCC unroll 4
                for (int r = 0; r < ROWS; r++)
                    z[r][k - START] = multiply_add(result[r * N + i], entries[k * N + i], z[r][k - START]);
#pragma GCC unroll 16
        for (int i = END - 1; i > START; i--)
#pragma GCC unroll 16
            for (int k = START; k < i; k++)
#pragma GCC unroll 4
                for (int r = 0; r < ROWS; r++)
                    z[r][k - START] = multiply_add(z[r][i - START], entries[k * N + i], z[r][k - START]);
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 16
            for (int k = START; k < END; k++) result[r * N + k] = z[r][k - START];
        substitute_back<ROWS, START, N>(b, entries, result);
    }
}
/* Rows `first` to `stop` - 1, times 2^*exponent if there is one. */
template <int N, class V>
__attribute__((noinline, flatten)) static void inverse_rows(int first, int stop, const V *entries,
                                                            const V *exponent, V *result) {
    constexpr int ROWS = tile_rows(N);
    int b = first;
    for (; b + ROWS <= stop; b += ROWS) substitute_back<ROWS, N, N>(b, entries, result + (b - first) * N);
    if constexpr (ROWS > 1)
        for (; b < stop; b++) substitute_back<1, N, N>(b, entries, result + (b - first) * N);
    for (int i = 0; exponent && i < (stop - first) * N; i++)
        result[i] = times_power_of_two(result[i], *exponent);
}

/* ---- to memory ------------------------------------------------------------------------------------ */

/* Rows of inverses that are found before they are stored: those of a cache line of each. */
template <class V> static constexpr int line() { return 64 / (int)sizeof(scalar<V>); }

/* x[i] to scalar i of each of the first `count` places. */
template <int N, class V>
static inline void store_row(char *const *places, ptrdiff_t offset, int count, const V *x) {
    constexpr int half = traits<V>::width / 2;
    typedef scalar<V> T;
    if constexpr (N < half) {
        for (int l = 0; l < count; l++)
            for (int i = 0; i < N; i++)
                memcpy(places[l] + offset + i * sizeof(T), (const T *)(x + i) + l, sizeof(T));
    } else
#pragma GCC unroll 32
        for (int i = 0; i < N; i += half) {
            const int start = i + half <= N ? i : N - half;
            store_half_transposed(places, offset + start * (ptrdiff_t)sizeof(T), count, x + start);
        }
}
/* Where column i of each inverse comes from, lane by lane: vectors of words. */
template <int N, class V> static inline void invert_order(const V *order, V *from) {
    constexpr int W = traits<V>::width, height = (N + W - 1) / W;
    for (int l = 0; l < W; l++)
#pragma GCC unroll 32
        for (int q = 0; q < N; q++) set_place(from + l * height, place(order + q, l), q);
}
/* Entry (order[q], b) of the inverses, `step` bytes from row to row, or from column to column. */
template <int ROWS, int N, class V>
static inline void store_block(int count, const V *result, char *const (*rows)[traits<V>::width],
                               ptrdiff_t offset) {
    for (int q = 0; q < N; q++) {
        V x[ROWS];
#pragma GCC unroll 32
        for (int b = 0; b < ROWS; b++) x[b] = result[b * N + q];
        store_row<ROWS>(rows[q], offset, count, x);
    }
}
template <int N, class V>
__attribute__((noinline, flatten)) static void store_rows(int count, const V *entries, const V *exponent,
                                                          const V *order, char *const *targets,
                                                          ptrdiff_t step) {
    constexpr int W = traits<V>::width, L = line<V>(), rest = N < 2 * L ? N : L + N % L;
    V result[rest * N];
    char *rows[N][W];
    for (int q = 0; q < N; q++)
        for (int l = 0; l < W; l++) rows[q][l] = targets[l] + place(order + q, l) * step;
    for (int b = 0; b < N - rest; b += L) {
        inverse_rows<N>(b, b + L, entries, exponent, result);
        store_block<L, N>(count, result, rows, b * (ptrdiff_t)sizeof(scalar<V>));
    }
    inverse_rows<N>(N - rest, N, entries, exponent, result);
    store_block<rest, N>(count, result, rows, (N - rest) * (ptrdiff_t)sizeof(scalar<V>));
}
template <int N, class V>
__attribute__((noinline, flatten)) static void store_columns(int count, const V *entries, const V *exponent,
                                                             const V *order, char *const *targets,
                                                             ptrdiff_t step) {
    constexpr int W = traits<V>::width, height = (N + W - 1) / W, ROWS = 4;
    V from[W * height] = {}, rows[ROWS * N];
    invert_order<N>(order, from);
    for (int b = 0; b < N; b++) {
        const V *z = rows + b % ROWS * N;
        V t[height][W];
        if (b % ROWS == 0) inverse_rows<N>(b, b + ROWS < N ? b + ROWS : N, entries, exponent, rows);
#pragma GCC unroll 4
        for (int v = 0; v < height; v++) {
#pragma GCC unroll 32
            for (int i = 0; i < W; i++) t[v][i] = v * W + i < N ? z[v * W + i] : V{};
            stages<1, W, W>(t[v]);
        }
#pragma GCC unroll 32
        for (int l = 0; l < W; l++) {
            V row[height];
#pragma GCC unroll 4
            for (int v = 0; v < height; v++) row[v] = t[v][l];
            if (l < count)
#pragma GCC unroll 4
                for (int v = 0; v < height; v++)
                    store_part(targets[l] + b * step + v * sizeof(V), N - v * W,
                               permuted(row, height, from + l * height, v * W));
        }
    }
}
template <int N, class V>
static void store_scalars(int count, const V *entries, const V *exponent, const V *order,
                          char *const *targets, ptrdiff_t row_stride, ptrdiff_t column_stride) {
    V z[N];
    for (int b = 0; b < N; b++) {
        inverse_rows<N>(b, b + 1, entries, exponent, z);
        for (int l = 0; l < count; l++)
            for (int q = 0; q < N; q++)
                memcpy(targets[l] + place(order + q, l) * row_stride + b * column_stride,
                       (const scalar<V> *)(z + q) + l, sizeof(scalar<V>));
    }
}

} // namespace matgrad

#endif
