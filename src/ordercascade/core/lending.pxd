# No C surface: one Python function, see the .pyx beside.
