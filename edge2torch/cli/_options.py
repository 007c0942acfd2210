"""Errors and lines of the library speak of arguments; a user of the command line typed options."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from typer.core import TyperGroup

from edge2torch.errors import Edge2TorchError

# Arguments whose option has another name.
_OTHERWISE = {"folder": "out", "max_epochs": "epochs"}


class Commands(TyperGroup):
    """Commands whose errors name options."""

    def invoke(self, ctx: Any) -> Any:
        """Call a command; what it raises says ``--edges`` where the library says ``edges``."""
        try:
            return super().invoke(ctx)
        except Edge2TorchError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            error.args = (as_options(str(error), _names(command), start=True),)
            raise


def _names(command: Any) -> set[str]:
    """Arguments of a command that are options, and of all commands below a group."""
    if hasattr(command, "commands"):
        return set().union(*map(_names, command.commands.values()))
    options = getattr(command, "params", [])
    names = {str(one.name) for one in options if one.param_type_name == "option"}
    return names | {argument for argument, name in _OTHERWISE.items() if name in names}


def as_options(text: str, names: Collection[str], *, start: bool = False) -> str:
    """Turn ``impute=True`` into ``--impute``, and with ``start`` a name that comes first as well."""
    known = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    if not known:
        return text

    def option(name: str) -> str:
        return f"--{_OTHERWISE.get(name, name).replace('_', '-')}"

    def with_value(found: re.Match[str]) -> str:
        value = (found[2] or "").strip("'\"")
        return option(found[1]) + (f" {value}" if value not in ("", "True") else "")

    if start:
        text = re.sub(
            rf"^(?:{known})(?: and (?:{known}))?\b(?!=)",
            lambda found: " and ".join(map(option, found[0].split(" and "))),
            text,
        )
    return re.sub(rf"(?<![\w-])({known})=('[^']*'|\"[^\"]*\"|\w+)?", with_value, text)
