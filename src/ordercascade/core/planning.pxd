# Python functions only.
