"""`python -m tests.powercut [replay] [uml] [options]`: cut the power, count what was lost.

Without a method's name both run, one after the other. Options go to every method; each takes those
it knows. Exit code 1 if anything was lost or is corrupt.
"""

from __future__ import annotations

import sys

METHODS = ("replay", "uml")


def main(arguments: list[str]) -> int:
    chosen = [name for name in METHODS if name in arguments] or list(METHODS)
    options = [argument for argument in arguments if argument not in METHODS]
    codes = []
    for name in chosen:
        # Each needs software of its own: what is not asked for need not be there.
        if name == "replay":
            from tests.powercut import replay

            codes.append(replay.main(options))
        else:
            from tests.powercut import uml

            codes.append(uml.main(options))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
