"""A command from the signature of a function: an option is written once, with its help.

A parameter ``learning_rate: Annotated[float, "Of Adam."] = 0.002`` becomes ``--learning-rate``; a
second text names its panel. A bool is a flag, ``tuple[str, ...]`` is split at commas, and a
:class:`Console` is ``--quiet``. A dataclass stands for an option per field: one of ours has the help
with its fields, and ``Annotated[Survival, "Survival"]`` is a panel; of one of the library the help is
the first sentence of each parameter in its docstring, and
``Annotated[StudySettings, {"Training": ("seed",)}, {"seeds": 5}, {"outputs": "..."}]`` says which
fields are options, in panels, and what else differs: defaults, and texts or types with their text. What is written
``typer.Option`` or ``typer.Argument`` stays.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from edge2torch._core.console import Console
from edge2torch._core.names import nearest
from edge2torch.cli._wording import option_of, say
from edge2torch.errors import Edge2TorchError

# What more than one command asks for.
DATA = "h5ad, or CSV, TSV or Parquet with a row per sample."
LAYER = "Layer of the h5ad file, or raw; default X."
FEATURE_NAMES = "Column of var (h5ad) that holds the nodes' names."
OUTPUTS = "Nodes to read, separated by commas; default: the graph's ends."
File = Path | None
Text = str | None

_CHOICES_WIDTH = 10  # as they stand beside an option
_NAMES = tuple[str, ...]
_COUNT_OR_COLUMN = int | str | None
_QUIET = typer.Option("--quiet", "-q", help="Print nothing but errors.")


def changed(options: Any) -> list[str]:
    """Names of the fields of a dataclass that hold something else than their defaults."""
    fields = dataclasses.fields(options)
    return [one.name for one in fields if getattr(options, one.name) != one.default]


def refuse(given: list[str], why: str) -> None:
    """Say of the first option that was given for nothing why it is one too many."""
    if given:
        raise Edge2TorchError(f"{given[0]}= {why}")


def refuse_without(needed: str, options: Any, *names: str) -> None:
    """Refuse options that say nothing, for the one that they are about is not there."""
    if not getattr(options, needed):
        refuse(
            [name for name in changed(options) if name in names],
            f"says nothing without {needed}=. Give both, or leave it out.",
        )


class _Flags:
    """Shows a flag as a flag: typer writes ``<bool>`` beside it, which reads like a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Offer the nearest choice for one that is not; without the words of typer's validator."""
        try:
            return super().parse_args(ctx, args)  # type: ignore[misc, no-any-return]
        except typer.BadParameter as error:
            error.message = (error.message or "").removeprefix("Value error, ")
            wrong, _, choices = error.message.partition(" is not one of ")
            error.message += nearest(wrong.strip("'"), re.findall("'([^']*)'", choices))
            raise

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, as they are for one call or one page of help."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for one in parameters:
            if getattr(one, "is_flag", False):
                one.metavar = ""
        return parameters

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Say in the help what else a flag is called: columns for that cut long names on 80."""
        shown = copy(self)
        shown.params = [_in_one_column(one) for one in self.params]  # type: ignore[attr-defined]
        super(_Flags, shown).format_help(ctx, formatter)  # type: ignore[misc]


def _in_one_column(parameter: Any) -> Any:
    """Name the opposite of a flag, and its short form, in its help."""
    first, further = parameter.opts[0], [*parameter.opts[1:], *parameter.secondary_opts]
    if not further:
        return parameter
    shown = copy(parameter)
    shown.help = f"{parameter.help} Or {', '.join(further)}."
    shown.opts, shown.secondary_opts = [first], []
    return shown


class Command(_Flags, TyperCommand):
    """A command whose help shows flags as flags."""


class Group(_Flags, TyperGroup):
    """The same for what has commands below it."""


def command(
    app: typer.Typer, name: str, example: str, *, panel: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command of a function; its help ends with the example."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        epilog = f"Example: `edge2torch {example}`"
        called = with_options(function)
        app.command(name, cls=Command, epilog=epilog, rich_help_panel=panel)(called)
        return function

    return add


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Return the function with a parameter for each option, as typer reads it."""
    shown: list[inspect.Parameter] = []
    made_of: dict[str, Callable[[dict[str, Any]], Any]] = {}
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        kind, *about = _split(hints[name])
        if kind is Console:
            shown.append(_parameter("quiet", Annotated[bool, _QUIET], False))
            made_of[name] = lambda given: Console(given.pop("quiet"), say)
        elif dataclasses.is_dataclass(kind):
            options, made_of[name] = _of_dataclass(kind, *about)
            shown += options
        else:
            shown.append(_option(name, hints[name], parameter.default))
            made_of[name] = _taken(name, kind)

    def call(**given: Any) -> None:
        made = {name: make(given) for name, make in made_of.items()}
        console = next((one for one in made.values() if isinstance(one, Console)), Console())
        with console.warnings_as_notes():
            function(**made)

    call.__doc__ = function.__doc__
    call.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in shown}
    return call


