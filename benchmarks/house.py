"""How large the house is: lines, files, public names and how many of them stand in a page.

python benchmarks/house.py                 # this checkout
python benchmarks/house.py before after    # two checkouts side by side
"""

from __future__ import annotations

import ast
import io
import re
import statistics
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

SMALL = 60  # lines of code, below which a file needs a reason
# Faces that keep the arguments of a tutorial or of the command line, however many these are.
KEPT = {"interpret_model", "prepare_prior"}


def code_and_comments(source: str) -> tuple[int, int]:
    """Lines that hold code, docstrings apart, and lines that hold nothing but a comment."""
    tree = ast.parse(source)
    strings = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    code: set[int] = set()
    comments: set[int] = set()
    skipped = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in skipped:
            code |= set(range(token.start[0], token.end[0] + 1)) - strings
    # rules between sections and instructions to tools say nothing of why
    lines = source.splitlines()
    own = {
        k
        for k in comments - code
        if not re.fullmatch(r"\s*#\s*(-{3,}.*|(type|noqa|fmt|ruff|pragma)\b.*)", lines[k - 1])
    }
    return len(code), len(own) + sum("  # " in lines[k - 1] for k in comments & code)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function, methods and inner ones included, overloads left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = {getattr(d, "id", getattr(d, "attr", "")) for d in node.decorator_list}
            if "overload" not in names:
                yield node


def n_arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Arguments but for self and cls."""
    names = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def public_names(package: Path) -> set[str]:
    """What the doors of all rooms open."""
    names: set[str] = set()
    for door in [*package.glob("*.py"), *package.glob("*/__init__.py")]:
        if any(
            part.startswith("_") and part != "__init__.py"
            for part in door.relative_to(package).parts
        ):
            continue
        for node in ast.parse(door.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                names |= {ast.literal_eval(one) for one in getattr(node.value, "elts", [])}
    return names


def paged(root: Path, names: set[str]) -> set[str]:
    """Names that a page which somebody wrote speaks of; lists made from docstrings do not count."""
    pages = [p for p in (root / "docs").rglob("*.md") if p.parent.name != "api"]
    text = "\n".join(p.read_text(encoding="utf-8") for p in [*pages, root / "README.md"])
    return names & set(re.findall(r"\w+", text))


def measure(root: Path) -> dict[str, str]:
    """The figures of one checkout."""
    package = root / "edge2torch"
    files = sorted(package.rglob("*.py"))
    sources = {file: file.read_text(encoding="utf-8") for file in files}
    counts = {file: code_and_comments(source) for file, source in sources.items()}
    code = sum(n for n, _ in counts.values())
    lengths, largest = [], (0, "")
    for file, source in sources.items():
        for node in functions(ast.parse(source)):
            lengths.append((node.end_lineno or node.lineno) - node.lineno + 1)
            if file.relative_to(package).parts[0] != "cli" and node.name not in KEPT:
                largest = max(largest, (n_arguments(node), f"{file.stem}.{node.name}"))
    cli = [file for file in files if file.relative_to(package).parts[0] == "cli"]
    names = public_names(package)
    in_pages = paged(root, names)
    cuts = statistics.quantiles(lengths, n=10)
    return {
        "files": f"{len(files)}",
        "lines": f"{sum(len(s.splitlines()) for s in sources.values()):,}",
        "lines of code": f"{code:,}",
        "lines in cli/": f"{sum(len(sources[file].splitlines()) for file in cli):,}",
        f"files below {SMALL} lines of code": f"{sum(n < SMALL for n, _ in counts.values())}",
        "public names": f"{len(names)}",
        "of them in a page": f"{len(in_pages)}",
        "largest argument list": f"{largest[0]} ({largest[1]})",
        "comments per 1,000 lines of code": f"{1000 * sum(c for _, c in counts.values()) / code:.1f}",
        "lines of a function, p50 / p90": f"{cuts[4]:.0f} / {cuts[8]:.0f}",
    }


def main() -> None:
    """Print a table with a column for each checkout."""
    roots = [Path(one) for one in sys.argv[1:]] or [Path(__file__).resolve().parents[1]]
    tables = [measure(root) for root in roots]
    for name in tables[0]:
        print(f"| {name} | " + " | ".join(table[name] for table in tables) + " |")
    missing = sorted(
        public_names(roots[-1] / "edge2torch")
        - paged(roots[-1], public_names(roots[-1] / "edge2torch"))
    )
    if missing:
        print("\nin no page:", ", ".join(missing))


if __name__ == "__main__":
    main()
