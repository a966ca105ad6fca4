# The tape while it is written: the tables of one world as columns in blocks of 65,536 rows.
#
# A block is one allocation; each column is contiguous in it, 64-byte aligned. Blocks are counted
# references, shared by forks and by views. What a view or another log can see is never written:
# whoever wants to write takes a copy of the block first. Nothing here needs the GIL.
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t
from ordercascade.core.digest cimport Digest

cdef extern from *:
    """
    #ifndef OC_BLOCK_BITS
    #define OC_BLOCK_BITS 16    /* Less in the fuzzer's build, so that blocks are filled there. */
    #endif
    #define OC_BLOCK_ROWS (1 << OC_BLOCK_BITS)
    #define OC_BLOCK_MASK (OC_BLOCK_ROWS - 1)
    """
    enum:
        BLOCK_BITS "OC_BLOCK_BITS"
        BLOCK_ROWS "OC_BLOCK_ROWS"
        BLOCK_MASK "OC_BLOCK_MASK"

cdef enum:
    BLOCK_FIRST = 64        # rows of the first block of a table
    BLOCK_GROWTH = 4        # it grows by this factor up to BLOCK_ROWS
    COLUMN_MAX = 32         # columns a table
    STAGGER = 128           # bytes between the columns of a block

# Tables. `accounts` and `positions` are the opening, before step 0; rows of `levels` with step -1
# are the opening book. Ids that mean "none" are -1.
cdef enum:
    T_STEPS = 0
    T_ORDERS
    T_FILLS
    T_LIQUIDATIONS
    T_POSTINGS
    T_ADL
    T_MARKS
    T_LEVELS
    T_SCOPES
    T_FUNDS
    T_NOTES
    T_ACCOUNTS
    T_POSITIONS
    TABLES

cdef enum:
    STEP_STEP = 0           # the row's own number
    STEP_TIME_NS
    STEP_VENUE
    STEP_ROUND
    STEP_KIND               # StepKind
    STEP_MARKET
    STEP_SCOPE
    STEP_PARENT
    STEP_GENERATION
    STEP_CAUSE_MARKET
    STEP_EVENT_FROM         # rows of `levels` [from, to)
    STEP_EVENT_TO
    STEP_FILL_FROM          # rows of `fills` [from, to)
    STEP_FILL_TO
    STEP_COLUMNS

cdef enum:
    ORDER_STEP = 0
    ORDER_ORDER_ID
    ORDER_VENUE
    ORDER_MARKET
    ORDER_ACCOUNT
    ORDER_SIDE              # Side
    ORDER_TYPE              # OrderType
    ORDER_TIF               # TimeInForce
    ORDER_FLAGS             # OrderFlag bits
    ORDER_PRICE
    ORDER_SIZE
    ORDER_FILLED
    ORDER_RESULT            # id > 0 rests, 0 done, Reject <= -2
    ORDER_COLUMNS

cdef enum:
    FILL_STEP = 0
    FILL_VENUE
    FILL_MARKET
    FILL_PRICE
    FILL_SIZE
    FILL_TAKER_SIDE         # Side
    FILL_MAKER_ACCOUNT
    FILL_TAKER_ACCOUNT
    FILL_MAKER_ORDER
    FILL_TAKER_ORDER
    FILL_MAKER_FEE
    FILL_TAKER_FEE
    FILL_MAKER_REST
    FILL_COLUMNS

cdef enum:
    LIQ_STEP = 0
    LIQ_VENUE
    LIQ_MARKET
    LIQ_SCOPE
    LIQ_ACCOUNT
    LIQ_SIDE                # Side of the liquidation order: ASK closes a long
    LIQ_LEG
    LIQ_TRANCHE
    LIQ_LOTS_BEFORE
    LIQ_LOTS_ASKED
    LIQ_LOTS_FILLED
    LIQ_LEVELS_EATEN
    LIQ_LIMIT_PRICE
    LIQ_WORST_PRICE
    LIQ_VALUE               # sum of price * lots * multiplier over the fills
    LIQ_TRIGGER_PRICE
    LIQ_BANKRUPTCY_PRICE
    LIQ_MARK_BEFORE
    LIQ_MARK_AFTER
    LIQ_EQUITY_BEFORE
    LIQ_EQUITY_AFTER
    LIQ_FEE
    LIQ_SHORTFALL
    LIQ_PAID_FUND
    LIQ_PAID_VAULT
    LIQ_PAID_ADL
    LIQ_PAID_SOCIALISED
    LIQ_PAID_BAD_DEBT
    LIQ_OUTCOME             # Outcome
    LIQ_COLUMNS

cdef enum:
    POSTING_STEP = 0
    POSTING_ASSET
    POSTING_FROM_HOLDER
    POSTING_TO_HOLDER
    POSTING_AMOUNT          # may be negative: then `to` pays
    POSTING_REASON          # PostReason
    POSTING_COLUMNS

