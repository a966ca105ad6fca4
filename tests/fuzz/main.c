/* libFuzzer around the compiled modules: Python starts once, then only the nogil entry runs. */
#include <Python.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef int (*entry)(const uint8_t *, size_t);
static entry one;

static void fail(const char *what) {
    fprintf(stderr, "fuzz: %s\n", what);
    PyErr_Print();
    abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    PyObject *module, *capi, *capsule, *done;
    (void)argc;
    (void)argv;
    Py_InitializeEx(0);
    module = PyImport_ImportModule(ENTRY);
    if (!module) fail("cannot import " ENTRY "; set PYTHONPATH");
    capi = PyObject_GetAttrString(module, "__pyx_capi__");
    capsule = capi ? PyDict_GetItemString(capi, "one") : NULL;
    if (!capsule) fail(ENTRY " has no entry");
    one = (entry)PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));
    done = PyObject_CallMethod(module, "prepare", NULL);
    if (!done) fail("prepare() failed");
    PyEval_SaveThread();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (one(data, size) < 0) {
        PyGILState_Ensure();
        fail("a law is broken");
    }
    return 0;
}
