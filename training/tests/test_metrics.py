from __future__ import annotations

import numpy as np
import pytest

from fraudstream_training.metrics import (
    area_under_roc,
    at_threshold,
    average_precision,
    brier_score,
    user_precision_at,
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


def test_brier_by_definition() -> None:
    label, score = np.array([1, 0, 0], dtype=np.int8), np.array([0.5, 0.2, 0.0])
    assert brier_score(label, score) == pytest.approx((0.25 + 0.04) / 3)


def test_user_precision_by_hand() -> None:
    #       day 0: users 10, 9, 2                day 1
    rows = [  # day, user, label, score
        (0, "10", 1, 0.9),
        (0, "10", 0, 0.1),
        (0, "9", 0, 0.8),
        (0, "2", 1, 0.8),  # before 9: the same score, the lower number
        (1, "10", 1, 0.9),  # found on day 0
        (1, "2", 1, 0.7),  # found on day 0
        (1, "9", 1, 0.2),
        (1, "30", 0, 0.3),
        (1, "31", 1, 0.1),
    ]
    ids = ["9", "10", "2", "30", "31"]
    day, user, label, score = (np.array(column) for column in zip(*rows, strict=True))
    index = np.array([ids.index(one) for one in user])
    assert user_precision_at(2, day, index, ids, label, score) == pytest.approx((2 / 2 + 1 / 2) / 2)
    assert user_precision_at(1, day, index, ids, label, score) == pytest.approx((1 + 1) / 2)  # 2 is open on day 1
    assert user_precision_at(100, day, index, ids, label, score) == pytest.approx((0.02 + 0.02) / 2)


def test_user_precision_by_loops(scored: tuple[np.ndarray, np.ndarray]) -> None:
    label, score = scored
    random = np.random.default_rng(9)
    day, user = random.integers(0, 5, len(label)), random.integers(0, 60, len(label))
    ids = [str(n) for n in random.permutation(60)]
    found: set[str] = set()
    expected = []
    for today in range(5):
        best: dict[str, tuple[float, int]] = {}
        for k in np.flatnonzero(day == today):
            name = ids[user[k]]
            if name not in found:
                before = best.get(name, (-1.0, 0))
                best[name] = (max(before[0], float(score[k])), max(before[1], int(label[k])))
        top = sorted(best, key=lambda name: (-best[name][0], int(name)))[:10]
        expected.append(sum(best[name][1] for name in top) / 10)
        found |= {name for name in top if best[name][1] == 1}
    assert user_precision_at(10, day, user, ids, label, score) == pytest.approx(np.mean(expected))
