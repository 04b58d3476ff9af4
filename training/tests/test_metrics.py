from __future__ import annotations

import numpy as np
import pytest

from fraudstream_training.metrics import (
    area_under_roc,
    at_threshold,
    average_precision,
    threshold_for,
)


@pytest.fixture(params=[1, 2, 3])
def scored(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores with many ties."""
    random = np.random.default_rng(request.param)
    label = (random.random(400) < 0.2).astype(np.int8)
    score = np.round(random.random(400) * 0.7 + label * 0.3, 2).astype(np.float32)
    return label, score


def test_area_under_roc_by_counting_pairs(scored: tuple[np.ndarray, np.ndarray]) -> None:
    label, score = scored
    fraud, genuine = score[label == 1], score[label == 0]
    wins = (fraud[:, None] > genuine).sum() + 0.5 * (fraud[:, None] == genuine).sum()
    assert area_under_roc(label, score) == pytest.approx(wins / (len(fraud) * len(genuine)))


def test_average_precision_by_definition(scored: tuple[np.ndarray, np.ndarray]) -> None:
    label, score = scored
    expected, recall_before = 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        hit = score >= threshold
        recall = (hit & (label == 1)).sum() / (label == 1).sum()
        expected += (recall - recall_before) * (hit & (label == 1)).sum() / hit.sum()
        recall_before = recall
    assert average_precision(label, score) == pytest.approx(expected)


@pytest.mark.parametrize("target", [0.0005, 0.01, 0.05, 0.5])
def test_threshold_keeps_the_rate_and_no_lower_one_does(
    scored: tuple[np.ndarray, np.ndarray], target: float
) -> None:
    label, score = scored
    threshold = threshold_for(label, score, target)
    genuine = score[label == 0].astype(np.float64)
    assert (genuine >= threshold).mean() <= target
    assert (genuine >= threshold - 2e-6).mean() > target
    assert threshold == round(threshold, 6)


def test_at_threshold_counts() -> None:
    label = np.array([1, 1, 0, 0, 0, 1], dtype=np.int8)
    score = np.array([0.9, 0.5, 0.5, 0.1, 0.2, 0.4], dtype=np.float32)
    amount = np.array([100, 300, 50, 60, 70, 600])
    assert at_threshold(label, score, amount, 0.5) == {
        "precision": round(2 / 3, 6),
        "recall": round(2 / 3, 6),
        "recall_by_amount": 0.4,
        "false_positive_rate": round(1 / 3, 6),
        "rows_at_or_above": 3,
    }
    assert at_threshold(label, score, amount, 1.0)["precision"] == 0.0
