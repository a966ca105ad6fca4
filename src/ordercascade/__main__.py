"""`python -m ordercascade` is the command `ordercascade`."""

from ordercascade.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
