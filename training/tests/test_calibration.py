from __future__ import annotations

import numpy as np
import pytest

from fraudstream_training.calibration import BLOCK_FRAUDS_MIN, CalibrationError, fit_calibration
from fraudstream_training.metrics import average_precision, brier_score


def overconfident(seed: int, rows: int = 40_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(raw score, label, true probability): the raw score claims three times the odds, and more at the top"""
    random = np.random.default_rng(seed)
    odds = random.normal(-5, 2, rows)
    truth = 1 / (1 + np.exp(-odds))
    raw = 1 / (1 + np.exp(-(1.4 * odds + 1.5)))
    return raw.astype(np.float32), (random.random(rows) < truth).astype(np.int8), truth


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_probability_holds_on_other_rows(method: str) -> None:
    raw, label, _ = overconfident(1)
    calibration = fit_calibration(method, raw, label)
    other, other_label, truth = overconfident(2)
    said = calibration.apply(other)
    assert brier_score(other_label, said) < brier_score(other_label, other)
    assert said.sum() == pytest.approx(truth.sum(), rel=0.12)
    for low, high in ((0.01, 0.05), (0.05, 0.2), (0.2, 0.6)):
        inside = (said >= low) & (said < high)
        assert truth[inside].mean() == pytest.approx(said[inside].mean(), rel=0.35)


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_ranking_stays(method: str) -> None:
    raw, label, _ = overconfident(3)
    said = fit_calibration(method, raw, label).apply(raw)
    order = np.argsort(raw, kind="stable")
    assert (np.diff(said[order]) >= 0).all()
    assert average_precision(label, said) == pytest.approx(average_precision(label, raw), abs=1e-12)
    everywhere = np.sort(np.concatenate([np.linspace(0, 1, 100_001), raw.astype(np.float64)]))
    mapped = fit_calibration(method, raw, label).apply(everywhere)
    assert (np.diff(mapped) >= 0).all()
    assert mapped.min() >= 0
    assert mapped.max() <= 1


def test_platt_finds_the_line() -> None:
    raw, label, _ = overconfident(4, rows=300_000)
    calibration = fit_calibration("platt", raw, label)
    assert calibration.slope == pytest.approx(1 / 1.4, abs=0.03)
    assert calibration.intercept == pytest.approx(-1.5 / 1.4, abs=0.06)


def test_isotonic_blocks_hold_enough_frauds() -> None:
    raw, label, _ = overconfident(5, rows=3_000)
    knots = fit_calibration("isotonic", raw, label).knots
    assert len(knots) <= int(label.sum()) // BLOCK_FRAUDS_MIN + 2
    assert knots[0].tolist() == [0, 0]
    assert knots[-1][0] == 1
    assert (np.diff(knots[:, 0]) > 0).all()
    assert (np.diff(knots[:, 1]) >= 0).all()


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_scores_that_say_the_opposite_are_refused(method: str) -> None:
    raw, label, _ = overconfident(6)
    with pytest.raises(CalibrationError):
        fit_calibration(method, 1 - raw, label)


def test_scores_that_are_all_alike_are_refused() -> None:
    label = (np.arange(1_000) % 10 == 0).astype(np.int8)
    with pytest.raises(CalibrationError, match="growing rate"):
        fit_calibration("isotonic", np.full(1_000, 0.1, dtype=np.float32), label)


def test_none_changes_nothing() -> None:
    raw, label, _ = overconfident(7, rows=100)
    np.testing.assert_array_equal(fit_calibration("none", raw, label).apply(raw), raw.astype(np.float64))
    assert fit_calibration("none", raw, label).manifest() is None
