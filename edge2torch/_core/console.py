"""Where a run says what it does. The pipeline talks to this and never prints."""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from edge2torch._core.messages import note, require
from edge2torch.errors import Edge2TorchWarning

_EVERY = 30.0  # seconds between two lines in a log
_PATIENCE = 3.0  # seconds before a progress bar appears
_REFRESHED = 0.1  # seconds


def is_watched() -> bool:
    """Tell whether somebody looks on: a terminal, or a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def progress_bar(name: str, total: int | None, *, quiet: bool, done: int = 0) -> Any:
    """Return a bar on stderr, a context whose ``update`` counts: for calls of the library that take seconds.

    It appears after a while, where somebody looks on, and goes again. Without a total it counts.
    """
    return require("tqdm").tqdm(  # comes with Captum
        total=total,
        initial=done,
        desc=name,
        delay=_PATIENCE,
        mininterval=_REFRESHED,
        leave=False,
        disable=quiet or not is_watched(),
        file=sys.stderr,
    )


@dataclass(frozen=True)
class Console:
    """Lines on stdout and a progress bar on stderr; silent with ``quiet``.

    The bar shows on a terminal only: in a log file it would be noise, and a line now and then
    stands for it.
    """

    quiet: bool = False
    write: Callable[[str], None] | None = None  # print, where it is not given

    def say(self, message: str = "") -> None:
        """Hand on one line."""
        if not self.quiet:
            if self.write is None:
                print(message, flush=True)
            else:
                self.write(message)

    def heading(self, message: str) -> None:
        """Print a line that starts a section."""
        for line in ("", message, "-" * len(message)):
            self.say(line)

    @contextlib.contextmanager
    def warnings_as_notes(self) -> Iterator[None]:
        """Say warnings of ours, each once, without a line of code: the user wrote none."""
        noted: set[str] = set()
        with warnings.catch_warnings():
            warnings.simplefilter("always", Edge2TorchWarning)
            usual = warnings.showwarning

            def show(
                message: Warning | str,
                category: type[Warning],
                filename: str,
                lineno: int,
                file: TextIO | None = None,
                line: str | None = None,
            ) -> None:
                if issubclass(category, Edge2TorchWarning):
                    # every seed and replicate of a run may warn of the same
                    if str(message) not in noted:
                        note(str(message), quiet=self.quiet)
                    noted.add(str(message))
                else:
                    usual(message, category, filename, lineno, file, line)

            warnings.showwarning = show
            yield

    @contextlib.contextmanager
    def bytes_read(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Show a bar, and give what is told how many bytes of how many have been read."""
        tqdm = require("tqdm", extra="cli").tqdm
        how = {"unit": "B", "unit_scale": True, "leave": False, "file": sys.stderr}
        with tqdm(desc=f"  {name}", disable=True if self.quiet else None, **how) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield progress

    def count(
        self, count: int, name: str, unit: str, *, first: int = 0
    ) -> Iterator[tuple[int, Callable[[str], None]]]:
        """Count on a bar; each number comes with a function that shows a word beside it."""
        tqdm = require("tqdm", extra="cli").tqdm
        disable = True if self.quiet else None
        told = time.monotonic()
        with tqdm(
            total=count,
            initial=first,
            desc=f"  {name}",
            leave=False,
            disable=disable,
            file=sys.stderr,
        ) as bar:
            for k in range(first, count):
                yield k, bar.set_postfix_str
                bar.update()
                if not sys.stderr.isatty() and time.monotonic() - told > _EVERY:
                    self.say(f"  {name}: {k + 1} of {count} {unit}")
                    told = time.monotonic()
