"""Logistic regression: missing values become the training median, values are standardised, a weighted sum goes through
the logistic function. In the graph all of it is done in doubles, so that the float32 result does not depend on how a
vectorised operator treats the last rows of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from .trees import INPUT_NAME, OUTPUT_NAME, make_model


@dataclass(frozen=True)
class Linear:
    """log odds = intercept + sum of coefficient x (value - mean), a missing value counts as `missing`"""

    intercept: float
    coefficient: np.ndarray
    """float64, per unit of the feature"""
    mean: np.ndarray
    """float64, of the training rows after filling"""
    missing: np.ndarray
    """float64: the training median, as a float32 can hold it"""


def fit_linear(rows: np.ndarray, label: np.ndarray, settings: dict) -> Linear:
    """@settings: of scikit-learn's LogisticRegression"""
    wide = rows.astype(np.float64)
    known = ~np.isnan(wide).all(axis=0)
    missing = np.zeros(wide.shape[1])
    missing[known] = np.nanmedian(wide[:, known], axis=0)
    missing = missing.astype(np.float32).astype(np.float64)
    filled = np.where(np.isnan(wide), missing, wide)
    mean, deviation = filled.mean(axis=0), filled.std(axis=0)
    # A constant says nothing; its deviation is 0 but for rounding.
    constant = deviation <= 1e-12 * np.maximum(np.abs(mean), 1)
    scale = np.where(constant, 0.0, 1 / np.where(constant, 1, deviation))
    fitted = LogisticRegression(**settings).fit((filled - mean) * scale, label)
    return Linear(float(fitted.intercept_[0]), fitted.coef_[0] * scale, mean, missing)


def predict_linear(model: Linear, rows: np.ndarray) -> np.ndarray:
    filled = np.where(np.isnan(rows), model.missing, rows.astype(np.float64))
    return expit(model.intercept + (filled - model.mean) @ model.coefficient)


def linear_to_onnx(model: Linear) -> onnx.ModelProto:
    """One input [rows, features] float32, one output [rows, 1] float32: the probability of fraud."""
    constants = [
        numpy_helper.from_array(model.missing, "missing"),
        numpy_helper.from_array(model.mean, "mean"),
        numpy_helper.from_array(model.coefficient, "coefficient"),
        numpy_helper.from_array(np.array([model.intercept]), "intercept"),
        numpy_helper.from_array(np.array([1.0]), "one"),
    ]
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("IsNaN", [INPUT_NAME], ["absent"]),
        helper.make_node("Where", ["absent", "missing", "wide"], ["filled"]),
        helper.make_node("Sub", ["filled", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "coefficient"], ["parts"]),
        helper.make_node("ReduceSum", ["parts", "columns"], ["sum"], keepdims=1),
        helper.make_node("Add", ["sum", "intercept"], ["log_odds"]),
        helper.make_node("Neg", ["log_odds"], ["negated"]),
        helper.make_node("Exp", ["negated"], ["odds_against"]),
        helper.make_node("Add", ["odds_against", "one"], ["total"]),
        helper.make_node("Div", ["one", "total"], ["exact"]),
        helper.make_node("Cast", ["exact"], [OUTPUT_NAME], to=TensorProto.FLOAT),
    ]
    constants.append(helper.make_tensor("columns", TensorProto.INT64, [1], [1]))
    return make_model(nodes, constants, len(model.mean), ml=False)
