# The stages of a liquidation as a venue's rules: one flat record, judged here.
from libc.stdint cimport int32_t, int64_t
from ordercascade.core.state cimport Stages

# ConfigError unless the engine can run the schedule in a market of this multiplier.
cdef int check_plan(str name, object schedule, int32_t kind, int64_t multiplier,
                    bint strict) except -1
cdef int set_stages(Stages* stages, object given) except -1
