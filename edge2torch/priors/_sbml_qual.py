"""Logical models in SBML-qual files: who acts on whom, and with which sign."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.messages import listing, require
from edge2torch._core.packed import plain_suffix
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._documents import DECLARATION, scan_xml
from edge2torch.priors._logic import Rule, rises_and_falls
from edge2torch.priors._network import check_size, network_table, no_edges, without_names
from edge2torch.priors._rows import FilePath, bad_line, read_text

_QUAL = "/qual/version"
_DOCTYPE = re.compile(r"<!DOCTYPE[^\[>]*(?:\[[^\]]*\]\s*)?>")
_DEEPEST = 2_000  # Cell Collective writes a or b or c as ((a or b) or c), and some lists are long
_WORDS = ("positive", "negative", "dual", "unknown")  # as libsbml counts them
_DECLARED = {"positive": 1, "negative": -1, "dual": 0}


def read_sbml_qual(
    path: FilePath,
    *,
    signs: Literal["auto", "declared", "function"] = "auto",
    names: Literal["id", "name"] = "id",
    input_loops: Literal["drop", "keep"] = "drop",
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read a logical model, as Cell Collective, GINsim and BioModels give it.

    Needs libsbml: ``pip install "edge2torch[sbml]"``.

    Parameters
    ----------
    path : str or path
        A file of SBML level 3 with the package qual.
    signs : {"auto", "declared", "function"}
        By what an edge has its sign: as the file says, and where it says nothing by the function of
        the transition; by the file alone; or by the function alone. A function tells it by whether
        its result rises or falls with the input, over all levels of the others; it is tried where
        there are at most 4,096 combinations.
    names : {"id", "name"}
        What nodes are called. Names are kept beside ids as ``source_name`` and ``target_name``.
    input_loops : {"drop", "keep"}
        What becomes of nodes that do nothing but copy themselves, which is how inputs are often
        written. Other edges of a node to itself stay.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        ``source``, ``target``, ``sign`` (0 where both or neither), ``relation``, the file's word for
        it, and ``level``, the input's threshold, where the file has one. The rules themselves are
        left out: a compiled network learns its own.

    Raises
    ------
    Edge2TorchError
        With file and line: for broken XML, SBML of another level or without the package qual, and a
        transition of a species that is not there.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("model.sbml").write_text('''<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core"
    ... xmlns:qual="http://www.sbml.org/sbml/level3/version1/qual/version1" level="3" version="1"
    ... qual:required="true"><model id="m"><qual:listOfQualitativeSpecies>
    ... <qual:qualitativeSpecies qual:id="Raf" qual:compartment="c" qual:constant="false"/>
    ... <qual:qualitativeSpecies qual:id="Mek" qual:compartment="c" qual:constant="false"/>
    ... </qual:listOfQualitativeSpecies><qual:listOfTransitions><qual:transition>
    ... <qual:listOfInputs><qual:input qual:qualitativeSpecies="Raf" qual:sign="positive"
    ... qual:transitionEffect="none"/></qual:listOfInputs>
    ... <qual:listOfOutputs><qual:output qual:qualitativeSpecies="Mek"
    ... qual:transitionEffect="assignmentLevel"/></qual:listOfOutputs>
    ... </qual:transition></qual:listOfTransitions></model></sbml>''')
    >>> read_sbml_qual("model.sbml", quiet=True)
      source target  sign  relation
    0    Raf    Mek     1  positive
    """
    check_choice("signs", signs, ("auto", "declared", "function"))
    check_choice("names", names, ("id", "name"))
    check_choice("input_loops", input_loops, ("drop", "keep"))
    file, model = _model(path)
    species = _Species.of(file, model, names)
    told: Counter[str] = Counter()
    loops: list[str] = []
    rows: list[dict[str, Any]] = []
    for transition in model.getListOfTransitions():
        found = list(_edges_of(file, transition, species, signs, told))
        check_size(file, transition.getLine(), len(rows) + len(found), "")
        ends = {(row["source"], row["target"], row["sign"]) for row in found}
        if (
            input_loops == "drop"
            and len(ends) == 1
            and (loop := ends.pop())[0] == loop[1]
            and loop[2] > 0
        ):
            loops.append(loop[0])
        else:
            rows += found
    left_out = {
        f"input(s) that copy themselves ({listing(loops)})": len(loops),
        "transition(s) without inputs": told.pop("without inputs", 0),
    }
    if not rows:
        raise no_edges(file, left_out)
    if all(row["level"] is None for row in rows):
        for row in rows:
            del row["level"]
    further = [f"{count:,} sign(s) {what}" for what, count in told.items()]
    frame = without_names(network_table(file, rows, left_out, further=further, quiet=quiet))
    if "level" in frame:
        frame["level"] = pd.to_numeric(frame["level"])
    return frame


@dataclass(frozen=True)
class _Species:
    """The species of a model by id: name, levels, and what each is called in the table."""

    called: dict[str, str]
    labels: dict[str, str | None]
    levels: dict[str, int]  # how many there are, from 0 on

    @classmethod
    def of(cls, file: Path, model: Any, names: str) -> _Species:
        lines: dict[str, int] = {}
        labels: dict[str, str | None] = {}
        levels: dict[str, int] = {}
        for one in model.getListOfQualitativeSpecies():
            number = one.getId()
            if number in lines:
                words = f"species {number!r} is there twice, first on line {lines[number]}."
                raise bad_line(file, one.getLine(), words)
            lines[number] = one.getLine()
            labels[number] = " ".join(one.getName().split()) or None if one.isSetName() else None
            levels[number] = max(one.getMaxLevel(), 0) + 1 if one.isSetMaxLevel() else 2
        if names == "id":
            return cls({number: number for number in lines}, labels, levels)
        called = {number: labels[number] or number for number in lines}
        times = Counter(called.values())
        if doubled := [number for number, name in called.items() if times[name] > 1]:
            raise Edge2TorchError(
                f"{file}: names='name': species share a name: "
                f"{', '.join(f'{called[n]!r} ({n})' for n in doubled[:5])}. Use names='id'."
            )
        return cls(called, dict.fromkeys(lines), levels)


