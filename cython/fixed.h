/* Elimination and inverses of small matrices by code of their size, for fixed.pxd. */
#ifndef MATGRAD_FIXED_H
#define MATGRAD_FIXED_H

#include "fixed_inverse.h"

/* Sizes for which this takes less time than other ways, although the largest rows leave registers; beyond 16
 * with SSE 0.85 of it, which is not worth the code. */
enum { LEAST_FIXED = 5 };
template <class V> static constexpr ptrdiff_t largest_fixed(V) {
    if (MATGRAD_VECTOR_BYTES == 64) return sizeof(matgrad::scalar<V>) == 8 ? 32 : 28;
    return MATGRAD_VECTOR_BYTES == 32 ? 28 : 16;
}

/* ---- by size -------------------------------------------------------------------------------------- */

namespace matgrad {

template <int N, class V>
static V eliminate_by_size(ptrdiff_t n, bool kept, const char *const *matrices, ptrdiff_t pitch, V *entries,
                           void *places, V *pivots) {
    if constexpr (N < largest_fixed(V{}))
        if (n > N) return eliminate_by_size<N + 1>(n, kept, matrices, pitch, entries, places, pivots);
    return eliminate_size<N>(kept, matrices, pitch, entries, places, pivots);
}
template <int N, class V>
static V invert_by_size(ptrdiff_t n, V *entries, const void *places, V last, V multiple, V *order) {
    if constexpr (N < largest_fixed(V{}))
        if (n > N) return invert_by_size<N + 1>(n, entries, places, last, multiple, order);
    return invert_triangle<N>(entries, places, last, multiple, order);
}
template <int N, class V>
static void store_by_size(ptrdiff_t n, int count, const V *entries, const V *exponent, const V *order,
                          char *const *targets, ptrdiff_t row_stride, ptrdiff_t column_stride) {
    if constexpr (N < largest_fixed(V{}))
        if (n > N)
            return store_by_size<N + 1>(n, count, entries, exponent, order, targets, row_stride,
                                        column_stride);
    if (column_stride == sizeof(scalar<V>))
        store_rows<N>(count, entries, exponent, order, targets, row_stride);
    else if (row_stride == sizeof(scalar<V>))
        store_columns<N>(count, entries, exponent, order, targets, column_stride);
    else store_scalars<N>(count, entries, exponent, order, targets, row_stride, column_stride);
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
    return n * 5 * (ptrdiff_t)sizeof(matgrad::choice<V>);
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
/* What is left of `multiple` times the inverses until they are stored, in place of the entries, and a sum
 * that no entry of theirs exceeds by more than 2^(n-1) times. */
template <class V>
static inline V invert_fixed(ptrdiff_t n, int count, V *entries, const void *places, V last, V multiple,
                             V *order) {
    using namespace matgrad;
    typedef half<V> H;
    if (fixed_lanes(count, V{}) == traits<V>::width)
        return invert_by_size<LEAST_FIXED>(n, entries, places, last, multiple, order);
    return with_upper(invert_by_size<LEAST_FIXED>(n, (H *)entries, places, lower_half(last),
                                                  lower_half(multiple), (H *)order), V{});
}
/* These times 2^exponent to memory, for the first `count` places. */
template <class V>
static inline void store_fixed(ptrdiff_t n, int count, const V *entries, V exponent, const V *order,
                               char *const *targets, ptrdiff_t row_stride, ptrdiff_t column_stride) {
    using namespace matgrad;
    typedef half<V> H;
    const bool scaled = mask_bits(complement(equal(exponent, V{}))) != 0;
    if (fixed_lanes(count, V{}) == traits<V>::width)
        return store_by_size<LEAST_FIXED>(n, count, entries, scaled ? &exponent : nullptr, order, targets,
                                          row_stride, column_stride);
    const H half_exponent = lower_half(exponent);
    store_by_size<LEAST_FIXED>(n, count, (const H *)entries, scaled ? &half_exponent : nullptr,
                               (const H *)order, targets, row_stride, column_stride);
}

#endif
