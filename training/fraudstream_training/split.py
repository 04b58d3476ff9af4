"""Who trains, who validates, who tests: by user and by time, so that no test row has been seen in either way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from .folder import LABEL_UNKNOWN, FeatureFolder

DAY_MS = 86_400_000
# Below this span a cut at midnight would move too many rows.
MIDNIGHT_SPAN_DAYS_MIN = 7


class SplitError(ValueError):
    """A part would be empty or without fraud. The message says which, and which option helps."""


@dataclass(frozen=True)
class SplitOptions:
    unseen_user_share: float = 0.2
    validation_share: float = 0.15
    """of the time span, right before the later days"""
    later_share: float = 0.15
    """of the time span, at its end"""
    warmup_days: float = 0.0
    """the first days of the export, whose windows are not yet full, are left out"""
    salt: str = "fraudstream"


@dataclass(frozen=True)
class Windows:
    """Parts by given times instead: from <= event time < to, ms, every user in each. None: no such part."""

    train: tuple[int, int]
    validation: tuple[int, int] | None = None
    later_days: tuple[int, int] | None = None


@dataclass(frozen=True)
class Split:
    """Row indices, ascending; rows without a label are in none of them. With given windows parts may be empty.

    train, validation      users that training sees, up to `later_from_ms`
    later_days             the same users, afterwards
    unseen_users           users that training never sees, up to `later_from_ms`
    unseen_users_later     users that training never sees, afterwards
    """

    train: np.ndarray
    validation: np.ndarray
    later_days: np.ndarray
    unseen_users: np.ndarray
    unseen_users_later: np.ndarray
    validation_from_ms: int
    later_from_ms: int


def with_mature_labels(folder: FeatureFolder, days: float) -> FeatureFolder:
    """For label streams that hold verdicts only on what was disputed: silence counts as genuine once it has lasted
    `days`. Later payments lose their labels too: among them only fraud would have one. Raises SplitError."""
    mature = folder.event_time_ms <= folder.event_time_ms.max() - round(days * DAY_MS)
    if not mature.any():
        raise SplitError("no payment is old enough: lower --unlabelled-genuine-after-days or export more days")
    silent = folder.label == LABEL_UNKNOWN
    label = np.where(mature, np.where(silent, 0, folder.label), LABEL_UNKNOWN).astype(np.int8)
    return replace(folder, label=label)


def user_fraction(user_id: str, salt: str) -> float:
    """A user's fixed place in 0 ... 1: the same in every export, whatever else is in it."""
    digest = hashlib.sha256(f"{salt}\0{user_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_by_windows(folder: FeatureFolder, windows: Windows) -> Split:
    """Raises SplitError."""
    nothing = np.empty(0, dtype=np.int64)
    parts = {name: nothing for name in ("train", "validation", "later_days", "unseen_users", "unseen_users_later")}
    last_to = -np.inf
    for name in ("train", "validation", "later_days"):
        window = getattr(windows, name)
        if window is None:
            continue
        if window[0] < last_to:
            raise SplitError(f"{name} begins before the part before it ends")
        last_to = window[1]
        time = folder.event_time_ms
        rows = np.flatnonzero((time >= window[0]) & (time < window[1]) & (folder.label != LABEL_UNKNOWN))
        _both_kinds(name, rows, folder)
        parts[name] = rows
    end = windows.train[1]
    validation_from = windows.validation[0] if windows.validation else end
    later_from = windows.later_days[0] if windows.later_days else max(end, windows.validation[1] if windows.validation else end)
    return Split(**parts, validation_from_ms=validation_from, later_from_ms=later_from)


def split_rows(folder: FeatureFolder, options: SplitOptions) -> Split:
    """Raises SplitError."""
    time = folder.event_time_ms
    first = int(time.min()) + round(options.warmup_days * DAY_MS)
    labelled = folder.label != LABEL_UNKNOWN
    if not labelled.any():
        raise SplitError("no row has a label: give export-features the label files")
    last = int(time[labelled].max())
    if first >= last:
        raise SplitError("the warm-up is longer than the export: lower --warmup-days")
    span = last - first
    later_from = last - round(options.later_share * span)
    validation_from = later_from - round(options.validation_share * span)
    if span >= MIDNIGHT_SPAN_DAYS_MIN * DAY_MS:
        later_from = round(later_from / DAY_MS) * DAY_MS
        validation_from = round(validation_from / DAY_MS) * DAY_MS
    unseen_user = np.array(
        [user_fraction(user, options.salt) < options.unseen_user_share for user in folder.user_ids]
    )
    usable = labelled & (time >= first)
    unseen = unseen_user[folder.user_index]
    later = time >= later_from
    parts = {
        "train": usable & ~unseen & (time < validation_from),
        "validation": usable & ~unseen & ~later & (time >= validation_from),
        "later_days": usable & ~unseen & later,
        "unseen_users": usable & unseen & ~later,
        "unseen_users_later": usable & unseen & later,
    }
    indices = {name: np.flatnonzero(mask) for name, mask in parts.items()}
    for name, rows in indices.items():
        _both_kinds(name, rows, folder)
    return Split(**indices, validation_from_ms=validation_from, later_from_ms=later_from)


def _both_kinds(name: str, rows: np.ndarray, folder: FeatureFolder) -> None:
    frauds = int((folder.label[rows] == 1).sum())
    if frauds == 0 or frauds == len(rows):
        raise SplitError(
            f"{name}: {len(rows)} labelled rows, {frauds} of them fraud; both kinds are needed: "
            "export more days or users; if only disputed payments have labels, see --unlabelled-genuine-after-days"
        )
