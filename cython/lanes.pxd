"""The primitives of lanes.h and transpose.h.

`lane` is either vector type; masks and indices are lanes, too."""

from libc.stdint cimport uint64_t

cdef extern from "lanes.h" nogil:
    ctypedef double vd
    ctypedef float vf
    int VD
    int VF
    const vd DOUBLES
    const vf FLOATS

    int width[T](T like) noexcept
    T broadcast[T](double value, T like) noexcept
    double element[T](const T *lanes, Py_ssize_t i) noexcept
    void mark[T](T *mask, Py_ssize_t i) noexcept
    void set_element[T](T *lanes, Py_ssize_t i, double value) noexcept

    T greater[T](T a, T b) noexcept
    T equal[T](T a, T b) noexcept
    T both[T](T m, T n) noexcept
    T either[T](T m, T n) noexcept
    T differ[T](T m, T n) noexcept
    T complement[T](T m) noexcept
    T zero_where[T](T m, T a) noexcept
    vd load_unless(vd mask, const vd *place) noexcept
    vf load_unless(vf mask, const vf *place) noexcept
    T select[T](T mask, T a, T b) noexcept
    vd maximum(vd a, vd b) noexcept
    vf maximum(vf a, vf b) noexcept
    double greatest(vd a) noexcept
    double greatest(vf a) noexcept
    T not_a_number[T](T a) noexcept
    T absolute[T](T a) noexcept
    unsigned int mask_bits(vd m) noexcept
    unsigned int mask_bits(vf m) noexcept
    int first_bit(uint64_t bits) noexcept
    int ones(uint64_t bits) noexcept
    T from_lane[T](Py_ssize_t l, T like) noexcept

    vd widened(vf a, int half) noexcept
    vf narrowed(vd low, vd high) noexcept
    vd multiply_add(vd a, vd b, vd c) noexcept
    vf multiply_add(vf a, vf b, vf c) noexcept
    vd subtract_product(vd c, vd a, vd b) noexcept
    vf subtract_product(vf c, vf a, vf b) noexcept
    vd product_rest(vd a, vd b, vd taken) noexcept
    vd split_exponent(vd x, vd *exponent) noexcept
    vf split_exponent(vf x, vf *exponent) noexcept
    vd split_number(vd x, vd *exponent) noexcept
    vd log_or_special(vd logarithm, vd x) noexcept
    vd times_power_of_two(vd x, vd e) noexcept
    vf times_power_of_two(vf x, vf e) noexcept

    vd gather(const vd *base, vd index, Py_ssize_t pitch) noexcept
    vf gather(const vf *base, vf index, Py_ssize_t pitch) noexcept
    vd pick(const char *row, const int *index, vd like) noexcept
    vf pick(const char *row, const int *index, vf like) noexcept
    T load[T](const char *source, T like) noexcept
    void store[T](char *target, T value) noexcept
    vd load_part(const char *source, Py_ssize_t count, vd rest) noexcept
    vf load_part(const char *source, Py_ssize_t count, vf rest) noexcept
    void store_part(char *target, Py_ssize_t count, vd value) noexcept
    void store_part(char *target, Py_ssize_t count, vf value) noexcept
    void store_fours[T](T *to, Py_ssize_t first, Py_ssize_t step, T value) noexcept

cdef extern from "transpose.h" nogil:
    ctypedef struct spaced:
        char *first
        Py_ssize_t step

    T sum_of_each[T](T *vectors) noexcept
    void load_transposed[T](const char **places, Py_ssize_t offset, T *out) noexcept
    void store_transposed[T](char **places, Py_ssize_t offset, int count, T *values) noexcept
    void load_half_transposed[T](const char **places, Py_ssize_t offset, T *out) noexcept
    void store_half_transposed[T](
        char **places, Py_ssize_t offset, int count, T *values) noexcept
    void load_half_transposed[S, T](
        S stored, const char **places, Py_ssize_t offset, T *out) noexcept
    void store_half_transposed[S, T](
        S stored, char **places, Py_ssize_t offset, int count, T *values) noexcept
    T load_lanes[S, T](S stored, const char **places, Py_ssize_t offset, T like) noexcept
    void store_lanes[S, T](
        S stored, char **places, Py_ssize_t offset, int count, T values) noexcept
    void load_half_transposed[S, T](
        S stored, spaced places, Py_ssize_t offset, T *out) noexcept
    void store_half_transposed[S, T](
        S stored, spaced places, Py_ssize_t offset, int count, T *values) noexcept
    T load_lanes[S, T](S stored, spaced places, Py_ssize_t offset, T like) noexcept
    void store_lanes[S, T](
        S stored, spaced places, Py_ssize_t offset, int count, T values) noexcept

ctypedef fused lane:
    vd
    vf
