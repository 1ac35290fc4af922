"""How the benchmarks read their command line."""

import argparse

from skipcast.models.families import FAMILIES, Family


def make_parser(text: str | None) -> argparse.ArgumentParser:
    """Return a parser whose `--help` shows `text`, the docstring of a benchmark, as it stands."""
    return argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def parse_family(name: str) -> Family:
    """Return the family that an argument names.

    Raises:
        ArgumentTypeError: there is no such family.
    """
    if name not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise argparse.ArgumentTypeError(f"A family must be one of {known} but got {name}.")
    return name
