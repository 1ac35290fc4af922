"""Sessions of the twin, as rows of the official log."""

import datetime
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import expit

from skipcast.arrays import Bools, Counts, Floats
from skipcast.schema import MSSD_LOG, SYNTHETIC_PREFIX, names
from skipcast.twin.catalogue import Catalogue, draw_tracks
from skipcast.twin.listeners import (
    CONTEXTS,
    ENDS,
    LONGEST,
    STARTS,
    Habits,
    State,
    begin,
    end,
    start,
)

# Shares of the sessions of a file by date: its own day, the day before, and each of 16 days before.
DAY_SHARES = np.array([0.7126, 0.2788, *[0.0086 / 16] * 16])
ORACLE_SCHEMA = pa.schema(
    [("session_id", pa.string()), ("session_position", pa.int64()), ("probability", pa.float64())]
)


@dataclass(frozen=True)
class World:
    """What all sessions of a twin share.

    Attributes:
        catalogue: the tracks.
        habits: the constants of the listeners.
        is_played: whether each track was played until now; changed in place.
    """

    catalogue: Catalogue
    habits: Habits
    is_played: Bools


def log_schema() -> pa.Schema:
    """Return the columns of the log in official order, with their types in files.

    >>> log_schema().field("skip_2").type
    DataType(bool)
    """
    types = {"text": pa.string(), "bigint": pa.int64(), "boolean": pa.bool_()}
    return pa.schema([(column.name, types[column.type]) for column in MSSD_LOG])


def session_ids(seed: int, first: int, n: int, *, part: str = "") -> pa.Array:
    """Return the ids of the sessions `first`, ..., `first + n - 1` of the twin of this seed.

    `part` tells sessions apart that are not of the training log.

    >>> session_ids(7, 0, 2).to_pylist()
    ['twin-7-000000000', 'twin-7-000000001']
    """
    numbers = pc.utf8_lpad(pa.array(np.arange(first, first + n)).cast(pa.string()), 9, "0")
    return pc.binary_join_element_wise(f"{SYNTHETIC_PREFIX}{part}{seed}", numbers, "-")


def make_sessions(
    ids: pa.Array, day: datetime.date, world: World, rng: np.random.Generator
) -> tuple[pa.Table, pa.Table]:
    """Make sessions; mark in `world.is_played` the tracks that they play.

    Args:
        ids: of the sessions.
        day: of the log file; some sessions began on a day before.
        world: what all sessions share.
        rng: of these sessions alone.

    Returns:
        The plays, columns `schema.MSSD_LOG`, and the true probability of `skip_2` of each,
        `ORACLE_SCHEMA`.
    """
    dates = _dates(day, len(ids), rng)
    state, plays = _listen(len(ids), world.catalogue, world.habits, rng)
    exists = np.arange(LONGEST) < state.length[:, None]
    plays = {name: values[exists] for name, values in plays.items()}
    session, at = np.nonzero(exists)
    world.is_played[plays["track"]] = True
    of_session = {
        "session_id": ids.take(pa.array(session)),
        "session_position": at + 1,
        "session_length": state.length[session],
        "hour_of_day": state.hour[session],
        "date": dates.take(pa.array(session)),
        "premium": state.premium[session],
    }
    log = pa.table({**of_session, **_columns(plays, world.habits, rng)})
    oracle = [of_session["session_id"], pa.array(at + 1), pa.array(plays["probability"])]
    return log.select(names(MSSD_LOG)), pa.Table.from_arrays(oracle, schema=ORACLE_SCHEMA)


def _listen(
    n: int, catalogue: Catalogue, habits: Habits, rng: np.random.Generator
) -> tuple[State, dict[str, Counts]]:
    """Run n sessions through all positions; return (n, 20) numbers of their plays by name.

    Every session runs to position 20, because arrays of one shape are fast.
    """
    state = begin(n, habits, rng)
    plays: dict[str, list[Counts]] = {}
    for intercept in habits.intercept:
        draws = draw_tracks(catalogue, n, rng)
        now = start(state, draws, catalogue.appeal, habits, rng)
        log_odds = now.log_odds + intercept
        end(state, log_odds, habits, rng)
        play = {
            "track": state.tracks[-1],
            "depth": state.depth,
            "end": state.end,
            "context": state.context,
            "shuffle": state.shuffle,
            "reason": now.reason,
            "switch": now.switch,
            "pause": now.pause,
            "probability": expit(log_odds),
        }
        for name, values in play.items():
            plays.setdefault(name, []).append(values)
    return state, {name: np.stack(values, axis=1) for name, values in plays.items()}


def _dates(day: datetime.date, n: int, rng: np.random.Generator) -> pa.Array:
    days = [str(day - datetime.timedelta(days=i)) for i in range(len(DAY_SHARES))]
    bounds = np.cumsum(DAY_SHARES)[:-1]
    return pa.array(days).take(pa.array(np.searchsorted(bounds, rng.random(n), side="right")))


def _columns(
    plays: dict[str, Counts], habits: Habits, rng: np.random.Generator
) -> dict[str, object]:
    """Turn the numbers of the plays into the columns of the log."""
    depth, pause = plays["depth"], plays["pause"]
    numbers = pc.utf8_lpad(pa.array(plays["track"]).cast(pa.string()), 7, "0")
    not_skipped = (depth == 4).astype(int)
    return {
        "track_id_clean": pc.binary_join_element_wise(f"{SYNTHETIC_PREFIX}track", numbers, "-"),
        "skip_1": depth == 0,
        "skip_2": depth <= 1,
        "skip_3": depth <= 2,
        "not_skipped": depth == 4,
        "context_switch": plays["switch"].astype(int),
        "no_pause_before_play": (pause == 0).astype(int),
        "short_pause_before_play": (pause == 1).astype(int),
        # A short pause counts as a long one, too: in the mini set, no pause, long pause and first
        # play add up to 1.
        "long_pause_before_play": (pause >= 1).astype(int),
        "hist_user_behavior_n_seekfwd": _seeks(habits.seek_shares[0][not_skipped], 60, rng),
        "hist_user_behavior_n_seekback": _seeks(habits.seek_shares[1][not_skipped], 151, rng),
        "hist_user_behavior_is_shuffle": plays["shuffle"],
        "context_type": pa.array(CONTEXTS).take(pa.array(plays["context"])),
        "hist_user_behavior_reason_start": pa.array(STARTS).take(pa.array(plays["reason"])),
        "hist_user_behavior_reason_end": pa.array(ENDS).take(pa.array(plays["end"])),
    }


def _seeks(any_seek: Floats, most: int, rng: np.random.Generator) -> Counts:
    """Draw numbers of seeks, 0..most; most are 0, and the others have a long tail.

    Args:
        any_seek: of each play, the probability of one seek or more.
        most: the greatest number.
        rng: of this chunk.
    """
    n = len(any_seek)
    many = np.minimum((1 - rng.random(n)) ** (-1 / 2.4), most).astype(np.int64)
    return np.where(rng.random(n) < any_seek, many, 0)
