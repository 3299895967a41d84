"""Wrong values: which known mistakes explain them, and what to say if none does."""

import math

import numpy as np

from ..texts import message
from .running import call
from .values import expected, flat, same, shape, show


def recognise(values, reference, mistakes, tolerance):
    """Keys of the known mistakes behind wrong values, and whether they explain every case.

    One mistake with the same outcomes everywhere; or, where it leaves cases unexplained, a second one that explains all of those and
    has no effect elsewhere; or the one that explains at least half of the wrong cases; or none.
    mistakes: key -> canonical values, one a case.
    """
    cases = range(len(values))
    mistakes = {key: found for key, found in mistakes.items() if len(found) == len(values)}

    def equal(these, those):
        return {i for i in cases if same(these[i], those[i], tolerance)}

    right = equal(values, reference)
    wrong = set(cases) - right
    agree = {key: equal(values, outcome) for key, outcome in mistakes.items()}
    if not agree:
        return [], False
    best = max(agree, key=lambda key: (len(agree[key] & wrong), len(agree[key])))
    if len(agree[best]) == len(values):
        return [best], True
    rest = wrong - agree[best]
    if rest and agree[best] & wrong:
        for key, outcome in mistakes.items():
            silent = equal(outcome, reference)
            if rest <= agree[key] and agree[best] & wrong <= silent:
                return [best, key], True
    return ([best], False) if 2 * len(agree[best] & wrong) >= len(wrong) else ([], False)


def difference(exercise, run, cases, results, reference):
    """What to say of wrong values that no known mistake explains.  results: the reference's, as they came; reference: canonical."""
    rows = [
        row
        for row in zip(run.values, reference, results, cases, strict=True)
        if not same(row[0], row[1], exercise.tolerance)
    ]
    for value, wanted, result, args in rows:
        if shape(value) != shape(wanted):
            return message(
                "check.shape",
                call=call(exercise, args),
                found=shape(value) or "()",
                expected=expected(result),
            )
    fractions = any(np.any(flat(r) != np.round(flat(r))) for r in reference)
    if fractions and run.kinds and all(k.startswith(("int", "uint", "bool")) for k in run.kinds):
        return message("check.whole_numbers", found=", ".join(sorted(run.kinds)))
    value, wanted, _, args = rows[0]
    key = "check.nan" if np.isnan(flat(value)).any() else "check.value"
    text = message(key, call=call(exercise, args), found=show(value), expected=show(wanted))
    factor = _common_factor(run.values, reference, exercise.tolerance)
    return text + (message("check.factor", factor=f"{factor:.4g}") if factor else "")


def _common_factor(values, reference, tolerance):
    """The one number by which all answers differ from the expected ones, or None."""
    factors = [
        v / r
        for value, wanted in zip(values, reference, strict=True)
        for v, r in zip(flat(value), flat(wanted), strict=True)
        if math.isfinite(v) and math.isfinite(r) and abs(r) > 1e-9
    ]
    if len(factors) < 2 or factors[0] == 0 or abs(factors[0] - 1) < 0.01:
        return None
    return factors[0] if np.allclose(factors, factors[0], rtol=10 * tolerance) else None
