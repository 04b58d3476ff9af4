"""LightGBM binary classifier -> ONNX, exact in every branch.

Why not an off-the-shelf converter: three things decide whether the trees take the same branches, and all are easy to
get wrong. (1) LightGBM compares x <= t with a double t; ONNX has float32 thresholds. For float32 inputs the two
agree exactly when t is rounded down, not to nearest. (2) A feature that had no missing value in training sends NaN
where 0.0 goes; ONNX sends NaN to the false branch unless told otherwise. (3) A feature that had some sends NaN to the
node's default side.
"""

from __future__ import annotations

from collections.abc import Iterator

import lightgbm as lgb
import numpy as np
import onnx
from onnx import TensorProto, helper

INPUT_NAME = "features"
OUTPUT_NAME = "probability"
OPSET = 17
ML_OPSET = 3
IR_VERSION = 8
DUMPED_INFINITY = 1e300
BRANCH, LEAF = "BRANCH_LEQ", "LEAF"


class ConversionError(ValueError):
    """The model has something that the conversion does not know."""


def to_onnx(booster: lgb.Booster) -> onnx.ModelProto:
    """One input [N, features] float32, one output [N, 1] float32: the probability of fraud. Raises ConversionError."""
    dump = booster.dump_model()
    if not dump["objective"].startswith("binary sigmoid:1"):
        raise ConversionError(f"objective {dump['objective']!r}: only 'binary sigmoid:1' is known")
    attributes = _ensemble([tree["tree_structure"] for tree in dump["tree_info"]])
    trees = helper.make_node(
        "TreeEnsembleClassifier",
        inputs=[INPUT_NAME],
        outputs=["label", "probabilities"],
        domain="ai.onnx.ml",
        classlabels_int64s=[0, 1],
        # LOGISTIC is computed row by row; a Sigmoid node is vectorised and its last rows may differ in the last bit.
        post_transform="LOGISTIC",
        **attributes,
    )
    # One output only: onnxruntime-node can return a subset of outputs under the wrong names.
    pick = helper.make_node("Gather", ["probabilities", "fraud_column"], [OUTPUT_NAME], axis=1)
    graph = helper.make_graph(
        [trees, pick],
        "fraudstream",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["rows", booster.num_feature()])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["rows", 1])],
        initializer=[helper.make_tensor("fraud_column", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(
        graph,
        producer_name="fraudstream-training",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
    )
    onnx.checker.check_model(model)
    return model


def float32_at_or_below(value: float) -> float:
    """The greatest float32 that is <= value; infinity for LightGBM's 1e300, which stands for it in the dump."""
    if value >= DUMPED_INFINITY:
        return float("inf")
    with np.errstate(over="ignore"):
        rounded = np.float32(value)
    if float(rounded) > value:
        rounded = np.nextafter(rounded, np.float32(-np.inf))
    return float(rounded)


def _missing_goes_left(node: dict) -> bool:
    if node["missing_type"] == "NaN":
        return bool(node["default_left"])
    if node["missing_type"] == "None":
        return 0.0 <= node["threshold"]
    raise ConversionError(f"missing type {node['missing_type']!r} (zero_as_missing) is not known")


def _ensemble(roots: list[dict]) -> dict:
    nodes: dict[str, list] = {
        name: []
        for name in (
            "treeids",
            "nodeids",
            "featureids",
            "values",
            "modes",
            "truenodeids",
            "falsenodeids",
            "missing_value_tracks_true",
        )
    }
    leaves: dict[str, list] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree, root in enumerate(roots):
        for index, node, left, right in _number(root):
            leaf = "leaf_value" in node
            if not leaf and node["decision_type"] != "<=":
                raise ConversionError(f"decision {node['decision_type']!r}: only numerical splits are known")
            nodes["treeids"].append(tree)
            nodes["nodeids"].append(index)
            nodes["featureids"].append(0 if leaf else node["split_feature"])
            nodes["values"].append(0.0 if leaf else float32_at_or_below(node["threshold"]))
            nodes["modes"].append(LEAF if leaf else BRANCH)
            nodes["truenodeids"].append(left)
            nodes["falsenodeids"].append(right)
            nodes["missing_value_tracks_true"].append(0 if leaf else int(_missing_goes_left(node)))
            if leaf:
                leaves["treeids"].append(tree)
                leaves["nodeids"].append(index)
                leaves["ids"].append(1)
                leaves["weights"].append(float(np.float32(node["leaf_value"])))
    # With no negative weight onnxruntime takes the sum for a probability and skips the logistic function.
    if min(leaves["weights"]) >= 0:
        raise ConversionError("no leaf has a negative value: fraud is not rare in this data, look at the labels")
    return {f"nodes_{name}": values for name, values in nodes.items()} | {
        f"class_{name}": values for name, values in leaves.items()
    }


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
