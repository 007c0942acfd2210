#!/usr/bin/env bash
# What happens: pandas.to_numeric(column, errors="coerce") raises OverflowError where a column of objects
#   holds a whole number of hundreds of digits; one complex number turns the whole column complex, so that
#   float() of it fails later; and a column of dates comes back as whole numbers of its unit since 1970.
# Why a good guess goes wrong: "coerce" is documented as "invalid parsing will be set as NaN", and read as
#   the one setting that raises for no value and leaves nothing but numbers.
# Who meets it: whoever checks a table that others filled in with to_numeric(errors="coerce").isna(): a
#   date that slipped in among features passes as a number near 1.6e9 or 1.6e18.
# The guess before the run: NaN for the long number, for the complex one and for dates.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check pandas==2.3.3
"$folder/env/bin/python" - <<'PYTHON'
import pandas as pd

print("pandas", pd.__version__)
try:
    pd.to_numeric(pd.Series([0.5, 10**400], dtype=object), errors="coerce")
    raise AssertionError("no error")
except OverflowError as error:
    print("a long number: OverflowError:", error)
mixed = pd.to_numeric(pd.Series([0.5, 1j], dtype=object), errors="coerce")
print("a complex number:", mixed.dtype, mixed.tolist())
assert mixed.dtype == complex
dates = pd.to_numeric(pd.Series(pd.date_range("2020", periods=2)), errors="coerce")
print("dates:", dates.dtype, dates.tolist())
assert dates.notna().all()
PYTHON
