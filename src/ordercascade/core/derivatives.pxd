# Doors of options and portfolio margin, for Python alone.
