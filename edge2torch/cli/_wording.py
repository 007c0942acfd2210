"""Messages of the library speak of arguments; on the command line these are options."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Collection, Iterable
from typing import Any

from edge2torch._core.messages import wording

_ARGUMENT = re.compile(
    r"(?<![\w.'\"-])([a-z][a-z_]*)="
    r"(\{'[^']*': -?\d\}|\[(?:'[^']*'|\"[^\"]*\"|[^][])*\]|'[^']*'|\"[^\"]*\"|(?:[\w+-]|\.(?=\w))*)"
)
_START = re.compile(r"[A-Za-z][a-z_]*(?: and [a-z][a-z_]*)?(?=[ :=,])")
# "names='name' (in a shell: --names name)": the call or word before the brackets is Python's, and
# so is that before it, where there are two.
_BOTH = re.compile(r"(?:\S+, or )?(?:[\w.]+\([^()]*\)|\S+) \(in a shell: ([^()]*)\)")
# Arguments whose option is called otherwise.
_OTHERWISE = {
    "folder": "out", "max_epochs": "epochs", "path": "to", "kind": "format", "duplicates": "join",
    "X": "data", "table": "flow", "module_ids": "module-id",
}  # fmt: skip


def options_of(command: Any, given: Iterable[str]) -> set[str]:
    """Options of the command that the words of a line lead to."""
    for word in given:
        command = getattr(command, "commands", {}).get(word, command)
    return {word for one in command.params for word in (*one.opts, *one.secondary_opts)}


def as_options(text: str, options: Collection[str], *, first: bool = False) -> str:
    """Write ``min_samples=6`` as ``--min-samples 6`` where the command has such an option.

    With ``first`` an argument that a message begins with is an option, too: ``--edges: ...``; the
    name of one that is no option, ``FILE: ...``, nobody typed. Of ``clean_names (in a shell:
    --clean-names)`` the shell's words remain.
    """

    def option(match: re.Match[str]) -> str:
        name = option_of(match[1], options)
        # {'binds': 0} is binds=0 there, and ['age', 'sex'] age,sex
        value = re.sub("['\"], ['\"]", ",", match[2].strip("{}[]")).replace("': ", "=").strip("'\"")
        if value == "False" and (off := f"{name[:2]}no-{name[2:]}") in options:
            return off
        if name not in options:
            return match[0]
        # a flag takes no value; nor does an argument that is only named, such as covariates=
        return name if value in ("True", "", name[2:]) else f"{name} {shlex.quote(value)}"

    text = _ARGUMENT.sub(option, _BOTH.sub(r"\1", text))
    if first and (place := text.partition(": ")[0]).isupper() and place.lower() in options:
        text = text.removeprefix(f"{place}: ")
    if first and (start := _START.match(text)):
        names = [option_of(name, options) for name in start[0].split(" and ")]
        if set(names) <= set(options):
            text = " and ".join(names) + text[start.end() :]
    return text


def option_of(argument: str, options: Collection[str] = ()) -> str:
    """Return the option that stands for an argument, of a command that has some."""
    if argument == "path" and "--out" in options and "--to" not in options:
        return "--out"
    return f"--{_OTHERWISE.get(argument, argument).replace('_', '-')}"


def typed() -> str:
    """What the user typed, to be repeated; to go on is no part of it."""
    return shlex.join(["edge2torch", *(part for part in sys.argv[1:] if part != "--resume")])


def say(line: str) -> None:
    """Print a line of the library as one of the command line."""
    print(wording.get()(line), flush=True)
