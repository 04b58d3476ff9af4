"""From a model's raw score to a probability that holds on days after training. The manifest carries the map; the
processor applies it (src/model/calibration.ts). Ranking stays: the map grows wherever the score does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

METHODS = ("none", "isotonic", "platt")
# A block of the isotonic map holds at least this many frauds: its rate is then known to about a third of itself.
BLOCK_FRAUDS_MIN = 10
KNOTS_MAX = 64
# Raw scores are float32: nearer to 0 and 1 they cannot be told apart.
PLATT_SCORE_MIN = 2.0**-24
NEWTON_STEPS_MAX = 100


class CalibrationError(ValueError):
    """The rows do not say what a score means. The message says why."""


@dataclass(frozen=True)
class Calibration:
    method: str
    knots: np.ndarray
    """isotonic: float64 [knots, 2], raw score and probability, both ascending, from 0 to 1"""
    slope: float
    """Platt: of the log odds, above 0"""
    intercept: float

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """float32 or float64 raw scores -> float64 probabilities"""
        score = raw.astype(np.float64)
        if self.method == "none":
            return score
        if self.method == "platt":
            clipped = np.clip(score, PLATT_SCORE_MIN, 1 - PLATT_SCORE_MIN)
            return expit(self.slope * np.log(clipped / (1 - clipped)) + self.intercept)
        x, y = self.knots[:, 0], self.knots[:, 1]
        right = np.clip(np.searchsorted(x, score, side="right"), 1, len(x) - 1)
        left = right - 1
        along = (score - x[left]) / (x[right] - x[left])
        return np.minimum(y[left] + along * (y[right] - y[left]), y[right])

    def manifest(self) -> dict | None:
        if self.method == "none":
            return None
        if self.method == "platt":
            return {"method": "platt", "slope": self.slope, "intercept": self.intercept}
        return {"method": "isotonic", "knots": self.knots.tolist()}


NO_CALIBRATION = Calibration("none", np.empty((0, 2)), 1.0, 0.0)


def fit_calibration(method: str, raw: np.ndarray, label: np.ndarray) -> Calibration:
    """Raises CalibrationError."""
    if method == "none":
        return NO_CALIBRATION
    if method == "platt":
        return _platt(raw.astype(np.float64), label)
    return _isotonic(raw.astype(np.float64), label)


def _platt(raw: np.ndarray, label: np.ndarray) -> Calibration:
    """Logistic regression of the label on the log odds, with targets drawn in by one count of each kind (Platt 1999)."""
    clipped = np.clip(raw, PLATT_SCORE_MIN, 1 - PLATT_SCORE_MIN)
    odds = np.log(clipped / (1 - clipped))
    frauds = int((label == 1).sum())
    target = np.where(label == 1, (frauds + 1) / (frauds + 2), 1 / (len(label) - frauds + 2))
    slope, intercept = 1.0, 0.0
    loss = _log_loss(slope * odds + intercept, target)
    for _ in range(NEWTON_STEPS_MAX):
        p = expit(slope * odds + intercept)
        error, weight = p - target, np.maximum(p * (1 - p), 1e-12)
        gradient = np.array([(error * odds).sum(), error.sum()])
        mixed = (weight * odds).sum()
        hessian = np.array([[(weight * odds * odds).sum() + 1e-9, mixed], [mixed, weight.sum() + 1e-9]])
        step = np.linalg.solve(hessian, gradient)
        length = 1.0
        while length > 1e-10:
            tried = slope - length * step[0], intercept - length * step[1]
            tried_loss = _log_loss(tried[0] * odds + tried[1], target)
            if tried_loss <= loss:
                break
            length /= 2
        else:
            break
        (slope, intercept), gained, loss = tried, loss - tried_loss, tried_loss
        if gained <= 1e-12 * abs(loss):
            break
    if not slope > 0:
        raise CalibrationError("higher scores are not more often fraud on the validation rows: the model has learnt nothing that holds")
    return Calibration("platt", np.empty((0, 2)), float(slope), float(intercept))


def _log_loss(margin: np.ndarray, target: np.ndarray) -> float:
    return float((np.logaddexp(0, margin) - target * margin).sum())


def _isotonic(raw: np.ndarray, label: np.ndarray) -> Calibration:
    """Pools neighbours until the rate of fraud grows from block to block, and joins the blocks' centres by lines: a step
    function would make ties of scores that differ. The ends lead to 0, and to the last rate plus its standard error."""
    order = np.argsort(raw, kind="stable")
    x, fraud = raw[order], (label[order] == 1).astype(np.float64)
    # Blocks: rows, sum of scores, frauds.
    blocks: list[list[float]] = []
    start = 0
    for end in _block_ends(x, fraud):
        blocks.append([end - start, x[start:end].sum(), fraud[start:end].sum()])
        start = end
        while len(blocks) > 1 and blocks[-2][2] * blocks[-1][0] >= blocks[-1][2] * blocks[-2][0]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    if len(blocks) < 2:
        raise CalibrationError(
            f"{int(fraud.sum())} frauds among the validation rows do not show a growing rate: use --calibration platt or none"
        )
    knots = [[0.0, 0.0]]
    for rows, total, frauds in blocks:
        centre, rate = total / rows, frauds / rows
        if centre > knots[-1][0] and rate > knots[-1][1]:
            knots.append([centre, rate])
    if knots[-1][0] < 1:
        rows, _, frauds = blocks[-1]
        rate = frauds / rows
        knots.append([1.0, max(knots[-1][1], min(1.0, rate + float(np.sqrt(rate * (1 - rate) / rows))))])
    return Calibration("isotonic", np.array(knots, dtype=np.float64), 1.0, 0.0)


def _block_ends(x: np.ndarray, fraud: np.ndarray) -> list[int]:
    """Ends of blocks with about equally many frauds, never between equal scores."""
    total = int(fraud.sum())
    per_block = max(BLOCK_FRAUDS_MIN, -(-total // (KNOTS_MAX - 2)))
    found = np.cumsum(fraud)
    ends: list[int] = []
    next_count = per_block
    last_of_tie = np.flatnonzero(np.append(x[1:] != x[:-1], True))
    for position in last_of_tie:
        if found[position] >= next_count and total - found[position] >= per_block:
            ends.append(int(position) + 1)
            next_count = found[position] + per_block
    return [*ends, len(x)]
