"""Hand columns over as an Arrow C stream: no copy, no Arrow library, no build dependency.

One record batch a block. Each column of each batch holds its own reference to the array it shows,
so a consumer may outlive the tape. Layout: the Arrow C data and C stream interfaces.
"""

import numpy as np

from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EINVAL, ENOMEM
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memset


cdef void* _new(int64_t size) except NULL:
    cdef void* memory = PyMem_RawCalloc(1, <size_t>size)
    if memory == NULL:
        raise MemoryError()
    return memory


# Releasing. A consumer may move a child out before it releases the parent: its `release` is NULL.

cdef void _release_schema(ArrowSchema* schema) noexcept nogil:
    cdef int64_t i
    for i in range(schema.n_children):
        if schema.children[i] != NULL:
            if schema.children[i].release != NULL:
                schema.children[i].release(schema.children[i])
            PyMem_RawFree(schema.children[i])
    PyMem_RawFree(schema.children)
    if schema.dictionary != NULL:
        if schema.dictionary.release != NULL:
            schema.dictionary.release(schema.dictionary)
        PyMem_RawFree(schema.dictionary)
    schema.release = NULL
    if schema.private_data != NULL:
        with gil:
            Py_DECREF(<object>schema.private_data)


cdef void _release_array(ArrowArray* array) noexcept nogil:
    cdef int64_t i
    for i in range(array.n_children):
        if array.children[i] != NULL:
            if array.children[i].release != NULL:
                array.children[i].release(array.children[i])
            PyMem_RawFree(array.children[i])
    PyMem_RawFree(array.children)
    if array.dictionary != NULL:
        if array.dictionary.release != NULL:
            array.dictionary.release(array.dictionary)
        PyMem_RawFree(array.dictionary)
    PyMem_RawFree(array.buffers)
    array.release = NULL
    if array.private_data != NULL:
        with gil:
            Py_DECREF(<object>array.private_data)


cdef void _release_stream(ArrowArrayStream* stream) noexcept nogil:
    stream.release = NULL
    if stream.private_data != NULL:
        with gil:
            Py_DECREF(<object>stream.private_data)
        stream.private_data = NULL


cdef void _drop_capsule(object capsule) noexcept:
    cdef ArrowArrayStream* stream = <ArrowArrayStream*>PyCapsule_GetPointer(
        capsule, "arrow_array_stream")
    if stream.release != NULL:
        stream.release(stream)
    PyMem_RawFree(stream)


# Filling. The private data of every part is the Python object whose memory it shows.

cdef int _hold(void** place, object held) except -1:
    Py_INCREF(held)
    place[0] = <void*>held
    return 0


cdef int _schema_start(ArrowSchema* schema, const char* kind, bytes name, int children) except -1:
    memset(schema, 0, sizeof(ArrowSchema))
    schema.release = _release_schema
    schema.format = kind
    schema.name = name
    _hold(&schema.private_data, name)
    if children:
        schema.children = <ArrowSchema**>_new(children * sizeof(ArrowSchema*))
        schema.n_children = children
    return 0


cdef int _array_start(ArrowArray* array, int64_t rows, object held, int buffers,
                      int children) except -1:
    memset(array, 0, sizeof(ArrowArray))
    array.release = _release_array
    array.length = rows
    _hold(&array.private_data, held)
    array.buffers = <const void**>_new(buffers * sizeof(void*))
    array.n_buffers = buffers
    if children:
        array.children = <ArrowArray**>_new(children * sizeof(ArrowArray*))
        array.n_children = children
    return 0


cdef const void* _address(object array):
    return <const void*><uintptr_t>array.ctypes.data


cdef class _Words:
    """The words of an enumeration as an Arrow string array: offsets and bytes."""

    cdef readonly tuple words
    cdef object offsets
    cdef object text

    def __cinit__(self, words):
        self.words = tuple(words)
        parts = [word.encode() for word in self.words]
        self.offsets = np.cumsum([0, *map(len, parts)], dtype=np.int32)
        self.text = np.frombuffer(b"".join(parts) or b"\0", dtype=np.uint8)

    cdef int fill(self, ArrowArray* array) except -1:
        _array_start(array, len(self.words), self, 3, 0)
        array.buffers[1] = _address(self.offsets)
        array.buffers[2] = _address(self.text)
        return 0


