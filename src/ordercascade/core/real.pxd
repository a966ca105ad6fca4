# Real numbers for what is drawn before a run: the one file with exp and log (SEMANTICS §7).
#
# Only + - * / and the exact functions frexp, ldexp, floor and sqrt are used, in a stated order and
# without contraction, so that a seed gives the same integers on every platform.
from libc.math cimport floor, frexp, ldexp, sqrt
from libc.stdint cimport int64_t, uint64_t
from ordercascade.core.stream cimport Stream, stream_word

cdef enum:
    INT_SAFE_BITS = 62      # to_int() clips here: beyond every bound of the ledger


cdef inline double real_log(double x) noexcept nogil:
    """The natural logarithm of x > 0, to about an ulp: x = m 2**e, log m by its atanh series."""
    cdef int e
    cdef double m = frexp(x, &e)
    cdef double s, z, sum
    cdef int k
    if m < 0.70710678118654752:
        m = m * 2.0
        e -= 1
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    sum = 0.0
    k = 23
    while k > 1:
        sum = (sum + 1.0 / <double>k) * z
        k -= 2
    sum = 2.0 * s + 2.0 * s * sum
    # ln 2 in two parts: the first has so few digits that e times it is exact.
    return <double>e * 0.693147180369123816490 + (sum + <double>e * 1.90821492927058770002e-10)


cdef inline double real_exp(double x) noexcept nogil:
    """e**x to about an ulp: x = k ln 2 + r, e**r by its series; 0 or the largest beyond range."""
    cdef double k, r, sum
    cdef int n
    if x > 709.0:
        x = 709.0
    if x < -745.0:
        return 0.0
    k = floor(x * 1.44269504088896338700 + 0.5)
    r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10
    sum = 1.0
    n = 14
    while n > 0:
        sum = 1.0 + sum * r / <double>n
        n -= 1
    return ldexp(sum, <int>k)


cdef inline double real_power(double x, double y) noexcept nogil:
    """x**y of x >= 0 and y > 0."""
    if x <= 0.0:
        return 0.0
    return real_exp(y * real_log(x))


cdef inline int64_t to_int(double x) noexcept nogil:
    """The floor of a real as an integer, clipped to 62 bits: the one way out of the reals."""
    cdef double edge = ldexp(1.0, INT_SAFE_BITS)
    if x >= edge:
        return <int64_t>1 << INT_SAFE_BITS
    if x <= -edge:
        return -(<int64_t>1 << INT_SAFE_BITS)
    return <int64_t>floor(x)


cdef inline double real_uniform(Stream* s) noexcept nogil:
    """A uniform real strictly inside (0, 1): 52 bits and a half."""
    return (<double>(stream_word(s) >> 12) + 0.5) * 2.220446049250313e-16


cdef inline double normal_quantile(double u) noexcept nogil:
    """z with Phi(z) = u: Wichura's AS 241 (Applied Statistics 37, 1988), 16 digits."""
    cdef double q = u - 0.5
    cdef double r
    if -0.425 <= q <= 0.425:
        r = 0.180625 - q * q
        return q * (((((((
            2509.0809287301226727 * r + 33430.575583588128105) * r
            + 67265.770927008700853) * r + 45921.953931549871457) * r
            + 13731.693765509461125) * r + 1971.5909503065514427) * r
            + 133.14166789178437745) * r + 3.387132872796366608) / (((((((
                5226.495278852854561 * r + 28729.085735721942674) * r
                + 39307.89580009271061) * r + 21213.794301586595867) * r
                + 5394.1960214247511077) * r + 687.1870074920579083) * r
                + 42.313330701600911252) * r + 1.0)
    r = sqrt(-real_log(u if q < 0.0 else 1.0 - u))
    if r <= 5.0:
        r = r - 1.6
        r = (((((((
            7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r
            + 0.24178072517745061177) * r + 1.27045825245236838258) * r
            + 3.64784832476320460504) * r + 5.7694972214606914055) * r
            + 4.6303378461565452959) * r + 1.42343711074968357734) / (((((((
                1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r
                + 0.0151986665636164571966) * r + 0.14810397642748007459) * r
                + 0.68976733498510000455) * r + 1.6763848301838038494) * r
                + 2.05319162663775882187) * r + 1.0)
    else:
        r = r - 5.0
        r = (((((((
            2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r
            + 0.0012426609473880784386) * r + 0.026532189526576123093) * r
            + 0.29656057182850489123) * r + 1.7848265399172913358) * r
            + 5.4637849111641143699) * r + 6.6579046435011037772) / (((((((
                2.04426310338993978564e-15 * r + 1.4215117583164458887e-7) * r
                + 1.8463183175100546818e-5) * r + 7.868691311456132591e-4) * r
                + 0.0148753612908506148525) * r + 0.13692988092273580531) * r
                + 0.59983220655588793769) * r + 1.0)
    return -r if q < 0.0 else r


cdef inline double normal_share(double z) noexcept nogil:
    """Phi(z), to 1e-15, inside (0, 1): the series of Marsaglia (J. Stat. Softw. 11, 2004)."""
    cdef double term = z
    cdef double sum = z
    cdef double before = 0.0
    cdef double k = 1.0
    if z > 8.0:
        z = 8.0
    if z < -8.0:
        z = -8.0
    term = z
    sum = z
    while sum != before:
        before = sum
        k = k + 2.0
        term = term * z * z / k
        sum = sum + term
    sum = 0.5 + sum * real_exp(-0.5 * z * z) * 0.39894228040143267794
    if sum < 1e-15:
        return 1e-15
    if sum > 1.0 - 1e-15:
        return 1.0 - 1e-15
    return sum


cdef inline double normal_below(double z) noexcept nogil:
    """Phi(z) to 1e-15, its lower tail to 4e-9 of itself.

    Hart's quotient (1968) as West has it (Wilmott, 2005), far out the tail's continued fraction.
    """
    cdef double x = -z if z < 0.0 else z
    cdef double top, bottom, tail
    cdef int level
    if x > 37.5:
        tail = 0.0
    elif x < 7.07106781186547:
        top = ((((((0.0352624965998911 * x + 0.700383064443688) * x + 6.37396220353165) * x
                  + 33.912866078383) * x + 112.079291497871) * x + 221.213596169931) * x
               + 220.206867912376)
        bottom = (((((((0.0883883476483184 * x + 1.75566716318264) * x + 16.064177579207) * x
                      + 86.7807322029461) * x + 296.564248779674) * x + 637.333633378831) * x
                   + 793.826512519948) * x + 440.413735824752)
        tail = real_exp(-0.5 * x * x) * top / bottom
    else:
        bottom = x      # The tail's continued fraction, from its 16th level.
        level = 16
        while level > 0:
            bottom = x + <double>level / bottom
            level -= 1
        tail = real_exp(-0.5 * x * x) / (bottom * 2.5066282746310005)
    return 1.0 - tail if z > 0.0 else tail
