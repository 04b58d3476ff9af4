from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fraudstream_training.folder import read_folder
from fraudstream_training.split import (
    DAY_MS,
    SplitError,
    SplitOptions,
    Windows,
    split_by_windows,
    split_rows,
    user_fraction,
    with_mature_labels,
)

PARTS = ("train", "validation", "later_days", "unseen_users", "unseen_users_later")


def test_no_test_row_shares_user_or_time_with_training(exported: Path) -> None:
    folder = read_folder(exported)
    split = split_rows(folder, SplitOptions())
    users = {part: set(folder.user_index[getattr(split, part)]) for part in PARTS}
    times = {part: folder.event_time_ms[getattr(split, part)] for part in PARTS}
    trained = users["train"] | users["validation"]
    assert not trained & (users["unseen_users"] | users["unseen_users_later"])
    assert times["train"].max() < split.validation_from_ms <= times["validation"].min()
    assert times["validation"].max() < split.later_from_ms <= times["later_days"].min()
    assert times["unseen_users_later"].min() >= split.later_from_ms > times["unseen_users"].max()
    assert split.later_from_ms % DAY_MS == 0
    assert split.validation_from_ms % DAY_MS == 0


def test_every_labelled_row_is_in_one_part(exported: Path) -> None:
    folder = read_folder(exported)
    split = split_rows(folder, SplitOptions())
    together = np.concatenate([getattr(split, part) for part in PARTS])
    np.testing.assert_array_equal(np.sort(together), np.flatnonzero(folder.label >= 0))


def test_warmup_is_left_out(exported: Path) -> None:
    folder = read_folder(exported)
    split = split_rows(folder, SplitOptions(warmup_days=10))
    first = folder.event_time_ms.min() + 10 * DAY_MS
    assert all(folder.event_time_ms[getattr(split, part)].min() >= first for part in PARTS)
    with pytest.raises(SplitError, match="warm-up"):
        split_rows(folder, SplitOptions(warmup_days=100))


def test_a_part_without_fraud_is_named(exported: Path) -> None:
    folder = read_folder(exported)
    later = folder.event_time_ms > folder.event_time_ms.max() - 8 * DAY_MS
    with pytest.raises(SplitError, match="later_days: .* 0 of them fraud"):
        split_rows(replace(folder, label=np.where(later, 0, folder.label)), SplitOptions())


def test_a_user_keeps_the_place() -> None:
    # Fixed for ever: another value would move users between training and test.
    assert user_fraction("u1", "fraudstream") == pytest.approx(0.27131431437, abs=1e-11)
    places = [user_fraction(f"u{i}", "fraudstream") for i in range(2_000)]
    assert np.mean(np.array(places) < 0.2) == pytest.approx(0.2, abs=0.03)


def test_silence_counts_as_genuine_once_it_has_lasted(exported: Path) -> None:
    folder = read_folder(exported)
    disputed = replace(folder, label=np.where(folder.label == 1, 1, -1).astype(np.int8))
    with pytest.raises(SplitError, match="--unlabelled-genuine-after-days"):
        split_rows(disputed, SplitOptions())
    mature = with_mature_labels(disputed, 10)
    old = folder.event_time_ms <= folder.event_time_ms.max() - 10 * DAY_MS
    np.testing.assert_array_equal(mature.label[old], (folder.label[old] == 1).astype(np.int8))
    assert (mature.label[~old] == -1).all()
    split = split_rows(mature, SplitOptions())
    assert folder.event_time_ms[split.later_days].max() <= folder.event_time_ms.max() - 10 * DAY_MS
    with pytest.raises(SplitError, match="old enough"):
        with_mature_labels(disputed, 1_000)


def test_no_label_at_all(exported: Path) -> None:
    folder = read_folder(exported)
    with pytest.raises(SplitError, match="no row has a label"):
        split_rows(replace(folder, label=np.full(folder.rows, -1, dtype=np.int8)), SplitOptions())


def test_given_windows_take_every_user_and_no_other_time(exported: Path) -> None:
    folder = read_folder(exported)
    first = int(folder.event_time_ms.min())
    at = [first + day * DAY_MS for day in range(30)]
    split = split_by_windows(folder, Windows(train=(at[2], at[9]), later_days=(at[16], at[23])))
    for part, start, end in ((split.train, at[2], at[9]), (split.later_days, at[16], at[23])):
        time = folder.event_time_ms
        np.testing.assert_array_equal(
            part, np.flatnonzero((time >= start) & (time < end) & (folder.label >= 0))
        )
    assert len(split.validation) == len(split.unseen_users) == len(split.unseen_users_later) == 0
    with pytest.raises(SplitError, match="validation begins before"):
        split_by_windows(folder, Windows(train=(at[2], at[9]), validation=(at[8], at[12])))
    with pytest.raises(SplitError, match="train: 0 labelled rows"):
        split_by_windows(folder, Windows(train=(0, 1)))
