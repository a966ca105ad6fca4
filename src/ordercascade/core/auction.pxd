# The call auction: orders are collected without matching, then traded at one price.
#
# A call phase collects limit orders that may rest; others are refused with REJECT_AUCTION. Those
# that rested before keep their queues and come first in time. Stops wait, orders expire as ever.
# The price is the tick
#   1. at which the most lots trade: the smaller of the bids at or above and the asks at or below;
#   2. of these, where the fewest lots of the other side are left over;
#   3. of these, the highest if bids are left over at all of them, the lowest if asks are; else the
#      nearest to the last trade, or the middle (rounded down) where nothing ever traded.
# Bids trade from the highest price down, asks from the lowest up, each by time: hidden lots too,
# and also with the own account. In the fills the ask is the maker, the bid the taker. What is left
# rests, those collected by time behind those that rested. Then stops fire (conditional.pxd).
from libc.stdint cimport int64_t
from ordercascade.core.desk cimport Desk
from ordercascade.core.queues cimport Book
from ordercascade.core.units cimport Lot, Tick

ctypedef struct Clearing:
    Tick price              # 0 = nobody would trade
    Lot volume
    Lot surplus             # bids less asks at the price

# Both: 0, or -1 for MemoryError, and then nothing has changed.
cdef int auction_price(const Book* b, Desk* d, Clearing* clearing) except -1 nogil
cdef int auction_uncross(Book* b, Desk* d, Clearing* clearing) except -1 nogil
