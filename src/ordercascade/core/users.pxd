# What users do between settlements, without Python: orders, money, isolated scopes.
#
# Arguments lie within the market's bounds (the door's business). `torn` is true while a call is
# half done, so also afterwards if it failed there; a refused call leaves everything as it was.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.records cimport Message
from ordercascade.core.state cimport State
from ordercascade.core.units cimport Cash

# An id, 0, the lots cancelled, or a reject code <= -2.
cdef int64_t user_message(State* s, int32_t market, const Message* m, bint* torn) except -1 nogil
# 0 or REJECT_INSUFFICIENT; the scope's id or REJECT_POSITION_OPEN.
cdef int64_t user_deposit(State* s, int32_t account, int32_t asset, Cash amount,
                          bint* torn) except -1 nogil
cdef int64_t user_withdraw(State* s, int32_t account, int32_t asset, Cash amount,
                           bint* torn) except -1 nogil
cdef int64_t user_isolate(State* s, int32_t account, int32_t market, bint* torn) except -1 nogil
cdef int64_t user_move(State* s, int32_t account, int32_t market, Cash amount,
                       bint* torn) except -1 nogil
# Money from or to outside: a step of its own once the venue runs.
cdef int outside_money(State* s, int32_t holder, Cash amount, bint* torn) except -1 nogil