def _model(path: FilePath) -> tuple[Path, Any]:
    """Return what a file holds of the package qual, read by libsbml after a look of our own."""
    if isinstance(path, str | Path) and plain_suffix(Path(path)) == ".zginml":
        raise Edge2TorchError(
            f"{path}: this is GINsim's own format. Export the model from there: File, Export, SBML-qual."
        )
    file, text = read_text(path)
    names: list[str] = []
    spaces: dict[str, int] = {}

    def start(name: str, _: dict[str, str], line: int) -> None:
        space, local = name.rpartition(" ")[::2]
        names.append(local) if not names else spaces.setdefault(space, line)

    scan_xml(file, text, start, namespaces=True, deepest=_DEEPEST)
    if names[0] != "sbml":
        raise bad_line(file, 1, f"the root is <{names[0]}>, that of SBML is <sbml>.")
    if any("celldesigner" in space for space in spaces):
        raise bad_line(
            file,
            1,
            "this is CellDesigner's own kind of SBML. The program casq turns it into SBML-qual.",
        )
    libsbml = require("libsbml", extra="sbml")
    body = text
    for head in (DECLARATION, _DOCTYPE):  # neither a charset nor a DTD is for libsbml to look up
        body = head.sub(lambda found: "\n" * found[0].count("\n"), body, count=1)
    document = libsbml.readSBMLFromString(f'<?xml version="1.0" encoding="UTF-8"?>{body}')
    # Errors short of fatal ones are many files' manner, such as an attribute that is not there.
    for number in range(document.getNumErrors()):
        fault = document.getError(number)
        if fault.getSeverity() == libsbml.LIBSBML_SEV_FATAL:
            words = " ".join(fault.getMessage().split())
            raise bad_line(file, max(fault.getLine(), 1), f"libsbml cannot read it: {words}")
    if document.getLevel() < 3:
        raise bad_line(
            file,
            1,
            f"this is SBML of level {document.getLevel()}: reactions, not a logical model. SBML-qual is of level 3.",
        )
    model = document.getModel()
    plugin = model.getPlugin("qual") if model is not None else None
    if plugin is None or not any(_QUAL in space for space in spaces):
        packages = [document.getPlugin(k).getPackageName() for k in range(document.getNumPlugins())]
        has = f" (it has {listing(packages)})" if packages else ""
        raise bad_line(file, 1, f"this SBML holds no logical model, no package qual{has}.")
    plugin._document = document  # libsbml frees what is below a document that Python has let go
    return file, plugin


def _edges_of(
    file: Path, transition: Any, species: _Species, signs: str, told: Counter[str]
) -> Iterator[dict[str, Any]]:
    """Yield a row per input and output of a transition."""
    inputs, outputs = list(transition.getListOfInputs()), list(transition.getListOfOutputs())
    for end in (*inputs, *outputs):
        if end.getQualitativeSpecies() not in species.called:
            words = f"there is no species {end.getQualitativeSpecies()!r}."
            raise bad_line(file, end.getLine(), words)
    if not inputs:
        told["without inputs"] += 1
        return
    effects = _effects(transition, inputs, species, signs, told)
    for one in inputs:
        source = one.getQualitativeSpecies()
        word = _WORDS[one.getSign()] if one.isSetSign() and one.getSign() < len(_WORDS) else None
        sign = _sign(word, effects.get(source), signs, told)
        for other in outputs:
            target = other.getQualitativeSpecies()
            yield {
                "source": species.called[source],
                "target": species.called[target],
                "sign": sign,
                "relation": word,
                "level": one.getThresholdLevel() if one.isSetThresholdLevel() else None,
                "source_name": species.labels[source],
                "target_name": species.labels[target],
            }


def _effects(
    transition: Any, inputs: list[Any], species: _Species, signs: str, told: Counter[str]
) -> Mapping[str, tuple[bool, bool]]:
    """Return whether the result rises and falls with each input, where that can be computed."""
    if signs == "declared":
        return {}
    terms = [
        Rule(term.getMath(), term.getResultLevel())
        for term in transition.getListOfFunctionTerms()
        if term.isSetMath()
    ]
    default = transition.getDefaultTerm()
    if not terms and default is None:
        return {}
    thresholds = {
        one.getId(): one.getThresholdLevel() if one.isSetThresholdLevel() else 1
        for one in inputs
        if one.isSetId()
    }
    axes = {
        one.getQualitativeSpecies(): species.levels[one.getQualitativeSpecies()] for one in inputs
    }
    start = default.getResultLevel() if default is not None and default.isSetResultLevel() else 0
    found = rises_and_falls(terms, start, axes, thresholds)
    if isinstance(found, str):
        told[f"cannot be computed ({found})"] += len(inputs)
        return {}
    return found


def _sign(
    word: str | None, effect: tuple[bool, bool] | None, signs: str, told: Counter[str]
) -> int:
    computed = None if effect is None else int(effect[0]) - int(effect[1])
    declared = None if word is None else _DECLARED.get(word)  # "unknown" says nothing
    if declared and computed == -declared:
        told["declared and contradicted by the function"] += 1
    if signs == "function" or (signs == "auto" and declared is None):
        if computed is not None and declared is None:
            told["computed from the function"] += 1
        return computed or 0
    return declared or 0
