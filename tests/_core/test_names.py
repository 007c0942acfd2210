"""Names that are known in another case, and those that are near."""

from edge2torch._core.names import case_hint


def test_most_names_in_another_case_are_said_with_both_spellings():
    said = case_hint(["TP53", "MYC", "X1"], ["tp53", "myc", "age"])
    assert said == (
        " 2 of them are there but for upper and lower case ('TP53' -> 'tp53', 'MYC' -> 'myc'): "
        "write them alike."
    )


def test_one_chance_hit_is_no_reason():
    genes = [f"G{k}" for k in range(9)]
    assert case_hint([*genes, "AGE"], [*(f"ENSG{k}" for k in range(30)), "age"]) == ""
    assert case_hint(genes, ["a", "b"]) == ""


def test_other_punctuation_is_said_with_both_spellings():
    said = case_hint(["STAT1", "HLA-A", "NKX2-1", "X1"], ["STAT-1", "HLA.A", "nkx2.1", "y"])
    assert said == (
        " 3 of them are there but for punctuation ('STAT1' -> 'STAT-1', 'HLA-A' -> 'HLA.A', "
        "'NKX2-1' -> 'nkx2.1'): write them alike."
    )


def test_what_parts_two_numbers_is_no_punctuation():
    assert case_hint(["NKX2-1", "g1_10", "+"], ["NKX21", "g11_0", "-"]) == ""
