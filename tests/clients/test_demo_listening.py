"""The page of `skipcast demo` for the histories of listeners."""

import json

import numpy as np
import pandas as pd
import pytest
from harness.own_history import own_history
from harness.pages import demo, get, opened
from harness.servers import ROOT, champion_server
from playwright.sync_api import expect

from skipcast.clients.demo_listening import CARRIES, carried_by
from skipcast.clients.demo_shelf import Offer, Shelf
from skipcast.clients.demo_view import Reader, view
from skipcast.errors import SkipcastError
from skipcast.evaluation.look_up import LookUp
from skipcast.features.build import GROUPS
from skipcast.features.table import with_label
from skipcast.files import write_parquet
from skipcast.params import read_params
from skipcast.parts import write_parts
from skipcast.schema import MSSD_LOG, names
from skipcast.split import split_sessions

PLAYS, NAMES = own_history(1500, listeners=2, artists=30)
CONTRIBUTIONS = {"started_by": 0.5, "streak": -1.0, "listener_skip_rate": 0.1, "base": 0.2}


def explain(plays):
    return pd.DataFrame([CONTRIBUTIONS] * len(plays))


def shelf_of(plays, known=NAMES, skip="brief"):
    reader = Reader(LookUp.of(known), skip, you=plays["listener_id"].nunique() == 1)
    return Shelf(Offer(plays, reader, with_label(plays, skip), "Europe/Berlin"), explain)


@pytest.fixture(scope="module")
def shelf():
    return shelf_of(PLAYS)


# What it offers


def test_each_listener_is_offered_by_name_with_the_latest_session_first(shelf):
    first = shelf.offered(None)
    assert {each["name"] for each in first["listeners"]} == {"listener-0", "listener-1"}
    for listener in first["listeners"]:
        own = PLAYS.loc[PLAYS["listener_id"] == listener["id"], "session_id"].drop_duplicates()
        offer = shelf.offered(listener["id"])
        assert offer["of"] == len(own)
        assert [each["id"] for each in offer["sessions"]] == own.tolist()[::-1][:300]


def test_a_session_tells_its_day_plays_and_skips(shelf):
    told = shelf.offered(None)["sessions"][0]
    rows = PLAYS[PLAYS["session_id"] == told["id"]]
    assert (told["plays"], told["skipped"]) == (len(rows), (rows["skip_2"] == True).sum())  # noqa: E712
    day, hour = rows["date"].dropna().iloc[0], rows["hour_of_day"].dropna().iloc[0]
    assert told["when"] == f"{pd.Timestamp(day):%a} {day}, {hour:.0f} h"


def test_a_session_without_known_starts_has_the_day_of_the_local_look_up():
    plays = PLAYS.assign(date=None, hour_of_day=None)
    ids = plays["session_id"].drop_duplicates()
    days = pd.DataFrame({"id": ids, "kind": "session", "name": "2019-05-03 14", "artist": None})
    shelf = shelf_of(plays, pd.concat([NAMES, days]))
    assert shelf.offered(None)["sessions"][0]["when"] == "Fri 2019-05-03, 14 h"
    assert shelf_of(plays).offered(None)["sessions"][0]["when"] is None


def test_the_label_of_the_model_decides_what_was_skipped():
    brief, any_ = (shelf_of(PLAYS, skip=skip).offered(None) for skip in ("brief", "any"))
    pairs = zip(brief["sessions"], any_["sessions"], strict=True)
    assert all(one["skipped"] <= other["skipped"] for one, other in pairs)
    assert brief["sessions"] != any_["sessions"]


def test_only_listeners_with_test_sessions_are_offered():
    plays = PLAYS[PLAYS["listener_id"] == "twin-1"]
    reader = Reader(LookUp.of(NAMES))
    shelf = Shelf(Offer(plays, reader, PLAYS), explain)
    assert [each["name"] for each in shelf.offered(None)["listeners"]] == ["listener-1"]


