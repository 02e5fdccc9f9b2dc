/* Vectors of lanes, one matrix a lane: the types and primitives on which the kernels are written.
 *
 * A `vd` holds VD doubles and a `vf` VF floats in MATGRAD_VECTOR_BYTES bytes, by the vector extension
 * that GCC and Clang share, so one source serves SSE, AVX2, AVX-512 and NEON. A mask is a lane vector,
 * too, with all bits set where the condition holds and none elsewhere; an index is a lane vector of
 * whole numbers (exact up to 2^24 in a float). One type for all three keeps the kernels generic, and
 * the compiler turns masks into mask registers where the processor has them. Intrinsics stand only
 * where the extension has no word for the operation: fused multiply-add, movemask, parts of a vector.
 *
 * Rejected: std::simd (not in GCC 12), one class a type with operators (Cython would need every
 * operator declared twice), integer vectors for masks (a second fused type, paired with the first). */
#ifndef MATGRAD_LANES_H
#define MATGRAD_LANES_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

typedef double vd __attribute__((vector_size(MATGRAD_VECTOR_BYTES)));
typedef float vf __attribute__((vector_size(MATGRAD_VECTOR_BYTES)));

/* Zeros of each type, for the parameters called `like`. */
static const vd DOUBLES = {};
static const vf FLOATS = {};

enum { VD = MATGRAD_VECTOR_BYTES / 8, VF = MATGRAD_VECTOR_BYTES / 4 };

namespace matgrad {

template <class V> struct traits;
template <> struct traits<vd> {
    typedef double scalar;
    typedef int64_t bits __attribute__((vector_size(MATGRAD_VECTOR_BYTES)));
    static constexpr int width = VD, precision = 52, bias = 1023, exponents = 0x7ff;
    static constexpr double magic = 4503599627370496.0; /* 2^52: its low bits count in ones */
};
template <> struct traits<vf> {
    typedef float scalar;
    typedef int32_t bits __attribute__((vector_size(MATGRAD_VECTOR_BYTES)));
    static constexpr int width = VF, precision = 23, bias = 127, exponents = 0xff;
    static constexpr float magic = 8388608.0f; /* 2^23 */
};
template <class V> using scalar = typename traits<V>::scalar;
template <class V> using bits = typename traits<V>::bits;

} // namespace matgrad

template <class V> static constexpr int width(V) { return matgrad::traits<V>::width; }

/* ---- what the compiler decides badly --------------------------------------------------------- */

/* Calls a function of this file with all that it calls inlined, down to what is called apart; or apart,
 * as it is or with all inlined. The compiler counts what is rarely needed as well, and would leave the
 * sizes of loops unknown. */
#define INLINED(function, ...) matgrad::inlined<function>(__VA_ARGS__)
#define APART(function, ...) matgrad::apart<function>(__VA_ARGS__)
#define INLINED_APART(function, ...) matgrad::inlined_apart<function>(__VA_ARGS__)

namespace matgrad {
template <auto function, class... A> __attribute__((flatten)) static auto inlined(A... a) {
    return function(a...);
}
template <auto function, class... A> __attribute__((noinline)) static auto apart(A... a) {
    return function(a...);
}
template <auto function, class... A> __attribute__((noinline, flatten)) static auto inlined_apart(A... a) {
    return function(a...);
}
} // namespace matgrad

/* ---- constants, single lanes ---------------------------------------------------------------- */

template <class V> static inline V broadcast(double value, V) {
    return (matgrad::scalar<V>)value - V{}; /* x - 0 is x, also for -0 */
}
template <class V> static inline double element(const V *lanes, ptrdiff_t i) {
    return ((const matgrad::scalar<V> *)lanes)[i];
}
template <class V> static inline void set_element(V *lanes, ptrdiff_t i, double value) {
    ((matgrad::scalar<V> *)lanes)[i] = (matgrad::scalar<V>)value;
}
/* Set lane i of a mask. */
template <class V> static inline void mark(V *mask, ptrdiff_t i) {
    typedef typename std::conditional<matgrad::traits<V>::precision == 52, int64_t, int32_t>::type word;
    const word set = -1;
    memcpy((char *)mask + i * (ptrdiff_t)sizeof(word), &set, sizeof(word));
}

/* ---- masks ------------------------------------------------------------------------------------ */

