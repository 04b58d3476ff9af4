from __future__ import annotations

import numpy as np
import pytest

from fraudstream_training.targets import Target, TargetError, choose, parse_target, threshold_for


@pytest.fixture(params=[1, 2, 3])
def scored(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores with many ties."""
    random = np.random.default_rng(request.param)
    label = (random.random(400) < 0.2).astype(np.int8)
    score = np.round(random.random(400) * 0.7 + label * 0.3, 2).astype(np.float32)
    return label, score


@pytest.mark.parametrize("target", [0.0005, 0.01, 0.05, 0.5])
def test_rate_of_genuine_is_kept_and_no_lower_threshold_keeps_it(
    scored: tuple[np.ndarray, np.ndarray], target: float
) -> None:
    label, score = scored
    threshold = threshold_for(label, score, target)
    genuine = score[label == 0].astype(np.float64)
    assert (genuine >= threshold).mean() <= target
    assert (genuine >= threshold - 2e-6).mean() > target
    assert threshold == round(threshold, 6)


@pytest.mark.parametrize("precision", [0.25, 0.4, 0.7])
def test_precision_is_reached_and_no_lower_threshold_reaches_it(
    scored: tuple[np.ndarray, np.ndarray], precision: float
) -> None:
    label, score = scored
    threshold = choose(Target("precision", precision), label, score, 1.0)
    wide = score.astype(np.float64)
    assert label[wide >= threshold].mean() >= precision
    for lower in np.unique(np.floor(wide * 1e6) / 1e6):
        if lower < threshold:
            assert label[wide >= lower].mean() < precision


@pytest.mark.parametrize("alerts", [3, 50, 799])
def test_alerts_per_day_of_the_whole_traffic(scored: tuple[np.ndarray, np.ndarray], alerts: float) -> None:
    label, score = scored
    # these 400 rows stand for 800 a day
    threshold = choose(Target("alerts-per-day", alerts), label, score, 800.0)
    wide = score.astype(np.float64)
    assert (wide >= threshold).mean() * 800 <= alerts
    assert (wide >= threshold - 2e-6).mean() * 800 > alerts


def test_more_alerts_than_payments() -> None:
    assert choose(Target("alerts-per-day", 100), np.array([0, 1]), np.array([0.1, 0.2]), 50.0) == 0.0


def test_a_precision_that_cannot_be_had() -> None:
    label, score = np.array([1, 0, 1, 0]), np.array([0.5, 0.5, 0.1, 0.1])
    with pytest.raises(TargetError, match="the best has 0.500"):
        choose(Target("precision", 0.9), label, score, 1.0)


def test_words() -> None:
    assert parse_target("fpr=0.005") == Target("fpr", 0.005)
    assert str(parse_target("alerts-per-day=100")) == "alerts-per-day=100"
    for wrong in ("recall=0.5", "fpr", "fpr=1", "precision=0", "alerts-per-day=-3", "fpr=x"):
        with pytest.raises(ValueError):
            parse_target(wrong)
