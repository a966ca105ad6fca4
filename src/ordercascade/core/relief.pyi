# No Python surface: see the .pxd beside.
