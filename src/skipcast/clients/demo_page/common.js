// What the parts of the page share.

export const $ = (id) => document.getElementById(id);
const style = getComputedStyle(document.documentElement);
export const [INK, QUIET, LINE, CHOSEN, LISTENED, SKIPPED] = ["--ink", "--quiet", "--line", "--chosen", "--listened", "--skipped"]
  .map((name) => style.getPropertyValue(name).trim());
export const FONT = { family: style.fontFamily, size: 13, color: INK };
export const CONFIG = { displayModeBar: false, responsive: true };
export const PHONE = matchMedia("(max-width: 40rem)");

export const saysSkip = (play) => play.probability >= 0.5;
export const wasCut = (play) => play.skipped === null; // of a play that has ended
export const isRight = (play) => saysSkip(play) === play.skipped;
export const percent = (share) => `${Math.round(100 * share)} %`;

export async function ask(path, body) {
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

export function element(tag, text, ...classes) {
  const made = document.createElement(tag);
  made.textContent = text;
  made.classList.add(...classes);
  return made;
}

// Plotly reads some HTML in texts; of a name, all is to be shown.
export function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
