"""Thresholds for what somebody wants: few genuine payments stopped, few wrong alerts, or work that a team can do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Thresholds are written with this many decimals, so that they survive any JSON reader.
THRESHOLD_DECIMALS = 6
SCALE = 10**THRESHOLD_DECIMALS
KINDS = ("fpr", "precision", "alerts-per-day")


class TargetError(ValueError):
    """No threshold meets the target. The message says what can be had."""


@dataclass(frozen=True)
class Target:
    kind: str
    value: float

    def __str__(self) -> str:
        return f"{self.kind}={self.value:g}"


def parse_target(text: str) -> Target:
    """`fpr=0.005`, `precision=0.5` or `alerts-per-day=100`. Raises ValueError."""
    kind, _, number = text.partition("=")
    if kind not in KINDS:
        raise ValueError(f"must be {', '.join(f'{k}=NUMBER' for k in KINDS)}; not {text!r}")
    value = float(number)
    if not value > 0 or (kind != "alerts-per-day" and value >= 1):
        raise ValueError(f"{kind} must be {'above 0' if kind == 'alerts-per-day' else 'between 0 and 1'}")
    return Target(kind, value)


def choose(target: Target, label: np.ndarray, score: np.ndarray, rows_per_day: float) -> float:
    """The lowest threshold that meets the target on these rows, six decimals.

    @param rows_per_day: of the whole traffic that these rows stand for
    Raises TargetError.
    """
    if target.kind == "fpr":
        return threshold_for(label, score, target.value)
    if target.kind == "alerts-per-day":
        share = target.value / rows_per_day
        return 0.0 if share >= 1 else _above(score, int(np.floor(share * len(score))))
    return _with_precision(label, score, target.value)


def threshold_for(label: np.ndarray, score: np.ndarray, false_positive_rate: float) -> float:
    """The smallest score (6 decimals) at or above which at most that share of genuine rows lies. 1.0 if there is none below."""
    genuine = score[label == 0]
    return _above(genuine, int(np.floor(false_positive_rate * len(genuine))))


def _above(score: np.ndarray, allowed: int) -> float:
    """The smallest threshold that at most `allowed` of these scores reach."""
    if allowed >= len(score):
        return 0.0
    ranked = np.sort(score.astype(np.float64))[::-1]
    return float(min(np.floor(ranked[allowed] * SCALE) + 1, SCALE) / SCALE)


def _with_precision(label: np.ndarray, score: np.ndarray, precision: float) -> float:
    # Only thresholds of six decimals count: scores between two of them go together.
    step = np.floor(score.astype(np.float64) * SCALE)
    order = np.argsort(-step, kind="stable")
    sorted_step = step[order]
    last_of_tie = np.append(sorted_step[1:] != sorted_step[:-1], True)
    reached = np.cumsum(label[order] == 1)[last_of_tie] / (np.flatnonzero(last_of_tie) + 1)
    good = np.flatnonzero(reached >= precision)
    if len(good) == 0:
        raise TargetError(f"no threshold has a precision of {precision:g}; the best has {reached.max():.3f}")
    return float(sorted_step[last_of_tie][good[-1]] / SCALE)
