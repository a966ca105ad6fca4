# Assertions that stay on in every build: a Python assert is swallowed in noexcept code.
cdef extern from *:
    """
    #include <stdio.h>
    #include <stdlib.h>
    static inline void oc_fail(const char *file, int line, const char *what) {
        fprintf(stderr, "ordercascade: %s:%d: a check of the engine failed: %s\\n",
                file, line, what);
        abort();
    }
    #define oc_check(cond) \
        do { if (__builtin_expect(!(cond), 0)) oc_fail(__FILE__, __LINE__, #cond); } while (0)
    """
    void oc_check(bint condition) noexcept nogil
