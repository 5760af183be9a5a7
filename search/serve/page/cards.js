// A found video as a card: the moment, its sentence, the words where they were found.

import { checkMedia, explain, sentencesOf } from "./api.js";
import { alignmentTable } from "./alignment.js";
import { make, seconds, spanSpoken, spanText } from "./dom.js";
import { Player } from "./player.js";

let numCards = 0;

/**
 * Makes the card of a hit. `query` is the typed sentence, or null where a video was searched with;
 * `onLike(hit)` and `onSentence(text)` search on.
 */
export function card(hit, { query, onLike, onSentence }) {
  const id = `hit-${++numCards}`;
  const moment = hit.span ?? (hit.duration ? { start: 0, end: hit.duration } : null);
  const title = make("h3", { id: `${id}-title`, className: "sentence" }, hit.text || hit.video_id);
  const problem = make("p", { className: "problem", role: "status", hidden: true });
  const article = make("article", { className: "card", "aria-labelledby": title.id });

  const video = make("video", {
    muted: true, playsInline: true, preload: "metadata", disablePictureInPicture: true,
    "aria-label": `Video ${hit.rank}: ${hit.text || hit.video_id}`,
  });
  // The property alone does not count where browsers decide what may play by itself.
  video.setAttribute("muted", "");
  video.addEventListener("loadedmetadata", () => {
    const shape = Math.max(0.75, Math.min(1.78, video.videoWidth / video.videoHeight));
    document.documentElement.style.setProperty("--shape", shape.toFixed(3));
  });
  const toggle = make("button", { type: "button", className: "play", "aria-label": playName(false) });
  const frame = make(
    "div", { className: "frame" }, video, toggle,
    make("span", { className: "rank", "aria-hidden": "true" }, String(hit.rank)),
    hit.span ? make("span", { className: "moment" }, spanText(hit.span)) : null,
    problem,
  );
  const line = timeline(hit, moment);

  const player = hit.is_there
    ? new Player(video, hit.media, moment, {
        onTime: (second) => line.showTime(second, video.duration),
        onState: (plays) => {
          toggle.setAttribute("aria-label", playName(plays));
          frame.classList.toggle("plays", plays);
        },
        onProblem: () => tellProblem(hit, player, problem, frame),
      })
    : null;
  if (!player) {
    showProblem(problem, frame, "This video is no longer where the index found it.");
  }
  function playName(plays) {
    return `${plays ? "Pause" : "Play"} video ${hit.rank}`;
  }
  toggle.addEventListener("click", () => player?.toggle());

  const panel = make("div", { className: "panel", id: `${id}-panel`, hidden: true });
  article.append(
    frame, line.element, title, facts(hit),
    ...(hit.words.length ? words(hit, line, player) : []),
    actions(hit, { query, panel, player, onLike, onSentence }), panel,
  );
  return make("li", { className: "hit" }, article);
}

function facts(hit) {
  const columns = Object.entries(hit.columns).filter(([name]) => name !== "glosses");
  const list = make("dl", { className: "facts" });
  const add = (name, value) =>
    list.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  if (hit.likelihood) add("match", hit.likelihood);
  add("score", hit.score.toFixed(3));
  if (hit.duration) add("length", `${seconds(hit.duration)} s`);
  for (const [name, value] of columns) add(name, value);
  return list;
}

/** The lanes of the words over the time of the moment, and the head that moves with the video. */
function timeline(hit, moment) {
  const head = make("div", { className: "head" });
  const lanes = hit.words.map(({ similarity }) => {
    const bar = make("div", { className: "bar" });
    bar.style.setProperty("--strength", Math.max(0.25, Math.min(1, similarity)).toFixed(2));
    return make("div", { className: "lane" }, bar);
  });
  // The buttons of the words say all this in text.
  const element = make("div", { className: "timeline", "aria-hidden": "true" }, ...lanes, head);
  const begin = moment?.start ?? 0;
  const length = Math.max(1e-3, (moment?.end ?? 1) - begin);
  const share = (second) => Math.max(0, Math.min(100, (100 * (second - begin)) / length));
  hit.words.forEach(({ span }, index) => {
    const bar = lanes[index].firstChild;
    bar.style.left = `${share(span.start)}%`;
    bar.style.width = `${Math.max(1.5, share(span.end) - share(span.start))}%`;
  });
  return {
    element,
    lanes,
    showTime(second, duration) {
      const part = moment ? share(second) : (100 * second) / (duration || 1);
      head.style.left = `${part}%`;
    },
  };
}

