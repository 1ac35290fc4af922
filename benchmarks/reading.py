"""Speed of reading a listener's own streaming history.

Usage: `python benchmarks/reading.py [--quick]`. Reads a synthetic export of 150,000 plays from its
zip to the finished tables, in one process. Also decodes its JSON, already in memory, in our way,
which makes values of the keys that are read and of no others, and by Python's own json.

Prints the plays per second of each, the median of five rounds.
"""

import json
import tempfile
from pathlib import Path

from arguments import make_parser
from rounds import run_in_turn, timed

from skipcast.archive.history_files import find_histories, is_history
from skipcast.archive.history_rows import ROWS
from skipcast.archive.streaming_history import read_history
from skipcast.twin.export import write_exports

PLAYS, QUICK_PLAYS = 150_000, 2_000


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="few plays, one round")
    quick = parser.parse_args().quick
    plays = QUICK_PLAYS if quick else PLAYS
    with tempfile.TemporaryDirectory() as folder:
        (export,) = write_exports(Path(folder, "exports"), listeners=1, plays=plays, seed=0)
        (files,) = find_histories(export, print).values()
        texts = [file.read() for file in files]
        print(f"{len(files)} files of {sum(map(len, texts)) / 1e6:.1f} MB in all")
        sides = {
            "from the zip to the tables": lambda: (is_history(export), read_history(export)),
            "decoding the JSON": lambda: [ROWS.decode(text) for text in texts],
            "decoding by Python's own json": lambda: [json.loads(text) for text in texts],
        }
        rounds = run_in_turn(
            {name: timed(task) for name, task in sides.items()},
            rounds=1 if quick else 5,
            warm_up=1,
        )
    for name in sides:
        print(f"{name}: {plays / rounds.median(name):,.0f} plays/s")


if __name__ == "__main__":
    main()
