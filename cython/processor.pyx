# cython: language_level=3
"""The instruction sets of the kernels that this processor can run.

Compiled without any instruction-set option, since every machine imports it.
"""

cdef extern from *:
    """
    #if defined(__x86_64__)
    static bool runs_v2() { return __builtin_cpu_supports("x86-64-v2"); }
    static bool runs_v3() { return __builtin_cpu_supports("x86-64-v3"); }
    static bool runs_v4() { return __builtin_cpu_supports("x86-64-v4"); }
    #else
    static bool runs_v2() { return false; }
    static bool runs_v3() { return false; }
    static bool runs_v4() { return false; }
    #endif
    """
    bint runs_v2() noexcept
    bint runs_v3() noexcept
    bint runs_v4() noexcept


def instruction_sets():
    """Return the names of the instruction sets that this processor runs, the best first."""
    known = [("x86_64_v4", runs_v4()), ("x86_64_v3", runs_v3()), ("x86_64_v2", runs_v2())]
    return tuple(name for name, runs in known if runs) or ("generic",)