/** The query's words as buttons, and a line that tells of the one that is looked at. */
function words(hit, line, player) {
  const detail = make("p", { className: "detail" });
  let chosen = null;
  const buttons = hit.words.map((match, index) => {
    const cosine = match.similarity.toFixed(2);
    const button = make(
      "button",
      {
        type: "button", className: "word", "aria-pressed": "false",
        "aria-label": `${match.word}: ${spanSpoken(match.span)}, cosine ${cosine}`,
      },
      match.word,
    );
    const look = () => {
      line.lanes.forEach((lane, other) => lane.classList.toggle("looked-at", other === index));
      buttons.forEach((other) => other.classList.toggle("looked-at", other === button));
      detail.textContent = `${match.word} · ${spanText(match.span)} · cosine ${cosine}`;
    };
    const leave = () => {
      if (chosen !== null) looks[chosen]();
      else {
        line.lanes[index].classList.remove("looked-at");
        button.classList.remove("looked-at");
        detail.textContent = "";
      }
    };
    const choose = () => {
      chosen = chosen === index ? null : index;
      buttons.forEach((other, at) => other.setAttribute("aria-pressed", String(at === chosen)));
      player?.show(chosen === null ? null : match.span);
      look();
    };
    for (const target of [button, line.lanes[index]]) {
      target.addEventListener("pointerenter", look);
      target.addEventListener("pointerleave", leave);
      target.addEventListener("click", choose);
    }
    button.addEventListener("focus", look);
    button.addEventListener("blur", leave);
    return Object.assign(button, { look });
  });
  const looks = buttons.map(({ look }) => look);
  const list = make("ul", { className: "words", "aria-label": "Your words in this video" });
  list.append(...buttons.map((button) => make("li", {}, button)));
  return [list, detail];
}

/** The buttons below a card; two of them open the panel, with one content at a time. */
function actions(hit, { query, panel, player, onLike, onSentence }) {
  const row = make("div", { className: "row actions" });
  const openers = [];
  const opener = (name, spoken, load) => {
    const button = make(
      "button",
      {
        type: "button", className: "quiet", "aria-expanded": "false", "aria-controls": panel.id,
        "aria-label": `${spoken}, video ${hit.rank}`,
      },
      name,
    );
    button.addEventListener("click", async () => {
      const opens = button.getAttribute("aria-expanded") === "false";
      openers.forEach((other) => other.setAttribute("aria-expanded", "false"));
      button.setAttribute("aria-expanded", String(opens));
      panel.hidden = !opens;
      if (!opens) return;
      panel.replaceChildren(make("p", { role: "status" }, "One moment …"));
      const content = await load().catch((error) =>
        make("p", { className: "error", role: "alert" }, error.message));
      // Another one may have been opened meanwhile.
      if (button.getAttribute("aria-expanded") === "true") panel.replaceChildren(content);
    });
    openers.push(button);
    return button;
  };
  if (query) {
    row.append(opener("Why", "Why it matched", async () => {
      const { streams } = await explain(hit.video_id, query, hit.span);
      return alignmentTable(streams, (second) => player?.seek(second));
    }));
  }
  row.append(
    opener("Sentences", "Sentences it may mean", async () => {
      const { sentences } = await sentencesOf(hit.video_id, hit.span);
      return sentenceList(sentences, onSentence);
    }),
    make(
      "button",
      {
        type: "button", className: "quiet", "aria-label": `More like this, video ${hit.rank}`,
        on: { click: () => onLike(hit) },
      },
      "More like this",
    ),
  );
  return row;
}

/** Sentences, best first; each is a button that searches for it. */
export function sentenceList(sentences, onSentence) {
  return make("ol", { className: "sentences" }, ...sentenceItems(sentences, onSentence));
}

/** The items of such a list. */
export function sentenceItems(sentences, onSentence) {
  return sentences.map(({ text, score }) =>
    make(
      "li", {},
      make(
        "button",
        { type: "button", className: "link sentence", on: { click: () => onSentence(text) } },
        text,
      ),
      make("span", { className: "score" }, score.toFixed(3)),
    ));
}

function showProblem(problem, frame, sentence) {
  problem.textContent = sentence;
  problem.hidden = false;
  frame.classList.add("broken");
}

/** Says on the card why its video does not play; what only takes time is asked for again. */
async function tellProblem(hit, player, problem, frame) {
  try {
    await checkMedia(hit.media);
    showProblem(problem, frame, "This browser cannot play the video.");
  } catch (error) {
    if (error.retryAfter) {
      showProblem(problem, frame, "The video is being prepared …");
      setTimeout(() => {
        problem.hidden = true;
        frame.classList.remove("broken");
        player.reload();
      }, 1000 * error.retryAfter);
    } else showProblem(problem, frame, error.message);
  }
}
