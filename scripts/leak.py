"""Train and test one model by four protocols that share more or less between training and test: what does a leak hide?

    python scripts/leak.py CACHE --out FOLDER --seeds 0 1 2
    python scripts/write_results.py FOLDER/leak-*

Started again, it goes on where it was stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from leak_section import PREFIX, PROTOCOL_NAMES
from named_runs import NamedRun, ended, parser_of, plan_of, run_all


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the protocols; returns the exit code."""
    given = parser_of(__doc__).parse_args(arguments)

    def work() -> None:
        runs = [NamedRun(PREFIX + name, plan_of(given, name)) for name in PROTOCOL_NAMES]
        run_all(runs, given.out, jobs=given.jobs)

    return ended("leak", work)


if __name__ == "__main__":
    sys.exit(main())
