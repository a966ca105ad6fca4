# C only: see questions.pxd.
