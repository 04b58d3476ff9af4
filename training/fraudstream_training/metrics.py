"""Metrics and thresholds, in numpy alone."""

from __future__ import annotations

import numpy as np

# Thresholds are written with this many decimals, so that they survive any JSON reader.
THRESHOLD_DECIMALS = 6


def area_under_roc(label: np.ndarray, score: np.ndarray) -> float:
    """Mann-Whitney form, ties count half."""
    order = np.argsort(score, kind="stable")
    values, inverse, counts = np.unique(score[order], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean_rank = ends - (counts - 1) / 2
    ranks = mean_rank[inverse]
    positive = label[order] == 1
    n_positive = int(positive.sum())
    n_negative = len(label) - n_positive
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def average_precision(label: np.ndarray, score: np.ndarray) -> float:
    """Sum over distinct scores of (recall step) x precision, as in scikit-learn."""
    order = np.argsort(-score, kind="stable")
    hit = label[order] == 1
    sorted_score = score[order]
    last_of_tie = np.append(sorted_score[1:] != sorted_score[:-1], True)
    found = np.cumsum(hit)[last_of_tie]
    seen = np.flatnonzero(last_of_tie) + 1
    steps = np.diff(found, prepend=0)
    return float((steps * found / seen).sum() / hit.sum())


def threshold_for(label: np.ndarray, score: np.ndarray, false_positive_rate: float) -> float:
    """The smallest score (6 decimals) at or above which at most that share of genuine rows lies. 1.0 if there is none below."""
    genuine = np.sort(score[label == 0].astype(np.float64))[::-1]
    allowed = int(np.floor(false_positive_rate * len(genuine)))
    if allowed >= len(genuine):
        return 0.0
    scale = 10**THRESHOLD_DECIMALS
    return float(min(np.floor(genuine[allowed] * scale) + 1, scale) / scale)


def at_threshold(
    label: np.ndarray, score: np.ndarray, amount_minor: np.ndarray, threshold: float
) -> dict[str, float | int]:
    """What happens at `score >= threshold`. Recall by amount is the share of fraudulent money that is caught."""
    hit = score.astype(np.float64) >= threshold
    fraud = label == 1
    caught = int((hit & fraud).sum())
    raised = int(hit.sum())
    fraud_amount = int(amount_minor[fraud].sum())
    return {
        "precision": _ratio(caught, raised),
        "recall": _ratio(caught, int(fraud.sum())),
        "recall_by_amount": _ratio(int(amount_minor[hit & fraud].sum()), fraud_amount),
        "false_positive_rate": _ratio(raised - caught, int((~fraud).sum())),
        "rows_at_or_above": raised,
    }


def evaluate(
    label: np.ndarray, score: np.ndarray, amount_minor: np.ndarray, thresholds: dict[str, float]
) -> dict:
    return {
        "rows": len(label),
        "frauds": int((label == 1).sum()),
        "roc_auc": round(area_under_roc(label, score), 6),
        "average_precision": round(average_precision(label, score), 6),
        **{name: at_threshold(label, score, amount_minor, value) for name, value in thresholds.items()},
    }


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole > 0 else 0.0
