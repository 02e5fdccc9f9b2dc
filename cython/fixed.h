/* Elimination of small matrices of a size that is known, one a lane, for fixed.pxd.
 *
 * All loops are unrolled, so that rows stay in registers; rows pass through one code for all of them, which
 * the last ones leave later: a copy for each takes 0.97 of the time at n = 8 and 1.0 at 16, and sixteen
 * times the code. Places are kept where the compiler sees that nothing else is: else they pass through
 * general registers (det takes 1.13 times the time at n = 8). */
#ifndef MATGRAD_FIXED_H
#define MATGRAD_FIXED_H

#include "choices.h"
#include "registers.h"

namespace matgrad {

/* Rows that fit registers, or leave them for less than other ways would take. */
enum { LEAST_FIXED = 5, LARGEST_FIXED = MATGRAD_VECTOR_BYTES == 64 ? 20 : 16 };

/* How many bits a place among n has. */
static constexpr int place_bits(int n) { return n <= 8 ? 3 : n <= 16 ? 4 : 5; }

/* Where the pivot of row k is: among N places, bit by bit, and place by place. */
template <class V, int N> struct pivot_place {
    choice<V> bit[place_bits(N)], at[N];
};

/* Of entries FIRST to N - 1 of a row the one whose place has these bits: halves of 2^BITS places from START
 * on. */
template <int START, int BITS, int FIRST, int N, class V, class C>
static inline V at_place(const V *x, const C *bit) {
    if constexpr (BITS == 0) return x[START];
    else {
        constexpr int middle = START + (1 << (BITS - 1));
        if constexpr (middle >= N) return at_place<START, BITS - 1, FIRST, N>(x, bit);
        else if constexpr (middle <= FIRST) return at_place<middle, BITS - 1, FIRST, N>(x, bit);
        else
            return choose(bit[BITS - 1], at_place<middle, BITS - 1, FIRST, N>(x, bit),
                          at_place<START, BITS - 1, FIRST, N>(x, bit));
    }
}
template <int FIRST, int N, class V, class C> static inline V pivot_of(const V *x, const C *bit) {
    return at_place<0, place_bits(N), FIRST, N>(x, bit);
}

/* ---- rows ---------------------------------------------------------------------------------------- */

/* N scalars of each place for N less than half a vector, of which no more may be read. */
template <int N, class V> static inline void load_short_row(const char *const *places, ptrdiff_t offset, V *x) {
    typedef typename in_memory<scalar<V>, V>::half half_vector;
    constexpr int half = traits<V>::width / 2;
    V t[half];
#pragma GCC unroll 32
    for (int l = 0; l < half; l++) {
        half_vector low = load_part(places[l] + offset, N, half_vector{});
        half_vector high = load_part(places[l + half] + offset, N, half_vector{});
        memcpy((char *)(t + l), &low, sizeof(low));
        memcpy((char *)(t + l) + sizeof(low), &high, sizeof(high));
    }
    stages<1, half, 2 * half>(t);
#pragma GCC unroll 32
    for (int i = 0; i < N; i++) x[i] = t[i];
}
/* N scalars of each place, by half squares of which the last overlaps the one before. */
template <int N, class V> static inline void load_row(const char *const *places, ptrdiff_t offset, V *x) {
    constexpr int half = traits<V>::width / 2;
    if constexpr (N < half) load_short_row<N>(places, offset, x);
    else
#pragma GCC unroll 32
        for (int i = 0; i < N; i += half) {
            const int start = i + half <= N ? i : N - half;
            load_half_transposed(places, offset + start * (ptrdiff_t)sizeof(scalar<V>), x + start);
        }
}

/* The pivot of row K comes to place K, what was there to the pivot's. */
template <int K, int N, class V> static inline void change_places(V *x, const pivot_place<V, N> &place) {
    const V pivot = pivot_of<K, N>(x, place.bit), old = x[K];
    x[K] = pivot;
#pragma GCC unroll 32
    for (int i = K + 1; i < N; i++) x[i] = choose(place.at[i], old, x[i]);
}
template <int K, int N, class V>
static inline void take_row(V *x, const V *factors, const pivot_place<V, N> &place) {
    change_places<K, N>(x, place);
#pragma GCC unroll 32
    for (int i = K + 1; i < N; i++) x[i] = multiply_add(factors[i], x[K], x[i]);
}

/* Row K finds its pivot, changes places, and becomes factors: entries over -pivot. */
template <int K, int N, class V>
static inline V become_factors(V *x, V *factors, pivot_place<V, N> *place, V *odd) {
    constexpr int BITS = place_bits(N), last = (1 << BITS) - 1;
    const V zero{}, one = broadcast(1.0, zero);
    V size[N], most[N];
#pragma GCC unroll 32
    for (int i = K; i < N; i++)
        most[i - K] = size[i] = with_place(x[i], i, last);
#pragma GCC unroll 5
    for (int w = N - K; w > 1; w = (w + 1) / 2)
#pragma GCC unroll 16
        for (int i = 0; i < w / 2; i++) most[i] = larger_size(most[i], most[w - 1 - i]);
    choice<V> bit[BITS];
#pragma GCC unroll 5
    for (int b = 0; b < BITS; b++) place->bit[b] = bit[b] = has_bit(most[0], b);
    const V pivot = pivot_of<K, N>(x, bit), old = x[K];
    const V over = zero_where(equal(pivot, zero), -one / pivot);
    *odd = choose(same(size[K], most[0]), *odd, -*odd);
    x[K] = pivot;
#pragma GCC unroll 32
    for (int i = K + 1; i < N; i++) {
        const choice<V> here = same(size[i], most[0]);
        factors[i] = choose(here, old, x[i]) * over;
        place->at[i] = here;
    }
    factors[K] = over;
    return pivot;
}

/* ---- all rows ------------------------------------------------------------------------------------ */

/* Row j takes row K and those after it, and finds its pivot; what it has become is kept for an inverse. */
template <int K, int N, class V>
static inline void finish_row(int j, bool kept, V *x, V *entries, pivot_place<V, N> *places, V *pivots,
                              V *odd) {
    V *row = entries + j * N;
    if constexpr (K == N - 1) pivots[K] = x[K];
    else if (j == K) {
        pivots[K] = become_factors<K, N>(x, row, places + K, odd);
    } else {
        take_row<K, N>(x, entries + K * N, places[K]);
        return finish_row<K + 1, N>(j, kept, x, entries, places, pivots, odd);
    }
    if (kept)
#pragma GCC unroll 32
        for (int k = 0; k < K; k++) row[k] = x[k] * entries[k * N + k];
}

template <int N, class V>
__attribute__((noinline, flatten)) static V eliminate_size(bool kept, const char *const *matrices,
                                                           ptrdiff_t pitch, V *entries, void *all_places,
                                                           V *pivots) {
    pivot_place<V, N> places[N];
    V odd = broadcast(1.0, V{});
    for (int j = 0; j < N; j++) {
        V x[N];
        load_row<N>(matrices, j * pitch, x);
        finish_row<0, N>(j, kept, x, entries, places, pivots, &odd);
    }
    if (kept) memcpy(all_places, places, sizeof(places));
    return odd;
}

/* ---- the inverse --------------------------------------------------------------------------------- */

/* Entries change places as rows from `first` on have it, which leaves those before it where they are. */
template <int K, int N, class V>
static inline void change_all_places(int first, V *x, const pivot_place<V, N> *places) {
    if constexpr (K < N - 1) {
        if (K >= first) change_places<K, N>(x, places[K]);
        change_all_places<K + 1, N>(first, x, places);
    }
}
/* Factors as if rows had been in their last order from the start, and that order. */
template <int N, class V>
static inline void put_in_order(V *entries, const pivot_place<V, N> *places, V *order) {
    for (int i = 0; i < N; i++) order[i] = (V)(bits<V>{} + i);
    for (int k = -1; k < N - 2; k++) {
        V x[N], *row = k < 0 ? order : entries + k * N;
#pragma GCC unroll 32
        for (int i = 0; i < N; i++) x[i] = row[i];
        change_all_places<0, N>(k + 1, x, places);
#pragma GCC unroll 32
        for (int i = 0; i < N; i++) row[i] = x[i];
    }
}

/* Row `start` of the upper triangle's inverse. Entries are over -pivot of their row, so that no product waits
 * for a quotient (inv takes 0.97 of the time at n = 16). */
template <int K, int N, class V>
static inline void substitute(int start, V multiple, V *z, const V *entries) {
    if constexpr (K < N) {
        if (K == start) z[K] = -multiple;
        if (K >= start) {
#pragma GCC unroll 32
            for (int j = K + 1; j < N; j++) z[j] = multiply_add(z[K], entries[j * N + K], z[j]);
            z[K] = z[K] * entries[K * N + K];
        }
        substitute<K + 1, N>(start, multiple, z, entries);
    }
}
/* Times the lower triangle's inverse. */
template <int K, int N, class V> static inline void substitute_back(V *z, const V *entries) {
    if constexpr (K > 0) {
#pragma GCC unroll 32
        for (int k = 0; k < K; k++) z[k] = multiply_add(z[K], entries[k * N + K], z[k]);
        substitute_back<K - 1, N>(z, entries);
    }
}

template <int N, class V>
__attribute__((noinline, flatten)) static V invert_size(V *entries, const void *kept, V last, V multiple,
                                                        const V *exponent, V *result, V *order) {
    pivot_place<V, N> places[N];
    V poison{};
    memcpy(places, kept, sizeof(places));
    put_in_order<N>(entries, places, order);
    entries[N * N - 1] = -broadcast(1.0, last) / last;
    for (int b = 0; b < N; b++) {
        V z[N];
#pragma GCC unroll 32
        for (int i = 0; i < N; i++) z[i] = V{};
        substitute<0, N>(b, multiple, z, entries);
        substitute_back<N - 1, N>(z, entries);
#pragma GCC unroll 32
        for (int i = 0; i < N; i++) {
            if (exponent) z[i] = times_power_of_two(z[i], *exponent);
            result[b * N + i] = z[i];
            poison = multiply_add(z[i], V{}, poison);
        }
    }
    return poison;
}

/* ---- to memory ------------------------------------------------------------------------------------ */

/* x[i] to scalar i of each of the first `count` places. */
template <int N, class V> static inline void store_row(char *const *places, int count, V *x) {
    constexpr int half = traits<V>::width / 2;
    if constexpr (N < half) {
        for (int l = 0; l < count; l++)
            for (int i = 0; i < N; i++)
                memcpy(places[l] + i * sizeof(scalar<V>), (scalar<V> *)(x + i) + l, sizeof(scalar<V>));
    } else
#pragma GCC unroll 32
        for (int i = 0; i < N; i += half) {
            const int start = i + half <= N ? i : N - half;
            store_half_transposed(places, start * (ptrdiff_t)sizeof(scalar<V>), count, x + start);
        }
}
/* Where column i of each inverse comes from, lane by lane: vectors of words. */
template <int N, class V> static inline void invert_order(const V *order, V *from) {
    constexpr int W = traits<V>::width, height = (N + W - 1) / W;
    for (int l = 0; l < W; l++)
#pragma GCC unroll 32
        for (int q = 0; q < N; q++) set_place(from + l * height, place(order + q, l), q);
}
/* Entry (order[q], b) of the inverses from result[b*n + q], `step` bytes from row to row, or from column to
 * column. */
template <int N, class V>
__attribute__((noinline, flatten)) static void store_rows(int count, const V *result, const V *order,
                                                          char *const *targets, ptrdiff_t step) {
    constexpr int W = traits<V>::width;
    for (int q = 0; q < N; q++) {
        char *to[W];
        V x[N];
        for (int l = 0; l < W; l++) to[l] = targets[l] + place(order + q, l) * step;
#pragma GCC unroll 32
        for (int b = 0; b < N; b++) x[b] = result[b * N + q];
        store_row<N>(to, count, x);
    }
}
template <int N, class V>
__attribute__((noinline, flatten)) static void store_columns(int count, const V *result, const V *order,
                                                             char *const *targets, ptrdiff_t step) {
    constexpr int W = traits<V>::width, height = (N + W - 1) / W;
    V from[W * height] = {};
    invert_order<N>(order, from);
    for (int b = 0; b < N; b++) {
        V t[height][W];
#pragma GCC unroll 2
        for (int v = 0; v < height; v++) {
#pragma GCC unroll 32
            for (int i = 0; i < W; i++) t[v][i] = v * W + i < N ? result[b * N + v * W + i] : V{};
            stages<1, W, W>(t[v]);
        }
#pragma GCC unroll 32
        for (int l = 0; l < W; l++) {
            V row[height];
#pragma GCC unroll 2
            for (int v = 0; v < height; v++) row[v] = t[v][l];
            if (l < count)
#pragma GCC unroll 2
                for (int v = 0; v < height; v++)
                    store_part(targets[l] + b * step + v * sizeof(V), N - v * W,
                               permuted(row, height, from + l * height, v * W));
        }
    }
}

/* ---- by size -------------------------------------------------------------------------------------- */

template <int N, class V>
static V eliminate_by_size(ptrdiff_t n, bool kept, const char *const *matrices, ptrdiff_t pitch, V *entries,
                           void *places, V *pivots) {
    if constexpr (N < LARGEST_FIXED)
        if (n > N) return eliminate_by_size<N + 1>(n, kept, matrices, pitch, entries, places, pivots);
    return eliminate_size<N>(kept, matrices, pitch, entries, places, pivots);
}
template <int N, class V>
static V invert_by_size(ptrdiff_t n, V *entries, const void *places, V last, V multiple, const V *exponent,
                        V *result, V *order) {
    if constexpr (N < LARGEST_FIXED)
        if (n > N) return invert_by_size<N + 1>(n, entries, places, last, multiple, exponent, result, order);
    return invert_size<N>(entries, places, last, multiple, exponent, result, order);
}
template <int N, class V>
static void store_by_size(ptrdiff_t n, bool by_rows, int count, const V *result, const V *order,
                          char *const *targets, ptrdiff_t step) {
    if constexpr (N < LARGEST_FIXED)
        if (n > N) return store_by_size<N + 1>(n, by_rows, count, result, order, targets, step);
    if (by_rows) store_rows<N>(count, result, order, targets, step);
    else store_columns<N>(count, result, order, targets, step);
}
template <class V>
static inline void store_inverses(ptrdiff_t n, int count, const V *result, const V *order,
                                  char *const *targets, ptrdiff_t row_stride, ptrdiff_t column_stride) {
    typedef scalar<V> T;
    if (column_stride == sizeof(T) || row_stride == sizeof(T)) {
        const bool by_rows = column_stride == sizeof(T);
        return store_by_size<LEAST_FIXED>(n, by_rows, count, result, order, targets,
                                          by_rows ? row_stride : column_stride);
    }
    for (int l = 0; l < count; l++)
        for (ptrdiff_t i = 0; i < n * n; i++)
            memcpy(targets[l] + place(order + i % n, l) * row_stride + i / n * column_stride,
                   (const T *)(result + i) + l, sizeof(T));
}

/* Half a vector in the lanes of a whole one, and back. */
template <class V> static inline V with_upper(half<V> a, V rest) {
    memcpy(&rest, &a, sizeof(a));
    return rest;
}
template <class V> static inline half<V> lower_half(V a) {
    half<V> out;
    memcpy(&out, &a, sizeof(out));
    return out;
}

} // namespace matgrad

