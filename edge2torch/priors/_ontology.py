"""What an OBO file says, by the OBO 1.4 format: terms, their parents, and what stands for which."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge2torch.errors import Edge2TorchError
from edge2torch.priors._rows import bad_line, shown

_STANZA = re.compile(r"\[(Term|Typedef|Instance|Annotation)\]\s*(?:!.*)?")
_TAG = re.compile(r"[^\s:][^:]*:")
_LINE_END = re.compile(r"\r\n|\r|\n")  # str.splitlines would also split inside definitions
_ID = re.compile(r"(?:\\.|[^\s\\{!])+")
_CUT = re.compile(r"\\.|[!{]")  # an escape, or where a comment or modifiers may begin
_MODIFIERS = re.compile(r"(?:\{[^{}]*\}\s*)+")
_CONDITION = re.compile(r"\{[^{}]*\bgci_(?:filler|relation)\s*=")
_BLANKS = "ntW"  # escaped line end, tab and blank: a blank in a name, which is one line
_LISTS = {"alt_id": "alternatives", "replaced_by": "replaced_by", "consider": "consider"}
_QUOTED = ("def", "synonym")
_KNOWN = {
    *("id", "name", "namespace", "is_a", "relationship", "is_obsolete", "comment", "subset"),
    *("xref", "intersection_of", "union_of", "disjoint_from", "property_value", "created_by"),
    *("creation_date", *_LISTS, *_QUOTED),
}

Pair = tuple[int, str, str]  # line, tag, value


@dataclass
class Term:
    """A term: the line of its id, and what its stanza says."""

    line: int = 0
    name: str | None = None
    namespace: str | None = None
    is_obsolete: bool = False
    parents: list[tuple[str, str, int]] = field(default_factory=list)  # relation, term, line
    # those of the intersection with another term, a general class inclusion: not of the term itself
    conditional: list[tuple[str, str, int]] = field(default_factory=list)
    alternatives: list[str] = field(default_factory=list)
    replaced_by: list[str] = field(default_factory=list)
    consider: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Ontology:
    """All terms of a file by id, obsolete ones too, and the relations that it declares."""

    terms: dict[str, Term]
    relations: set[str]
    alternatives: dict[str, str]
    own_spaces: set[str]

    def stands_for(self, name: str) -> str | None:
        """Return the living term that an id leads to by alternatives and replacements, if one."""
        seen: set[str] = set()
        while name not in seen:
            seen.add(name)
            term = self.terms.get(name)
            if term is None:
                name = self.alternatives.get(name, name)
            elif not term.is_obsolete:
                return name
            elif len(set(term.replaced_by)) == 1:
                name = term.replaced_by[0]
        return None

    def is_imported(self, name: str) -> bool:
        """Whether an id that the file lacks is of another ontology, by what precedes its colon."""
        return _space(name) not in self.own_spaces


def _space(name: str) -> str:
    """Return what precedes the colon of an id."""
    return name.partition(":")[0] if ":" in name else ""


def read_ontology(file: Path, text: str) -> Ontology:
    """Read terms; every line has to be a tag and its value."""
    terms: dict[str, Term] = {}
    relations: set[str] = set()
    default = None
    for kind, began, pairs in _stanzas(file, text):
        if kind == "":
            default = next(
                (_plain(value) for _, tag, value in pairs if tag == "default-namespace"), None
            )
        elif kind == "Typedef":
            relations |= {_plain(value) for _, tag, value in pairs if tag == "id"}
        elif kind == "Term":
            name, term = _term(file, began, pairs)
            if terms.setdefault(name, term) is not term:
                words = f"{name!r} is there twice, first on line {terms[name].line}."
                raise bad_line(file, term.line, words)
    if not terms:
        raise bad_line(file, 1, "the file holds no [Term].")
    for term in terms.values():
        term.namespace = term.namespace or default
    others = Counter(other for term in terms.values() for other in set(term.alternatives))
    alternatives = {
        other: name
        for name, term in terms.items()
        for other in term.alternatives
        if others[other] == 1  # of two terms it stands for neither
    }
    spaces = Counter(map(_space, terms))
    most = max(spaces.values())
    # an ontology may import terms of others; what most of its ids begin with is its own
    own_spaces = {name for name, times in spaces.items() if times == most}
    return Ontology(terms, relations, alternatives, own_spaces)


def _term(file: Path, began: int, pairs: list[Pair]) -> tuple[str, Term]:
    name, term = "", Term()
    for number, tag, value in pairs:
        if tag != "id":
            _take(file, number, term, tag, value)
        elif name:
            words = f"a second id in the [Term] of {name!r}. Is the line [Term] missing?"
            raise bad_line(file, number, words)
        else:
            (name,) = _ids(file, number, value, "id", 1)
            term.line = number
    if not name:
        raise bad_line(file, began, "a [Term] without an id. Is the file cut short?")
    return name, term


def _take(file: Path, number: int, term: Term, tag: str, value: str) -> None:
    """Keep what one line says of a term; tags of no concern are passed over."""
    if tag == "name":
        term.name = term.name or _plain(value)
    elif tag == "namespace":
        term.namespace = term.namespace or _plain(value)
    elif tag == "is_obsolete":
        term.is_obsolete = _plain(value).lower() in ("true", "1")  # 1: OBO 1.0
    elif tag in ("is_a", "relationship"):
        kind, parent = ([tag] if tag == "is_a" else []) + _ids(
            file, number, value, tag, 1 + (tag == "relationship")
        )
        parents = term.conditional if _CONDITION.search(value) else term.parents
        parents.append((kind, parent, number))
    elif tag in _LISTS:
        getattr(term, _LISTS[tag]).extend(_ids(file, number, value, tag, 1))


def _stanzas(file: Path, text: str) -> Iterator[tuple[str, int, list[Pair]]]:
    """Yield kind, line and pairs of every stanza; the header is the first, of no kind."""
    kind, began, pairs = "", 1, list[Pair]()
    is_open = False  # within a quoted text that goes on in the next line
    for number, line in _lines(text):
        words = line.strip()
        head = _STANZA.fullmatch(words)
        match = _TAG.match(words)
        tag = match[0][:-1].strip() if match else ""
        if is_open and not head and tag not in _KNOWN:
            is_open = _quotes(words) % 2 == 0
        elif head:
            yield kind, began, pairs
            kind, began, pairs, is_open = head[1], number, [], False
        elif words and not words.startswith("!"):
            if match is None or words.startswith("["):
                raise _bad_line(file, number, words)
            value = words[match.end() :].strip()
            is_open = tag in _QUOTED and _quotes(value) % 2 == 1
            pairs.append((number, tag, value))
    yield kind, began, pairs


def _bad_line(file: Path, number: int, words: str) -> Edge2TorchError:
    if words.startswith("["):
        return bad_line(file, number, f"no known kind of entry: {shown(words)}.")
    hint = "Was a line broken? Join it with the one before."
    return bad_line(file, number, f"a line is 'tag: value', found {shown(words)}. {hint}")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines and where they begin; one that ends in a backslash goes on in the next."""
    parts: list[str] = []
    for number, line in enumerate(_LINE_END.split(text), 1):
        n_slashes = len(line) - len(line.rstrip("\\"))
        parts.append(line[:-1] if n_slashes % 2 else line)
        if n_slashes % 2 == 0:
            yield number - len(parts) + 1, "".join(parts)
            parts = []
    if parts:
        yield number - len(parts) + 1, "".join(parts)


