/* Matrices in memory to lanes and back: transpositions in registers.
 *
 * A W x W transposition takes W (log2 W - 1) shuffles: log2 W stages of a butterfly, of which the last is
 * left to loads and stores of half vectors. Scalars in memory may be narrower than lanes (floats that are
 * computed with as doubles), which saves half of the other stages.
 *
 * Rejected: gather and scatter instructions (an access for every scalar, whatever the layout). */
#ifndef MATGRAD_TRANSPOSE_H
#define MATGRAD_TRANSPOSE_H

#include "lanes.h"

namespace matgrad {

/* One stage of the butterfly: exchange the off-diagonal blocks of size S of rows i and i + S. */
template <int S, class V, int... L>
static inline void exchange(V &a, V &b, std::integer_sequence<int, L...>) {
    constexpr int W = sizeof...(L);
    V upper = __builtin_shufflevector(a, b, ((L & S) ? L - S + W : L)...);
    V lower = __builtin_shufflevector(a, b, ((L & S) ? L + W : L + S)...);
    a = upper;
    b = lower;
}
template <int S, int N, int W, class V> static inline void stages(V *t) {
    if constexpr (S < N) {
#pragma GCC unroll 16
        for (int i = 0; i < N; i++)
            if (!(i & S)) exchange<S>(t[i], t[i + S], std::make_integer_sequence<int, W>());
        stages<2 * S, N, W>(t);
    }
}

/* The same with a and b added up afterwards: half of the way to the sums of each vector's lanes. */
template <int S, class V, int N = traits<V>::width> static inline V add_up(V *t) {
    if constexpr (N == 1) return t[0];
    else {
#pragma GCC unroll 8
        for (int i = 0; i < N / 2; i++) {
            V a = t[2 * i], b = t[2 * i + 1];
            exchange<S>(a, b, std::make_integer_sequence<int, traits<V>::width>());
            t[i] = a + b;
        }
        return add_up<2 * S, V, N / 2>(t);
    }
}

} // namespace matgrad

/* Lane l of the result is the sum of all lanes of vector l; the vectors are used up. */
template <class V> static inline V sum_of_each(V *vectors) { return matgrad::add_up<1>(vectors); }

/* ---- to lanes and back ------------------------------------------------------------------------- */

namespace matgrad {
template <class T, class V> struct in_memory {
    typedef T whole __attribute__((vector_size(sizeof(T) * traits<V>::width)));
    typedef T half __attribute__((vector_size(sizeof(T) * traits<V>::width / 2)));
};
template <class V, class H, int... L>
static inline V join(const char *a, const char *b, std::integer_sequence<int, L...>) {
    H low, high;
    memcpy(&low, a, sizeof(low));
    memcpy(&high, b, sizeof(high));
#if defined(__AVX512F__) && MATGRAD_VECTOR_BYTES == 64
    /* GCC would load both halves and shuffle them, and shuffle to take them apart again. */
    if constexpr (sizeof(V) == 64)
        return (V)_mm512_insertf64x4(_mm512_castpd256_pd512((__m256d)low), (__m256d)high, 1);
#endif
    return __builtin_shufflevector(low, high, L...);
}
template <class H, class V, int... L>
static inline void part(V v, char *a, char *b, bool to_a, bool to_b, std::integer_sequence<int, L...>) {
    H low = __builtin_shufflevector(v, v, L...);
    H high = __builtin_shufflevector(v, v, (L + (int)sizeof...(L))...);
#if defined(__AVX512F__) && MATGRAD_VECTOR_BYTES == 64
    if constexpr (sizeof(V) == 64) high = (H)_mm512_extractf64x4_pd((__m512d)v, 1);
#endif
    if (to_a) memcpy(a, &low, sizeof(low));
    if (to_b) memcpy(b, &high, sizeof(high));
}
template <class V, class M> static inline V converted(M a) { return __builtin_convertvector(a, V); }
#if defined(__AVX512F__) && MATGRAD_VECTOR_BYTES == 64
/* GCC 12 does it by halves. */
typedef float half_vf __attribute__((vector_size(MATGRAD_VECTOR_BYTES / 2)));
template <> inline vd converted(half_vf a) { return (vd)_mm512_cvtps_pd((__m256)a); }
template <> inline half_vf converted(vd a) { return (half_vf)_mm512_cvtpd_ps((__m512d)a); }
#endif
} // namespace matgrad