/* ---- groups --------------------------------------------------------------------------------------- */

/* The lanes of a group of `count`: half a vector's, if they are enough, on processors that do half a vector
 * in half of the time. */
template <class V> static inline int fixed_lanes(int count, V) {
    constexpr int W = matgrad::traits<V>::width;
    return MATGRAD_VECTOR_BYTES == 64 && count <= W / 2 ? W / 2 : W;
}
/* Bytes in which the places of all pivots are kept. */
template <class V> static inline ptrdiff_t room_for_places(ptrdiff_t n, V) {
    return n * (n + 5) * (ptrdiff_t)sizeof(matgrad::choice<V>);
}
/* The pivots, and 1 or -1 by the sign of the permutation. For an inverse entries and places are kept. */
template <class V>
static inline V eliminate_fixed(ptrdiff_t n, bool kept, int count, const char *const *matrices,
                                ptrdiff_t pitch, V *entries, void *places, V *pivots) {
    using namespace matgrad;
    typedef half<V> H;
    if (fixed_lanes(count, V{}) == traits<V>::width)
        return eliminate_by_size<LEAST_FIXED>(n, kept, matrices, pitch, entries, places, pivots);
    const V one = broadcast(1.0, V{});
    const H odd = eliminate_by_size<LEAST_FIXED>(n, kept, matrices, pitch, (H *)entries, places, (H *)pivots);
    for (ptrdiff_t k = n - 1; k >= 0; k--) pivots[k] = with_upper(((const H *)pivots)[k], one);
    return with_upper(odd, one);
}
/* Entry (order[q], b) of `multiple` 2^exponent times the inverses at result[b*n + q], of as many lanes as
 * the group has; 0, or NaN where not all of them are finite. */
