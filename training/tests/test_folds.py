"""Folds against their definition, payment by payment, and the metrics of ranked cards against a plain count."""

from pathlib import Path

import numpy as np
import pytest

from fraudstream_training.folder import FeatureFolder
from fraudstream_training.folds import FoldError, fold_of
from fraudstream_training.metrics import area_under_roc, average_precision, user_precision_at
from fraudstream_training.split import DAY_MS

START_MS = 1_532_476_800_000


def made_up(seed: int, rows: int = 3_000, users: int = 60, fraud: float = 0.03) -> FeatureFolder:
    random = np.random.default_rng(seed)
    time = np.sort(random.integers(START_MS - 3 * DAY_MS, START_MS + 25 * DAY_MS, size=rows))
    label = (random.random(rows) < fraud).astype(np.int8)
    label[random.random(rows) < 0.02] = -1
    ids = [str(n) for n in random.permutation(users)]
    return FeatureFolder(
        path=Path("."),
        feature_names=["x"],
        catalogue_fingerprint="",
        catalogue_version=1,
        features=random.random((rows, 1)).astype(np.float32),
        event_time_ms=time,
        user_index=random.integers(0, users, size=rows),
        user_ids=ids,
        amount_minor=np.ones(rows, dtype=np.int64),
        label=label,
        label_time_ms=np.full(rows, -1, dtype=np.int64),
        sha256="",
    )


def naive_fold(folder: FeatureFolder) -> tuple[list[int], list[int]]:
    train, test = [], []
    for row in range(folder.rows):
        day = (int(folder.event_time_ms[row]) - START_MS) // DAY_MS
        if folder.label[row] < 0:
            continue
        if 0 <= day < 7:
            train.append(row)
        if 14 <= day < 21:
            known_days = list(range(7)) + list(range(7, 7 + day - 14))
            blocked = any(
                folder.label[other] == 1
                and folder.user_index[other] == folder.user_index[row]
                and (int(folder.event_time_ms[other]) - START_MS) // DAY_MS in known_days
                for other in range(folder.rows)
            )
            if not blocked:
                test.append(row)
    return train, test


@pytest.mark.parametrize("seed", [1, 2])
def test_a_fold_is_what_its_definition_says(seed):
    folder = made_up(seed, rows=1_200)
    fold = fold_of(folder, START_MS)
    train, test = naive_fold(folder)
    assert fold.train.tolist() == train
    assert fold.test.tolist() == test
    unblocked = ((folder.event_time_ms - START_MS) // DAY_MS >= 14) & ((folder.event_time_ms - START_MS) // DAY_MS < 21)
    assert len(test) < int((unblocked & (folder.label >= 0)).sum())


def test_weeks_without_fraud_and_odd_starts_are_refused():
    folder = made_up(1)
    with pytest.raises(FoldError, match="training week"):
        fold_of(folder, START_MS + 60 * DAY_MS)
    with pytest.raises(FoldError, match="midnight"):
        fold_of(folder, START_MS + 1)


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_metrics_equal_a_plain_count(seed):
    random = np.random.default_rng(seed)
    rows, users = 300, 40
    label = (random.random(rows) < 0.2).astype(np.int8)
    score = np.round(random.random(rows), 1)
    pairs = [(a, b) for a in score[label == 1] for b in score[label == 0]]
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs)
    assert area_under_roc(label, score) == pytest.approx(wins / len(pairs), abs=1e-12)

    total, recall_before = 0.0, 0.0
    for cut in sorted(set(score), reverse=True):
        raised = score >= cut
        recall = label[raised].sum() / label.sum()
        total += (recall - recall_before) * label[raised].mean()
        recall_before = recall
    assert average_precision(label, score) == pytest.approx(total, abs=1e-12)

    day, user = random.integers(0, 4, size=rows), random.integers(0, users, size=rows)
    ids = [str(n) for n in random.permutation(users) * 7]
    found, precision = set(), []
    for today in range(4):
        cards = {}
        for row in np.flatnonzero(day == today):
            name = ids[user[row]]
            if name not in found:
                best, fraud = cards.get(name, (-1.0, 0))
                cards[name] = (max(best, score[row]), max(fraud, int(label[row])))
        top = sorted(cards, key=lambda name: (-cards[name][0], int(name)))[:5]
        caught = {name for name in top if cards[name][1] == 1}
        precision.append(len(caught) / 5)
        found |= caught
    assert user_precision_at(5, day, user, ids, label, score) == pytest.approx(np.mean(precision), abs=1e-12)
