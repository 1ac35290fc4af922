// One page, no build step: asks this server for a session and draws it with Plotly.

import { $, CONFIG, FONT, LINE, LISTENED, PHONE, QUIET, SKIPPED, ask, element, isRight, percent, saysSkip, wasCut } from "./common.js";
import { showListening } from "./listening.js";
import { drawTimeline } from "./timeline.js";

const LABELS = { phone: { width: 150, letters: 22 }, wide: { width: 330, letters: 46 } }; // of the bars
const AMOUNT = 48; // pixels that a bar's number takes beside it

const TABS = ["sessions", "listening"];
const TELLING = 8; // plays of the session that is shown first

let session = null; // what the server told of the session that is shown
let known = 0; // plays of it that have ended
let selected = 0; // index of the play whose reasons are shown
let listeners = []; // whose sessions there are; none where the data do not tell
let asked = 0; // requests so far: an answer that was overtaken by a later one is not shown

const signed = (number) => (number < 0 ? "\u2212" : "+") + Math.abs(number).toFixed(2);

function tell(error) {
  $("message").textContent = error ? error.message : "";
  $("message").hidden = !error;
  if (error) $("view").hidden = $("shown").hidden = true; // what was shown before is no answer to what was asked
}

async function show(wanted) {
  const turn = ++asked;
  try {
    const found = await ask("api/session", wanted);
    if (turn !== asked) return;
    tell(null);
    open(found, "text" in wanted);
  } catch (error) {
    if (turn === asked) tell(error);
  }
}

function open(found, pasted) {
  session = found;
  if (pasted) $("session").selectedIndex = -1;
  const told = session.plays.findIndex((play) => !play.ended);
  // The play after the last one whose end is known can still be predicted, and no later one.
  const most = told < 0 ? session.plays.length : told;
  $("known").max = most;
  known = Math.min(Math.ceil(session.plays.length / 2), most);
  selected = Math.min(known, session.plays.length - 1);
  $("known").value = known;
  $("data").textContent = session.synthetic
    ? "Synthetic data, made by the twin: no real listener"
    : pasted ? "Pasted session"
    : listeners.length ? "Your own data: they stay on this machine"
    : "Real data from your own file: its terms forbid passing it on";
  $("data").classList.toggle("synthetic", session.synthetic);
  $("view").hidden = false;
  draw();
}

function draw() {
  drawNow();
  $("cut").hidden = !session.plays.some((play) => play.ended && wasCut(play));
  drawTimeline(session.plays, { known, selected, select });
  drawWhy();
  drawTable();
}

function drawNow() {
  const { plays } = session;
  const next = plays[known];
  $("which").textContent = next ? `Play ${next.position} starts. Chance of a skip:` : "The session is over.";
  $("track").replaceChildren(...(next?.artist ? nameOf(next) : []));
  $("chance").textContent = next ? percent(next.probability) : "\u2013";
  $("verdict").textContent = next ? `The model says ${saysSkip(next) ? "skip" : "listen"}.` : "";
  $("history").textContent = `${known} of ${plays.length} plays known`;
  const told = plays.slice(0, known).filter((play) => !wasCut(play));
  const right = told.filter(isRight).length;
  $("score").textContent = told.length
    ? `Right so far: ${right} of ${told.length} (${percent(right / told.length)})`
    : "No play has ended yet.";
}

// A track and its artist, each in the direction of its script.
function nameOf({ track, artist }) {
  return [element("bdi", track), ...(artist ? [" \u00b7 ", element("bdi", artist)] : [])];
}

function select(index) {
  if (index > known) return;
  selected = index;
  draw();
}

function drawWhy() {
  const play = session.plays[selected];
  $("why-title").textContent = `What mattered for play ${play.position}`;
  for (const id of ["words", "why", "meanings"]) $(id).hidden = !session.same_model;
  $("words-note").hidden = !session.same_model || !play.words.length;
  if (!session.same_model) {
    $("sum").textContent =
      "The scoring server does not serve the champion that this page has loaded, so its reasons cannot be shown. " +
      "Restart `skipcast serve` and `skipcast demo`.";
    return;
  }
  const features = play.others + play.contributions.reduce((sum, each) => sum + each.log_odds, 0);
  $("sum").textContent =
    `Log-odds: start ${signed(play.base)}, features ${signed(features)}, together ` +
    `${signed(play.base + features)}, that is ${percent(play.probability)}.`;
  const bars = [
    ...play.contributions,
    { name: "all other features", meaning: "", log_odds: play.others },
    { name: "start", meaning: "Plays on average", log_odds: play.base },
  ];
  const sizes = bars.map((bar) => bar.log_odds);
  const labels = PHONE.matches ? LABELS.phone : LABELS.wide;
  const half = ($("why").clientWidth - labels.width) / 2;
  const widest = Math.max(...sizes.map(Math.abs), 0.1) * (half / (half - AMOUNT));
  const trace = {
    type: "bar",
    orientation: "h",
    x: sizes,
    y: bars.map((bar) => label(bar, labels.letters)),
    text: sizes.map(signed),
    textposition: "outside",
    cliponaxis: false,
    marker: { color: sizes.map((size) => (size < 0 ? LISTENED : SKIPPED)), opacity: bars.map((bar, i) => (i < play.contributions.length ? 1 : 0.45)) },
    hoverinfo: "skip",
  };
  const layout = {
    font: FONT,
    dragmode: false,
    height: 60 + (PHONE.matches ? 36 : 42) * bars.length,
    margin: { l: 8, r: 8, t: 4, b: 44 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    bargap: 0.35,
    xaxis: { range: [-widest, widest], fixedrange: true, gridcolor: LINE, zerolinecolor: QUIET, title: { text: "\u2190 listen \u00a0\u00a0 skip \u2192", font: FONT } },
    yaxis: { autorange: "reversed", automargin: true, fixedrange: true, ticks: "outside", tickcolor: "rgba(0,0,0,0)" },
  };
  $("words").replaceChildren(...play.words.map(({ text, log_odds }) => {
    const towards = log_odds > 0 ? "skipped" : "listened";
    const line = element("li", "");
    line.append(element("span", log_odds > 0 ? "\u25b2 skip" : "\u25bc listen", towards), text);
    return line;
  }));
  Plotly.react("why", [trace], layout, CONFIG);
  $("features").replaceChildren(...play.contributions.flatMap((each) => [
    element("dt", each.name),
    element("dd", each.meaning.replaceAll("`", "")),
  ]));
}

// A feature's name, and beside wide bars its meaning up to the first pause.
function label({ name, meaning }, letters) {
  if (PHONE.matches) return wrapped(name, letters);
  const [short, ...rest] = wrapped(meaning.split(/[:;,.](?:\s|$)/)[0].replaceAll("`", ""), letters).split("<br>");
  return `<b>${name}</b>` + (short && `<br><span style="color:${QUIET}">${short}${rest.length ? " \u2026" : ""}</span>`);
}

function wrapped(text, letters) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line && line.length + word.length >= letters) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.join("<br>");
}