def test_a_model_that_takes_no_listeners_shows_a_history_all_the_same(shelf):
    plays = PLAYS[names(MSSD_LOG)]
    old = Shelf(Offer(plays, Reader(LookUp.of(NAMES)), PLAYS, "Europe/Berlin"), explain)
    assert old.offered("twin-1") == shelf.offered("twin-1")


@pytest.mark.parametrize("ask", ["offered", "listening"])
def test_a_listener_who_is_not_there_gets_a_message(shelf, ask):
    with pytest.raises(SkipcastError, match="listener must be one of those offered but got 'x'"):
        getattr(shelf, ask)("x")


def test_sessions_of_nobody_known_have_no_listeners(plays):
    offer = Shelf(Offer(plays, Reader()), explain).offered(None)
    assert offer["listeners"] == []
    assert offer["sessions"][0]["id"] == plays["session_id"].iloc[0]
    assert offer["sessions"][0]["when"] is None


def test_a_history_is_numbers_and_names_that_json_can_hold(shelf):
    told = shelf.listening("twin-0")
    assert json.loads(json.dumps(told, allow_nan=False)) == json.loads(json.dumps(told))
    own = PLAYS[PLAYS["listener_id"] == "twin-0"]
    assert told["plays"] + told["cut"] == len(own)
    assert len(told["hours"]["each"]) == 7 * 24
    assert sum(period["plays"] for period in told["periods"]) + told["undated"] == told["plays"]
    ranked = [*told["by_artist"]["skipped"], *told["by_artist"]["kept"]]
    assert {row["name"] for row in ranked} & set(NAMES["name"])
    assert told["timezone"] == "Europe/Berlin"


def test_what_carries_the_model_is_in_words_the_most_first():
    rows = carried_by(pd.DataFrame([CONTRIBUTIONS, {**CONTRIBUTIONS, "streak": 1.0}]))
    assert rows[0] == {"text": CARRIES["outcomes"], "log_odds": 1.0}
    assert [row["log_odds"] for row in rows] == sorted([1.0, 0.5, 0.1], reverse=True)


def test_each_group_of_features_has_its_words():
    assert set(CARRIES) == set(GROUPS)


# A session


def answers_of(session):
    probability = float(1 / (1 + np.exp(-sum(CONTRIBUTIONS.values()))))
    return [{"skip_probability": probability, "track_known": True}] * len(session)


def shown(session, **reader):
    look_up = LookUp.of(NAMES)
    return view(session, answers_of(session), explain(session), Reader(look_up, **reader))


def a_session_with_a_cut_play():
    cut = PLAYS.loc[PLAYS["skip_2"].isna() & (PLAYS["session_position"] > 2), "session_id"]
    return PLAYS[PLAYS["session_id"] == cut.iloc[0]].reset_index(drop=True)


def test_a_play_has_its_names():
    session = a_session_with_a_cut_play()
    for play, track in zip(shown(session)["plays"], session["track_id_clean"], strict=True):
        assert (play["track"], play["artist"]) == LookUp.of(NAMES).track(track)


def test_a_play_that_the_app_cut_has_ended_and_was_neither():
    session = a_session_with_a_cut_play()
    cut = session["skip_2"].isna()
    plays = shown(session)["plays"]
    assert [play["skipped"] is None for play in plays] == cut.tolist()
    assert all(play["ended"] for play in plays)


def test_a_play_that_has_not_ended_is_told_from_one_that_was_cut():
    session = a_session_with_a_cut_play()
    last = {"skip_1": None, "skip_2": None, "skip_3": None, "not_skipped": None}
    for name, value in (last | {"hist_user_behavior_reason_end": None}).items():
        session[name] = [*session[name][:-1], value]
    assert [play["ended"] for play in shown(session)["plays"]][-2:] == [True, False]


