"""A decision tree in arrays, whatever library grew it, and an ensemble of them as ONNX.

Three things decide whether ONNX takes the branches that the library took, and all are easy to get wrong, which is why
no off-the-shelf converter is used. (1) Libraries compare x <= t or x < t, some with a double t; ONNX has float32
thresholds. Inputs are float32, so every comparison has an exact equal of the form x <= float32: see
`float32_at_or_below` and `float32_below`. (2) A missing value (NaN) goes where the library sends it, node by node; ONNX
sends it to the false branch unless told otherwise. (3) Leaves are added in float32 by the runtime, unless the ensemble
is large: then as doubles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import TensorProto, helper

INPUT_NAME = "features"
OUTPUT_NAME = "probability"
OPSET = 17
ML_OPSET = 3
IR_VERSION = 8
# Above this many trees float32 sums stray from the library's own by more than parity allows.
FLOAT32_TREES_MAX = 100
BRANCH, LEAF = "BRANCH_LEQ", "LEAF"
LOG_ODDS, PROBABILITY = "log_odds", "probability"


class ConversionError(ValueError):
    """The model has something that the conversion does not know."""


@dataclass(frozen=True)
class Tree:
    """One entry per node; node 0 is the root. `left` is taken when x <= threshold."""

    feature: np.ndarray
    """int32, -1 = leaf"""
    threshold: np.ndarray
    """float32, exact"""
    missing_left: np.ndarray
    """bool: where NaN goes"""
    left: np.ndarray
    """int32"""
    right: np.ndarray
    """int32"""
    value: np.ndarray
    """float64: what a leaf adds"""
    cover: np.ndarray
    """float64: weight of the training rows that reach the node, in the library's own measure"""

    @property
    def is_leaf(self) -> np.ndarray:
        return self.feature < 0

    def scaled(self, factor: float) -> Tree:
        return replace(self, value=self.value * factor)

    def expected(self) -> np.ndarray:
        """float64: mean of the leaf values below each node, weighted by cover."""
        mean = self.value.astype(np.float64).copy()
        for node in reversed(self.order()):
            if self.feature[node] >= 0:
                left, right = self.left[node], self.right[node]
                weight = self.cover[left] + self.cover[right]
                share = self.cover[left] / weight if weight > 0 else 0.5
                mean[node] = share * mean[left] + (1 - share) * mean[right]
        return mean

    def order(self) -> list[int]:
        """Breadth first from the root: parents before children, and no node that the root does not reach."""
        order = [0]
        for node in order:
            if self.feature[node] >= 0:
                order += [int(self.left[node]), int(self.right[node])]
        return order


@dataclass(frozen=True)
class Ensemble:
    """sum = base + one leaf per tree. `space` log_odds: the probability is 1 / (1 + exp(-sum)); probability: it is the sum."""

    trees: list[Tree]
    base: float
    space: str
    features: int

    def expected(self) -> float:
        return self.base + sum(float(tree.expected()[0]) for tree in self.trees)

    def split_edges(self) -> dict[int, np.ndarray]:
        """feature -> float32 thresholds, ascending"""
        feature = np.concatenate([tree.feature for tree in self.trees])
        threshold = np.concatenate([tree.threshold for tree in self.trees])
        return {int(index): np.unique(threshold[feature == index]) for index in np.unique(feature[feature >= 0])}


def float32_at_or_below(value: np.ndarray | float) -> np.ndarray:
    """The greatest float32 that is <= value: for float32 x, x <= value is x <= this."""
    exact = np.asarray(value, dtype=np.float64)
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    return np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def float32_below(value: np.ndarray | float) -> np.ndarray:
    """The greatest float32 that is < value: for float32 x, x < value is x <= this."""
    exact = np.asarray(value, dtype=np.float64)
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    return np.where(rounded >= exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def average_of(ensembles: list[Ensemble]) -> Ensemble:
    """One ensemble whose sum is the mean of the sums."""
    share = 1 / len(ensembles)
    return replace(
        ensembles[0],
        trees=[tree.scaled(share) if share < 1 else tree for one in ensembles for tree in one.trees],
        base=sum(one.base for one in ensembles) * share,
    )


def ensemble_to_onnx(ensemble: Ensemble) -> onnx.ModelProto:
    """One input [rows, features] float32, one output [rows, 1] float32: the probability of fraud. Raises ConversionError.

    Covers go into `nodes_hitrates`, so that whoever explains a score needs no other file.
    """
    wide = len(ensemble.trees) > FLOAT32_TREES_MAX
    nodes, source = [], INPUT_NAME
    if wide:
        nodes.append(helper.make_node("Cast", [INPUT_NAME], ["wide"], to=TensorProto.DOUBLE))
        source = "wide"
    if ensemble.space == LOG_ODDS:
        nodes += _classifier(ensemble, source, wide)
        constant = helper.make_tensor("fraud_column", TensorProto.INT64, [1], [1])
        constants = [constant]
    else:
        nodes += _regressor(ensemble, source, wide)
        constants = [
            helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
            helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        ]
    return make_model(nodes, constants, ensemble.features, ml=True)


def make_model(nodes: list, constants: list, features: int, ml: bool) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "fraudstream",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["rows", features])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["rows", 1])],
        initializer=constants,
    )
    opsets = [helper.make_opsetid("", OPSET)] + ([helper.make_opsetid("ai.onnx.ml", ML_OPSET)] if ml else [])
    model = helper.make_model(graph, producer_name="fraudstream-training", ir_version=IR_VERSION, opset_imports=opsets)
    onnx.checker.check_model(model)
    return model


