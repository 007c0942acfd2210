#!/usr/bin/env bash
# What happens: Three readers of OBO files take 'is_a: X {gci_relation="part_of",
#   gci_filler="NCBITaxon:..."}' as a parent of the term. The line says something else: those of
#   the term that are part of the filler are X, a statement about an intersection.
# Why a good guess goes wrong: What stands in braces behind a parent is usually a source or a mark
#   of how it was inferred, and may be skipped. The two gci_ words change the meaning of the line;
#   the difference is invisible in the table that comes out.
# Who meets it: who builds a hierarchy of cell types or tissues from Uberon or CL: a parent that
#   holds in one taxon alone becomes a parent everywhere. Our read_obo leaves such lines out and
#   counts them (it took them, too, until this was found).
# The guess before the run: all three skip it, or keep it apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check goatools==1.6.9 pronto==2.7.4 obonet==1.3.0 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 networkx==3.6.1
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from importlib.metadata import version
import goatools.obo_parser, obonet, pronto

text = """format-version: 1.4
ontology: invented

[Term]
id: IN:1
name: organ
namespace: invented

[Term]
id: IN:2
name: lung
namespace: invented
is_a: IN:1 {gci_relation="part_of", gci_filler="NCBITaxon:32523"} ! organ

[Typedef]
id: part_of
name: part of
"""
open("in.obo", "w").write(text)
dag = goatools.obo_parser.GODag("in.obo", prt=None)
found = {
    "goatools": [parent.id for parent in dag["IN:2"].parents],
    "pronto": [term.id for term in pronto.Ontology("in.obo")["IN:2"].superclasses(distance=1, with_self=False)],
    "obonet": [parent for _, parent, _ in obonet.read_obo("in.obo").edges(keys=True)],
}
for name, parents in found.items():
    print(name, version(name), "parents of IN:2:", parents)
    assert parents == ["IN:1"], name
PYTHON
