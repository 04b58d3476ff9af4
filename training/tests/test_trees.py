from __future__ import annotations

import json

import lightgbm as lgb
import numpy as np
import onnx
import pytest
import xgboost as xgb
from sklearn.ensemble import RandomForestClassifier

from fraudstream_training.forest_trees import forest_ensemble
from fraudstream_training.kinds import FitOptions, Fitted, ParameterError, Sample, fit
from fraudstream_training.lightgbm_trees import lightgbm_ensemble
from fraudstream_training.parity import ParityError, check_parity, open_session, score
from fraudstream_training.trees import (
    ConversionError,
    Ensemble,
    Tree,
    ensemble_to_onnx,
    float32_at_or_below,
    float32_below,
)
from fraudstream_training.xgboost_trees import xgboost_ensemble

BOOSTED = ("lightgbm", "xgboost")
KINDS = (*BOOSTED, "forest", "logistic")


def boost(rows: np.ndarray, label: np.ndarray, categorical: list[int] | None = None, trees: int = 30, **settings: object) -> lgb.Booster:
    options = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 15, **settings}
    data = lgb.Dataset(rows, label=label, params=options, categorical_feature=categorical or [])
    return lgb.train(options, data, num_boost_round=trees)


def fitted(kind: str, rows: np.ndarray, label: np.ndarray, **options: object) -> Fitted:
    names = [f"f{column}" for column in range(rows.shape[1])]
    return fit(kind, Sample(rows, label), None, names, FitOptions(**{"trees": 30, **options}))


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


VALUES = [0.1, -0.1, 1 + 2**-25, 1e-35, -1e-35, 0.0, 3.5, 1e40, -1e30]


@pytest.mark.parametrize("value", VALUES)
def test_threshold_rounds_down_to_the_next_float32(value: float) -> None:
    rounded = float(float32_at_or_below(value))
    assert rounded <= value
    with np.errstate(over="ignore"):
        assert float(np.nextafter(np.float32(rounded), np.float32(np.inf))) > value


@pytest.mark.parametrize("value", VALUES)
def test_strict_threshold_is_the_last_float32_below(value: float) -> None:
    rounded = float(float32_below(value))
    assert rounded < value
    with np.errstate(over="ignore"):
        assert float(np.nextafter(np.float32(rounded), np.float32(np.inf))) >= value


@pytest.mark.parametrize("kind", KINDS)
def test_same_scores_with_missing_values_and_on_split_edges(kind: str, rows: np.ndarray, label: np.ndarray) -> None:
    model = fitted(kind, rows, label)
    report = check_parity(model, open_session(model.onnx), rows, 10_000, seed=3)
    assert report["rows"] == 20_000
    assert report["rows_with_missing"] > 4_000
    assert report["difference_max"] <= 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("column", [0, 1, 2, 3])
