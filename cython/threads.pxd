"""How many threads a loop over a batch may use.

OpenMP, as the ecosystem does: OMP_NUM_THREADS, the process's affinity and threadpoolctl hold,
and `set_num_threads` can only lower what they allow. libgomp hangs in a forked child whose
parent has run a parallel region, so a forked child stays serial. Without OpenMP the same loops
are serial. Rejected: a pool of our own (oversubscribes beside OpenMP's), omp_set_num_threads
(changes others').
"""

cdef enum:
    # Operations from which it pays to give back the GIL, and to start threads.
    UNLOCKED = 100000
    PARALLEL = 500000

cdef extern from *:
    """
    #include <atomic>
    #if defined(_OPENMP)
    #include <omp.h>
    #include <pthread.h>
    #endif

    namespace matgrad {
    static std::atomic<int> thread_limit{0}; /* 0: none */
    static std::atomic<bool> forked{false};

    static inline int thread_count() {
    #if defined(_OPENMP)
        int limit = thread_limit.load(std::memory_order_relaxed), most = omp_get_max_threads();
        if (forked.load(std::memory_order_relaxed) || omp_in_parallel()) return 1;
        return limit > 0 && limit < most ? limit : most;
    #else
        return 1;
    #endif
    }
    static inline int thread_number() {
    #if defined(_OPENMP)
        return omp_get_thread_num();
    #else
        return 0;
    #endif
    }
    static inline int fetch_and_add(int *counter, int more) {
        return __atomic_fetch_add(counter, more, __ATOMIC_RELAXED);
    }
    static inline void watch_forks() {
    #if defined(_OPENMP)
        pthread_atfork(nullptr, nullptr, [] { forked.store(true, std::memory_order_relaxed); });
    #endif
    }
    }
    """
    int thread_count "matgrad::thread_count" () noexcept nogil
    int thread_number "matgrad::thread_number" () noexcept nogil
    int fetch_and_add "matgrad::fetch_and_add" (int *, int) noexcept nogil
    void watch_forks "matgrad::watch_forks" () noexcept nogil
    void set_thread_limit "matgrad::thread_limit.store" (int) noexcept nogil
