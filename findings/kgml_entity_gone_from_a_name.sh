#!/usr/bin/env bash
# What happens: An entity that is declared nowhere, such as &beta; from a web page, is an error in XML. In a
#   KGML file it is not: the parser of Biopython (and any that stands on Python's xml.etree) leaves it
#   out of names without a word, so that gene zzz:&beta;7 is read as zzz:7, which is another gene.
# Why a good guess goes wrong: The same text without its DOCTYPE line is refused, and so is an entity
#   between tags. But KGML files name a DTD on a server. It is never fetched, the parser has to suppose
#   that it declares the entity, and in attributes, where KGML keeps all names, that means nothing.
# Who meets it: who edits KGML by hand or writes it by a program. Our readers of XML take every file as
#   one that stands alone, and refuse it with the line.
# The guess before the run: gone from names, by what the C library expat says of such files.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check biopython==1.88
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import io
from importlib.metadata import version
from xml.etree.ElementTree import ParseError

from Bio.KEGG.KGML.KGML_parser import read

print("biopython", version("biopython"))
doctype = '<!DOCTYPE pathway SYSTEM "https://invented.example/KGML.dtd">'
body = (
    '<pathway name="path:zzz00001" org="zzz" number="00001" title="invented">'
    '<entry id="1" name="zzz:&beta;7" type="gene"/></pathway>'
)
with_doctype = read(io.StringIO(f'<?xml version="1.0"?>{doctype}{body}'))
name = with_doctype.entries[1].name
print("with a DOCTYPE:", name)
try:
    read(io.StringIO(f'<?xml version="1.0"?>{body}'))
    said = "read"
except ParseError as error:
    said = str(error)
print("without one:", said)
assert name == "zzz:7"
assert said.startswith("undefined entity")
PYTHON
