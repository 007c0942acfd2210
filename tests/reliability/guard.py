"""What a hostile input may end in: success or one of our errors, soon, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge2torch.errors import Edge2TorchError

LIMIT = 5.0  # seconds of computing

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = (
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "os.truncate",
)
_HARMLESS = ("/dev/null", "/dev/shm")  # noqa: S108 - not used, allowed


class Forbidden(BaseException):
    """Something was done that no file may cause; not an Exception, so that none swallows it."""


class TooLong(BaseException):
    """The time was up."""


_home: list[Path] = []  # the folder that may be written to, while the guard stands


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not _home:
        return
    if event == "pickle.find_class":
        raise Forbidden(f"unpickles {arguments}")
    if event in (
        "socket.connect",
        "socket.getaddrinfo",
        "os.system",
        "subprocess.Popen",
        "os.exec",
    ):
        raise Forbidden(f"{event} {arguments}")
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
        _inside(arguments[0])
    if event in _CHANGES:
        _inside(arguments[0])


def _inside(path: Any) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return  # a descriptor that is open already
    text = os.path.realpath(os.fsdecode(path))
    if not text.startswith((f"{_home[0]}{os.sep}", *_HARMLESS)) and text != str(_home[0]):
        raise Forbidden(f"writes {text}")


def _late(*_: object) -> None:
    raise TooLong


@contextlib.contextmanager
def guarded(home: Path) -> Iterator[None]:
    """Refuse unpickling, the network, other programs and writes outside a folder; watch the time.

    The time is that of the processor, so that a busy machine fails nobody.
    """
    if not getattr(sys, "_reliability_watch", False):  # an audit hook stays for good: one is enough
        sys.addaudithook(_watch)
        sys._reliability_watch = True  # type: ignore[attr-defined]
    before = signal.signal(signal.SIGPROF, _late)
    _home.append(Path(os.path.realpath(home)))
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        _home.clear()
        signal.signal(signal.SIGPROF, before)


def outcome(call: Callable[[], object], home: Path) -> str:
    """Run a call under guard: ``"read"``, ``"refused"``, or what it should not have done."""
    try:
        with guarded(home), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except Edge2TorchError:
        return "refused"
    except SystemExit as end:  # of the command line: 1 for our errors, 2 for wrong options
        return {0: "read", 1: "refused", 2: "refused"}.get(end.code, f"exit code {end.code}")  # type: ignore[call-overload]
    except TooLong:
        return f"took over {LIMIT:.0f} s"
    except (Exception, Forbidden) as error:  # noqa: BLE001 - every one of them is a finding
        place = next(
            (f"{Path(f.filename).name}:{f.lineno}" for f in reversed(traceback.extract_tb(error.__traceback__))
             if "edge2torch" in f.filename), "?"
        )  # fmt: skip
        return f"{type(error).__name__} at {place}: {str(error)[:120]}"
    return "read"
