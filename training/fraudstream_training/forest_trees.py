"""scikit-learn's random forest -> trees.

scikit-learn casts inputs to float32 and compares x <= t with a double t, so t is rounded down. NaN goes where
`missing_go_to_left` says, also for features that had none in training. A leaf holds the share of fraud; the forest's
score is the mean over trees.
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from .trees import PROBABILITY, ConversionError, Ensemble, Tree, float32_at_or_below


def forest_ensemble(forest: RandomForestClassifier) -> Ensemble:
    """Raises ConversionError."""
    if list(forest.classes_) != [0, 1]:
        raise ConversionError(f"classes {list(forest.classes_)}: only [0, 1] is known")
    trees = [_tree(one.tree_, 1 / len(forest.estimators_)) for one in forest.estimators_]
    return Ensemble(trees=trees, base=0.0, space=PROBABILITY, features=forest.n_features_in_)


def _tree(tree, share: float) -> Tree:
    left = tree.children_left.astype(np.int32)
    leaf = left < 0
    weights = tree.value[:, 0, :]
    return Tree(
        feature=np.where(leaf, -1, tree.feature).astype(np.int32),
        threshold=np.where(leaf, np.float32(0), float32_at_or_below(tree.threshold)),
        missing_left=tree.missing_go_to_left.astype(bool),
        left=left,
        right=tree.children_right.astype(np.int32),
        value=np.where(leaf, weights[:, 1] / weights.sum(axis=1) * share, 0.0),
        cover=tree.weighted_n_node_samples.astype(np.float64),
    )