cdef class _Stream:
    """What is left to hand over: the columns' names and words, and the batches."""

    cdef tuple names
    cdef tuple words
    cdef list batches
    cdef int at
    cdef bytes error

    def __cinit__(self, names, words, batches):
        self.names = tuple(name.encode() for name in names)
        self.words = tuple(None if each is None else _Words(each) for each in words)
        self.batches = [tuple(batch) for batch in batches]
        self.error = b""

    cdef int failed(self, object error) noexcept:
        """Keep what get_last_error will say; a C caller takes only a number."""
        self.error = str(error).encode() or b"out of memory"
        return ENOMEM if isinstance(error, MemoryError) else EINVAL

    cdef int schema(self, ArrowSchema* root) except -1:
        cdef int c
        cdef ArrowSchema* child
        _schema_start(root, "+s", b"", len(self.names))
        for c, name in enumerate(self.names):
            root.children[c] = child = <ArrowSchema*>_new(sizeof(ArrowSchema))
            width = self.batches[0][c].itemsize
            _schema_start(child, "l" if width == 8 else "i" if width == 4 else "c", name, 0)
            if self.words[c] is not None:
                child.dictionary = <ArrowSchema*>_new(sizeof(ArrowSchema))
                _schema_start(child.dictionary, "u", b"", 0)
        return 0

    cdef int next(self, ArrowArray* root) except -1:
        cdef int c
        cdef ArrowArray* child
        memset(root, 0, sizeof(ArrowArray))
        if self.at == len(self.batches):
            return 0
        batch = self.batches[self.at]
        self.at += 1
        _array_start(root, len(batch[0]), self, 1, len(batch))
        for c, column in enumerate(batch):
            root.children[c] = child = <ArrowArray*>_new(sizeof(ArrowArray))
            _array_start(child, len(column), column, 2, 0)
            child.buffers[1] = _address(column)
            words = self.words[c]
            if words is not None:
                # An index beyond its dictionary would crash some consumers instead of failing.
                if len(column) and not 0 <= column.min() <= column.max() < len(words.words):
                    raise ValueError(f"column {self.names[c].decode()} has a number with no name")
                child.dictionary = <ArrowArray*>_new(sizeof(ArrowArray))
                (<_Words>words).fill(child.dictionary)
        return 0


cdef int _get_schema(ArrowArrayStream* stream, ArrowSchema* out) noexcept with gil:
    cdef _Stream own = <_Stream>stream.private_data
    out.release = NULL
    try:
        return own.schema(out)
    except BaseException as error:
        if out.release != NULL:
            out.release(out)
        return own.failed(error)


cdef int _get_next(ArrowArrayStream* stream, ArrowArray* out) noexcept with gil:
    cdef _Stream own = <_Stream>stream.private_data
    out.release = NULL
    try:
        return own.next(out)
    except BaseException as error:
        if out.release != NULL:
            out.release(out)
        return own.failed(error)


cdef const char* _get_last_error(ArrowArrayStream* stream) noexcept with gil:
    return (<_Stream>stream.private_data).error


def stream(names, words, batches):
    """Return an `arrow_array_stream` capsule over `batches`, each a tuple of one array a column.

    Arrays are contiguous int64, int32 or int8, of one length and kind a column; `words[c]` are the
    names of the numbers 0, 1, ... in an int8 column, or None. At least one batch, perhaps empty.
    """
    cdef ArrowArrayStream* out
    own = _Stream(names, words, batches)
    # The stream reads its lists without bounds checks.
    if not own.batches or len(own.words) != len(own.names):
        raise ValueError("a stream needs at least one batch, and words or None for every column")
    for batch in own.batches:
        if len(batch) != len(own.names):
            raise ValueError(f"a batch must have {len(own.names)} columns, not {len(batch)}")
        for column in batch:
            if not column.flags.c_contiguous or column.dtype.kind != "i":
                raise TypeError("a column must be a contiguous array of signed integers")
    out = <ArrowArrayStream*>_new(sizeof(ArrowArrayStream))
    out.get_schema = _get_schema
    out.get_next = _get_next
    out.get_last_error = _get_last_error
    out.release = _release_stream
    _hold(&out.private_data, own)
    return PyCapsule_New(out, "arrow_array_stream", _drop_capsule)
