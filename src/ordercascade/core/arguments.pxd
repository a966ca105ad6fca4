# Python arguments as C integers, for every door of the core: integers of any kind, nothing else.
from libc.stdint cimport int64_t
from cpython.long cimport PyLong_AsLongLongAndOverflow


cdef inline int64_t whole(value, str field, str want) except? -1:
    """An int argument as C. Integers of numpy are welcome; bools and floats are mistakes."""
    cdef int overflow = 0
    cdef int64_t number
    if not isinstance(value, int) or isinstance(value, bool):
        value = _indexed(value, field, want)
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow:
        from ordercascade.errors import RangeError
        raise RangeError(field, "does not fit int64", bits=64)
    return number


cdef inline int64_t within(value, str field, str want, int64_t low, int64_t high) except? -1:
    """An int argument between two bounds."""
    cdef int64_t number = whole(value, field, want)
    if number < low or number > high:
        from ordercascade.errors import InputError, span
        raise InputError(field, number, f"must be in {span(low, high)}")
    return number


cdef inline int64_t wanted(value, str field, int64_t low, int64_t high) except? -1:
    """An int argument between two bounds, asked for by what its name stands for."""
    if type(value) is int:
        return within(value, field, "an int", low, high)
    from ordercascade.checks import WANTS
    return within(value, field, WANTS.get(field, "an int"), low, high)


cdef inline object _indexed(value, str field, str want):
    """What operator.index makes of an object that is no int; its own errors pass unchanged."""
    from math import isfinite
    from operator import index
    from numpy import bool_
    from ordercascade.errors import InputTypeError
    if isinstance(value, (bool, bool_)) or not hasattr(type(value), "__index__"):
        is_price = field == "price" and isinstance(value, float) and isfinite(value)
        hint = f"use market.to_ticks({float(value)})" if is_price else ""
        raise InputTypeError(field, want, type(value).__name__, hint=hint)
    return index(value)
