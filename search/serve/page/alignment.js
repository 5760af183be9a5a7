// Why a video matches: one strip of heat for each word, over the video's clips.

import { make, spanSpoken, spanText } from "./dom.js";

let numTables = 0;

/** Makes the table of a video's alignments; `onSeek(second)` shows a clip of it. */
export function alignmentTable(streams, onSeek) {
  const id = `alignment-${++numTables}`;
  const body = make("div", {});
  const show = (stream) => body.replaceChildren(...strips(stream, onSeek));
  show(streams[0]);
  if (streams.length === 1) return make("div", { className: "alignment" }, body);
  const choices = streams.map((stream, index) => {
    const input = make("input", {
      type: "radio", name: id, id: `${id}-${index}`, checked: index === 0,
      on: { change: () => show(stream) },
    });
    return make("span", {}, input, make("label", { htmlFor: input.id }, stream.stream));
  });
  const legend = make("legend", { className: "hidden" }, "Stream");
  const switcher = make("fieldset", { className: "segments" }, legend, ...choices);
  return make("div", { className: "alignment" }, switcher, body);
}

function strips({ stream, words, clips, similarities, score }, onSeek) {
  const all = similarities.flat();
  const low = Math.max(0, Math.min(...all));
  const high = Math.max(...all, low + 1e-6);
  const detail = make("p", { className: "detail" }, "Move over a strip, or use the arrow keys.");
  const rows = words.map((word, column) => {
    const cosines = clips.map((_, clip) => similarities[clip][column]);
    const strip = heatStrip(word, clips, cosines, { low, high, onSeek, detail });
    return make("tr", {}, make("th", { scope: "row" }, word), make("td", {}, strip));
  });
  const table = make(
    "table", { className: "heat" },
    make("caption", {}, `Cosines of words and clips, ${stream} stream (score ${score.toFixed(3)})`),
    make("tbody", {}, ...rows),
  );
  const scale = make(
    "p", { className: "scale", "aria-hidden": "true" },
    make("span", {}, low.toFixed(2)), make("span", { className: "ramp" }),
    make("span", {}, high.toFixed(2)),
  );
  return [table, scale, detail];
}

/** A strip is a slider over the clips: arrow keys go from clip to clip. */
function heatStrip(word, clips, cosines, { low, high, onSeek, detail }) {
  const best = cosines.indexOf(Math.max(...cosines));
  const cells = cosines.map((cosine) => {
    const cell = make("span", { className: "cell" });
    const heat = Math.max(0, (cosine - low) / (high - low));
    cell.style.setProperty("--heat", `${Math.round(100 * heat)}%`);
    return cell;
  });
  const strip = make(
    "div",
    {
      className: "strip", role: "slider", tabIndex: 0, "aria-label": `Clips for “${word}”`,
      "aria-valuemin": "1", "aria-valuemax": String(clips.length),
    },
    ...cells,
  );
  let current = best;
  const select = (clip) => {
    current = Math.max(0, Math.min(clips.length - 1, clip));
    cells.forEach((cell, index) => cell.classList.toggle("current", index === current));
    const cosine = cosines[current].toFixed(2);
    strip.setAttribute("aria-valuenow", String(current + 1));
    strip.setAttribute(
      "aria-valuetext",
      `clip ${current + 1} of ${clips.length}, ${spanSpoken(clips[current])}, cosine ${cosine}`,
    );
    return `${word} · ${spanText(clips[current])} · cosine ${cosine}`;
  };
  select(best);
  const look = (clip) => {
    detail.textContent = select(clip);
  };
  cells.forEach((cell, index) => {
    cell.addEventListener("pointerenter", () => look(index));
    cell.addEventListener("click", () => onSeek(clips[index].start));
  });
  strip.addEventListener("focus", () => look(current));
  strip.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
    const ends = { Home: 0, End: clips.length - 1 };
    if (!(event.key in steps) && !(event.key in ends)) return;
    event.preventDefault();
    look(event.key in ends ? ends[event.key] : current + steps[event.key]);
    onSeek(clips[current].start);
  });
  return strip;
}
