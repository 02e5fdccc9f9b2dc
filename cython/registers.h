/* Rows of a matrix in registers that instructions permute, for registers.pxd and what it stands on.
 *
 * A row is an array of `vectors` vectors, 1 to 4. Places in it are whole numbers as wide as its scalars,
 * kept in vectors; sets of places are bits, 64 at most. Elsewhere than on AVX-512 nothing is within
 * reach, and of doubles there fixed.pxd leaves nothing: what serves them is what panels.h and
 * fixed_inverse.h take. */
#ifndef MATGRAD_REGISTERS_H
#define MATGRAD_REGISTERS_H

#include "transpose.h"

/* The longest row, in scalars. */
template <class V> static constexpr ptrdiff_t reach(V) { return 0; }

namespace matgrad {
template <class V> using word = typename std::conditional<traits<V>::precision == 52, int64_t, int32_t>::type;
/* The bits of a place in a row. */
template <class V> static constexpr word<V> place_mask(V) { return 4 * traits<V>::width - 1; }
} // namespace matgrad

namespace matgrad {
/* Copied, since the compiler may assume that whole numbers are nowhere where vectors of scalars are. */
template <class V> static inline word<V> word_at(const V *places, ptrdiff_t k) {
    word<V> value;
    memcpy(&value, (const char *)places + k * (ptrdiff_t)sizeof(value), sizeof(value));
    return value;
}
} // namespace matgrad

template <class V> static inline int place(const V *places, ptrdiff_t k) {
    return (int)matgrad::word_at(places, k);
}
template <class V> static inline void set_place(V *places, ptrdiff_t k, int value) {
    matgrad::word<V> whole = value;
    memcpy((char *)places + k * (ptrdiff_t)sizeof(whole), &whole, sizeof(whole));
}

/* ---- by instruction set -------------------------------------------------------------------------- */

namespace matgrad {
/* Places k, k + 1, ... of an array, or place k in all lanes. */
template <class V> static inline bits<V> some_places(const V *places, ptrdiff_t k) {
    bits<V> out;
    memcpy(&out, (const char *)places + k * (ptrdiff_t)sizeof(word<V>), sizeof(out));
    return out;
}
template <class V> static inline bits<V> same_place(const V *places, ptrdiff_t k) {
    return bits<V>{} + word_at(places, k);
}
/* Scalar at[l] of a row, in lane l. */
template <class V> static inline V permute_row(const V *row, int, bits<V> at) {
    V out;
    for (int l = 0; l < traits<V>::width; l++) out[l] = ((const scalar<V> *)row)[at[l]];
    return out;
}
template <class V> static inline V lanes_where(bits<V> mask, V a, V b) { return mask ? a : b; }
/* Of two vectors of whole numbers. */
template <class V> static inline V greater_word(V a, V b) {
    return lanes_where((bits<V>)a > (bits<V>)b, a, b);
}
} // namespace matgrad

/* b, but a in the lanes whose bits are set. */
template <class V> static inline V select_bits(uint64_t bits, V a, V b) {
    for (int l = 0; l < matgrad::traits<V>::width; l++) b[l] = bits >> l & 1 ? a[l] : b[l];
    return b;
}
/* a with zeros where a bit of a set of places is not set; the part of the set for vector v. */
template <class V> static inline V only_places(const uint64_t *set, int v, V a) {
    return select_bits(*set >> v * matgrad::traits<V>::width, a, V{});
}
/* The magnitudes of a vector, each with its place in its last bits. */
template <class V> static inline V with_places(V a, matgrad::bits<V> places) {
    return (V)(((matgrad::bits<V>)absolute(a) & ~matgrad::place_mask(a)) | places);
}
/* The places whose bits are set, in order; what comes after them, up to a vector, may be written, too. */
template <class V> static inline void list_places(uint64_t bits, int vectors, V *places) {
    for (int i = 0, k = 0; i < vectors * matgrad::traits<V>::width; i++)
        if (bits >> i & 1) set_place(places, k++, i);
}
namespace matgrad {
template <class V> static inline void store_bytes(char *to, int count, V value) { memcpy(to, &value, count); }
} // namespace matgrad

#if defined(__AVX512DQ__) && MATGRAD_VECTOR_BYTES == 64
template <> constexpr ptrdiff_t reach(vd) { return 4 * VD; }
template <> constexpr ptrdiff_t reach(vf) { return 4 * VF; }

