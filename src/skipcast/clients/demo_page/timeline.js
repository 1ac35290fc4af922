// A session as a chart: each play at its chance of a skip, and what became of it.

import { $, CHOSEN, CONFIG, FONT, INK, LINE, LISTENED, PHONE, QUIET, SKIPPED, escaped, isRight, saysSkip, wasCut } from "./common.js";

const WINDOW = { phone: 20, wide: 40 }; // plays that are shown at a time

// Draws plays by their chance of a skip; a click on one calls `select` with its index.
export function drawTimeline(plays, { known, selected, select }) {
  const past = plays.slice(0, known);
  const trace = (shown, marker, more = {}) => ({
    type: "scatter",
    mode: "markers",
    x: shown.map((play) => play.position),
    y: shown.map((play) => play.probability),
    marker,
    text: shown.map((play) => (play.artist ? `<br>${escaped(play.track)}<br>${escaped(play.artist)}` : "")),
    hovertemplate: "play %{x}<br>chance of a skip %{y:.0%}%{text}<extra></extra>",
    ...more,
  });
  const next = plays.slice(known, known + 1);
  const ahead = plays.slice(known + 1);
  const traces = [
    trace(past.filter((play) => play.skipped), { symbol: "diamond", size: 12, color: SKIPPED }),
    trace(past.filter((play) => play.skipped === false), { symbol: "circle-open", size: 11, color: LISTENED, line: { width: 3 } }),
    trace(past.filter(wasCut), { symbol: "x-thin-open", size: 9, color: QUIET, line: { width: 2 } }),
    trace(next, { symbol: "circle-open-dot", size: 17, color: INK, line: { width: 2 } }),
    trace(ahead, { symbol: "circle", size: 5, color: LINE }, {
      y: ahead.map(() => 0.5),
      hovertemplate: "play %{x}: not started yet<extra></extra>",
    }),
  ];
  const crosses = past.filter((play) => !wasCut(play) && !isRight(play)).map((play) => ({
    text: "\u2717", x: play.position, y: play.probability, yshift: saysSkip(play) ? 16 : -16, showarrow: false, font: { ...FONT, size: 15 },
  }));
  const shown = plays[selected].position;
  const stems = plays.slice(0, known + 1).map((play, i) => ({
    type: "line",
    layer: "below",
    x0: play.position, x1: play.position, y0: 0.5, y1: play.probability,
    line: { width: 3, color: i === known ? INK : wasCut(play) ? QUIET : play.skipped ? SKIPPED : LISTENED },
    opacity: 0.45,
  }));
  const side = (text, y, yanchor) => ({
    text, y, yanchor, x: 1, xref: "paper", xanchor: "right", showarrow: false, font: { ...FONT, color: QUIET },
  });
  const length = Math.min(plays.length, PHONE.matches ? WINDOW.phone : WINDOW.wide);
  const from = Math.max(0, Math.min(plays.length - length, Math.round(known - 0.75 * length)));
  const layout = {
    font: FONT,
    showlegend: false,
    dragmode: false,
    hovermode: "closest",
    margin: { l: 68, r: 8, t: 8, b: 42 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    xaxis: { range: [from + 0.4, from + length + 0.6], fixedrange: true, dtick: length > 30 || PHONE.matches ? 5 : 1, tick0: 0, showgrid: false, zeroline: false, title: { text: "position in the session", font: FONT } },
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
