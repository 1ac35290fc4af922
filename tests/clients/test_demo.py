"""The page of `skipcast demo` in a real browser, beside a real scoring server."""

import json
import math
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pandas as pd
import pytest
from harness.clients import Endpoint
from harness.servers import ROOT, SKIPCAST, champion_server, ends, free_port, running
from playwright.sync_api import expect

from skipcast.clients.demo_session import UNKNOWN_BEFORE_THE_END, parse_session, prefixes
from skipcast.errors import SkipcastError
from skipcast.params import read_params
from skipcast.schema import LOG, TARGET, names
from skipcast.split import split_sessions

SIZES = {"desktop": (1200, 900), "phone": (390, 844)}


def test_prefixes_hide_what_a_play_does_not_know_of_itself(three_plays):
    known = prefixes(three_plays[names(LOG)])
    assert known["session_id"].tolist() == [f"s, first {n} plays" for n in (1, 2, 2, 3, 3, 3)]
    last = ~known["session_id"].duplicated(keep="last")
    hidden = known.columns.intersection(UNKNOWN_BEFORE_THE_END)
    assert {"skip_2", "hist_user_behavior_reason_end"} <= set(hidden)
    assert known.loc[last, hidden].isna().all(axis=None)
    assert known.loc[~last, TARGET].tolist() == [True, True, False]
    assert "session_length" not in known


def test_json_records_split_and_csv_are_the_same_session(three_plays):
    plays = three_plays[names(LOG)]
    records = plays.to_json(orient="records")
    texts = [
        records,
        f'{{"dataframe_records": {records}}}',
        f'{{"dataframe_split": {plays.to_json(orient="split")}}}',
        plays.sample(frac=1, random_state=3).to_csv(index=False),
    ]
    named = parse_session(plays.rename(columns={TARGET: "skipped"}).to_csv(index=False))
    assert named[TARGET].tolist() == plays[TARGET].tolist()
    for text in texts:
        pd.testing.assert_frame_equal(parse_session(text), plays, check_dtype=False)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "must be JSON or CSV with a header"),
        ("[1, 2]", "JSON must be a list of plays"),
        ('{"plays": []}', "JSON must be a list of plays"),
        ('[{"session_position": 1', "JSON must be a list of plays"),
        ("[]", "session_position must be given"),
        ("session_position,skip_2\n1,true\n", "track_id_clean must be given"),
        ("session_position,track_id_clean\n1.5,a\n", "must be a whole number but got 1.5"),
        ("session_position,track_id_clean\n,a\n", "must be a whole number but got nan"),
        ('[{"session_position": null, "track_id_clean": "a"}]', "must be a whole number"),
        ("session_id,session_position,track_id_clean\na,1,t\nb,1,t\n", "but got 2 of 2 plays"),
        ("session_position,track_id_clean\n" + "1,a\n" * 101, "but got 1 of 101 plays"),
    ],
)
def test_refuses_a_wrong_text(text, match):
    with pytest.raises(SkipcastError, match=match):
        parse_session(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, plays):
    """Make a folder as `dvc repro` leaves it, as far as the page needs it."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "data").mkdir()
    plays[names(LOG)].to_parquet(folder / "data/plays.parquet", index=False)
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return folder


@pytest.fixture(scope="module")
def scoring(folder, champions):
    champions(1)
    with champion_server(folder) as (_, url):
        yield url


def demo(folder, scoring):
    """Run `skipcast demo`."""
    port = free_port()
    command = [SKIPCAST, "demo", "--port", str(port), "--server", scoring]
    log = folder / f"demo-{port}.log"
    return f"http://127.0.0.1:{port}/", running(
        command, f"http://127.0.0.1:{port}", log, cwd=folder
    )


@pytest.fixture(scope="module")
def url(folder, scoring):
    url, run = demo(folder, scoring)
    with run:
        yield url


@pytest.fixture
def page(browser, request):
    """Yield a page at which every request to another host, and every fault, is a failure."""
    width, height = SIZES[getattr(request, "param", "desktop")]
    page = browser.new_page(viewport={"width": width, "height": height})
    hosts, faults = set(), []
    page.on("request", lambda sent: hosts.add(urlsplit(sent.url).hostname or "none: data"))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: line.type in ("error", "warning") and faults.append(line.text))
    yield page
    page.close()
    assert hosts <= {"127.0.0.1", "none: data"}
    # A refused session is no fault of the page; the browser notes its status all the same.
    assert [fault for fault in faults if "status of 400" not in fault] == []


@pytest.fixture(scope="module")
def expected(folder, scoring, plays):
    """Return the first session on offer, and what the server says of its plays one by one."""
    parts = split_sessions(plays["session_id"], read_params(folder / "params.yaml").split)
    first = plays.loc[parts == "test", "session_id"].iloc[0]
    session = plays.loc[plays["session_id"] == first, names(LOG)].reset_index(drop=True)
    chances = []
    for count in range(1, len(session) + 1):
        records = json.loads(session.head(count).to_json(orient="records"))
        records[-1] |= dict.fromkeys(UNKNOWN_BEFORE_THE_END)
        records = [{k: v for k, v in r.items() if k != "session_length"} for r in records]
        status, answer = Endpoint(f"{scoring}/invocations").post({"dataframe_records": records})
        assert status == 200, answer
        chances.append(answer["predictions"][-1]["skip_probability"])
    return session, chances


def percent(share):
    return f"{math.floor(100 * share + 0.5)} %"  # as JavaScript rounds


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
    paste(page, "hello")
    expect(page.locator("#message")).to_contain_text("session_position must be given")
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
        assert ends(process)
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