function drawTable() {
  $("plays").classList.toggle("plain", !session.plays.some(({ context }) => context));
  $("rows").replaceChildren(...session.plays.slice(0, known + 1).map((play, index) => {
    const ended = index < known;
    const row = document.createElement("tr");
    row.classList.toggle("selected", index === selected);
    const button = element("button", play.position);
    button.type = "button";
    button.title = "Show what mattered";
    button.addEventListener("click", () => select(index));
    const first = document.createElement("td");
    first.append(button);
    const happened = ended
      ? happenedTo(play)
      : element("td", "not known yet");
    const track = element("td", "");
    track.append(...nameOf(play), play.track_known || play.artist ? "" : " (unknown to the model)");
    row.append(
      first,
      element("td", percent(play.probability), "number"),
      happened,
      element("td", ended ? (wasCut(play) ? "" : isRight(play) ? "\u2713 right" : "\u2717 wrong") : `says ${saysSkip(play) ? "skip" : "listen"}`),
      element("td", play.started_by ?? ""),
      element("td", (play.context ?? "").replaceAll("_", " ")),
      track,
    );
    return row;
  }));
}

function happenedTo(play) {
  if (wasCut(play)) return element("td", "\u00d7 cut by the app");
  return element("td", play.skipped ? "\u25c6 skipped" : "\u25cb listened", play.skipped ? "skipped" : "listened");
}

function step(by) {
  const { options, selectedIndex } = $("session");
  const from = selectedIndex < 0 && by < 0 ? 0 : selectedIndex; // none is chosen beside a pasted one
  $("session").selectedIndex = (from + by + options.length) % options.length;
  show({ session_id: $("session").value });
}

async function start() {
  $("session").addEventListener("change", () => show({ session_id: $("session").value }));
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("show").addEventListener("click", () => show({ text: $("text").value }));
  $("known").addEventListener("input", () => {
    known = Number($("known").value);
    selected = Math.min(known, session.plays.length - 1);
    draw();
  });
  PHONE.addEventListener("change", () => session && !$("sessions").hidden && draw());
  $("listener").addEventListener("change", () => list($("listener").value));
  for (const tab of TABS) $(`${tab}-tab`).addEventListener("click", () => openTab(tab));
  await list();
}

// Offers the sessions of a listener, or where none is chosen of the first, and shows one.
async function list(listener) {
  try {
    const offer = await ask(`api/sessions${listener ? `?listener=${encodeURIComponent(listener)}` : ""}`);
    const { sessions, of } = offer;
    listeners = offer.listeners;
    $("session").replaceChildren(...sessions.map(({ id, when, plays, skipped }) => {
      const option = element("option", `${when ?? id}: ${plays} plays, ${skipped} skipped`);
      option.value = id;
      return option;
    }));
    $("offer").textContent = `${sessions.length} of ${of} test sessions, which no search has seen`;
    if (!listener) offerListeners(offer);
    else if (!$("listening").hidden) showListening(listener, tell);
    // The latest session is often of a play or two: the first that tells something is better.
    const first = Math.max(0, sessions.findIndex(({ plays }) => plays >= TELLING));
    $("session").selectedIndex = first;
    show({ session_id: $("session").value });
  } catch (error) {
    tell(error);
  }
}

function offerListeners({ you, synthetic }) {
  $("tabs").hidden = !listeners.length;
  $("listening-data").hidden = !synthetic;
  $("listeners").hidden = listeners.length < 2;
  $("listening-tab").textContent = you ? "Your listening" : "Their listening";
  $("listener").replaceChildren(...listeners.map(({ id, name }) => {
    const option = element("option", name);
    option.value = id;
    return option;
  }));
}

function openTab(open) {
  for (const tab of TABS) {
    $(tab).hidden = tab !== open;
    $(`${tab}-tab`).setAttribute("aria-selected", tab === open);
  }
  if (open === "listening") showListening($("listener").value, tell);
  else if (session) draw(); // a chart that is hidden has no width
}

start();
