"""Write the vectors of entries, envelopes and ciphertexts.

    python -m tools.vectors            writes each `vectors.json`
    python -m tools.vectors --check    exits with 1 if one is not current

A change of one is a change of a format: it must not happen by itself, so `tools/refresh` does not write them.
"""

import sys

from tools.vectors import ciphertexts, entries, envelopes

EVERY = {each.FILE: each.text for each in (entries, envelopes, ciphertexts)}


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    if arguments == ["--check"]:
        return 0 if all(file.read_text(encoding="ascii") == text() for file, text in EVERY.items()) else 1
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    for file, text in EVERY.items():
        file.write_text(text(), encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
