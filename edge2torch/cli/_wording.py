"""Messages of the library speak of arguments; on the command line these are options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable
from typing import Any

_ARGUMENT = re.compile(r"(?<![\w.'\"-])([a-z][a-z_]*)=('[^']*'|\"[^\"]*\"|[\w.+-]*)")


def options_of(command: Any, given: Iterable[str]) -> set[str]:
    """Options of the command that the words of a line lead to."""
    for word in given:
        command = getattr(command, "commands", {}).get(word, command)
    return {word for one in command.params for word in (*one.opts, *one.secondary_opts)}


def as_options(text: str, options: Collection[str]) -> str:
    """Write ``min_samples=6`` as ``--min-samples 6`` where the command has such an option."""

    def option(match: re.Match[str]) -> str:
        name, value = f"--{match[1].replace('_', '-')}", match[2].strip("'\"")
        if name not in options:
            return match[0]
        # a flag takes no value; nor does an argument that is only named, such as covariates=
        return name if value in ("True", "") else f"{name} {shlex.quote(value)}"

    return _ARGUMENT.sub(option, text)
