"""Features once more, by another hand: SQL window functions over the three tables."""

from skipcast.schema import REASONS, TRACK_INPUTS

PAST = (
    "OVER (PARTITION BY session_id ORDER BY session_position "
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
)
IN_ORDER = "OVER (PARTITION BY session_id ORDER BY session_position)"


def oracle_columns() -> dict[str, str]:
    """Return an SQL expression by name of feature."""
    reasons = "ARRAY[" + ", ".join(f"'{reason}'" for reason in REASONS) + "]"

    def last_position(condition):
        return f"max(session_position) FILTER (WHERE {condition}) {PAST}"

    def share(reason):
        return f"avg((hist_user_behavior_reason_end = '{reason}')::int) {PAST}"

    depth = (
        "CASE WHEN skip_1 THEN 0 WHEN skip_2 THEN 1 WHEN skip_3 THEN 2 "
        "WHEN NOT not_skipped THEN 3 ELSE 4 END"
    )
    columns = {f"depth_{k}": f"lag({depth}, {k}) {IN_ORDER}" for k in range(1, 6)}
    columns |= {
        "previous_skipped": f"lag(skip_2::int) {IN_ORDER}",
        "streak": (
            f"CASE WHEN lag(skip_2) {IN_ORDER} "
            f"THEN session_position - 1 - coalesce({last_position('NOT skip_2')}, 0) "
            f"WHEN NOT lag(skip_2) {IN_ORDER} "
            f"THEN 1 - session_position + coalesce({last_position('skip_2')}, 0) END"
        ),
        "skip_rate": (
            f"(coalesce(sum(skip_2::int) {PAST}, 0) + 2 * 0.517::float8) / (session_position + 1)"
        ),
        "plays_since_skip": f"session_position - {last_position('skip_2')}",
        "plays_since_full_listen": f"session_position - {last_position('not_skipped')}",
        "previous_started_by": (
            f"array_position({reasons}, lag(hist_user_behavior_reason_start) {IN_ORDER}) - 1"
        ),
        "previous_ended_by": (
            f"array_position({reasons}, lag(hist_user_behavior_reason_end) {IN_ORDER}) - 1"
        ),
        "forward_rate": share("fwdbtn"),
        "back_rate": share("backbtn"),
        "done_rate": share("trackdone"),
        "seeks_forward": f"coalesce(sum(hist_user_behavior_n_seekfwd) {PAST}, 0)",
        "seeks_back": f"coalesce(sum(hist_user_behavior_n_seekback) {PAST}, 0)",
        "short_pauses": f"coalesce(sum(short_pause_before_play) {PAST}, 0)",
        "long_pauses": f"coalesce(sum(long_pause_before_play) {PAST}, 0)",
        "context_switches": f"coalesce(sum(context_switch) {PAST}, 0)",
        "plays_since_context_switch": f"session_position - {last_position('context_switch = 1')}",
        "shuffle_changed": (
            "hist_user_behavior_is_shuffle::int "
            f"- lag(hist_user_behavior_is_shuffle::int) {IN_ORDER}"
        ),
    }
    for half_life in (1, 2, 5):
        weight = (
            f"0.5::float8 ^ ((p.session_position - q.session_position - 1) / {half_life}::float8)"
        )
        columns[f"skip_rate_half_life_{half_life}"] = (
            f"(SELECT sum({weight} * q.skip_2::int) / sum({weight}) FROM {{plays}} q "
            "WHERE q.session_id = p.session_id AND q.session_position < p.session_position)"
        )
    for name in TRACK_INPUTS:
        value = f"array_position(ARRAY['minor', 'major'], {name}) - 1" if name == "mode" else name
        columns[f"previous_{name}"] = f"lag({value}) {IN_ORDER}"
        columns[f"change_of_{name}"] = f"{value} - lag({value}) {IN_ORDER}"
    return columns


def oracle_query(features: list[str], schema: str) -> str:
    """Return a query of features of all plays in `schema`, in order of session and position."""
    columns = oracle_columns()
    selected = ", ".join(f"({columns[name]})::float8 AS {name}" for name in features)
    query = (
        f"SELECT {selected} FROM {{plays}} p "
        f"JOIN {schema}.track_features f ON track_id = track_id_clean "
        f"JOIN {schema}.acoustic_vectors USING (track_id) "
        'ORDER BY session_id COLLATE "C", session_position'
    )
    return query.replace("{plays}", f"{schema}.training_set")
