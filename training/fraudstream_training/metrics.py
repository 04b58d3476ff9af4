"""Metrics, in numpy alone."""

from __future__ import annotations

import numpy as np


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


def brier_score(label: np.ndarray, score: np.ndarray) -> float:
    """Mean squared distance of the probability from what happened: 0 is perfect."""
    return float(np.square(score.astype(np.float64) - (label == 1)).mean())


def user_precision_at(
    k: int, day: np.ndarray, user_index: np.ndarray, user_ids: list[str], label: np.ndarray, score: np.ndarray
) -> float:
    """What an analyst sees who looks at `k` users (cards) a day, highest score first: the share that has fraud that day.

    A user's score and label of a day are the highest of its rows; equal scores by id (numbers as numbers). A user that
    was found to have fraud is not looked at again on later days. Mean over the days that have rows.
    """
    place = {user: n for n, user in enumerate(sorted(user_ids, key=lambda one: (len(one), one)))}
    order_of = np.array([place[user] for user in user_ids])
    found: set[int] = set()
    precision: list[float] = []
    for today in np.unique(day):
        rows = np.flatnonzero(day == today)
        users, position = np.unique(user_index[rows], return_inverse=True)
        top = np.full(len(users), -np.inf)
        fraud = np.zeros(len(users), dtype=bool)
        np.maximum.at(top, position, score[rows].astype(np.float64))
        np.logical_or.at(fraud, position, label[rows] == 1)
        open_case = np.array([user not in found for user in users])
        looked_at = np.flatnonzero(open_case)
        looked_at = looked_at[np.lexsort((order_of[users[looked_at]], -top[looked_at]))][:k]
        precision.append(float(fraud[looked_at].sum()) / k)
        found.update(int(user) for user in users[looked_at][fraud[looked_at]])
    return float(np.mean(precision))


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
    label: np.ndarray,
    score: np.ndarray,
    amount_minor: np.ndarray,
    thresholds: dict[str, float],
    day: np.ndarray,
    user_index: np.ndarray,
    user_ids: list[str],
) -> dict:
    """`day`: any number that is the same for rows of one day"""
    return {
        "rows": len(label),
        "frauds": int((label == 1).sum()),
        "roc_auc": round(area_under_roc(label, score), 6),
        "average_precision": round(average_precision(label, score), 6),
        "user_precision_at_100": round(user_precision_at(100, day, user_index, user_ids, label, score), 6),
        "brier": round(brier_score(label, score), 8),
        "frauds_expected": round(float(score.astype(np.float64).sum()), 2),
        **{name: at_threshold(label, score, amount_minor, value) for name, value in thresholds.items()},
    }


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole > 0 else 0.0
