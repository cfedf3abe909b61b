"""How long `hbimg --help` takes, beside an empty Python and a Python that imports click.

python bench/startup.py [--repeats 20]
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from harness import Contender, interleave, print_table


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    chosen = parser.parse_args()
    commands = {
        "hbimg --help": [sys.executable, "-m", "hbimg", "--help"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    contenders = [
        Contender(name, lambda command=command: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
        for name, command in commands.items()
    ]
    interleave(contenders, chosen.repeats)
    print_table("Start-up", contenders, 0)


if __name__ == "__main__":
    main()