def test_the_words_are_of_the_reader_or_of_a_listener():
    session = PLAYS[PLAYS["session_id"] == PLAYS["session_id"].iloc[-1]].reset_index(drop=True)
    for you, who in ((True, "You"), (False, "The listener")):
        words = shown(session, you=you)["plays"][2]["words"]
        assert words[0]["log_odds"] == -1.0  # of `streak`
        assert words[0]["text"].startswith(who)


def test_the_same_plays_are_skipped_or_not_by_label():
    session = PLAYS.iloc[:200].groupby("session_id").get_group(PLAYS["session_id"].iloc[0])
    for skip, column in (("brief", "skip_2"), ("any", "skip_3")):
        plays = shown(session.reset_index(drop=True), skip=skip)["plays"]
        assert [play["skipped"] for play in plays] == session[column].tolist()


# In a browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a folder as `dvc repro` leaves it for the history of one listener."""
    folder = tmp_path_factory.mktemp("listening")
    plays, known = own_history(1500, artists=15)
    known.loc[known["id"] == "twin-a0", "name"] = "<b>Bold</b> & Co"  # of most plays
    write_parts(folder / "data/plays", [plays], made_by="fetch")
    write_parquet(folder / "data/names.parquet", known)
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return folder


@pytest.fixture(scope="module")
def url(folder, champions):
    champions(1)
    with champion_server(folder) as (_, scoring):
        url, run = demo(folder, scoring)
        with run:
            yield url


@pytest.fixture(scope="module", params=["desktop", "phone"])
def page(browser, url, request):
    """Yield the page with the history of one listener."""
    with opened(browser, request.param) as page:
        page.goto(url)
        expect(page.locator("#why .bars .point").first).to_be_visible()
        yield page


def open_tab(page, name):
    page.get_by_role("tab", name=name).click()


def test_the_latest_test_session_is_shown_with_names_and_words(page, folder):
    open_tab(page, "Sessions")
    plays = pd.read_parquet(folder / "data/plays")
    parts = split_sessions(plays, read_params(folder / "params.yaml").split)
    tests = plays.loc[parts == "test", "session_id"].unique()
    expect(page.locator("#session option").first).to_have_attribute("value", tests[-1])
    expect(page.locator("#session option")).to_have_count(min(300, len(tests)))
    expect(page.locator("#track")).to_contain_text("Twin track")
    expect(page.locator("#rows tr").first).to_contain_text("Twin track")
    sentences = page.locator("#words li").all_inner_texts()
    assert sentences
    assert all(text.startswith(("▲ skip", "▼ listen")) and text[-1] == "." for text in sentences)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_history_has_its_numbers_hours_months_and_names(page, url):
    told = get(f"{url}api/listening?listener=twin-0")
    open_tab(page, "Your listening")
    expect(page.locator("#sums")).to_contain_text(f"{told['plays']:,}")
    expect(page.locator("#hours td")).to_have_count(7 * 24)
    counts = page.locator("#hours td").all_inner_texts()
    assert sum(map(int, filter(None, counts))) == sum(
        hour["plays"] for hour in told["hours"]["each"]
    )
    expect(page.locator("#periods .bars .point").first).to_be_visible()
    for side in ("skipped", "kept"):
        told_names = page.locator(f"#artists-{side} bdi").all_inner_texts()
        assert told_names == [" ".join(row["name"].split()) for row in told["by_artist"][side]]
    expect(page.locator("#carries li").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_name_is_text_and_no_markup(page):
    open_tab(page, "Your listening")
    expect(page.locator("#listening")).to_contain_text("<b>Bold</b> & Co")
    assert page.locator("#listening b").count() == 0


def test_the_sessions_come_back(page):
    open_tab(page, "Your listening")
    expect(page.locator("#sessions")).to_be_hidden()
    open_tab(page, "Sessions")
    expect(page.locator("#listening")).to_be_hidden()
    expect(page.locator("#timeline .scatterlayer .point").first).to_be_visible()