def _classifier(ensemble: Ensemble, source: str, wide: bool) -> list:
    attributes = _attributes(ensemble, "class", wide)
    weights = np.concatenate([tree.value[tree.is_leaf] for tree in ensemble.trees])
    # With no negative weight onnxruntime takes the sum for a probability and skips the logistic function.
    if weights.min() >= 0:
        raise ConversionError("no leaf has a negative value: fraud is not rare in this data, look at the labels")
    trees = helper.make_node(
        "TreeEnsembleClassifier",
        inputs=[source],
        outputs=["label", "probabilities"],
        domain="ai.onnx.ml",
        classlabels_int64s=[0, 1],
        # LOGISTIC is computed row by row; a Sigmoid node is vectorised and its last rows may differ in the last bit.
        post_transform="LOGISTIC",
        **attributes,
    )
    # One output only: onnxruntime-node can return a subset of outputs under the wrong names.
    pick = helper.make_node("Gather", ["probabilities", "fraud_column"], [OUTPUT_NAME], axis=1)
    return [trees, pick]


def _regressor(ensemble: Ensemble, source: str, wide: bool) -> list:
    trees = helper.make_node(
        "TreeEnsembleRegressor",
        inputs=[source],
        outputs=["sum"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        **_attributes(ensemble, "target", wide),
    )
    # A sum of float32 shares may be 1.0000001.
    return [trees, helper.make_node("Clip", ["sum", "zero", "one"], [OUTPUT_NAME])]


def _attributes(ensemble: Ensemble, leaf_prefix: str, wide: bool) -> dict:
    nodes: dict[str, list] = {
        name: []
        for name in (
            "treeids",
            "nodeids",
            "featureids",
            "values",
            "hitrates",
            "modes",
            "truenodeids",
            "falsenodeids",
            "missing_value_tracks_true",
        )
    }
    leaves: dict[str, list] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    # The base is spread over the first tree's leaves: the runtime reads base_values of a binary classifier in two ways.
    for index, tree in enumerate(ensemble.trees):
        base = ensemble.base if index == 0 else 0.0
        order = tree.order()
        place = {node: position for position, node in enumerate(order)}
        for position, node in enumerate(order):
            leaf = tree.feature[node] < 0
            nodes["treeids"].append(index)
            nodes["nodeids"].append(position)
            nodes["featureids"].append(0 if leaf else int(tree.feature[node]))
            nodes["values"].append(0.0 if leaf else float(tree.threshold[node]))
            nodes["hitrates"].append(float(np.float32(tree.cover[node])))
            nodes["modes"].append(LEAF if leaf else BRANCH)
            nodes["truenodeids"].append(0 if leaf else place[int(tree.left[node])])
            nodes["falsenodeids"].append(0 if leaf else place[int(tree.right[node])])
            nodes["missing_value_tracks_true"].append(0 if leaf else int(tree.missing_left[node]))
            if leaf:
                leaves["treeids"].append(index)
                leaves["nodeids"].append(position)
                leaves["ids"].append(1 if leaf_prefix == "class" else 0)
                weight = float(tree.value[node]) + base
                leaves["weights"].append(weight if wide else float(np.float32(weight)))
    if wide:
        nodes["values_as_tensor"] = _doubles("nodes_values_as_tensor", nodes.pop("values"))
        leaves["weights_as_tensor"] = _doubles(f"{leaf_prefix}_weights_as_tensor", leaves.pop("weights"))
    return {f"nodes_{name}": values for name, values in nodes.items()} | {
        f"{leaf_prefix}_{name}": values for name, values in leaves.items()
    }


def _doubles(name: str, values: list[float]) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values)
