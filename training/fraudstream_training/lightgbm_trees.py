"""LightGBM binary classifier -> trees.

LightGBM compares x <= t with a double t, so t is rounded down. A feature that had no missing value in training sends
NaN where 0.0 goes; a feature that had some sends NaN to the node's default side.
"""

from __future__ import annotations

from collections.abc import Iterator

import lightgbm as lgb
import numpy as np

from .trees import LOG_ODDS, ConversionError, Ensemble, Tree, float32_at_or_below

DUMPED_INFINITY = 1e300


def lightgbm_ensemble(booster: lgb.Booster) -> Ensemble:
    """Raises ConversionError."""
    dump = booster.dump_model()
    if not dump["objective"].startswith("binary sigmoid:1"):
        raise ConversionError(f"objective {dump['objective']!r}: only 'binary sigmoid:1' is known")
    trees = [_tree(tree["tree_structure"]) for tree in dump["tree_info"]]
    return Ensemble(trees=trees, base=0.0, space=LOG_ODDS, features=booster.num_feature())


def _tree(root: dict) -> Tree:
    numbered = list(_number(root))
    for _, node, _, _ in numbered:
        if "leaf_value" not in node and node["decision_type"] != "<=":
            raise ConversionError(f"decision {node['decision_type']!r}: only numerical splits are known")
    leaf = np.array(["leaf_value" in node for _, node, _, _ in numbered])
    return Tree(
        feature=np.array([node.get("split_feature", -1) for _, node, _, _ in numbered], dtype=np.int32),
        threshold=_float32([0.0 if "leaf_value" in node else node["threshold"] for _, node, _, _ in numbered]),
        missing_left=np.array([bool("leaf_value" not in n and _missing_goes_left(n)) for _, n, _, _ in numbered]),
        left=np.array([left for _, _, left, _ in numbered], dtype=np.int32),
        right=np.array([right for _, _, _, right in numbered], dtype=np.int32),
        value=np.where(leaf, [node.get("leaf_value", 0.0) for _, node, _, _ in numbered], 0.0),
        cover=np.array(
            # A tree that is a single leaf has no count: its share of nothing does not matter.
            [node.get("leaf_count", node.get("internal_count", 1)) for _, node, _, _ in numbered],
            dtype=np.float64,
        ),
    )


def _float32(thresholds: list[float]) -> np.ndarray:
    values = np.array(thresholds, dtype=np.float64)
    # The dump writes 1e300 for infinity.
    return float32_at_or_below(np.where(values >= DUMPED_INFINITY, np.inf, values))


def _missing_goes_left(node: dict) -> bool:
    if node["missing_type"] == "NaN":
        return bool(node["default_left"])
    if node["missing_type"] == "None":
        return 0.0 <= node["threshold"]
    raise ConversionError(f"missing type {node['missing_type']!r} (zero_as_missing) is not known")


def _number(root: dict) -> Iterator[tuple[int, dict, int, int]]:
    """Breadth first: (index, node, index of left, index of right); 0, 0 for leaves."""
    queue = [root]
    index = 0
    while index < len(queue):
        node = queue[index]
        if "leaf_value" in node:
            yield index, node, 0, 0
        else:
            left = len(queue)
            queue.append(node["left_child"])
            queue.append(node["right_child"])
            yield index, node, left, left + 1
        index += 1
