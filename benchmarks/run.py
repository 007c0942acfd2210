"""Time this library beside its peers: same graphs, same data, same batch, one run.

python benchmarks/setup_peers.py            # once: the peers, each in its own environment
python benchmarks/run.py                    # everything that needs no further data
python benchmarks/run.py --case a --batch 64 --peers kpnn2      # one row of it
python benchmarks/run.py --case f g --data my_folder            # real graphs
python benchmarks/run.py --series --case none                   # doubling series only
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pandas as pd

from benchmarks.cases import CASES
from benchmarks.contenders import CONTENDERS, HERE, GaveUpError
from benchmarks.measure import Row, Settings, measure
from benchmarks.report import heading, markdown, with_ratios
from benchmarks.series import compile_series, memory_series, series_markdown


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cases = [*CASES, "all", "none"]
    parser.add_argument("--case", nargs="+", default=["all"], choices=cases, metavar="CASE")
    parser.add_argument("--batch", nargs="+", type=int, help="instead of each case's own")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    others = [name for name in CONTENDERS if name not in {"ours", "limit"}]
    parser.add_argument(
        "--peers", nargs="*", choices=others, metavar="NAME", help=f"of {', '.join(others)}"
    )
    parser.add_argument("--repeats", type=int, default=7, help="turns of each contender")
    parser.add_argument("--limit", type=float, default=120, help="seconds for one request")
    parser.add_argument("--memory-limit", type=float, default=_affordable(), help="GB")
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out")
    parser.add_argument("--series", action="store_true", help="also the doubling series")
    parser.add_argument("--data", type=Path, help="folder with the files of the real graphs")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--name", default="benchmark", help="of the files written to --out")
    return parser.parse_args()


def _affordable() -> float:
    """At most 12 GB, and at most 60 % of what the machine has."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):
        return 12.0
    return float(min(12, int(0.6 * total)))


def taking_part(names: tuple[str, ...], peers: list[str] | None) -> list[str]:
    """Who is timed: all of the case, or ours, the limit and those that were named."""
    if peers is None:
        return ["limit", *names]
    wanted = {"limit", "ours", *peers, *(CONTENDERS[name].against for name in peers)}
    return [name for name in ("limit", *names) if name in wanted]


def machine(settings: Settings) -> list[Row]:
    """Bandwidths and multiply-adds for each number of threads."""
    rows = []
    for threads in settings.threads:
        with settings.start("limit") as worker:
            rows.append({"threads": threads, **worker.ask("machine", threads=threads)})
    return rows


def main() -> None:
    options = arguments()
    settings = Settings(
        threads=tuple(options.threads),
        repeats=options.repeats,
        limit=options.limit,
        gigabytes=options.memory_limit,
        memory=not options.no_memory,
    )
    chosen = list(CASES) if "all" in options.case else [c for c in options.case if c != "none"]
    options.out.mkdir(parents=True, exist_ok=True)
    head = heading(settings, machine(settings))
    print(head)
    rows: list[Row] = []
    for name in chosen:
        case = CASES[name]
        print(f"  {case.name}: {case.title}", flush=True)
        names = taking_part(case.contenders, options.peers)
        rows += measure(case, names, options.batch or case.batches, settings, options.data)
        table = with_ratios(rows)  # written after every case: a run cut short keeps what it has
        table.to_csv(options.out / f"{options.name}.csv", index=False)
        text = f"{head}\n{markdown(table)}"
        (options.out / f"{options.name}.md").write_text(text, encoding="utf-8")
        print(f"\n{markdown(table[table['case'] == name])}", flush=True)
    if options.series:
        names = [name for name in ("ours", "kpnn2") if options.peers is None or name == "ours"]
        grown = memory_series(names, settings)
        compiled = compile_series(names, settings)
        pd.DataFrame([*grown, *compiled]).to_csv(
            options.out / f"{options.name}-series.csv", index=False
        )
        text = f"{series_markdown(grown)}\n{series_markdown(compiled)}"
        (options.out / f"{options.name}-series.md").write_text(text, encoding="utf-8")
        print(text)
    print(f"Written to {options.out}/{options.name}*.")


if __name__ == "__main__":
    try:
        main()
    except GaveUpError as reason:
        sys.exit(f"limit of the machine: {reason}")