/* Places that are `step` bytes apart: used like an array of them, which takes longer to make. */
struct spaced {
    char *first;
    ptrdiff_t step;
    char *operator[](ptrdiff_t l) const { return first + l * step; }
};

/* W/2 consecutive scalars from each of W places, scalar i of place l becoming lane l of out[i]. */
template <class T, class V, class P>
static inline void load_half_transposed(T, P places, ptrdiff_t offset, V *out) {
    typedef matgrad::in_memory<T, V> memory;
    constexpr int W = matgrad::traits<V>::width, half = W / 2;
    typename memory::whole t[half];
#pragma GCC unroll 16
    for (int l = 0; l < half; l++)
        t[l] = matgrad::join<typename memory::whole, typename memory::half>(
            places[l] + offset, places[l + half] + offset, std::make_integer_sequence<int, W>());
    matgrad::stages<1, half, W>(t);
#pragma GCC unroll 16
    for (int i = 0; i < half; i++) out[i] = matgrad::converted<V>(t[i]);
}
/* The inverse, for the first `count` places. */
template <class T, class V, class P>
static inline void store_half_transposed(T, P places, ptrdiff_t offset, int count, const V *in) {
    typedef matgrad::in_memory<T, V> memory;
    constexpr int W = matgrad::traits<V>::width, half = W / 2;
    const bool all = count == W;
    typename memory::whole t[half];
#pragma GCC unroll 16
    for (int i = 0; i < half; i++) t[i] = matgrad::converted<typename memory::whole>(in[i]);
    matgrad::stages<1, half, W>(t);
#pragma GCC unroll 16
    for (int l = 0; l < half; l++)
        matgrad::part<typename memory::half>(t[l], places[l] + offset, places[l + half] + offset,
                                             all || l < count, all || l + half < count,
                                             std::make_integer_sequence<int, half>());
}
/* The same for scalars as wide as lanes, and for W of them a place. */
template <class V>
static inline void load_half_transposed(const char *const *places, ptrdiff_t offset, V *out) {
    load_half_transposed(matgrad::scalar<V>(), places, offset, out);
}
template <class V>
static inline void store_half_transposed(char *const *places, ptrdiff_t offset, int count, const V *in) {
    store_half_transposed(matgrad::scalar<V>(), places, offset, count, in);
}
template <class V>
static inline void load_transposed(const char *const *places, ptrdiff_t offset, V *out) {
    load_half_transposed(places, offset, out);
    load_half_transposed(places, offset + (ptrdiff_t)sizeof(V) / 2, out + matgrad::traits<V>::width / 2);
}
template <class V>
static inline void store_transposed(char *const *places, ptrdiff_t offset, int count, const V *in) {
    store_half_transposed(places, offset, count, in);
    store_half_transposed(places, offset + (ptrdiff_t)sizeof(V) / 2, count,
                          in + matgrad::traits<V>::width / 2);
}
/* One scalar from each place, to one lane each; T is the scalar in memory, which may be narrower. */
template <class T, class V, class P> static inline V load_lanes(T, P places, ptrdiff_t offset, V) {
    typename matgrad::in_memory<T, V>::whole out;
#pragma GCC unroll 16
    for (int l = 0; l < matgrad::traits<V>::width; l++) {
        T value;
        memcpy(&value, places[l] + offset, sizeof(T));
        out[l] = value;
    }
    return matgrad::converted<V>(out);
}
template <class T, class V>
static inline void store_lanes(T, char *const *places, ptrdiff_t offset, int count, V in) {
    for (int l = 0; l < count; l++) {
        T value = (T)in[l];
        memcpy(places[l] + offset, &value, sizeof(T));
    }
}
template <class T, class V>
static inline void store_lanes(T, spaced places, ptrdiff_t offset, int count, V in) {
    typedef typename matgrad::in_memory<T, V>::whole stored;
    const stored values = matgrad::converted<stored>(in);
    if (count == matgrad::traits<V>::width && places.step == sizeof(T)) {
        memcpy(places.first + offset, &values, sizeof(values));
        return;
    }
    for (int l = 0; l < count; l++) {
        T value = values[l];
        memcpy(places[l] + offset, &value, sizeof(T));
    }
}

#endif
