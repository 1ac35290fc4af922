"""The page of `skipcast demo` in a real browser, beside a real scoring server."""

import json
import math
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pandas as pd
import pytest
from harness.clients import Endpoint
from harness.pages import SIZES, demo, opened
from harness.servers import ROOT, SKIPCAST, champion_server, free_port, model_server, wait_for_end
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect

from skipcast.clients.demo_server import ScoringServer
from skipcast.clients.demo_session import MAX_LETTERS, MAX_PLAYS, parse_session
from skipcast.column import Known
from skipcast.errors import SkipcastError
from skipcast.params import read_params
from skipcast.parts import write_parts
from skipcast.schema import INPUTS, LOG, MSSD_LOG, TARGET, names
from skipcast.split import split_sessions

ENDED = [column.name for column in LOG if column.known >= Known.ENDED]


def test_json_requests_and_csv_are_the_same_session(three_plays):
    plays = three_plays[names(LOG)]
    records = plays.to_json(orient="records")
    texts = [
        records,
        f"\ufeff {records}",
        f'{{"dataframe_records": {records}}}',
        f'{{"inputs": {records}}}',
        f'{{"dataframe_split": {plays.to_json(orient="split")}}}',
        plays.to_csv(index=False),
        plays.to_csv(index=False, sep=";"),
        plays.to_csv(index=False, sep="\t"),
        plays.to_csv(index=False).replace(",", ", ").replace("True", "TRUE"),
        f"\n{plays.to_csv(index=False, lineterminator=chr(13) + chr(10))}\n",
    ]
    for text in texts:
        pd.testing.assert_frame_equal(parse_session(text), plays, check_dtype=False)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_an_empty_field_at_the_end_is_null(delimiter):
    text = "session_position,track_id_clean,skip_2\n1,a,\n".replace(",", delimiter)
    assert parse_session(text)[TARGET].tolist() == [None]


def test_ids_of_csv_may_look_like_numbers():
    assert parse_session("session_position,track_id_clean\n1,007\n")["track_id_clean"][0] == "007"


