// A listener's whole history: when, since when and what was skipped, and what carries the model.

import { $, CONFIG, FONT, LINE, LISTENED, PHONE, QUIET, SKIPPED, ask, element, percent } from "./common.js";

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DARK = 0.6; // share of the darkest from which on a number is white
const BARS = "#b8c4cc";

let shown = null; // what the server told of the listener

export async function showListening(listener, tell) {
  try {
    const found = await ask(`api/listening?listener=${encodeURIComponent(listener)}`);
    if ($("listener").value !== listener) return; // another was chosen meanwhile
    shown = found;
    tell(null);
    $("shown").hidden = false;
    draw();
  } catch (error) {
    tell(error);
  }
}

PHONE.addEventListener("change", () => shown && !$("listening").hidden && draw());

function draw() {
  drawSums();
  drawHours();
  drawPeriods();
  const { rate, plays, fewest } = shown.usual;
  $("ranked-note").textContent =
    `Ranked by the skip rate as if ${plays} more plays had been skipped at the usual ${percent(rate)}, ` +
    `so a few plays do not lead the list. At least ${fewest} plays. Beside the bars: skips of all plays.`;
  for (const [kind, what] of [["by_artist", "artists"], ["by_track", "tracks"]]) {
    for (const side of ["skipped", "kept"]) drawRanked($(`${what}-${side}`), shown[kind][side], side);
  }
  drawCarries();
}

function drawSums() {
  const number = (value) => value.toLocaleString("en");
  const sums = [
    ["plays", number(shown.plays)],
    [shown.skipped, percent(shown.usual.rate)],
    ["sessions", number(shown.sessions)],
    ["artists", number(shown.artists)],
    ["tracks", number(shown.tracks)],
  ];
  $("sums").replaceChildren(...sums.flatMap(([name, value]) => {
    const pair = element("div", "");
    pair.append(element("dt", name), element("dd", value));
    return pair;
  }));
  const days = shown.days ? `From ${shown.days[0]} to ${shown.days[1]}. ` : "";
  const cut = shown.cut ? `${number(shown.cut)} more plays were cut by the app: neither skipped nor heard. ` : "";
  const undated = shown.undated ? `When ${number(shown.undated)} plays started is not known.` : "";
  $("span").textContent = days + cut + undated;
}

function short(count) {
  if (count < 1000) return count ? String(count) : "";
  return `${count < 10000 ? (count / 1000).toFixed(1) : Math.round(count / 1000)}k`;
}

function drawHours() {
  const usual = shown.usual.rate;
  const { spread, each } = shown.hours;
  $("hours-note").textContent =
    `The number of plays at each hour of the day (${shown.timezone}). Orange: more are ${shown.skipped} than ` +
    `the usual ${percent(usual)}; blue: fewer.`;
  const hours = Array.from({ length: 24 }, (_, hour) => hour);
  const days = Array.from(DAYS.keys());
  const [rows, columns] = PHONE.matches ? [hours, days] : [days, hours];
  const name = (labels, index) => (labels === days ? DAYS[index] : String(index));
  const head = document.createElement("tr");
  head.append(element("th", ""), ...columns.map((column) => element("th", name(columns, column))));
  const body = rows.map((row) => {
    const line = document.createElement("tr");
    line.append(element("th", name(rows, row)), ...columns.map((column) => {
      const [day, hour] = rows === days ? [row, column] : [column, row];
      return cell(each[24 * day + hour], usual, spread);
    }));
    return line;
  });
  $("hours").replaceChildren(head, ...body);
}

function cell({ weekday, hour, plays, rate }, usual, spread) {
  const made = element("td", short(plays));
  if (!plays) return made;
  const part = Math.max(-1, Math.min(1, (rate - usual) / spread));
  made.style.background = `color-mix(in srgb, ${part > 0 ? SKIPPED : LISTENED} ${Math.abs(100 * part)}%, white)`;
  if (Math.abs(part) > DARK) made.style.color = "white";
  made.title = `${DAYS[weekday]}, ${hour} h: ${plays} plays, ${percent(rate)} (shrunk)`;
  return made;
}