namespace matgrad {
typedef bits<vd> words;
typedef bits<vf> half_words;
static inline vd permute(vd a, words at) { return (vd)_mm512_permutexvar_pd((__m512i)at, (__m512d)a); }
static inline vf permute(vf a, half_words at) { return (vf)_mm512_permutexvar_ps((__m512i)at, (__m512)a); }
static inline vd permute(vd a, vd b, words at) {
    return (vd)_mm512_permutex2var_pd((__m512d)a, (__m512i)at, (__m512d)b);
}
static inline vf permute(vf a, vf b, half_words at) {
    return (vf)_mm512_permutex2var_ps((__m512)a, (__m512i)at, (__m512)b);
}
static inline vd upper(words at, vd a, vd b) {
    __mmask8 where = _mm512_test_epi64_mask((__m512i)at, _mm512_set1_epi64(2 * VD));
    return (vd)_mm512_mask_mov_pd((__m512d)a, where, (__m512d)b);
}
static inline vf upper(half_words at, vf a, vf b) {
    __mmask16 where = _mm512_test_epi32_mask((__m512i)at, _mm512_set1_epi32(2 * VF));
    return (vf)_mm512_mask_mov_ps((__m512)a, where, (__m512)b);
}
template <class V> static inline V permute_by_twos(const V *row, int vectors, bits<V> at) {
    V low = vectors == 1 ? permute(row[0], at) : permute(row[0], row[1], at);
    if (vectors <= 2) return low;
    return upper(at, low, vectors == 3 ? permute(row[2], at) : permute(row[2], row[3], at));
}
template <> inline vd permute_row(const vd *row, int vectors, words at) {
    return permute_by_twos(row, vectors, at);
}
template <> inline vf permute_row(const vf *row, int vectors, half_words at) {
    return permute_by_twos(row, vectors, at);
}
/* Without a way through memory: 32, 16, 8 or 4 of them. */
static inline void store_low(char *to, int count, __m512i value) {
    if (count == 32) _mm256_storeu_si256((__m256i *)to, _mm512_castsi512_si256(value));
    else if (count == 16) _mm_storeu_si128((__m128i *)to, _mm512_castsi512_si128(value));
    else if (count == 8) _mm_storeu_si64(to, _mm512_castsi512_si128(value));
    else _mm_storeu_si32(to, _mm512_castsi512_si128(value));
}
template <> inline void store_bytes(char *to, int count, vf value) { store_low(to, count, (__m512i)value); }
template <> inline vf greater_word(vf a, vf b) { return (vf)_mm512_max_epi32((__m512i)a, (__m512i)b); }
} // namespace matgrad

static inline vd select_bits(uint64_t bits, vd a, vd b) {
    return (vd)_mm512_mask_mov_pd((__m512d)b, (__mmask8)bits, (__m512d)a);
}
static inline vf select_bits(uint64_t bits, vf a, vf b) {
    return (vf)_mm512_mask_mov_ps((__m512)b, (__mmask16)bits, (__m512)a);
}
/* Their part of the set is loaded as a mask: less than a shift and a move. */
static inline vd only_places(const uint64_t *set, int v, vd a) {
    return (vd)_mm512_maskz_mov_pd(((const __mmask8 *)set)[v], (__m512d)a);
}
static inline vf only_places(const uint64_t *set, int v, vf a) {
    __mmask16 part;
    memcpy(&part, (const char *)set + v * sizeof(part), sizeof(part));
    return (vf)_mm512_maskz_mov_ps(part, (__m512)a);
}
/* 0xea: (a and b) or c. */
static inline vf with_places(vf a, matgrad::half_words places) {
    const __m512i size = _mm512_set1_epi32(INT32_MAX ^ matgrad::place_mask(a));
    return (vf)_mm512_ternarylogic_epi32((__m512i)a, size, (__m512i)places, 0xea);
}
static inline void list_places(uint64_t bits, int vectors, vf *places) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    int32_t *to = (int32_t *)places;
    for (int v = 0; v < vectors; v++, bits >>= VF) {
        __m512i all = _mm512_add_epi32(lane, _mm512_set1_epi32(v * VF));
        _mm512_storeu_si512(to, _mm512_maskz_compress_epi32((__mmask16)bits, all));
        to += __builtin_popcount((__mmask16)bits);
    }
}
#endif

/* ---- by places ----------------------------------------------------------------------------------- */

