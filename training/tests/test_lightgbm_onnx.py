from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest

from fraudstream_training.lightgbm_onnx import ConversionError, float32_at_or_below, to_onnx
from fraudstream_training.parity import ParityError, check_parity, open_session, score


def fit(
    rows: np.ndarray,
    label: np.ndarray,
    categorical: list[int] | None = None,
    trees: int = 30,
    **settings: object,
) -> lgb.Booster:
    options = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 15, **settings}
    data = lgb.Dataset(rows, label=label, params=options, categorical_feature=categorical or [])
    return lgb.train(options, data, num_boost_round=trees)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """Columns: no value ever missing; 20 % missing; float32 neighbours; small counts with zeros and negatives."""
    random = np.random.default_rng(5)
    whole = random.normal(0.3, 1, 6_000)
    holes = random.normal(0, 1, 6_000)
    holes[random.random(6_000) < 0.2] = np.nan
    # Splits fall between adjacent float32 values here: rounding a threshold up moves rows to the other side.
    near = np.float32(1) + random.integers(0, 8, 6_000) * np.spacing(np.float32(1))
    counts = random.integers(-2, 4, 6_000)
    return np.stack([whole, holes, near, counts], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def label(rows: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(6)
    risk = rows[:, 0] + np.where(np.isnan(rows[:, 1]), 1.5, rows[:, 1]) + (rows[:, 2] > 1.0000005) + (rows[:, 3] > 1)
    return (risk + random.normal(0, 0.5, len(rows)) > 2.8).astype(np.int8)


@pytest.mark.parametrize("value", [0.1, -0.1, 1 + 2**-25, 1e-35, -1e-35, 0.0, 3.5, 1e40, -1e30])
def test_threshold_rounds_down_to_the_next_float32(value: float) -> None:
    rounded = float32_at_or_below(value)
    assert rounded <= value
    with np.errstate(over="ignore"):
        assert float(np.nextafter(np.float32(rounded), np.float32(np.inf))) > value
    assert rounded == float(np.float32(rounded))


def test_same_scores_with_missing_values_and_on_split_edges(rows: np.ndarray, label: np.ndarray) -> None:
    booster = fit(rows, label)
    report = check_parity(booster, open_session(to_onnx(booster)), rows, 10_000, seed=3)
    assert report["rows"] == 20_000
    assert report["rows_with_missing"] > 4_000
    assert report["difference_max"] <= 1e-6


@pytest.mark.parametrize("column", [0, 1, 2, 3])
def test_each_column_alone_missing(rows: np.ndarray, label: np.ndarray, column: int) -> None:
    booster = fit(rows, label)
    tested = rows.copy()
    tested[:, column] = np.nan
    np.testing.assert_allclose(
        score(open_session(to_onnx(booster)), tested), booster.predict(tested), rtol=0, atol=1e-6
    )


def test_batch_size_does_not_change_a_bit(rows: np.ndarray, label: np.ndarray) -> None:
    session = open_session(to_onnx(fit(rows, label)))
    all_at_once = score(session, rows[:1_000])
    one_by_one = np.concatenate([score(session, rows[i : i + 1]) for i in range(1_000)])
    np.testing.assert_array_equal(all_at_once, one_by_one)


def test_a_model_that_differs_is_caught(rows: np.ndarray, label: np.ndarray) -> None:
    other = fit(rows, label, learning_rate=0.11)
    with pytest.raises(ParityError, match="differs by"):
        check_parity(fit(rows, label), open_session(to_onnx(other)), rows, 100, seed=3)


def test_refuses_what_it_does_not_know(rows: np.ndarray, label: np.ndarray) -> None:
    with pytest.raises(ConversionError, match="missing type"):
        to_onnx(fit(rows, label, zero_as_missing=True))
    with pytest.raises(ConversionError, match="objective"):
        to_onnx(fit(rows, label, objective="regression"))
    with pytest.raises(ConversionError, match="decision"):
        to_onnx(fit(np.abs(rows), label, categorical=[3]))
    with pytest.raises(ConversionError, match="no leaf has a negative value"):
        to_onnx(fit(rows, (np.arange(len(rows)) % 100 > 0).astype(np.int8), trees=1))
