/* Rows of a matrix in registers that instructions permute, for registers.pxd.
 *
 * A row is an array of `vectors` vectors, 1 to 4; sets of its scalars are bits, 64 at most. Elsewhere
 * than on AVX-512 nothing is within reach, and what stands here is only compiled. */
#ifndef MATGRAD_REGISTERS_H
#define MATGRAD_REGISTERS_H

#include "lanes.h"

/* The longest row, in scalars. */
template <class V> static constexpr ptrdiff_t reach(V) { return 0; }

/* Scalar i of a row, in all lanes. */
template <class V> static inline V spread(const V *row, int, int i) { return broadcast(element(row, i), V{}); }
/* Scalar index[l] of a row, in lane l. */
template <class V> static inline V permuted(const V *row, int, const int *index) {
    return pick((const char *)row, index, V{});
}
/* b, but a in the lanes whose bits are set. */
template <class V> static inline V select_bits(uint64_t bits, V a, V b) {
    for (int l = 0; l < matgrad::traits<V>::width; l++) b[l] = bits >> l & 1 ? a[l] : b[l];
    return b;
}
template <class V> static inline V zero_bits(uint64_t bits, V a) { return select_bits(bits, V{}, a); }
/* The lanes of a that are equal to `value`. */
template <class V> static inline uint64_t equal_bits(V a, double value) {
    return mask_bits(equal(a, broadcast(value, a)));
}

#if defined(__AVX512DQ__) && MATGRAD_VECTOR_BYTES == 64
template <> constexpr ptrdiff_t reach(vd) { return 4 * VD; }
template <> constexpr ptrdiff_t reach(vf) { return 4 * VF; }

namespace matgrad {
static inline vd permute(vd a, __m512i at) { return (vd)_mm512_permutexvar_pd(at, (__m512d)a); }
static inline vf permute(vf a, __m512i at) { return (vf)_mm512_permutexvar_ps(at, (__m512)a); }
static inline vd permute(vd a, vd b, __m512i at) {
    return (vd)_mm512_permutex2var_pd((__m512d)a, at, (__m512d)b);
}
static inline vf permute(vf a, vf b, __m512i at) {
    return (vf)_mm512_permutex2var_ps((__m512)a, at, (__m512)b);
}
static inline __m512i indices(int i, vd) { return _mm512_set1_epi64(i); }
static inline __m512i indices(int i, vf) { return _mm512_set1_epi32(i); }
static inline __m512i indices(const int *i, vd) {
    return _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)i));
}
static inline __m512i indices(const int *i, vf) { return _mm512_loadu_si512(i); }
static inline vd choose(__m512i at, vd a, vd b) {
    return (vd)_mm512_mask_mov_pd((__m512d)a, _mm512_test_epi64_mask(at, _mm512_set1_epi64(2 * VD)), (__m512d)b);
}
static inline vf choose(__m512i at, vf a, vf b) {
    return (vf)_mm512_mask_mov_ps((__m512)a, _mm512_test_epi32_mask(at, _mm512_set1_epi32(2 * VF)), (__m512)b);
}
template <class V> static inline V permute_row(const V *row, int vectors, __m512i at) {
    V low = vectors == 1 ? permute(row[0], at) : permute(row[0], row[1], at);
    if (vectors <= 2) return low;
    return choose(at, low, vectors == 3 ? permute(row[2], at) : permute(row[2], row[3], at));
}
} // namespace matgrad

static inline vd spread(const vd *row, int vectors, int i) {
    return matgrad::permute_row(row, vectors, matgrad::indices(i, *row));
}
static inline vf spread(const vf *row, int vectors, int i) {
    return matgrad::permute_row(row, vectors, matgrad::indices(i, *row));
}
static inline vd permuted(const vd *row, int vectors, const int *index) {
    return matgrad::permute_row(row, vectors, matgrad::indices(index, *row));
}
static inline vf permuted(const vf *row, int vectors, const int *index) {
    return matgrad::permute_row(row, vectors, matgrad::indices(index, *row));
}
static inline vd zero_bits(uint64_t bits, vd a) {
    return (vd)_mm512_maskz_mov_pd((__mmask8)~bits, (__m512d)a);
}
static inline vf zero_bits(uint64_t bits, vf a) {
    return (vf)_mm512_maskz_mov_ps((__mmask16)~bits, (__m512)a);
}
static inline vd select_bits(uint64_t bits, vd a, vd b) {
    return (vd)_mm512_mask_mov_pd((__m512d)b, (__mmask8)bits, (__m512d)a);
}
static inline vf select_bits(uint64_t bits, vf a, vf b) {
    return (vf)_mm512_mask_mov_ps((__m512)b, (__mmask16)bits, (__m512)a);
}
static inline uint64_t equal_bits(vd a, double value) {
    return _mm512_cmp_pd_mask((__m512d)a, _mm512_set1_pd(value), _CMP_EQ_OQ);
}
static inline uint64_t equal_bits(vf a, double value) {
    return _mm512_cmp_ps_mask((__m512)a, _mm512_set1_ps((float)value), _CMP_EQ_OQ);
}
#endif

/* The bit of the first scalar among some of a row whose magnitude is largest; if all are NaN the
 * first of them. */
template <class V> static inline uint64_t largest_bit(const V *row, int vectors, uint64_t among) {
    constexpr int W = matgrad::traits<V>::width;
    V size[4], most = V{};
    uint64_t found = 0;
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        size[v] = zero_bits(~among >> (v * W), absolute(row[v]));
        most = maximum(size[v], most);
    }
    double value = greatest(most);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) found |= equal_bits(size[v], value) << (v * W);
    found &= among;
    found = found ? found : among;
    return found & -found;
}
static inline int lowest(uint64_t bits) { return __builtin_ctzll(bits); }
static inline int odd(uint64_t bits) { return __builtin_parityll(bits); }

#endif
