"""Floating-point flags of the calling thread.

On x86 those of SSE alone, which are the ones that lanes and doubles raise: C's functions also reach
for the x87 unit, which takes 75 ns to clear instead of 10. Nothing is written that would change no
flag that NumPy reports: nearly all arithmetic raises the one for inexact results.
"""

cdef extern from *:
    """
    #include <cfenv>
    #if defined(__x86_64__)
    #include <xmmintrin.h>
    #endif

    namespace matgrad {
    /* Invalid, division by zero, overflow, underflow: what NumPy asks for. */
    enum { REPORTED = 0x1d };
    static inline void clear_flags() {
    #if defined(__x86_64__)
        const unsigned now = _mm_getcsr();
        if (now & REPORTED) _mm_setcsr(now & ~0x3fu);
    #else
        feclearexcept(FE_ALL_EXCEPT);
    #endif
    }
    static inline int raised_flags() {
    #if defined(__x86_64__)
        return (int)(_mm_getcsr() & 0x3fu); /* the bits are those of FE_... */
    #else
        return fetestexcept(FE_ALL_EXCEPT);
    #endif
    }
    static inline void raise_flags(int flags) {
    #if defined(__x86_64__)
        const unsigned now = _mm_getcsr();
        if ((unsigned)flags & ~now & REPORTED) _mm_setcsr(now | (unsigned)flags);
    #else
        feraiseexcept(flags);
    #endif
    }
    }
    """
    int FE_INVALID
    int FE_OVERFLOW
    void clear_flags "matgrad::clear_flags" () noexcept nogil
    int raised_flags "matgrad::raised_flags" () noexcept nogil
    void raise_flags "matgrad::raise_flags" (int) noexcept nogil
