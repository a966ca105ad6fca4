from libc.stdint cimport uint8_t

cdef int one(const uint8_t* data, size_t size) except -1 nogil
