"""Random operations against the twins, replayed or soaked; `--help` says how.

python -m tests.swarm --target venue --seed 123 --ops 400     one seed, exactly
python -m tests.swarm --soak 100000000                        hours, on all cores
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `reference`, `swarm`

from swarm.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
