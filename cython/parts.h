/* Halves and quarters of vectors, for rows that would leave the rest empty, on processors that take half of
 * the time for half a vector (Zen 4). What lanes.h has for whole vectors is here what kernels need. */
#ifndef MATGRAD_PARTS_H
#define MATGRAD_PARTS_H

#include "lanes.h"

namespace matgrad {

/* Half a vector, and half of that; the vector itself where a part would not take less time. */
template <class V> struct halves { typedef V type; };

} // namespace matgrad

#if defined(__AVX512VL__) && MATGRAD_VECTOR_BYTES == 64

/* One step of `times_power_of_two`, rounded once: parts have the bits of whole vectors. */
#define PART(V, W, whole, half_of, integer, words, name, suffix)                                         \
    typedef matgrad::scalar<whole> V __attribute__((vector_size(sizeof(words))));                        \
    namespace matgrad {                                                                                  \
    template <> struct traits<V> : traits<whole> {                                                       \
        typedef integer bits __attribute__((vector_size(sizeof(words))));                                \
        static constexpr int width = W;                                                                  \
    };                                                                                                   \
    template <> struct halves<half_of> { typedef V type; };                                              \
    }                                                                                                    \
    static inline V multiply_add(V a, V b, V c) {                                                        \
        return (V)name##_fmadd_##suffix((words)a, (words)b, (words)c);                                   \
    }                                                                                                    \
    static inline V times_power_of_two(V x, V e) {                                                       \
        return (V)name##_scalef_##suffix((words)x, (words)e);                                            \
    }                                                                                                    \
    static inline V load_part(const char *from, ptrdiff_t count, V rest) {                               \
        return (V)name##_mask_loadu_##suffix((words)rest, (__mmask8)~(~0u << count), from);              \
    }                                                                                                    \
    static inline void store_part(char *to, ptrdiff_t count, V value) {                                  \
        name##_mask_storeu_##suffix(to, count >= W ? 0xff : (__mmask8)~(~0u << count), (words)value);    \
    }
PART(vhd, 4, vd, vd, int64_t, __m256d, _mm256, pd)
PART(vh, 8, vf, vf, int32_t, __m256, _mm256, ps)
PART(vqd, 2, vd, vhd, int64_t, __m128d, _mm, pd)
PART(vq, 4, vf, vh, int32_t, __m128, _mm, ps)
#undef PART

#endif

namespace matgrad {
template <class V> using half = typename halves<V>::type;
}

#endif
