"""What the library says of arguments is said of options."""

import pytest

from edge2torch.cli._options import as_options

NAMES = {"data", "edges", "impute", "normalize", "max_epochs", "folder", "min_class_size", "label"}


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("label: 'x' is not a column.", "--label: 'x' is not a column."),
        ("edges and data share no names", "--edges and --data share no names"),
        ("data lacks 1 input. Use impute=True.", "--data lacks 1 input. Use --impute."),
        ("normalize='counts': negative", "--normalize counts: negative"),
        ("max_epochs must be at least 1", "--epochs must be at least 1"),
        ("folder: cannot write", "--out: cannot write"),
        ("Or lower min_class_size=.", "Or lower --min-class-size."),
        ("database: no such thing", "database: no such thing"),
        ("say --data again", "say --data again"),
    ],
)
def test_arguments_become_options(said, wanted):
    assert as_options(said, NAMES, start=True) == wanted


def test_a_line_that_starts_like_an_option_stays():
    assert as_options("label 3 (impute=True)", NAMES) == "label 3 (--impute)"