template <class V>
static inline V invert_fixed(ptrdiff_t n, int count, V *entries, const void *places, V last, V multiple,
                             V exponent, V *result, V *order) {
    using namespace matgrad;
    typedef half<V> H;
    const bool scaled = mask_bits(complement(equal(exponent, V{}))) != 0;
    if (fixed_lanes(count, V{}) == traits<V>::width)
        return invert_by_size<LEAST_FIXED>(n, entries, places, last, multiple, scaled ? &exponent : nullptr,
                                           result, order);
    const H half_exponent = lower_half(exponent);
    return with_upper(
        invert_by_size<LEAST_FIXED>(n, (H *)entries, places, lower_half(last), lower_half(multiple),
                                    scaled ? &half_exponent : nullptr, (H *)result, (H *)order), V{});
}
/* These to memory. */
template <class V>
static inline void store_fixed(ptrdiff_t n, int count, const V *result, const V *order, char *const *targets,
                               ptrdiff_t row_stride, ptrdiff_t column_stride) {
    using namespace matgrad;
    typedef half<V> H;
    if (fixed_lanes(count, V{}) == traits<V>::width)
        return store_inverses(n, count, result, order, targets, row_stride, column_stride);
    store_inverses(n, count, (const H *)result, (const H *)order, targets, row_stride, column_stride);
}

#endif
