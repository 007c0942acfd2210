"""Sentences on what a split and a wiring show, and nothing beyond it."""

from __future__ import annotations

import pandas as pd

from edge2torch._core.messages import listing
from edge2torch.interpret import cycles
from edge2torch.perturb._arms import Outcome
from edge2torch.perturb._folds import EASY, Folds
from edge2torch.perturb._problem import Floats
from edge2torch.perturb._scores import BACKGROUND, Held, difference, scored

ENOUGH = 20  # rewired graphs, of which all but one have to be beaten
_RULES = (
    "sister + mean shift",
    "additive",
    "ridge",
    "ridge on logit",
    "ridge with pairs",
    "1 nearest",
    "5 nearest",
    "dense net",
)
_FAR_BELOW = 0.5  # of the best rule's error: then the rules have not solved the split


def wiring(
    held: Held,
    name: str,
    own: Floats,
    ridge: Floats,
    rewired: dict[str, Floats],
    seed: int,
    lacking: str = "",
) -> tuple[str, pd.DataFrame]:
    """Say whether the wiring matters to a model, and return the scores of the rewired graphs.

    ``lacking`` says why there are fewer of them than were asked for.
    """
    scores = scored(held, rewired, seed) if rewired else pd.DataFrame()
    if len(scores) < ENOUGH:
        why = (
            f": {lacking}; {ENOUGH} others are needed."
            if lacking
            else (
                f" of {len(scores)} rewired graph{'s' * (len(scores) != 1)}: give rewired={ENOUGH} or more."
            )
        )
        return f"Whether the wiring matters to the {name} cannot be said{why}", scores
    mine = scored(held, {name: own}, seed).loc[name]
    beaten = int((scores["skill"] < mine["skill"]).sum())
    lead, low, high = difference(held, own, ridge, seed)
    facts = (
        f"its skill is above that of {beaten} of {len(scores)} rewired graphs, and {lead:+.3f} from "
        f"ridge's (90 %: {low:+.3f} to {high:+.3f})"
    )
    if beaten >= 0.95 * len(scores) and low > 0:
        return f"The wiring matters to the {name}: {facts}.", scores
    return f"The wiring is not shown to matter to the {name}: {facts}.", scores


def judged(
    held: Held,
    found: dict[str, Floats],
    rewired: dict[str, Floats],
    folds: Folds,
    before: list[str],
    seed: int,
    lacking: str = "",
) -> tuple[list[str], pd.DataFrame]:
    """Return what can be said of the network, the sentence on sisters first."""
    said = [sentence for sentence in before if sentence != EASY]
    scores = scored(
        held, {name: found[name] for name in (*_RULES, "network") if name in found}, seed
    )
    mse = scores["mse"]
    least, best = min((float(mse[name]), name) for name in _RULES if name in mse.index)
    if folds.has_sisters:
        if mse["network"] > _FAR_BELOW * least:
            said.insert(0, EASY)
        else:
            said.insert(
                0,
                "Every held-out condition has a sister in training, and no rule without a graph comes "
                f"near the network: the least error of one is {least:.3g} ({best}), the "
                f"network's {mse['network']:.3g}.",
            )
    _, low, high = difference(held, found["network"], found[BACKGROUND], seed)
    if low <= 0 <= high or high < 0:
        said.append("The network is no better than the mean of the same background.")
    if not rewired and not lacking:
        return said, pd.DataFrame()
    sentence, table = wiring(
        held, "network", found["network"], found["ridge"], rewired, seed, lacking
    )
    return [*said, sentence], table


def said_of_share(chosen: pd.DataFrame) -> list[str]:
    """Say how much of the networks inner folds keep."""
    if chosen.empty:
        return []
    share = chosen.loc[chosen["chosen"] & (chosen["fold"] != "all"), "share"]
    nothing = int((share == 0).sum())
    sentence = (
        f"Inner folds keep {share.median():.0%} of what the network says beyond what it starts from "
        f"(median of {len(share)} folds; nothing in {nothing})."
    )
    return [sentence]


def said_of_unsettled(own: Outcome) -> list[str]:
    """Say which conditions have no steady state, and which loop is the strongest there."""
    if not own.unsettled:
        return []
    worst = max(own.unsettled, key=lambda k: len(own.unsettled[k]))
    loops = cycles(own.fold_networks[worst][0].model.net)
    strongest = ""
    if len(loops):
        nodes, radius = list(loops["nodes"][0]), float(loops["radius"][0])
        strongest = f" The strongest loops are among {listing(nodes)} (radius {radius:.2f})."
    sentence = (
        f"In {len(own.unsettled)} of {len(own.fold_networks)} folds the network does not settle in some "
        f"conditions: {listing(own.unsettled[worst])}.{strongest} Raise max_steps, or lower "
        "learning_rate."
    )
    return [sentence]
