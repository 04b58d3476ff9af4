"""XGBoost binary classifier -> trees.

XGBoost compares x < t with a float32 t and sends NaN to the node's default side; both are kept exactly.
"""

from __future__ import annotations

import json
import math

import numpy as np
import xgboost as xgb

from .trees import LOG_ODDS, ConversionError, Ensemble, Tree, float32_below


def xgboost_ensemble(booster: xgb.Booster) -> Ensemble:
    """Raises ConversionError."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective = learner["objective"]["name"]
    if objective != "binary:logistic":
        raise ConversionError(f"objective {objective!r}: only 'binary:logistic' is known")
    if learner["gradient_booster"]["name"] != "gbtree":
        raise ConversionError(f"booster {learner['gradient_booster']['name']!r}: only 'gbtree' is known")
    # Written as a number or as a list of one, by version.
    score = float(learner["learner_model_param"]["base_score"].strip("[]"))
    trees = [_tree(tree) for tree in learner["gradient_booster"]["model"]["trees"]]
    return Ensemble(
        trees=trees,
        base=math.log(score / (1 - score)),
        space=LOG_ODDS,
        features=int(learner["learner_model_param"]["num_feature"]),
    )


def _tree(tree: dict) -> Tree:
    if tree["categories_nodes"]:
        raise ConversionError("only numerical splits are known")
    left = np.array(tree["left_children"], dtype=np.int32)
    leaf = left < 0
    condition = np.array(tree["split_conditions"], dtype=np.float32)
    return Tree(
        feature=np.where(leaf, -1, np.array(tree["split_indices"], dtype=np.int32)).astype(np.int32),
        threshold=np.where(leaf, np.float32(0), float32_below(condition)),
        missing_left=np.array(tree["default_left"], dtype=bool),
        left=left,
        right=np.array(tree["right_children"], dtype=np.int32),
        value=np.where(leaf, condition.astype(np.float64), 0.0),
        cover=np.array(tree["sum_hessian"], dtype=np.float64),
    )
