"""The kinds of model: how each is fitted, and how it becomes ONNX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import lightgbm as lgb
import numpy as np
import onnx
import xgboost as xgb
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier

from .forest_trees import forest_ensemble
from .lightgbm_trees import lightgbm_ensemble
from .logistic import Linear, fit_linear, linear_to_onnx, predict_linear
from .trees import LOG_ODDS, ConversionError, Ensemble, average_of, ensemble_to_onnx
from .xgboost_trees import xgboost_ensemble


class ParameterError(ValueError):
    """A parameter that the kind does not take. The message names it."""


@dataclass(frozen=True)
class Sample:
    """float32 rows x features, NaN = missing; label 0 or 1"""

    rows: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class FitOptions:
    trees: int = 100
    leaves: int = 31
    """per tree; LightGBM"""
    depth: int = 6
    """of a tree; XGBoost"""
    learning_rate: float = 0.1
    early_stopping: int = 25
    """stop after this many trees that bring nothing on the validation rows; 0 = never"""
    seed: int = 1
    seeds: int = 1
    """boosted models from this many seeds, averaged in log odds"""
    params: dict = field(default_factory=dict)
    """of the library, over our own"""


@dataclass(frozen=True)
class Fitted:
    """A trained model, as its own library sees it and as ONNX."""

    predict: Callable[[np.ndarray], np.ndarray]
    """float32 rows -> float64 probabilities, by the library"""
    onnx: onnx.ModelProto
    edges: dict[int, np.ndarray]
    """feature -> float32 values where branches part; empty for smooth models"""
    importance: np.ndarray
    """per feature, any unit"""
    parameters: dict
    trees: int
    explanation: dict
    """for the manifest, see docs/model.md"""


def fit(kind: str, train: Sample, validation: Sample | None, names: list[str], options: FitOptions) -> Fitted:
    """`validation` stops boosting; None: never stops. Raises ParameterError, ConversionError."""
    try:
        return KINDS[kind](train, validation, names, options)
    except (TypeError, ValueError, lgb.basic.LightGBMError, xgb.core.XGBoostError) as error:
        if not options.params or isinstance(error, ConversionError):
            raise
        raise ParameterError(f"{kind} does not take {options.params}: {error}") from error


def lightgbm_settings(options: FitOptions) -> dict:
    """One thread and row-wise histograms: the order of additions, and so the bytes, are fixed.

    No class weights: they would change the scores' meaning (a probability) and not the ranking. Against the
    instability that rare positives cause, leaves are kept from being tiny and outputs from exploding instead.
    """
    return {
        "objective": "binary",
        "metric": "average_precision",
        "num_leaves": options.leaves,
        "learning_rate": options.learning_rate,
        "min_data_in_leaf": 40,
        "min_sum_hessian_in_leaf": 0.5,
        "lambda_l2": 2.0,
        "max_delta_step": 2.0,
        "feature_fraction": 0.7,
        "max_bin": 255,
        "seed": options.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
        **options.params,
    }


def xgboost_settings(options: FitOptions) -> dict:
    """`exact` and a base of 0.5 are what published results of XGBoost mostly stand on."""
    return {
        "objective": "binary:logistic",
        "eval_metric": "aucpr",
        "tree_method": "exact",
        "base_score": 0.5,
        "max_depth": options.depth,
        "learning_rate": options.learning_rate,
        "seed": options.seed,
        "nthread": 1,
        "verbosity": 0,
        **options.params,
    }


def forest_settings(options: FitOptions) -> dict:
    return {"n_estimators": options.trees, "random_state": options.seed, "n_jobs": 1, **options.params}


def logistic_settings(options: FitOptions) -> dict:
    return {"C": 1.0, "max_iter": 1_000, "random_state": options.seed, **options.params}


def _fit_lightgbm(train: Sample, validation: Sample | None, names: list[str], options: FitOptions) -> Fitted:
    boosters = [_boost_lightgbm(train, validation, names, one) for one in _by_seed(options)]
    gain = sum(booster.feature_importance("gain") for booster in boosters)
    return _boosted(
        [lightgbm_ensemble(booster) for booster in boosters],
        lambda rows: [booster.predict(rows, raw_score=True, num_threads=1) for booster in boosters],
        np.asarray(gain, dtype=np.float64),
        lightgbm_settings(options) | _seeds(options),
    )


def _boost_lightgbm(
    train: Sample, validation: Sample | None, names: list[str], options: FitOptions
) -> lgb.Booster:
    settings = lightgbm_settings(options)
    train_set = lgb.Dataset(train.rows, label=train.label, feature_name=names, params=settings)
    if validation is None:
        booster = lgb.train(settings, train_set, num_boost_round=options.trees)
    else:
        validation_set = lgb.Dataset(validation.rows, label=validation.label, reference=train_set, params=settings)
        stop = [lgb.early_stopping(options.early_stopping, verbose=False)] if options.early_stopping > 0 else []
        booster = lgb.train(
            settings, train_set, num_boost_round=options.trees, valid_sets=[validation_set], callbacks=stop
        )
    # Trees after the best one are cut off, so that every later step sees the model as it is exported.
    best = booster.best_iteration if booster.best_iteration > 0 else booster.num_trees()
    return lgb.Booster(model_str=booster.model_to_string(num_iteration=best))


def _fit_xgboost(train: Sample, validation: Sample | None, names: list[str], options: FitOptions) -> Fitted:
    boosters = [_boost_xgboost(train, validation, one) for one in _by_seed(options)]
    gain = np.zeros(len(names))
    for booster in boosters:
        for name, value in booster.get_score(importance_type="total_gain").items():
            gain[int(name[1:])] += value
    return _boosted(
        [xgboost_ensemble(booster) for booster in boosters],
        lambda rows: [booster.predict(xgb.DMatrix(rows), output_margin=True) for booster in boosters],
        gain,
        xgboost_settings(options) | _seeds(options),
    )


def _boost_xgboost(train: Sample, validation: Sample | None, options: FitOptions) -> xgb.Booster:
    settings = xgboost_settings(options)
    data = xgb.DMatrix(train.rows, label=train.label)
    if validation is None or options.early_stopping == 0:
        return xgb.train(settings, data, num_boost_round=options.trees)
    booster = xgb.train(
        settings,
        data,
        num_boost_round=options.trees,
        evals=[(xgb.DMatrix(validation.rows, label=validation.label), "validation")],
        early_stopping_rounds=options.early_stopping,
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1]


def _by_seed(options: FitOptions) -> list[FitOptions]:
    return [replace(options, seed=options.seed + index) for index in range(options.seeds)]


def _seeds(options: FitOptions) -> dict:
    return {"seeds": options.seeds} if options.seeds > 1 else {}


def _boosted(
    ensembles: list[Ensemble],
    margins: Callable[[np.ndarray], list[np.ndarray]],
    importance: np.ndarray,
    parameters: dict,
) -> Fitted:
    ensemble = average_of(ensembles)

    def predict(rows: np.ndarray) -> np.ndarray:
        parts = [part.astype(np.float64) for part in margins(rows)]
        return expit(sum(parts) / len(parts))

    return _of_trees(ensemble, predict, importance, parameters)


def _of_trees(
    ensemble: Ensemble, predict: Callable[[np.ndarray], np.ndarray], importance: np.ndarray, parameters: dict
) -> Fitted:
    return Fitted(
        predict=predict,
        onnx=ensemble_to_onnx(ensemble),
        edges=ensemble.split_edges(),
        importance=importance,
        parameters=parameters,
        trees=len(ensemble.trees),
        explanation={"kind": "tree_path", "space": ensemble.space, "base": ensemble.expected()},
    )


def _fit_forest(train: Sample, _validation: Sample | None, _names: list[str], options: FitOptions) -> Fitted:
    settings = forest_settings(options)
    forest = RandomForestClassifier(**settings).fit(train.rows, train.label)
    return _of_trees(
        forest_ensemble(forest), lambda rows: forest.predict_proba(rows)[:, 1], forest.feature_importances_, settings
    )


def _fit_logistic(train: Sample, _validation: Sample | None, names: list[str], options: FitOptions) -> Fitted:
    settings = logistic_settings(options)
    model = fit_linear(train.rows, train.label, settings)
    filled = np.where(np.isnan(train.rows), model.missing, train.rows)
    return Fitted(
        predict=lambda rows: predict_linear(model, rows),
        onnx=linear_to_onnx(model),
        edges={},
        importance=np.abs(model.coefficient) * filled.std(axis=0),
        parameters=settings,
        trees=0,
        explanation=_linear_explanation(model),
    )


def _linear_explanation(model: Linear) -> dict:
    return {
        "kind": "linear",
        "space": LOG_ODDS,
        "base": model.intercept,
        "coefficient": model.coefficient.tolist(),
        "mean": model.mean.tolist(),
        "missing": model.missing.tolist(),
    }


KINDS: dict[str, Callable[[Sample, Sample | None, list[str], FitOptions], Fitted]] = {
    "lightgbm": _fit_lightgbm,
    "xgboost": _fit_xgboost,
    "logistic": _fit_logistic,
    "forest": _fit_forest,
}
