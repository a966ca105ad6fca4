# Stops and take-profits, the clock, and the commands of a book that has rarer orders.
#
# What fires, and when. A stop listens to the last trade or to the mark. Stop bids and take-profit
# asks wait for a price at or above their trigger (up), the other two for one at or below it (down).
# After each command every trade of it counts: up triggers at or below the highest, down triggers at
# or above the lowest of its prices are due; likewise after a mark, and for a stop that arrives
# already met. What becomes due at once is queued: by last before by mark, up before down, the
# trigger nearest to where the price came from first, then by arrival. The queue is worked off one
# by one, each as an order of its own that is matched as it arrives; what its trades make due joins
# the end of the queue. Each stop fires once, at most `fire_max` a command: those due beyond it are
# dropped with REJECT_CASCADE_LIMIT. During an auction's call phase nothing fires.
#
# A MemoryError while firing leaves the rest due, for the next command.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.desk cimport Desk
from ordercascade.core.digest cimport Digest
from ordercascade.core.queues cimport Book
from ordercascade.core.records cimport Message, Wide
from ordercascade.core.rules cimport Rules
from ordercascade.core.units cimport Lot, Tick, TimeNs

cdef int64_t desk_do(Book* b, Desk* d, const Wide* m) except? -1 nogil
cdef int64_t desk_message(Book* b, Desk* d, const Rules* rules, const Message* m) except? -1 nogil
cdef int64_t desk_apply(Book* b, Desk* d, const Rules* rules, const Wide* rows, int64_t count,
                        int64_t* results) except -1 nogil
cdef int64_t wide_first_bad(const Rules* rules, const Wide* rows, int64_t count) noexcept nogil

cdef void chain_fold(Digest* chain, const Wide* m, int64_t result) noexcept nogil
cdef void desk_see(const Book* b, Desk* d) noexcept nogil   # the last trade of plain commands
cdef int desk_react(Book* b, Desk* d, int64_t first) except -1 nogil
cdef int waiting_load(Desk* d, int64_t slot, const Wide* m) except -1   # from a snapshot
cdef int stops_check(const Book* b, const Desk* d) noexcept nogil
