# What borrowers close when interest is dear. MECHANISMS §13; ADR 29.
from libc.stdint cimport int32_t
from ordercascade.core.state cimport State

# One `agents` step: all borrowers of an asset close their share after a payment.
cdef int relief_step(State* s, int32_t asset) except -1 nogil
