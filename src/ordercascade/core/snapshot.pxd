# A book as bytes, and back. Nothing in the bytes is believed: every number is judged before use.
#
# Layout, version 1, all words int64 little-endian as this machine writes them:
#   header  magic, version << 32 | 0x01020304, length of the rest in words, two words of digest over
#           the rest (finds accidents), two words of the book's state hash
#   book    price_max, order_max, account_max, changed, slots used
#   sides   for bids, then asks: count, then per order from best to worst, each queue in time order:
#           slot, price, size shown, account, flags
#   slots   the generation of each; count and slots of the free list, next to be used first
#   desk    last, mark, time_ns, fire_max, stop sequence, collecting
#   extras  count; slot, reserve, display, expires_ns
#   pen     count; in time order: side, slot, price, size shown, account, flags
#   stops   slots used; of each: generation, state; of one that waits: sequence, trigger, price,
#           size, display, expires_ns, account, and type, side, tif, flags, by in a byte each; count
#           and slots of the free list
#   chain   two words
#   names   0, or 1 and a name for each resting order by slot, then for each stop by slot; or 2,
#           those, and count and names of orders that are gone, ascending
from ordercascade.core.desk cimport Desk
from ordercascade.core.digest cimport Digest
from ordercascade.core.naming cimport Names
from ordercascade.core.queues cimport Book
from ordercascade.core.rules cimport Rules

cdef bytes snapshot_write(const Book* b, const Desk* d, const Rules* rules, const Digest* chain,
                          const Names* names, bint external)
cdef int snapshot_read(object data, Book* b, Desk* d, Rules* rules, Digest* chain,
                       Names* names, object account_max) except -1   # 1: external ids
