# The stages of a liquidation as a venue's rules: one flat record, judged here.
from ordercascade.core.state cimport Stages

cdef int set_stages(Stages* stages, object given) except -1