ONE = '"session_position": 1, "track_id_clean": "a"'
WRONG = {
    "nothing": ("", "must have 1 to 1,000,000 letters but has 0"),
    "spaces": (" \n ", "letters but has 0"),
    "too much": ("x" * (MAX_LETTERS + 1), "letters but has 1,000,001"),
    "a word": ("hello", "must be JSON, or CSV with a header and a row for each play"),
    "two lines": ("dear sir\nhello\n", "Columns must be those of the log or of tracks but got"),
    "a number": ("5", "must be JSON, or CSV with a header"),
    "a page": ("<html>\n<body>\n", "Columns must be those of the log or of tracks but got"),
    "numbers": ("[1, 2]", "JSON must be a list of plays"),
    "an empty list": ("[]", "JSON must be a list of plays"),
    "an empty play": ("[{}]", "must be given for each play"),
    "an object": ('{"plays": []}', "JSON must be a list of plays"),
    "no rows": ('{"dataframe_split": {"columns": ["skip_2"]}}', "JSON must be a list of plays"),
    "short rows": (
        '{"dataframe_split": {"columns": ["skip_2", "date"], "data": [[1]]}}',
        "JSON must be a list of plays",
    ),
    "cut short": ('[{"session_position": 1', "must be JSON but is not: Expecting"),
    "deep": ("[" * 100_000, "must be JSON but is not"),
    "deep values": (f"[{{{ONE}, \"skip_2\": {'[' * 300}{']' * 300}}}]", "skip_2 must be one value"),
    "an endless number": (f"[{{{ONE}, \"tempo\": {'9' * 5000}}}]", "must be JSON but is not"),
    "a long number": (f"[{{{ONE}, \"tempo\": {'9' * 400}}}]", "tempo must be a number within"),
    "infinity": (f'[{{{ONE}, "tempo": Infinity}}]', "tempo must be a number within"),
    "1e999": (f'[{{{ONE}, "tempo": 1e999}}]', "tempo must be a number within"),
    "a wrong outcome": (
        f'[{{{ONE}, "skip_2": "maybe"}}]',
        "skip_2 must be true.* got 'maybe' in row 1",
    ),
    "outcome 2": (
        f'[{{{ONE}, "skip_2": 2}}]',
        "skip_2 must be true, false, null, 0 or 1 but got 2",
    ),
    "outcome [1]": (
        f'[{{{ONE}, "skip_2": [1]}}]',
        "skip_2 must be one value but got several in row 1",
    ),
    "outcome {}": (f'[{{{ONE}, "skip_2": {{}}}}]', "skip_2 must be one value"),
    "other outcome": (f'[{{{ONE}, "skipped": "no"}}]', "skipped must be true"),
    "two outcomes": (f'[{{{ONE}, "skipped": 1, "skip_2": 0}}]', "skipped must be what skip_2 is"),
    "outcome ahead": (f'[{{{ONE}, "skip_3": true}}]', "skip_3 must be null where skip_2 is"),
    "no track": ("session_position,skip_2\n1,true\n", "track_id_clean must be given"),
    "no position": ("track_id_clean,skip_2\na,true\n", "session_position must be given"),
    "a track that is null": (
        '[{"session_position": 1, "track_id_clean": null}]',
        "track_id_clean must",
    ),
    "a track that is a number": (
        '[{"session_position": 1, "track_id_clean": 7}]',
        "text that is not empty but got 7",
    ),
    "half a position": ("session_position,track_id_clean\n1.5,a\n", "a whole number .*but got 1.5"),
    "an empty position": ("session_position,track_id_clean\n,a\n", "a whole number .*but got null"),
    "position one": ("session_position,track_id_clean\none,a\n", "a whole number .*but got 'one'"),
    "position 0": ("session_position,track_id_clean\n0,a\n", "a whole number from 1"),
    "position -1": ("session_position,track_id_clean\n-1,a\n", "a whole number from 1"),
    "a wrong date": (f'[{{{ONE}, "date": "15/07/2018"}}]', "date must be a date like 2018-07-15"),
    "a wrong hour": (
        f'[{{{ONE}, "hour_of_day": 24}}]',
        "hour_of_day must be a whole number from 0",
    ),
    "another column": (f'[{{{ONE}, "mood": 1}}]', "Columns must be those .* but got 'mood'"),
    "a column twice": ("skip_2,skip_2\n1,1\n", "Columns must come once but 'skip_2' comes again"),
    "a long row": ("session_position,track_id_clean\n1,a\n2,b,c\n", "row 2 has 3"),
    "a quote": (
        'session_position,track_id_clean\n1,"a\n2,b\n',
        "is neither: unexpected end of data",
    ),
    "half a letter": (f'[{{{ONE}, "context_type": "\\ud800"}}]', "must be of whole letters"),
    "two sessions": ("session_id,session_position,track_id_clean\na,1,t\nb,1,t\n", "got 2 of 2"),
    "101 plays": ("session_position,track_id_clean\n" + "1,a\n" * 101, "but got 1 of 101 plays"),
    "a gap": (
        f'[{{{ONE}, "skip_2": 1}}, {{"session_position": 3, "track_id_clean": "b"}}]',
        "but got 3 after 1",
    ),
    "no start": ("session_position,track_id_clean\n2,a\n", "count 1, 2, 3, .* but got 2 after 0"),
    "a play twice": ("session_position,track_id_clean,skip_2\n1,a,1\n1,a,1\n", "must come once"),
    "a hole": (
        f'[{{{ONE}}}, {{"session_position": 2, "track_id_clean": "b"}}]',
        "null at session_position 1",
    ),
}  # fmt: skip


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(SCALARS, lambda each: st.lists(each, max_size=2))
NAMES = st.sampled_from(names(INPUTS)) | st.text(max_size=5)
PLAYS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=3)
CSV = st.lists(st.lists(NAMES | SCALARS.map(str), max_size=4).map(",".join), max_size=4)


@given(st.text() | (VALUES | PLAYS).map(json.dumps) | CSV.map("\n".join))
@settings(deadline=None, derandomize=True)
def test_any_text_is_a_session_or_gets_a_message(text):
    with suppress(SkipcastError):
        assert 0 < len(parse_session(text)) <= MAX_PLAYS


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_text_gets_one_clear_message(url, name):
    text, words = WRONG[name]
    status, answer = Endpoint(f"{url}api/session").post({"text": text})
    assert status == 400, answer
    assert re.search(words, answer["message"]), answer["message"]
    assert "Traceback" not in answer["message"]
    assert len(answer["message"]) < 500


@pytest.mark.parametrize(
    "body", [{}, {"text": None}, {"text": 5}, {"text": "x\ud800"}, {"session_id": "nobody's"}, []]
)
def test_a_wrong_request_gets_one_clear_message(url, body):
    status, answer = Endpoint(f"{url}api/session").post(body)
    assert status == 400
    assert answer["message"].endswith((".", "page."))


