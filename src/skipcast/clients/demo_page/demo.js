// One page, no build step: asks this server for a session and draws it with Plotly.

const $ = (id) => document.getElementById(id);
const style = getComputedStyle(document.documentElement);
const [INK, QUIET, LINE, CHOSEN, LISTENED, SKIPPED] = ["--ink", "--quiet", "--line", "--chosen", "--listened", "--skipped"]
  .map((name) => style.getPropertyValue(name).trim());
const FONT = { family: style.fontFamily, size: 13, color: INK };
const CONFIG = { displayModeBar: false, responsive: true };
const PHONE = matchMedia("(max-width: 40rem)");
const LABELS = { phone: { width: 150, letters: 22 }, wide: { width: 330, letters: 46 } }; // of the bars
const AMOUNT = 48; // pixels that a bar's number takes beside it

let session = null; // what the server told of the session that is shown
let known = 0; // plays of it that have ended
let selected = 0; // index of the play whose reasons are shown
let asked = 0; // requests so far: an answer that was overtaken by a later one is not shown

const percent = (probability) => `${Math.round(100 * probability)} %`;
const signed = (number) => (number < 0 ? "\u2212" : "+") + Math.abs(number).toFixed(2);
const saysSkip = (play) => play.probability >= 0.5;
const isRight = (play) => saysSkip(play) === play.skipped;

async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, body && {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The server of this page must answer but does not. Start `skipcast demo` again.");
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.message ?? `The server of this page failed (HTTP ${answer.status}): its terminal says why.`);
  return content;
}

function tell(error) {
  $("message").textContent = error ? error.message : "";
  $("message").hidden = !error;
  if (error) $("view").hidden = true; // what was shown before is no answer to what was asked
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
  const told = session.plays.findIndex((play) => play.skipped === null);
  // The play after the last one whose end is known can still be predicted, and no later one.
  const most = told < 0 ? session.plays.length : told;
  $("known").max = most;
  known = Math.min(Math.ceil(session.plays.length / 2), most);
  selected = Math.min(known, session.plays.length - 1);
  $("known").value = known;
  $("data").textContent = session.synthetic
    ? "Synthetic data, made by the twin: no real listener"
    : pasted ? "Pasted session" : "Real data from your own file: its terms forbid passing it on";
  $("data").classList.toggle("synthetic", session.synthetic);
  $("view").hidden = false;
  draw();
}

function draw() {
  drawNow();
  drawTimeline();
  drawWhy();
  drawTable();
}

function drawNow() {
  const { plays } = session;
  const next = plays[known];
  $("which").textContent = next ? `Play ${next.position} starts. Chance of a skip:` : "The session is over.";
  $("chance").textContent = next ? percent(next.probability) : "\u2013";
  $("verdict").textContent = next ? `The model says ${saysSkip(next) ? "skip" : "listen"}.` : "";
  $("history").textContent = `${known} of ${plays.length} plays known`;
  const right = plays.slice(0, known).filter(isRight).length;
  $("score").textContent = known
    ? `Right so far: ${right} of ${known} (${percent(right / known)})`
    : "No play has ended yet.";
}