template <class V> static inline V greater(V a, V b) { return (V)(a > b); }
template <class V> static inline V equal(V a, V b) { return (V)(a == b); }
template <class V> static inline V both(V m, V n) {
    return (V)((matgrad::bits<V>)m & (matgrad::bits<V>)n);
}
template <class V> static inline V either(V m, V n) {
    return (V)((matgrad::bits<V>)m | (matgrad::bits<V>)n);
}
template <class V> static inline V differ(V m, V n) {
    return (V)((matgrad::bits<V>)m ^ (matgrad::bits<V>)n);
}
template <class V> static inline V complement(V m) { return (V)(~(matgrad::bits<V>)m); }
template <class V> static inline V zero_where(V m, V a) {
    return (V)(~(matgrad::bits<V>)m & (matgrad::bits<V>)a);
}
/* *place, zero where the mask is set: on AVX-512 part of the load. */
template <class V> static inline V load_unless(V mask, const V *place) { return zero_where(mask, *place); }
#if defined(__AVX512DQ__) && MATGRAD_VECTOR_BYTES == 64
static inline vd load_unless(vd mask, const vd *place) {
    return (vd)_mm512_maskz_load_pd(_knot_mask8(_mm512_movepi64_mask((__m512i)mask)), place);
}
static inline vf load_unless(vf mask, const vf *place) {
    return (vf)_mm512_maskz_load_ps(_knot_mask16(_mm512_movepi32_mask((__m512i)mask)), place);
}
#endif
template <class V> static inline V select(V mask, V a, V b) {
    return ((matgrad::bits<V>)mask < 0) ? a : b;
}
/* The greater of the two, b where a is NaN: one instruction on x86, which GCC does not see. */
#if defined(__AVX512F__) && MATGRAD_VECTOR_BYTES == 64
static inline vd maximum(vd a, vd b) { return (vd)_mm512_max_pd((__m512d)a, (__m512d)b); }
static inline vf maximum(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
#elif defined(__AVX2__) && MATGRAD_VECTOR_BYTES == 32
static inline vd maximum(vd a, vd b) { return (vd)_mm256_max_pd((__m256d)a, (__m256d)b); }
static inline vf maximum(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
#elif defined(__SSE2__) && MATGRAD_VECTOR_BYTES == 16
static inline vd maximum(vd a, vd b) { return (vd)_mm_max_pd((__m128d)a, (__m128d)b); }
static inline vf maximum(vf a, vf b) { return (vf)_mm_max_ps((__m128)a, (__m128)b); }
#else
template <class V> static inline V maximum(V a, V b) { return a > b ? a : b; }
#endif
/* The greatest lane. */
template <class V> static inline double greatest(V a) {
    double most = a[0];
    for (int l = 1; l < matgrad::traits<V>::width; l++) most = a[l] > most ? a[l] : most;
    return most;
}
#if defined(__AVX512DQ__) && MATGRAD_VECTOR_BYTES == 64
/* By halves: operations on half a vector take half of the time on some processors (Zen 4). */
static inline double greatest(vd a) {
    __m256d x = _mm256_max_pd(_mm512_castpd512_pd256((__m512d)a), _mm512_extractf64x4_pd((__m512d)a, 1));
    __m128d y = _mm_max_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_max_pd(y, _mm_permute_pd(y, 1))[0];
}
static inline double greatest(vf a) {
    __m256 x = _mm256_max_ps(_mm512_castps512_ps256((__m512)a), _mm512_extractf32x8_ps((__m512)a, 1));
    __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y = _mm_max_ps(y, _mm_permute_ps(y, 0x4e));
    return _mm_max_ps(y, _mm_permute_ps(y, 0xb1))[0];
}
#endif
template <class V> static inline V not_a_number(V a) { return (V)(a != a); }
template <class V> static inline V absolute(V a) { return zero_where(broadcast(-0.0, a), a); }

/* One bit a lane: set where the mask is. */
static inline unsigned mask_bits(vd m) {
#if defined(__AVX512DQ__) && MATGRAD_VECTOR_BYTES == 64
    return _mm512_movepi64_mask((__m512i)m);
#elif defined(__AVX2__) && MATGRAD_VECTOR_BYTES == 32
    return _mm256_movemask_pd((__m256d)m);
#else
    unsigned set = 0;
    for (int l = 0; l < VD; l++) set |= (unsigned)(((matgrad::bits<vd>)m)[l] < 0) << l;
    return set;
#endif
}
static inline unsigned mask_bits(vf m) {
#if defined(__AVX512DQ__) && MATGRAD_VECTOR_BYTES == 64
    return _mm512_movepi32_mask((__m512i)m);
#elif defined(__AVX2__) && MATGRAD_VECTOR_BYTES == 32
    return _mm256_movemask_ps((__m256)m);
#else
    unsigned set = 0;
    for (int l = 0; l < VF; l++) set |= (unsigned)(((matgrad::bits<vf>)m)[l] < 0) << l;
    return set;
#endif
}

/* The same where a and b are equal: GCC would go by way of a vector. */
template <class V> static inline unsigned equal_bits(V a, V b) { return mask_bits(equal(a, b)); }
#if defined(__AVX512DQ__) && MATGRAD_VECTOR_BYTES == 64
static inline unsigned equal_bits(vd a, vd b) {
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_EQ_OQ);
}
static inline unsigned equal_bits(vf a, vf b) {
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ);
}
#endif
static inline int first_bit(uint64_t bits) { return __builtin_ctzll(bits); }
static inline int ones(uint64_t bits) { return __builtin_popcountll(bits); }
/* A mask: lanes from l on. */
template <class V> static inline V from_lane(ptrdiff_t l, V) {
    constexpr int W = matgrad::traits<V>::width;
    static const struct steps {
        matgrad::bits<V> before, after;
    } mask = {{}, matgrad::bits<V>{} - 1};
    V out;
    memcpy(&out, (const char *)&mask + (W - l) * (ptrdiff_t)sizeof(matgrad::scalar<V>), sizeof(V));
    return out;
}

