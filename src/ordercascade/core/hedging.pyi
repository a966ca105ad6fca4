# No Python surface: C functions for the other rooms of the core, see the .pxd beside.