def _of_dataclass(
    kind: Any,
    panels: str | dict[str, tuple[str, ...]] | None = None,
    defaults: dict[str, Any] | None = None,
    texts: dict[str, Any] | None = None,
) -> tuple[list[inspect.Parameter], Callable[[dict[str, Any]], Any]]:
    """Options for the fields, and what makes an instance of what was given for them."""
    hints, defaults = get_type_hints(kind, include_extras=True), defaults or {}
    if isinstance(panels, dict):
        texts = {**_first_sentences(kind.__doc__ or ""), **(texts or {})}
        panel = {name: title for title, names in panels.items() for name in names}
        hints = {name: _shown(hints[name], texts[name], panel[name]) for name in panel}
    elif panels is not None:
        hints = {name: Annotated[hint, panels] for name, hint in hints.items()}
    fields = {one.name: one.default for one in dataclasses.fields(kind)} | defaults
    taken = {name: _taken(name, _split(hint)[0]) for name, hint in hints.items()}

    def make(given: dict[str, Any]) -> Any:
        return kind(**{**defaults, **{name: take(given) for name, take in taken.items()}})

    return [_option(name, hint, fields[name]) for name, hint in hints.items()], make


def _shown(hint: Any, text: Any, panel: str) -> Any:
    """A text may say a narrower type, where a command takes less."""
    hint, text = (hint, text) if get_origin(text) is not Annotated else get_args(text)
    return Annotated[hint, text, panel]


def _first_sentences(doc: str) -> dict[str, str]:
    """Of a numpydoc docstring: what each parameter is, in short."""
    section = inspect.cleandoc(doc).partition("Parameters\n-")[2]
    found = re.findall(r"^(\w+) :.*\n((?: {4}.*\n)+)", section, re.MULTILINE)
    return {name: re.split(r"(?<=\.)\s", " ".join(text.split()))[0] for name, text in found}


def _option(name: str, hint: Any, default: Any) -> inspect.Parameter:
    kind, about, *panel = _split(hint)
    if isinstance(about, str):
        # named in full, or typer would add --no-x to every flag
        off = f"/{option_of(f'no_{name}')}" if kind == bool | None else ""
        about = typer.Option(option_of(name) + off, help=about)
    if panel:
        about = copy(about)
        about.rich_help_panel = panel[0]
    choices = [
        word
        for one in (kind, *get_args(kind))
        if get_origin(one) is Literal
        for word in get_args(one)
    ]
    if len("|".join(choices)) > _CHOICES_WIDTH:
        about = copy(about)
        about.metavar, about.help = "<word>", f"{about.help} One of {', '.join(choices)}."
    if kind == _NAMES:
        kind, default = str, ",".join(default)
    if kind == _COUNT_OR_COLUMN:
        kind, about = str | None, copy(about)
        about.metavar = "<int or column>"
    return _parameter(name, Annotated[kind, about], default)


def _parameter(name: str, hint: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _split(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is Annotated else (hint,)


def _taken(name: str, kind: Any) -> Callable[[dict[str, Any]], Any]:
    """What takes an option out of those that were given, as the function wants it."""

    def take(given: dict[str, Any]) -> Any:
        value = given.pop(name)
        if kind == _NAMES:
            return tuple(one.strip() for one in value.split(",") if one.strip())
        if kind == _COUNT_OR_COLUMN and value is not None and value.isdecimal():
            return int(value)
        return value

    return take