/* ---- arithmetic ------------------------------------------------------------------------------- */

/* a*b + c and c - a*b, rounded once where the instruction set has it (v2 rounds twice). */
static inline vd multiply_add(vd a, vd b, vd c) {
#if defined(__AVX512F__) && MATGRAD_VECTOR_BYTES == 64
    return (vd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__) && MATGRAD_VECTOR_BYTES == 32
    return (vd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
    return (vd)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}
static inline vf multiply_add(vf a, vf b, vf c) {
#if defined(__AVX512F__) && MATGRAD_VECTOR_BYTES == 64
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__) && MATGRAD_VECTOR_BYTES == 32
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}
template <class V> static inline V subtract_product(V c, V a, V b) { return multiply_add(-a, b, c); }
#if defined(__AVX512F__) && MATGRAD_VECTOR_BYTES == 64
/* GCC does not see it where -a serves two of them. */
static inline vd subtract_product(vd c, vd a, vd b) {
    return (vd)_mm512_fnmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
static inline vf subtract_product(vf c, vf a, vf b) {
    return (vf)_mm512_fnmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
#endif

#if defined(__FMA__) || defined(__aarch64__)
/* a*b - taken, where taken is a*b but for its last bits: all of them, if p = a*b is taken. */
template <class V> static inline V product_rest(V a, V b, V taken) { return multiply_add(a, b, -taken); }
#else
/* Without a fused operation: Dekker's product with Veltkamp's splitting (doubles only). */
static inline vd upper_half(vd a) {
    vd c = a * 134217729.0; /* 2^27 + 1 */
    return c - (c - a);
}
static inline vd product_rest(vd a, vd b, vd taken) {
    vd p = a * b, a1 = upper_half(a), a2 = a - a1, b1 = upper_half(b), b2 = b - b1;
    return (p - taken) + (a2 * b2 - (((p - a1 * b1) - a2 * b1) - a1 * b2));
}
#endif

/* x = mantissa * 2^exponent with 1 <= |mantissa| < 2; zero, infinities and NaN are their own
 * mantissa, with exponent 0. */
template <class V> static inline V split_exponent(V x, V *exponent) {
    typedef matgrad::traits<V> T;
    typedef matgrad::bits<V> B;
    typedef matgrad::scalar<V> S;
    const S lift = T::magic * T::magic;
    B small = absolute(x) < (V{} + (S)(1 / T::magic / T::magic));
    V y = small ? x * lift : x;
    B biased = ((B)y >> T::precision) & (B{} + T::exponents);
    V e = (V)(biased | (B)(V{} + (S)T::magic)) - ((S)T::magic + T::bias);
    e -= small ? V{} + (S)(2 * T::precision) : V{};
    B special = (biased == 0) | (biased == T::exponents);
    B one = (B)(V{} + (S)1);
    B keep = (B{} + 1) << T::precision; /* mantissa bits and sign, exponent of one */
    V m = (V)(((B)y & ~((B{} + T::exponents) * keep)) | one);
    *exponent = special ? V{} : e;
    return special ? x : m;
}
#if defined(__AVX512DQ__) && MATGRAD_VECTOR_BYTES == 64
/* 0x9f: signalling and quiet NaN, zeros, infinities, which keep themselves. */
static inline vd split_exponent(vd x, vd *exponent) {
    __mmask8 special = _mm512_fpclass_pd_mask((__m512d)x, 0x9f);
    *exponent = (vd)_mm512_maskz_getexp_pd(_knot_mask8(special), (__m512d)x);
    return (vd)_mm512_mask_getmant_pd((__m512d)x, _knot_mask8(special), (__m512d)x,
                                      _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
}
static inline vf split_exponent(vf x, vf *exponent) {
    __mmask16 special = _mm512_fpclass_ps_mask((__m512)x, 0x9f);
    *exponent = (vf)_mm512_maskz_getexp_ps(_knot_mask16(special), (__m512)x);
    return (vf)_mm512_mask_getmant_ps((__m512)x, _knot_mask16(special), (__m512)x,
                                      _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
}
#endif

/* The same where x is a number other than zero; elsewhere anything. */
template <class V> static inline V split_number(V x, V *exponent) { return split_exponent(x, exponent); }
#if defined(__AVX512F__) && MATGRAD_VECTOR_BYTES == 64
static inline vd split_number(vd x, vd *exponent) {
    *exponent = (vd)_mm512_getexp_pd((__m512d)x);
    return (vd)_mm512_getmant_pd((__m512d)x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
}
#endif

/* The logarithm where x is a number above zero; where it is zero, inf or NaN, -inf, inf or NaN. */
template <class V> static inline V log_or_special(V logarithm, V x) {
    const V zero{};
    logarithm = select(equal(x * zero, zero), logarithm, x);
    return select(equal(x, zero), zero - (matgrad::scalar<V>)__builtin_inf(), logarithm);
}
#if defined(__AVX512F__) && MATGRAD_VECTOR_BYTES == 64
/* A digit a class of x: 1 takes x itself (NaN and inf), 4 is -inf (zero), 0 leaves the logarithm. */
static inline vd log_or_special(vd logarithm, vd x) {
    return (vd)_mm512_fixupimm_pd((__m512d)logarithm, (__m512d)x, _mm512_set1_epi64(0x00100411), 0);
}
#endif

/* 2^k for a whole number k in the exponent range. */
template <class V> static inline V power_of_two(V k) {
    typedef matgrad::traits<V> T;
    return (V)((matgrad::bits<V>)(k + ((matgrad::scalar<V>)T::magic + T::bias)) << T::precision);
}

/* x * 2^e for any whole number e, in three steps, each of them in range. */
template <class V> static inline V times_power_of_two(V x, V e) {
    const V most = V{} + (matgrad::scalar<V>)(matgrad::traits<V>::bias - 2);
    for (int step = 0; step < 3; step++) {
        V k = e > most ? most : (e < -most ? -most : e);
        x *= power_of_two(k);
        e -= k;
    }
    return x;
}

#if defined(__AVX512F__) && MATGRAD_VECTOR_BYTES == 64
static inline vd times_power_of_two(vd x, vd e) { return (vd)_mm512_scalef_pd((__m512d)x, (__m512d)e); }
static inline vf times_power_of_two(vf x, vf e) { return (vf)_mm512_scalef_ps((__m512)x, (__m512)e); }
#endif
/* ---- moving lanes ----------------------------------------------------------------------------- */

/* Lane l of the result is lane l of base[index[l] * pitch]. By scalar loads: a gather instruction
 * takes longer (Zen 5, AVX-512: det 1.2 times at n = 32). */
template <class V> static inline V gather(const V *base, V index, ptrdiff_t pitch) {
    constexpr int W = matgrad::traits<V>::width;
    typedef matgrad::bits<V> B;
    B at = __builtin_convertvector(index, B) * (B{} + (int32_t)(pitch * W));
    V out;
#pragma GCC unroll 16
    for (int l = 0; l < W; l++) out[l] = ((const matgrad::scalar<V> *)base)[at[l] + l];
    return out;
}

/* Scalar index[l] of a row, in lane l. */
template <class V> static inline V pick(const char *row, const int *index, V) {
    V out;
#pragma GCC unroll 16
    for (int l = 0; l < matgrad::traits<V>::width; l++) out[l] = ((const matgrad::scalar<V> *)row)[index[l]];
    return out;
}

template <class V> static inline V load(const char *from, V) {
    V out;
    memcpy(&out, from, sizeof(V));
    return out;
}
template <class V> static inline void store(char *to, V value) { memcpy(to, &value, sizeof(V)); }

/* The first `count` lanes, behind them those of `rest`; no byte beyond is touched. */
template <class V> static inline V load_part(const char *from, ptrdiff_t count, V rest) {
    memcpy(&rest, from, (size_t)count * sizeof(matgrad::scalar<V>));
    return rest;
}
/* All lanes if `count` is as large. */
template <class V> static inline void store_part(char *to, ptrdiff_t count, V value) {
    if (count >= matgrad::traits<V>::width)
        store(to, value);
    else
        memcpy(to, &value, (size_t)count * sizeof(matgrad::scalar<V>));
}
#if defined(__AVX512F__) && MATGRAD_VECTOR_BYTES == 64
static inline vd load_part(const char *from, ptrdiff_t count, vd rest) {
    return (vd)_mm512_mask_loadu_pd((__m512d)rest, (__mmask8)~(~0u << count), from);
}
static inline vf load_part(const char *from, ptrdiff_t count, vf rest) {
    return (vf)_mm512_mask_loadu_ps((__m512)rest, (__mmask16)~(~0u << count), from);
}
static inline void store_part(char *to, ptrdiff_t count, vd value) {
    _mm512_mask_storeu_pd(to, count >= VD ? 0xff : (__mmask8)~(~0u << count), (__m512d)value);
}
static inline void store_part(char *to, ptrdiff_t count, vf value) {
    _mm512_mask_storeu_ps(to, count >= VF ? 0xffff : (__mmask16)~(~0u << count), (__m512)value);
}
#elif defined(__AVX2__) && MATGRAD_VECTOR_BYTES == 32
/* A copy of so many bytes would be a call. */
static inline vd load_part(const char *from, ptrdiff_t count, vd rest) {
    const vd beyond = from_lane(count, vd{});
    return either(zero_where(complement(beyond), rest),
                  (vd)_mm256_maskload_pd((const double *)from, (__m256i)complement(beyond)));
}
static inline vf load_part(const char *from, ptrdiff_t count, vf rest) {
    const vf beyond = from_lane(count, vf{});
    return either(zero_where(complement(beyond), rest),
                  (vf)_mm256_maskload_ps((const float *)from, (__m256i)complement(beyond)));
}
static inline void store_part(char *to, ptrdiff_t count, vd value) {
    if (count >= VD)
        store(to, value);
    else
        _mm256_maskstore_pd((double *)to, (__m256i)complement(from_lane(count, vd{})), (__m256d)value);
}
static inline void store_part(char *to, ptrdiff_t count, vf value) {
    if (count >= VF)
        store(to, value);
    else
        _mm256_maskstore_ps((float *)to, (__m256i)complement(from_lane(count, vf{})), (__m256)value);
}
#endif

/* Scalars of a vector by fours (a shorter one as it is), to scalars from `first` on, `step` apart. */
template <class V> static inline void store_fours(V *to, ptrdiff_t first, ptrdiff_t step, V value) {
    constexpr int W = matgrad::traits<V>::width, part = W < 4 ? W : 4;
    typedef matgrad::scalar<V> T;
    for (int w = 0; w < W; w += part)
        memcpy((T *)to + first + w / part * step, (const T *)&value + w, part * sizeof(T));
}

/* Half of the floats as doubles, and two halves put together again. */
static inline vd widened(vf a, int half) {
    vd out;
    for (int l = 0; l < VD; l++) out[l] = a[l + half * VD];
    return out;
}
static inline vf narrowed(vd low, vd high) {
    vf out;
    for (int l = 0; l < VD; l++) {
        out[l] = (float)low[l];
        out[l + VD] = (float)high[l];
    }
    return out;
}

#endif
