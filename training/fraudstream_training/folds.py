"""Weeks of training, a gap in which verdicts arrive, weeks of test: the folds that published results on card payments use.

A fold that starts on day S trains on the payments of [S, S + 7 d), and is tested on those of [S + 14 d, S + 21 d). Verdicts take
7 days: on day k of the test (from 0) the users known to have had fraud are those with fraud in the training week or on the
days S + 7 ... S + 7 + k - 1. Their cards are blocked by then, so their payments are left out of the test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .folder import FeatureFolder
from .split import DAY_MS

WEEK = 7
"""days of training, of the gap, and of test"""


class FoldError(ValueError):
    """The data do not hold the fold. The message says which days are missing."""


@dataclass(frozen=True)
class Fold:
    train: np.ndarray
    """positions of rows, ascending"""
    test: np.ndarray
    """positions of rows, ascending"""


def fold_of(folder: FeatureFolder, start_ms: int) -> Fold:
    """The fold whose training starts at `start_ms`, a midnight UTC. Raises FoldError when a week has no rows or no fraud of both kinds."""
    if start_ms % DAY_MS != 0:
        raise FoldError(f"a fold starts at midnight UTC, not at {start_ms}")
    day = (folder.event_time_ms - start_ms) // DAY_MS
    fraud = folder.label == 1
    train = np.flatnonzero((day >= 0) & (day < WEEK) & (folder.label >= 0))
    known = np.zeros(len(folder.user_ids), dtype=bool)
    known[folder.user_index[train][fraud[train]]] = True
    kept = []
    for k in range(WEEK):
        if k > 0:
            known[folder.user_index[(day == WEEK + k - 1) & fraud]] = True
        rows = np.flatnonzero((day == 2 * WEEK + k) & (folder.label >= 0))
        kept.append(rows[~known[folder.user_index[rows]]])
    test = np.concatenate(kept)
    test.sort()
    for what, rows in (("training", train), ("test", test)):
        frauds = int(fraud[rows].sum())
        if frauds == 0 or frauds == len(rows):
            raise FoldError(f"the {what} week of the fold has {len(rows)} rows with {frauds} frauds: there is nothing to learn")
    return Fold(train, test)
