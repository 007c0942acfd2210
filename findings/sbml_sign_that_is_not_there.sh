#!/usr/bin/env bash
# What happens: libsbml answers 4 for the sign of a qualitative input that has none, and
#   2,147,483,647 for its threshold and for a species' largest level that is not given.
# Why a good guess goes wrong: The file format knows positive, negative, dual and unknown, which
#   are 0 to 3, and a missing sign is taken for unknown. 4 is a value of its own, and the missing
#   levels look like numbers: a rule 'level >= threshold' is then never true.
# Who meets it: who converts Boolean models of Cell Collective, GINsim or BioModels into signed
#   edges: some hundred inputs in published files have no sign. isSetSign has to be asked first;
#   our reader does, and computes the sign from the function terms.
# The guess before the run: 3, unknown; and 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check python-libsbml==5.21.2
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import libsbml

print("libsbml", libsbml.__version__)
text = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1" qual:required="true"
 xmlns:qual="http://www.sbml.org/sbml/level3/version1/qual/version1"><model id="m">
<listOfCompartments><compartment id="c" constant="true"/></listOfCompartments>
<qual:listOfQualitativeSpecies>
<qual:qualitativeSpecies qual:id="A" qual:compartment="c" qual:constant="false"/>
<qual:qualitativeSpecies qual:id="B" qual:compartment="c" qual:constant="false"/>
</qual:listOfQualitativeSpecies>
<qual:listOfTransitions><qual:transition qual:id="t">
<qual:listOfInputs><qual:input qual:qualitativeSpecies="A" qual:transitionEffect="none"/></qual:listOfInputs>
<qual:listOfOutputs><qual:output qual:qualitativeSpecies="B" qual:transitionEffect="assignmentLevel"/></qual:listOfOutputs>
<qual:listOfFunctionTerms><qual:defaultTerm qual:resultLevel="0"/></qual:listOfFunctionTerms>
</qual:transition></qual:listOfTransitions></model></sbml>"""
document = libsbml.readSBMLFromString(text)  # kept: what it holds ends with it
model = document.getModel().getPlugin("qual")
one = model.getTransition(0).getInput(0)
level = model.getQualitativeSpecies(0).getMaxLevel()
print("sign", one.getSign(), "set:", one.isSetSign(), "threshold", one.getThresholdLevel(), "largest level", level)
assert (one.getSign(), libsbml.INPUT_SIGN_UNKNOWN) == (4, 3) and not one.isSetSign()
assert one.getThresholdLevel() == level == 2**31 - 1
PYTHON
