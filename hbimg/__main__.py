"""`python -m hbimg` is `hbimg`."""

from __future__ import annotations

from hbimg.cli import main

if __name__ == "__main__":
    main()
