"""The garbage collector, kept from what was imported."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imported_for_good() -> Iterator[None]:
    """Import without the collector, and keep it from all that is there then until ``gc.unfreeze()``.

    It would go through half a million objects that nobody gives up, again and again. For a process
    of the library's own: garbage that another program has made by then would stay as well.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


@contextmanager
def given_back(*, to_the_end: bool) -> Iterator[None]:
    """Give what was kept from the collector back to it, unless it was before.

    Or keep all that is there from it ``to_the_end`` of the process: before that it would go through
    everything once more, which takes longer than to read a table.
    """
    held = gc.get_freeze_count()
    try:
        yield
    finally:
        if to_the_end:
            gc.freeze()
        elif not held:
            gc.unfreeze()