def test_each_column_alone_missing(kind: str, rows: np.ndarray, label: np.ndarray, column: int) -> None:
    model = fitted(kind, rows, label)
    tested = rows.copy()
    tested[:, column] = np.nan
    np.testing.assert_allclose(score(open_session(model.onnx), tested), model.predict(tested), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_batch_size_does_not_change_a_bit(kind: str, rows: np.ndarray, label: np.ndarray) -> None:
    session = open_session(fitted(kind, rows, label).onnx)
    all_at_once = score(session, rows[:1_000])
    one_by_one = np.concatenate([score(session, rows[i : i + 1]) for i in range(1_000)])
    np.testing.assert_array_equal(all_at_once, one_by_one)


@pytest.mark.parametrize("kind", BOOSTED)
def test_many_trees_are_added_as_doubles(kind: str, rows: np.ndarray, label: np.ndarray) -> None:
    model = fitted(kind, rows, label, trees=60, seeds=4, params={"subsample": 0.6, "bagging_freq": 1})
    assert model.trees == 240
    assert "nodes_values_as_tensor" in {attribute.name for attribute in model.onnx.graph.node[1].attribute}
    assert check_parity(model, open_session(model.onnx), rows, 5_000, seed=3)["difference_max"] <= 2e-7
    alone = fitted(kind, rows, label, trees=60, params={"subsample": 0.6, "bagging_freq": 1})
    assert np.abs(alone.predict(rows) - model.predict(rows)).max() > 1e-3


def test_a_model_that_differs_is_caught(rows: np.ndarray, label: np.ndarray) -> None:
    other = fitted("lightgbm", rows, label, learning_rate=0.11)
    with pytest.raises(ParityError, match="differs by"):
        check_parity(fitted("lightgbm", rows, label), open_session(other.onnx), rows, 100, seed=3)


def test_refuses_what_it_does_not_know(rows: np.ndarray, label: np.ndarray) -> None:
    with pytest.raises(ConversionError, match="missing type"):
        lightgbm_ensemble(boost(rows, label, zero_as_missing=True))
    with pytest.raises(ConversionError, match="objective"):
        lightgbm_ensemble(boost(rows, label, objective="regression"))
    with pytest.raises(ConversionError, match="decision"):
        lightgbm_ensemble(boost(np.abs(rows), label, categorical=[3]))
    mostly_fraud = (np.arange(len(rows)) % 100 > 0).astype(np.int8)
    with pytest.raises(ConversionError, match="no leaf has a negative value"):
        ensemble_to_onnx(lightgbm_ensemble(boost(rows, mostly_fraud, trees=1)))
    with pytest.raises(ConversionError, match="objective"):
        xgboost_ensemble(xgb.train({"objective": "reg:squarederror"}, xgb.DMatrix(rows, label=label), 1))
    with pytest.raises(ConversionError, match="booster"):
        linear = {"objective": "binary:logistic", "booster": "gblinear"}
        xgboost_ensemble(xgb.train(linear, xgb.DMatrix(np.nan_to_num(rows), label=label), 1))
    with pytest.raises(ConversionError, match="classes"):
        forest_ensemble(RandomForestClassifier(n_estimators=1).fit(rows, label + 1))


def test_names_parameters_that_a_kind_does_not_take(rows: np.ndarray, label: np.ndarray) -> None:
    with pytest.raises(ParameterError, match="forest does not take .*max_depht"):
        fitted("forest", rows, label, params={"max_depht": 3})


def leaf_of(tree: Tree, row: np.ndarray) -> int:
    node = 0
    while tree.feature[node] >= 0:
        value = row[tree.feature[node]]
        goes_left = tree.missing_left[node] if np.isnan(value) else value <= tree.threshold[node]
        node = tree.left[node] if goes_left else tree.right[node]
    return int(node)


def path_contributions(ensemble: Ensemble, row: np.ndarray) -> np.ndarray:
    """One per feature and, last, the base."""
    parts = np.zeros(ensemble.features + 1)
    parts[-1] = ensemble.expected()
    for tree in ensemble.trees:
        expected, node, end = tree.expected(), 0, leaf_of(tree, row)
        while node != end:
            value = row[tree.feature[node]]
            goes_left = tree.missing_left[node] if np.isnan(value) else value <= tree.threshold[node]
            child = tree.left[node] if goes_left else tree.right[node]
            parts[tree.feature[node]] += expected[child] - expected[node]
            node = child
    return parts


def test_contributions_are_those_of_xgboost_itself(rows: np.ndarray, label: np.ndarray) -> None:
    settings = {"objective": "binary:logistic", "base_score": 0.5, "max_depth": 4, "tree_method": "exact"}
    booster = xgb.train(settings, xgb.DMatrix(rows, label=label), 10)
    ensemble = xgboost_ensemble(booster)
    theirs = booster.predict(xgb.DMatrix(rows[:200]), pred_contribs=True, approx_contribs=True)
    ours = np.array([path_contributions(ensemble, row) for row in rows[:200]])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5)


def test_base_is_the_mean_over_the_training_rows(rows: np.ndarray, label: np.ndarray) -> None:
    booster = boost(rows, label)
    assert lightgbm_ensemble(booster).expected() == pytest.approx(booster.predict(rows, raw_score=True).mean(), abs=1e-9)
    assert lightgbm_ensemble(booster).expected() == pytest.approx(
        booster.predict(rows[:1], pred_contrib=True)[0, -1], abs=1e-9
    )


def test_covers_go_along(rows: np.ndarray, label: np.ndarray) -> None:
    model = ensemble_to_onnx(lightgbm_ensemble(boost(rows, label, trees=3)))
    rates = next(one for one in model.graph.node[0].attribute if one.name == "nodes_hitrates")
    assert onnx.helper.get_attribute_value(rates)[0] == len(rows)


def test_linear_explanation_adds_up(rows: np.ndarray, label: np.ndarray) -> None:
    model = fitted("logistic", rows, label)
    said = json.loads(json.dumps(model.explanation))
    filled = np.where(np.isnan(rows), said["missing"], rows.astype(np.float64))
    parts = (filled - said["mean"]) * said["coefficient"]
    np.testing.assert_allclose(1 / (1 + np.exp(-(said["base"] + parts.sum(axis=1)))), model.predict(rows), atol=1e-12)
    np.testing.assert_allclose(parts.mean(axis=0), 0, atol=1e-9)


def test_a_column_that_is_constant_or_never_known_says_nothing(rows: np.ndarray, label: np.ndarray) -> None:
    odd = np.column_stack([rows, np.full(len(rows), 7.3), np.full(len(rows), np.nan)]).astype(np.float32)
    model = fitted("logistic", odd, label)
    assert model.explanation["coefficient"][-2:] == [0, 0]
    assert check_parity(model, open_session(model.onnx), odd, 500, seed=1)["difference_max"] <= 1e-6
