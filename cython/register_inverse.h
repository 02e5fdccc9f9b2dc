/* The inverse of a small matrix from its triangles, for register_inverse.pxd. */
#ifndef MATGRAD_REGISTER_INVERSE_H
#define MATGRAD_REGISTER_INVERSE_H

#include "triangles.h"

enum { LEVEL = 64 }; /* from one level of `at` to the next: COLUMNS of register_pivots.pxd */

/* What Gauss leaves of a matrix, and what becomes of it: body and border are the last pivot's part, all is
 * multiplied by multiple 2^exponent. */
template <class V> struct triangles {
    const V *lower, *factors, *reciprocals;
    const int *at; /* the column of pivot k, as the rows of each level have it */
    double body, border, multiple, exponent;
};

namespace matgrad {

/* Rows of HEIGHT vectors one after another; column k is at[k]. */
template <class V, int HEIGHT> struct rows_in_order {
    const scalar<V> *first;
    const int *at;
    V operator()(int r, ptrdiff_t k) const {
        return broadcast(first[r * HEIGHT * traits<V>::width + (at ? at[k] : k)], V{});
    }
};

template <class V, int HEIGHT>
static inline rows_in_order<V, HEIGHT> tile_rows(const V *a, ptrdiff_t tile, const int *at) {
    return {(const scalar<V> *)(a + tile * TALL * HEIGHT), at};
}

/* Of both substitutions P panels from `panel` on, but for the last row and column; as in panels.pxd. */
template <int HEIGHT, int P, class V>
static inline void solve_both(const triangles<V> &a, ptrdiff_t n, ptrdiff_t panel, V *u) {
    constexpr int W = traits<V>::width;
    const ptrdiff_t tiles = (n + TALL - 1) / TALL, top = panel * W / TALL;
    const int lane = panel + P == HEIGHT ? (int)((n - 1) % W) : -1;
    for (ptrdiff_t tile = top; tile < tiles; tile++) {
        V t[TALL][P];
#pragma GCC unroll 8
        for (int r = 0; r < TALL; r++)
#pragma GCC unroll 2
            for (int q = 0; q < P; q++) {
                const ptrdiff_t l = tile * TALL + r - (panel + q) * W;
                t[r][q] = select_bits(0 <= l && l < W ? (uint64_t)1 << l : 0, broadcast(1.0, V{}), V{});
            }
        const auto factor = tile_rows<V, HEIGHT>(a.lower, tile, nullptr);
        add_ranks<P, 1>(t, factor, u, top * TALL, tile * TALL);
        substitute_forward(t, factor, tile * TALL);
#pragma GCC unroll 16
        for (int i = 0; i < TALL * P; i++) u[tile * TALL * P + i] = t[i / P][i % P];
    }
    for (ptrdiff_t tile = tiles - 1; tile >= 0; tile--) {
        V t[TALL][P];
#pragma GCC unroll 16
        for (int i = 0; i < TALL * P; i++) t[i / P][i % P] = tile < top ? V{} : u[tile * TALL * P + i];
        substitute_backward(t, tile_rows<V, HEIGHT>(a.factors, tile, a.at + tile * TALL / W * LEVEL),
                            (const scalar<V> *)a.reciprocals, lane, tile * TALL, n - 1, u);
    }
}

/* y, the last column over the last pivot, is found with the last panel, and serves the others. */
template <int HEIGHT, int P, class V>
static inline V finish_panels(const triangles<V> &a, ptrdiff_t n, ptrdiff_t panel, const V *u, V *y,
                              V *result) {
    constexpr int W = traits<V>::width;
    const ptrdiff_t m = n - 1;
    const V minus_body = broadcast(-a.body, V{}), border = broadcast(a.border, V{});
    const V multiple = broadcast(a.multiple, V{}), exponent = broadcast(a.exponent, V{});
    const bool last = panel + P == HEIGHT;
    const uint64_t lane = last ? (uint64_t)1 << m % W : 0;
    V poison = V{};
    for (ptrdiff_t k = 0; k < n; k++) {
        V *row = result + a.at[k] * HEIGHT + panel;
        if (last) y[k] = k == m ? border : broadcast(element(u + k * P + P - 1, m % W), V{}) * border;
#pragma GCC unroll 2
        for (int q = 0; q < P; q++) {
            V z = q == P - 1 ? select_bits(lane, V{}, u[k * P + q]) : u[k * P + q];
            V x = k == m ? y[k] * u[m * P + q] : multiply_add(y[k], u[m * P + q], minus_body * z);
            x = x * multiple;
            if (a.exponent != 0) x = times_power_of_two(x, exponent);
            poison = multiply_add(x, V{}, poison);
            row[q] = x;
        }
    }
    return poison;
}

template <int HEIGHT, int P, class V>
static inline V invert_panels(const triangles<V> &a, ptrdiff_t n, ptrdiff_t panel, V *y, V *result) {
    V u[HEIGHT * traits<V>::width * P];
    solve_both<HEIGHT, P>(a, n, panel, u);
    return finish_panels<HEIGHT, P>(a, n, panel, u, y, result);
}

template <int HEIGHT, bool FULL, class V>
__attribute__((noinline)) static bool invert_rows(const triangles<V> &a, ptrdiff_t n, V *result) {
    if (FULL) n = HEIGHT * traits<V>::width;
    V y[HEIGHT * traits<V>::width];
    V poison = invert_panels<HEIGHT, 2>(a, n, HEIGHT - 2, y, result);
    if constexpr (HEIGHT > 2) poison = poison + invert_panels<HEIGHT, HEIGHT - 2>(a, n, 0, y, result);
    return mask_bits(complement(equal(poison, V{}))) == 0;
}

} // namespace matgrad

/* Row k of the result belongs to column at[k]. Whether all of it is finite. */
template <class V>
static inline bool invert_triangles(const V *lower, const V *factors, const V *reciprocals, const int *at,
                                    ptrdiff_t n, double body, double border, double multiple,
                                    double exponent, V *result) {
    constexpr int W = matgrad::traits<V>::width;
    const triangles<V> a = {lower, factors, reciprocals, at, body, border, multiple, exponent};
    if (n == 3 * W) return matgrad::invert_rows<3, true>(a, n, result);
    if (n == 4 * W) return matgrad::invert_rows<4, true>(a, n, result);
    if (n <= 2 * W) return matgrad::invert_rows<2, false>(a, n, result);
    if (n < 3 * W) return matgrad::invert_rows<3, false>(a, n, result);
    return matgrad::invert_rows<4, false>(a, n, result);
}

#endif