function drawPeriods() {
  const { periods } = shown;
  $("periods").hidden = !periods.length;
  $("periods-note").textContent = periods.length
    ? "The share skipped with its 95 % interval; below, the plays. A share of too few plays is left out."
    : "When the plays started is not known.";
  if (!periods.length) return;
  const middle = periods.map(({ start, days }) => new Date(Date.parse(start) + days * 43_200_000).toISOString());
  const of = (key) => periods.map((period) => period[key]);
  const edge = (key, more) => ({ x: middle, y: of(key), mode: "lines", line: { width: 0 }, hoverinfo: "skip", ...more });
  const traces = [
    edge("low"),
    edge("high", { fill: "tonexty", fillcolor: `${SKIPPED}33` }),
    {
      x: middle, y: of("rate"), mode: "lines+markers", line: { color: SKIPPED, width: 2 }, marker: { size: 5 },
      text: of("plays"), customdata: of("start"),
      hovertemplate: "from %{customdata}<br>%{y:.0%} of %{text} plays<extra></extra>",
    },
    {
      type: "bar", x: middle, y: of("plays"), yaxis: "y2", marker: { color: BARS }, customdata: of("start"),
      width: periods.map(({ days }) => 0.9 * days * 86_400_000),
      hovertemplate: "from %{customdata}<br>%{y} plays<extra></extra>",
    },
  ];
  const highest = Math.max(0.1, shown.usual.rate, ...of("high"));
  const axis = { fixedrange: true, gridcolor: LINE, zeroline: false };
  Plotly.react("periods", traces, {
    font: FONT,
    showlegend: false,
    dragmode: false,
    margin: { l: 52, r: 8, t: 8, b: 32 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    xaxis: { fixedrange: true, showgrid: false, anchor: "y2", nticks: PHONE.matches ? 4 : 10 },
    yaxis: { ...axis, domain: [0.36, 1], range: [0, Math.min(1, 1.1 * highest)], tickformat: ".0%" },
    yaxis2: { ...axis, domain: [0, 0.26], nticks: 3, rangemode: "tozero" },
    shapes: [{ type: "line", layer: "below", xref: "paper", x0: 0, x1: 1, y0: shown.usual.rate, y1: shown.usual.rate, line: { color: QUIET, width: 1, dash: "dot" } }],
  }, CONFIG);
}

function drawRanked(list, rows, side) {
  if (!rows.length) {
    list.replaceChildren(element("li", `None is skipped ${side === "skipped" ? "more" : "less"} often than usual.`, "quiet"));
    return;
  }
  const widest = Math.max(...Object.values(shown).flatMap((each) => each?.skipped?.map?.(({ rate }) => rate) ?? []), ...rows.map(({ rate }) => rate));
  list.replaceChildren(...rows.map(({ name, artist, plays, skips, rate }) => {
    const line = document.createElement("li");
    const title = element("p", "", "name");
    title.append(element("bdi", name));
    if (artist) title.append(" ", element("bdi", artist, "quiet"));
    line.append(title, bar(rate / widest, side === "skipped" ? SKIPPED : LISTENED, `${skips.toLocaleString("en")} of ${plays.toLocaleString("en")}`));
    return line;
  }));
}

// A bar, the share of whose width is told, with a text beside it.
function bar(share, colour, text) {
  const line = element("div", "", "bar");
  const filled = document.createElement("span");
  filled.style.background = colour;
  filled.style.width = `${Math.max(0.5, 75 * share)}%`;
  line.append(filled, element("span", text, "quiet"));
  return line;
}

function drawCarries() {
  const widest = Math.max(...shown.carries.map(({ log_odds }) => log_odds), 0.01);
  $("carries").replaceChildren(...shown.carries.map(({ text, log_odds }) => {
    const line = element("li", "");
    line.append(element("p", text, "name"), bar(log_odds / widest, QUIET, log_odds.toFixed(2)));
    return line;
  }));
}
