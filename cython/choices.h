/* Choices a lane, for fixed_elimination.h: masks where there are registers for them, else vectors of words,
 * of which the sign says all (det takes 0.97 of the time with AVX2: a bit need not be spread).
 *
 * Of places, which are whole numbers in the lanes, those that have a bit, and a or b, or both exchanged, by
 * these choices; of scalars their magnitudes with a place in the last bits (0xea: (a and b) or c), and the
 * larger of two. As whole numbers these take one cycle where floating point takes two (Zen 4). */
#ifndef MATGRAD_CHOICES_H
#define MATGRAD_CHOICES_H

#include "parts.h"

namespace matgrad {

#if defined(__AVX512DQ__) && MATGRAD_VECTOR_BYTES == 64
template <class V> struct choices;
#define CHOICES(V, words, mask, name, wide)                                                              \
    template <> struct choices<V> { typedef mask type; };                                                \
    static inline mask has_bit(V a, int bit) {                                                           \
        return name##_test_epi##wide##_mask((words)a, (words)(bits<V>{} + (1 << bit)));                  \
    }                                                                                                    \
    static inline V choose(mask c, V a, V b) {                                                           \
        return (V)name##_mask_mov_epi##wide((words)b, c, (words)a);                                      \
    }                                                                                                    \
    static inline V with_place(V a, int place, int last) {                                               \
        const bits<V> size = bits<V>{} + (INT##wide##_MAX ^ last), at = bits<V>{} + place;               \
        return (V)name##_ternarylogic_epi##wide((words)a, (words)size, (words)at, 0xea);                 \
    }                                                                                                    \
    static inline V larger_size(V a, V b) { return (V)name##_max_epi##wide((words)a, (words)b); }
CHOICES(vd, __m512i, __mmask8, _mm512, 64)
CHOICES(vf, __m512i, __mmask16, _mm512, 32)
CHOICES(vhd, __m256i, __mmask8, _mm256, 64)
CHOICES(vh, __m256i, __mmask8, _mm256, 32)
#undef CHOICES
template <class V> using choice = typename choices<V>::type;
#else
template <class V> using choice = bits<V>;
template <class V> static inline bits<V> has_bit(V places, int bit) {
    return (bits<V>)places << (8 * (int)sizeof(scalar<V>) - 1 - bit);
}
template <class V> static inline V choose(bits<V> c, V a, V b) { return c < 0 ? a : b; }
template <class V> static inline V with_place(V a, int place, int last) {
    return (V)(((bits<V>)absolute(a) & (bits<V>{} + ~last)) | (bits<V>{} + place));
}
template <class V> static inline V larger_size(V a, V b) { return maximum(a, b); }
#endif
template <class V> static inline void exchange(choice<V> c, V &a, V &b) {
    const V first = choose(c, b, a);
    b = choose(c, a, b);
    a = first;
}

} // namespace matgrad

#endif