namespace matgrad {
template <class V, int... L>
static inline bits<V> row_places(int v, V, std::integer_sequence<int, L...>) {
    return bits<V>{L...} + (word<V>)(v * sizeof...(L));
}
template <class V> static inline bits<V> row_places(int v, V like) {
    return row_places(v, like, std::make_integer_sequence<int, traits<V>::width>());
}
template <int S, class V, int... L>
static inline V greater_with_other(V a, std::integer_sequence<int, L...>) {
    return greater_word(a, __builtin_shufflevector(a, a, (L ^ S)...));
}
/* Lane l of the result is the greatest lane of vector l mod `count`: a transposition's stages, each
 * with the greater of its results. */
template <int S, class V> static inline V greatest_of_each(V *t, int count) {
    constexpr int W = traits<V>::width;
    if constexpr (S == W) return t[0];
    else if (count == 1) {
        t[0] = greater_with_other<S>(t[0], std::make_integer_sequence<int, W>());
        return greatest_of_each<2 * S>(t, 1);
    } else {
#pragma GCC unroll 8
        for (int i = 0; i < count / 2; i++) {
            V a = t[2 * i], b = t[2 * i + 1];
            exchange<S>(a, b, std::make_integer_sequence<int, W>());
            t[i] = greater_word(a, b);
        }
        return greatest_of_each<2 * S>(t, count / 2);
    }
}
} // namespace matgrad

/* The first lanes of a vector, 1, 2 or 4, to lanes from `first` on. */
template <class V> static inline void store_first(V *to, ptrdiff_t first, int count, V value) {
    constexpr int item = sizeof(matgrad::scalar<V>);
    matgrad::store_bytes((char *)to + first * item, count * item, value);
}

/* Scalar places[k] of a row, in all lanes. */
template <class V> static inline V spread(const V *row, int vectors, const V *places, ptrdiff_t k) {
    return matgrad::permute_row(row, vectors, matgrad::same_place(places, k));
}
/* Scalar places[k + l] of a row, in lane l. */
template <class V> static inline V permuted(const V *row, int vectors, const V *places, ptrdiff_t k) {
    return matgrad::permute_row(row, vectors, matgrad::some_places(places, k));
}
/* b, the vector number v of a row, but a at places[k]. */
template <class V> static inline V select_place(const V *places, ptrdiff_t k, int v, V a, V b) {
    return matgrad::lanes_where<V>(matgrad::same_place(places, k) == matgrad::row_places(v, a), a, b);
}
/* The largest magnitude a lane, with its place in its last bits. */
template <class V> static inline V candidates(const V *row, int vectors) {
    V found = with_places(row[0], matgrad::row_places(0, row[0]));
#pragma GCC unroll 4
    for (int v = 1; v < vectors; v++)
        found = matgrad::greater_word(found, with_places(row[v], matgrad::row_places(v, row[v])));
    return found;
}
/* Of each of `count` vectors of candidates the place of the largest, which are used up. */
template <class V> static inline V largest_places(V *found, int count) {
    return (V)((matgrad::bits<V>)matgrad::greatest_of_each<1>(found, count) & matgrad::place_mask(*found));
}
/* Of the choices of one of n places after the other, a lane for itself: 1, or -1 if an odd number of
 * places that had not been chosen came before those that were. */
template <class V> static inline V sign_of_places(const V *places, ptrdiff_t n) {
    constexpr int top = 8 * sizeof(matgrad::word<V>) - 1;
    typedef matgrad::bits<V> B;
    B found = {};
    for (ptrdiff_t k = 0; k < n; k++) {
        found ^= (B)places[k] << top;
        for (ptrdiff_t i = 0; i < k; i++) found ^= (B)places[i] - (B)places[k];
    }
    return (V)((found & (B)broadcast(-0.0, V{})) | (B)broadcast(1.0, V{}));
}
namespace matgrad {
/* Lane m of vector m, for `count` of them, in pairs. */
template <class V> static inline V one_of_each(V *t, int count, int width) {
    if (count == 1) return t[0];
    uint64_t odd = 0;
    for (int l = 0; l < traits<V>::width; l++) odd |= (uint64_t)(l / width & 1) << l;
#pragma GCC unroll 8
    for (int i = 0; i < count / 2; i++) t[i] = select_bits(odd, t[2 * i + 1], t[2 * i]);
    return one_of_each(t, count / 2, 2 * width);
}
} // namespace matgrad

/* Of each of `count` rows, `step` vectors apart, the scalar at its place. */
template <class V> static inline V at_places(const V *rows, int step, int vectors, int count, V places) {
    V found[4];
#pragma GCC unroll 4
    for (int m = 0; m < count; m++)
        found[m] = matgrad::permute_row(rows + m * step, vectors, (matgrad::bits<V>)places);
    return matgrad::one_of_each(found, count, 1);
}

#endif
