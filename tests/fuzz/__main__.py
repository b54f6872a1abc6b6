"""``python -m tests.fuzz readers [--cases N] [--seconds N] [--seed N]``: prints JSON lines; ends with 1 if something breaks or hangs."""

from __future__ import annotations

import argparse
import sys

from tests.fuzz import readers


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("what", choices=["readers"])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3_600.0, help="stop after so long, whatever the number of cases")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    return readers.run(cases=asked.cases, seconds=asked.seconds, seed=asked.seed)


if __name__ == "__main__":
    sys.exit(main())
