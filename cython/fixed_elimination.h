/* Elimination of small matrices of a size that is known, one a lane, for fixed.pxd.
 *
 * All loops are unrolled, so that rows stay in registers; rows pass through one code for all of them, which
 * the last ones leave later: a copy for each takes 0.97 of the time at n = 8 and 1.0 at 16, and sixteen
 * times the code. Places are kept where the compiler sees that nothing else is: else they pass through
 * general registers (det takes 1.13 times the time at n = 8). What is kept for an inverse leaves registers at
 * once (1.07 times at n = 16, if it stays to the end of its row). */
#ifndef MATGRAD_FIXED_ELIMINATION_H
#define MATGRAD_FIXED_ELIMINATION_H

#include "choices.h"
#include "registers.h"

namespace matgrad {

/* How many bits a place among n has. */
static constexpr int place_bits(int n) { return n <= 1 ? 0 : 1 + place_bits((n + 1) / 2); }

/* Where the pivot of each row is, bit by bit, counted from the diagonal. */
template <class V, int N> struct pivot_place {
    choice<V> bit[place_bits(N)];
};

/* ---- rows ---------------------------------------------------------------------------------------- */

/* N scalars of each place for N less than half a vector, of which no more may be read. */
template <int N, class V>
static inline void load_short_row(const char *const *places, ptrdiff_t offset, V *x) {
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

/* The pivot of row K comes to place K as the winner of a tournament: of two that play, the one whose place
 * has the pivot's bit goes to the first place. */
template <int K, int N, int BIT = 0, class V>
static inline void change_places(V *x, const pivot_place<V, N> &place) {
    if constexpr (BIT < place_bits(N - K)) {
        constexpr int apart = 1 << BIT;
#pragma GCC unroll 16
        for (int i = K; i < N - apart; i += 2 * apart) exchange(place.bit[BIT], x[i], x[i + apart]);
        change_places<K, N, BIT + 1>(x, place);
    }
}
/* How many pairs of n places differ in this bit alone, and are exchanged with it. */
static constexpr int exchanges(int n, int bit) { return (n + (1 << bit) - 1) / (2 << bit); }

template <int K, int N, class V>
static inline void take_row(V *x, const V *factors, const pivot_place<V, N> &place) {
    change_places<K, N>(x, place);
#pragma GCC unroll 32
    for (int i = K + 1; i < N; i++) x[i] = multiply_add(factors[i], x[K], x[i]);
}

/* Row K finds its pivot, changes places, and becomes factors: entries over -pivot. */
template <int K, int N, class V>
static inline V become_factors(V *x, V *factors, pivot_place<V, N> *place, V *odd) {
    constexpr int BITS = place_bits(N - K), last = (1 << BITS) - 1;
    const V zero{}, one = broadcast(1.0, zero);
    V most[N];
#pragma GCC unroll 32
    for (int i = K; i < N; i++) most[i - K] = with_place(x[i], i - K, last);
#pragma GCC unroll 5
    for (int w = N - K; w > 1; w = (w + 1) / 2)
#pragma GCC unroll 16
        for (int i = 0; i < w / 2; i++) most[i] = larger_size(most[i], most[w - 1 - i]);
    pivot_place<V, N> found;
#pragma GCC unroll 8
    for (int b = 0; b < BITS; b++) {
        place->bit[b] = found.bit[b] = has_bit(most[0], b);
        if (exchanges(N - K, b) % 2) *odd = choose(found.bit[b], -*odd, *odd);
    }
    change_places<K, N>(x, found);
    const V over = zero_where(equal(x[K], zero), -one / x[K]);
#pragma GCC unroll 32
    for (int i = K + 1; i < N; i++) factors[i] = x[i] * over;
    factors[K] = over;
    return x[K];
}

/* ---- all rows ------------------------------------------------------------------------------------ */

/* Row j takes row K and those after it, and finds its pivot; what it has become is kept for an inverse. */
template <int K, int N, class V>
static inline void finish_row(int j, bool kept, V *x, V *entries, pivot_place<V, N> *places, V *pivots,
                              V *odd) {
    V *row = entries + j * N;
    if constexpr (K == N - 1) pivots[K] = x[K];
    else if (j == K) pivots[K] = become_factors<K, N>(x, row, places + K, odd);
    else {
        take_row<K, N>(x, entries + K * N, places[K]);
        if (kept) row[K] = x[K];
        finish_row<K + 1, N>(j, kept, x, entries, places, pivots, odd);
    }
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

} // namespace matgrad

#endif