def _quotes(words: str) -> int:
    return sum(found == '"' for found in re.findall(r'\\.|"', words))


def _ids(file: Path, number: int, value: str, tag: str, count: int) -> list[str]:
    """Return so many ids; only modifiers in braces and a comment may follow."""
    found: list[str] = []
    rest = value
    while len(found) < count and (match := _ID.match(rest)):
        found.append(_unescaped(match[0]))
        rest = rest[match.end() :].lstrip()
    if len(found) < count:
        what = "a relationship names relation and term" if count > 1 else f"{tag} names a term"
        raise bad_line(file, number, f"{what}: {shown(f'{tag}: {value}')}.")
    if rest and rest[0] not in "{!":
        raise bad_line(
            file,
            number,
            f"{shown(rest)} follows the id of {tag}. Put '!' before a comment, and every "
            "further term on a line of its own.",
        )
    return found


def _plain(value: str) -> str:
    """Return a value as it is meant, without modifiers and comment behind it."""
    end, after = len(value), 0
    for match in _CUT.finditer(value):
        start = match.start()
        if len(match[0]) > 1 or start < after or value[max(start - 1, 0) : start].strip():
            continue
        run = _MODIFIERS.match(value, start)
        after = run.end() if run else start
        if match[0] == "!" or (run and value[after : after + 1] in ("", "!")):
            end = start
            break
    return _unescaped(value[:end].strip())


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(
        r"\\(.)", lambda found: " " if found[1] in _BLANKS else found[1], text, flags=re.DOTALL
    )