function drawTimeline() {
  const { plays } = session;
  const past = plays.slice(0, known);
  const trace = (shown, marker, more = {}) => ({
    type: "scatter",
    mode: "markers",
    x: shown.map((play) => play.position),
    y: shown.map((play) => play.probability),
    marker,
    hovertemplate: "play %{x}<br>chance of a skip %{y:.0%}<extra></extra>",
    ...more,
  });
  const next = plays.slice(known, known + 1);
  const ahead = plays.slice(known + 1);
  const traces = [
    trace(past.filter((play) => play.skipped), { symbol: "diamond", size: 12, color: SKIPPED }),
    trace(past.filter((play) => !play.skipped), { symbol: "circle-open", size: 11, color: LISTENED, line: { width: 3 } }),
    trace(next, { symbol: "circle-open-dot", size: 17, color: INK, line: { width: 2 } }),
    trace(ahead, { symbol: "circle", size: 5, color: LINE }, {
      y: ahead.map(() => 0.5),
      hovertemplate: "play %{x}: not started yet<extra></extra>",
    }),
  ];
  const crosses = past.filter((play) => !isRight(play)).map((play) => ({
    text: "\u2717", x: play.position, y: play.probability, yshift: saysSkip(play) ? 16 : -16, showarrow: false, font: { ...FONT, size: 15 },
  }));
  const shown = plays[selected].position;
  const stems = plays.slice(0, known + 1).map((play, i) => ({
    type: "line",
    layer: "below",
    x0: play.position, x1: play.position, y0: 0.5, y1: play.probability,
    line: { width: 3, color: i === known ? INK : play.skipped ? SKIPPED : LISTENED },
    opacity: 0.45,
  }));
  const side = (text, y, yanchor) => ({
    text, y, yanchor, x: 1, xref: "paper", xanchor: "right", showarrow: false, font: { ...FONT, color: QUIET },
  });
  const layout = {
    font: FONT,
    showlegend: false,
    dragmode: false,
    hovermode: "closest",
    margin: { l: 68, r: 8, t: 8, b: 42 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    xaxis: { range: [0.4, plays.length + 0.6], fixedrange: true, dtick: plays.length > 30 || PHONE.matches ? 5 : 1, tick0: 0, showgrid: false, zeroline: false, title: { text: "position in the session", font: FONT } },
    yaxis: { range: [-0.04, 1.04], fixedrange: true, tickvals: [0, 0.25, 0.5, 0.75, 1], tickformat: ".0%", gridcolor: LINE, zeroline: false, title: { text: "chance of a skip", font: FONT, standoff: 14 } },
    shapes: [
      { type: "rect", layer: "below", yref: "paper", x0: shown - 0.5, x1: shown + 0.5, y0: 0, y1: 1, line: { width: 0 }, fillcolor: CHOSEN },
      { type: "line", layer: "below", xref: "paper", x0: 0, x1: 1, y0: 0.5, y1: 0.5, line: { color: QUIET, width: 1, dash: "dot" } },
      ...stems,
    ],
    annotations: [...crosses, side("says skip", 0.98, "top"), side("says listen", 0.02, "bottom")],
  };
  Plotly.react("timeline", traces, layout, CONFIG);
  if (!$("timeline").dataset.listens) {
    $("timeline").dataset.listens = "true";
    $("timeline").on("plotly_click", (event) => select(event.points[0].x - 1));
  }
}

function select(index) {
  if (index > known) return;
  selected = index;
  draw();
}

function drawWhy() {
  const play = session.plays[selected];
  $("why-title").textContent = `What mattered for play ${play.position}`;
  $("why").hidden = $("meanings").hidden = !session.same_model;
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

function element(tag, text, ...classes) {
  const made = document.createElement(tag);
  made.textContent = text;
  made.classList.add(...classes);
  return made;
}

function drawTable() {
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
      ? element("td", play.skipped ? "\u25c6 skipped" : "\u25cb listened", play.skipped ? "skipped" : "listened")
      : element("td", "not known yet");
    row.append(
      first,
      element("td", percent(play.probability), "number"),
      happened,
      element("td", ended ? (isRight(play) ? "\u2713 right" : "\u2717 wrong") : `says ${saysSkip(play) ? "skip" : "listen"}`),
      element("td", play.started_by ?? ""),
      element("td", (play.context ?? "").replaceAll("_", " ")),
      element("td", play.track + (play.track_known ? "" : " (unknown to the model)")),
    );
    return row;
  }));
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
  PHONE.addEventListener("change", () => session && draw());
  try {
    const { sessions, of } = await ask("api/sessions");
    $("session").replaceChildren(...sessions.map(({ id, plays, skipped }) => {
      const option = element("option", `${id}: ${plays} plays, ${skipped} skipped`);
      option.value = id;
      return option;
    }));
    $("offer").textContent = `${sessions.length} of ${of} test sessions, which no search has seen`;
    step(0);
  } catch (error) {
    tell(error);
  }
}

start();
