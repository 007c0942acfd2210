#!/usr/bin/env bash
# What happens: pybiopax reads a BioPAX file that names its objects by rdf:about, but leaves every
#   link between them as text: the controller of a reaction is the word '#A', and the protein
#   controls nothing. With rdf:ID the same model is linked.
# Why a good guess goes wrong: rdf:ID='A' and rdf:about='#A' name the same thing, by the RDF/XML
#   standard, and both are common. No error, no warning: loops over controllers find none.
# Who meets it: who extracts causal edges from BioPAX exports: the table is empty or thin,
#   depending on who wrote the file. We read no BioPAX and say which other export to take.
# The guess before the run: both spellings are linked.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check pybiopax==0.1.5
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from importlib.metadata import version
import pybiopax

print("pybiopax", version("pybiopax"))
text = """<?xml version="1.0" encoding="UTF-8"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xml:base="http://example.org/"
 xmlns:bp="http://www.biopax.org/release/biopax-level3.owl#" xmlns:owl="http://www.w3.org/2002/07/owl#">
<owl:Ontology rdf:about=""/>
<bp:Protein rdf:{name}="{mark}A"/><bp:BiochemicalReaction rdf:{name}="{mark}R"/>
<bp:Control rdf:{name}="{mark}C"><bp:controller rdf:resource="#A"/><bp:controlled rdf:resource="#R"/></bp:Control>
</rdf:RDF>"""
linked = {}
for name, mark in (("ID", ""), ("about", "#")):
    open("model.owl", "w").write(text.format(name=name, mark=mark))
    objects = pybiopax.model_from_owl_file("model.owl").objects.values()
    protein = next(one for one in objects if type(one).__name__ == "Protein")
    linked[name] = len(protein.controller_of)
    print(f"rdf:{name}: the protein controls {linked[name]} interaction(s)")
assert linked == {"ID": 1, "about": 0}
PYTHON