cdef enum:
    ADL_STEP = 0
    ADL_MARKET
    ADL_SCOPE_FROM
    ADL_SCOPE_TO
    ADL_LOTS
    ADL_COST
    ADL_RANK
    ADL_RULE                # AdlRule
    ADL_PRICE_MODE          # PriceMode
    ADL_COLUMNS

cdef enum:
    MARK_STEP = 0
    MARK_TIME_NS
    MARK_VENUE
    MARK_MARKET
    MARK_LAST
    MARK_INDEX
    MARK_MARK
    MARK_BEST_BID
    MARK_BEST_ASK
    MARK_COLUMNS

cdef enum:
    LEVEL_STEP = 0
    LEVEL_MARKET
    LEVEL_SIDE              # Side
    LEVEL_PRICE
    LEVEL_SIZE_AFTER
    LEVEL_COLUMNS

cdef enum:
    SCOPE_STEP = 0
    SCOPE_SCOPE
    SCOPE_EQUITY
    SCOPE_MAINTENANCE
    SCOPE_INITIAL
    SCOPE_RATIO_PPM
    SCOPE_COLUMNS

cdef enum:
    FUND_STEP = 0
    FUND_VENUE
    FUND_HOLDER
    FUND_ASSET
    FUND_BALANCE
    FUND_COLUMNS

cdef enum:
    NOTE_STEP = 0
    NOTE_KIND               # NoteKind
    NOTE_MARKET
    NOTE_SCOPE
    NOTE_A
    NOTE_B
    NOTE_COLUMNS

# One row a holder of each venue (not only scopes), in holder id order: what it owns at the opening.
cdef enum:
    ACCOUNT_VENUE = 0
    ACCOUNT_SCOPE           # the holder's id
    ACCOUNT_ACCOUNT         # whose it is; 0 external, -1 for the venue's own holders
    ACCOUNT_KIND            # HolderKind
    ACCOUNT_ASSET
    ACCOUNT_MARKET          # an isolated scope's or a clearing holder's market, else -1
    ACCOUNT_COLLATERAL
    ACCOUNT_COLUMNS

cdef enum:
    POSITION_VENUE = 0
    POSITION_SCOPE
    POSITION_MARKET
    POSITION_SIZE
    POSITION_COST
    POSITION_COLUMNS

ctypedef struct Block:
    int64_t refs            # logs and views that hold it (atomic); freed at 0
    int64_t logs            # logs among them (atomic)
    int64_t shown           # rows that some view may show
    int64_t capacity        # rows, a multiple of 64
    int64_t hashed          # 0 no, 1 in the making, 2 `digest` holds (atomic); only of full blocks
    Digest digest
    char* cells             # column c starts at cells + capacity * offset[c] + STAGGER * c

ctypedef struct Table:
    int64_t rows
    int64_t room            # append may write rows below this one without a further look
    int64_t blocks          # blocks in use
    int64_t capacity        # pointers allocated
    Block** block
    char* tail[32]          # column starts in the last block, in the order of `order`
    uint16_t offset[32]     # bytes a row before column c; one entry more than columns
    uint8_t order[32]       # columns, widest first
    uint8_t wide            # order[0:wide] have 8 bytes
    uint8_t half            # order[wide:half] have 4 bytes
    uint8_t columns         # order[half:columns] have 1 byte

ctypedef struct Log:
    Table table[13]         # TABLES
    void* mark              # TapeMark of core/tapemark.pxd; NULL: no way back

# queries
cdef int64_t log_rows(const Log* l, int table) noexcept nogil
cdef int64_t log_get(const Log* l, int table, int64_t row, int column) noexcept nogil
cdef void log_digest(Log* l, Digest* d) noexcept nogil
# commands; -1 only for MemoryError
cdef int log_init(Log* l) except -1 nogil
cdef void log_free(Log* l) noexcept nogil
cdef int log_fork(Log* to, Log* l) except -1 nogil     # `to` held nothing; free it on failure too
cdef int64_t log_append(Log* l, int table, const int64_t* row) except -1 nogil
cdef int log_set(Log* l, int table, int64_t row, int column, int64_t value) except -1 nogil
cdef int log_truncate(Log* l, int table, int64_t rows) except -1 nogil
# checks
cdef int log_check(const Log* l) noexcept nogil                # 0, or the broken rule's number


cdef class EventLog:
    cdef Log log
    cdef bint owned         # a world writes it
    cdef bint busy          # ... at this moment
    cdef object __weakref__

    cdef int _idle(self) except -1
    cdef int _writable(self) except -1
    cdef int _table(self, object table) except -1
    cdef int _column(self, object table, object column) except -1
    cdef int64_t _row(self, int table, object row) except -1
    cdef int _named(self, object table, object given) except -1


# A Python object that shares the log's blocks as they are now and goes its own way afterwards.
cdef EventLog log_share(Log* l)