def test_rows_in_any_order_and_a_track_that_is_unknown_are_shown(url, three_plays):
    shuffled = three_plays[names(LOG)].iloc[[2, 0, 1]].to_csv(index=False)
    status, view = Endpoint(f"{url}api/session").post({"text": shuffled})
    assert status == 200, view
    assert [play["position"] for play in view["plays"]] == [1, 2, 3]
    assert [play["skipped"] for play in view["plays"]] == three_plays[TARGET].tolist()
    assert [play["track_known"] for play in view["plays"]] == [False] * 3
    assert view["same_model"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, plays):
    """Make a folder as `dvc repro` leaves it, as far as the page needs it."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "data").mkdir()
    # As an earlier skipcast fetched them: without the columns of listeners.
    write_parts(folder / "data/plays", [plays[names(MSSD_LOG)]], made_by="fetch")
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return folder


@pytest.fixture(scope="module")
def scoring(folder, champions):
    champions(1)
    with champion_server(folder) as (_, url):
        yield url


@pytest.fixture(scope="module")
def url(folder, scoring):
    url, run = demo(folder, scoring)
    with run:
        yield url


@pytest.fixture
def page(browser, request):
    """Yield a page at which every request to another host, and every fault, is a failure."""
    with opened(browser, getattr(request, "param", "desktop")) as page:
        yield page


@pytest.fixture(scope="module")
def expected(folder, scoring, plays):
    """Return the first session on offer, and what the server says of its plays one by one."""
    parts = split_sessions(plays, read_params(folder / "params.yaml").split)
    first = plays.loc[parts == "test", "session_id"].iloc[0]
    session = plays.loc[plays["session_id"] == first, names(LOG)].reset_index(drop=True)
    chances = []
    for count in range(1, len(session) + 1):
        records = json.loads(session.head(count).to_json(orient="records"))
        records[-1] |= dict.fromkeys(ENDED)
        records = [{k: v for k, v in r.items() if k != "session_length"} for r in records]
        status, answer = Endpoint(f"{scoring}/invocations").post({"dataframe_records": records})
        assert status == 200, answer
        chances.append(answer["predictions"][-1]["skip_probability"])
    return session, chances


def percent(share):
    return f"{math.floor(100 * share + 0.5)} %"  # as JavaScript rounds


def test_data_of_no_listener_have_no_tabs(page, url):
    is_open(page, url)
    for id_ in ("tabs", "listeners", "listening", "track", "cut"):
        expect(page.locator(f"#{id_}")).to_be_hidden()
    expect(page.locator("#words li").first).to_be_visible()


def is_open(page, url):
    page.goto(url)
    expect(page.locator("#why .bars .point").first).to_be_visible()


@pytest.mark.parametrize("page", SIZES, indirect=True)
def test_drags_the_history_and_sees_the_next_chance_and_the_accuracy(page, url, expected):
    session, chances = expected
    is_open(page, url)
    expect(page.locator("#data")).to_contain_text("Synthetic data")
    expect(page.locator("#session")).to_have_value(session["session_id"].iloc[0])
    right = [
        (chance >= 0.5) == skipped for chance, skipped in zip(chances, session[TARGET], strict=True)
    ]
    for known in (0, 3, len(session) - 1):
        page.locator("#known").fill(str(known))
        expect(page.locator("#which")).to_contain_text(f"Play {known + 1} starts")
        expect(page.locator("#chance")).to_have_text(percent(chances[known]))
        rows = page.locator("#rows tr")
        expect(rows).to_have_count(known + 1)
        happened = ["skipped" if skipped else "listened" for skipped in session[TARGET]]
        for row, text in enumerate([*happened[:known], "not known yet"]):
            expect(rows.nth(row).locator("td").nth(2)).to_contain_text(text)
        expect(page.locator("#score")).to_contain_text(
            f"Right so far: {sum(right[:known])} of {known}" if known else "No play has ended yet"
        )
    page.locator("#known").fill(str(len(session)))
    expect(page.locator("#which")).to_have_text("The session is over.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_slider_moves_by_keys_and_a_click_on_a_play_shows_its_reasons(page, url, expected):
    is_open(page, url)
    page.locator("#known").fill("3")
    page.locator("#known").press("ArrowRight")
    expect(page.locator("#history")).to_contain_text("4 of")
    expect(page.locator("#why-title")).to_have_text("What mattered for play 5")
    page.locator("#rows button", has_text=re.compile("^2$")).click()
    expect(page.locator("#why-title")).to_have_text("What mattered for play 2")
    page.locator("#timeline .scatterlayer .point").first.hover(force=True)
    page.mouse.down()
    page.mouse.up()
    first = next(i for i, skipped in enumerate(expected[0][TARGET][:4], 1) if skipped)
    expect(page.locator("#why-title")).to_have_text(f"What mattered for play {first}")


def test_reasons_add_up_to_the_servers_probability(url, expected):
    session, chances = expected
    status, view = Endpoint(f"{url}api/session").post({"session_id": session["session_id"].iloc[0]})
    assert status == 200
    assert view["same_model"] is True
    for play, chance in zip(view["plays"], chances, strict=True):
        assert play["probability"] == chance
        named = [each["log_odds"] for each in play["contributions"]]
        assert sorted(named, key=abs, reverse=True) == named
        log_odds = play["base"] + play["others"] + sum(named)
        assert 1 / (1 + math.exp(-log_odds)) == pytest.approx(chance, abs=1e-4)


def test_steps_through_the_sessions(page, url):
    is_open(page, url)
    ids = page.locator("#session option").evaluate_all("all => all.map((each) => each.value)")
    page.locator("#next").click()
    expect(page.locator("#session")).to_have_value(ids[1])
    page.locator("#previous").click()
    page.locator("#previous").click()
    expect(page.locator("#session")).to_have_value(ids[-1])
    expect(page.locator("#which")).to_contain_text("starts")


def paste(page, text):
    if not page.locator("#text").is_visible():
        page.get_by_text("Paste a session").click()
    page.locator("#text").fill(text)
    page.get_by_role("button", name="Show", exact=True).click()


def test_shows_a_pasted_session_up_to_the_play_that_has_not_ended(page, url):
    is_open(page, url)
    paste(page, page.locator("#text").get_attribute("placeholder"))
    expect(page.locator("#data")).to_have_text("Pasted session")
    expect(page.locator("#history")).to_have_text("2 of 3 plays known")
    expect(page.locator("#which")).to_contain_text("Play 3 starts")
    assert page.locator("#known").get_attribute("max") == "2"


def test_tells_what_is_wrong_with_a_pasted_session(page, url):
    is_open(page, url)
    paste(page, "session_position,track_id_clean,skip_2\n1,a,maybe\n")
    expect(page.locator("#message")).to_have_text(
        "skip_2 must be true, false, null, 0 or 1 but got 'maybe' in row 1 (session 'pasted'). "
        "Correct the request."
    )
    expect(page.locator("#view")).to_be_hidden()
    gap = "session_position,track_id_clean,skip_2\n1,a,true\n3,b,true\n"
    paste(page, gap)
    refused = r"^The scoring server refuses the session \(HTTP 400\): session_position must count "
    expect(page.locator("#message")).to_have_text(re.compile(f"{refused}.* but got 3 after 1 "))
    page.locator("#next").click()
    expect(page.locator("#view")).to_be_visible()
    expect(page.locator("#message")).to_be_hidden()


def test_tells_that_the_scoring_server_is_down(page, folder, champions):
    champions(1)
    nowhere = f"http://127.0.0.1:{free_port()}"
    url, run = demo(folder, nowhere)
    with run:
        page.goto(url)
        expect(page.locator("#message")).to_contain_text(f"must answer at {nowhere} but does not")
        expect(page.locator("#message")).to_contain_text("skipcast serve")
        expect(page.locator("#view")).to_be_hidden()


def test_gives_no_reasons_of_another_model_and_ends_on_ctrl_c(page, folder, scoring, champions):
    champions(2)
    url, run = demo(folder, scoring)
    with run as process:
        page.goto(url)
        expect(page.locator("#sum")).to_contain_text("does not serve the champion")
        expect(page.locator("#why")).to_be_hidden()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        wait_for_end(process)
        assert process.returncode == 0


def test_another_sites_name_for_this_machine_is_refused(url):
    request = urllib.request.Request(f"{url}api/sessions", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request, timeout=5)
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_a_port_that_is_not_free_is_refused(folder, champions, url):
    port = urlsplit(url).port
    done = subprocess.run(
        [SKIPCAST, "demo", "--port", str(port)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"demo.port must be free but {port} is not" in done.stderr


class OtherProgram(BaseHTTPRequestHandler):
    """Answers any POST with JSON of its own."""

    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"hello": "world"}')

    def log_message(self, *_):
        """Say nothing."""


def test_tells_that_another_program_answers(three_plays):
    with HTTPServer(("127.0.0.1", 0), OtherProgram) as server:
        Thread(target=server.handle_request, daemon=True).start()
        scoring = ScoringServer(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(SkipcastError, match="must answer with predictions but answers other"):
            scoring.score(three_plays[names(LOG)])


@pytest.mark.system
def test_tells_that_a_model_of_half_a_session_cannot_be_shown(logged_model, tmp_path, plays):
    first = plays.loc[plays["session_id"] == plays["session_id"].iloc[0], names(LOG)]
    model = logged_model("logistic", "second_half")
    with (
        model_server(model.uri, tmp_path / "server.log") as endpoint,
        pytest.raises(SkipcastError, match=r"whose features\.horizon is started or queued"),
    ):
        ScoringServer(f"http://{endpoint.host}:{endpoint.port}").score(first)
