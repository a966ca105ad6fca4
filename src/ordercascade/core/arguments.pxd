# Python arguments as C integers, for every door of the core: integers of any kind, nothing else.
from libc.stdint cimport int64_t
from cpython.long cimport PyLong_AsLongLongAndOverflow


cdef extern from *:
    """
    /* Most arguments are small: their value is read where it lies, at a tenth of the cost. */
    static inline int oc_small(PyObject *value, int64_t *number) {
        if (!PyLong_Check(value) || PyBool_Check(value))
            return 0;
    #if PY_VERSION_HEX >= 0x030C0000
        if (!PyUnstable_Long_IsCompact((PyLongObject *)value))
            return 0;
        *number = PyUnstable_Long_CompactValue((PyLongObject *)value);
    #else
        if (Py_SIZE(value) < -1 || Py_SIZE(value) > 1)
            return 0;
        *number = Py_SIZE(value) * (int64_t)((PyLongObject *)value)->ob_digit[0];
    #endif
        return 1;
    }
    """
    bint oc_small(object value, int64_t* number)


cdef inline int64_t whole(value, str field, str want) except? -1:
    """An int argument as C. Integers of numpy are welcome; bools and floats are mistakes."""
    cdef int overflow = 0
    cdef int64_t number = 0
    if oc_small(value, &number):
        return number
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
