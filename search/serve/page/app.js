// The page: what was asked stands in its address, and an answer in its results.

import * as api from "./api.js";
import { card, sentenceItems } from "./cards.js";
import { byId, counted } from "./dom.js";
import { chooseFilters, chosenFilters, showFilters } from "./filters.js";
import { arePaused, forgetAll, pauseAll } from "./player.js";
import { limitSigning, setUpSigning, tell } from "./sign.js";

// The query that is shown: a sentence, a video of the index, or a video of the user's.
let query = null;
let running = null;

const options = () => ({
  k: byId("count").value, exact: byId("exact").checked || null, filter: chosenFilters(),
});

/** Asks, shows the answer, and says how it went; an older question is dropped. */
async function ask(asked, { keepsFocus = true } = {}) {
  query = asked;
  running?.abort();
  const asking = (running = new AbortController());
  const results = byId("results");
  results.setAttribute("aria-busy", "true");
  byId("status").textContent = asked.waiting ?? "Searching …";
  try {
    const answer = await asked.run(asking.signal);
    if (asking !== running) return;
    clear();
    byId("results-heading").textContent = asked.heading;
    document.title = `${asked.heading} – Sign search`;
    if (answer.sentences) showSentences(answer.sentences);
    else showHits(answer, asked);
  } catch (error) {
    if (error.name === "AbortError" || asking !== running) return;
    clear();
    byId("results-heading").textContent = "Nothing found";
    byId("status").textContent = capital(error.message);
    byId("status").classList.add("error");
    if (asked.isUpload) tell(capital(error.message), true);
  } finally {
    if (asking === running) results.removeAttribute("aria-busy");
  }
  // What was pressed may be gone with the old results.
  if (!keepsFocus) results.focus();
}

function clear() {
  document.body.classList.add("has-results");
  forgetAll();
  byId("hits").replaceChildren();
  byId("sentences").replaceChildren();
  byId("warnings").replaceChildren();
  byId("status").classList.remove("error");
  for (const id of ["welcome", "sentences", "warnings"]) byId(id).hidden = true;
}

function showHits({ hits, warnings, seconds, num_searched: numSearched, exact }, asked) {
  byId("hits").append(
    ...hits.map((hit) => card(hit, { query: asked.sentence, onLike: moreLike, onSentence: find })),
  );
  byId("warnings").hidden = !warnings.length;
  for (const warning of warnings) {
    const item = document.createElement("li");
    item.textContent = capital(warning);
    byId("warnings").append(item);
  }
  const certainty = exact ? ", exactly" : "";
  byId("status").textContent = hits.length
    ? `${counted(hits.length, "video")} of ${numSearched.toLocaleString("en")}, best first, ` +
      `in ${seconds.toFixed(2)} s${certainty}.` +
      (asked.sentence ? " Choose a word on a card to see where it was found." : "")
    : "No video passes these filters.";
}

function showSentences(sentences) {
  byId("sentences").hidden = false;
  byId("sentences").append(...sentenceItems(sentences, find));
  byId("status").textContent = `${counted(sentences.length, "sentence")}, best first.`;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Searches for a sentence. */
function find(sentence, how = { keepsFocus: false }) {
  byId("sentence").value = sentence;
  remember({ q: sentence });
  return ask(sentenceQuery(sentence), how);
}

const sentenceQuery = (sentence) => ({
  sentence, heading: `“${sentence}”`, run: (signal) => api.search(sentence, options(), signal),
});

/** `like` names a video, and of a recording the start and end of the moment that is meant. */
const likeQuery = (like, name) => ({
  like, heading: `Like ${name}`,
  run: (signal) => {
    const { like: id, ...span } = like;
    return api.like(id, { ...span, ...options() }, signal);
  },
});

function moreLike(hit) {
  const like = { like: hit.video_id, ...hit.span };
  remember(like);
  return ask(likeQuery(like, hit.text ? `“${hit.text}”` : hit.video_id), { keepsFocus: false });
}

const upload = (heading, run) => ({
  isUpload: true, heading, run, waiting: "Watching your video; this takes a moment …",
});

/** Writes into the address what is shown, so that it can be kept, sent, and gone back to. */
function remember(shown) {
  const parameters = new URLSearchParams(shown);
  for (const filter of chosenFilters()) parameters.append("filter", filter);
  const address = `/?${parameters}`;
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
}

/** Shows what the address names. */
function recall() {
  const parameters = new URLSearchParams(location.search);
  chooseFilters(parameters.getAll("filter"));
  const sentence = parameters.get("q");
  const like = Object.fromEntries(
    ["like", "start", "end"].filter((name) => parameters.has(name)).map((name) => [
      name, parameters.get(name),
    ]));
  byId("sentence").value = sentence ?? "";
  if (sentence) ask(sentenceQuery(sentence));
  else if (like.like) ask(likeQuery(like, like.like));
  else {
    running?.abort();
    query = null;
    clear();
    document.body.classList.remove("has-results");
    byId("results-heading").textContent = "Results";
    byId("status").textContent = "";
    byId("welcome").hidden = false;
    document.title = "Sign search";
  }
}

function askAgain() {
  if (!query) return;
  if (query.sentence) remember({ q: query.sentence });
  else if (query.like) remember(query.like);
  ask(query);
}

function setUpMotion() {
  const button = byId("motion");
  const show = () => {
    button.setAttribute("aria-pressed", String(arePaused()));
  };
  button.addEventListener("click", () => {
    pauseAll(!arePaused());
    show();
  });
  show();
}

async function start() {
  setUpMotion();
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    find(byId("sentence").value.trim(), { keepsFocus: true });
  });
  setUpSigning({
    onSearch: (video, trim) =>
      ask(upload("Videos like yours", (signal) =>
        api.searchByVideo(video, { ...options(), ...trim }, signal)), { keepsFocus: false }),
    onSentences: (video, trim) =>
      ask(upload("What your video may say", (signal) =>
        api.sentencesOfVideo(video, trim, signal)), { keepsFocus: false }),
  });
  addEventListener("popstate", recall);
  try {
    const [info, { columns }] = await Promise.all([api.getInfo(), api.getFilters()]);
    byId("facts").textContent =
      `${counted(info.num_videos, "video")} · ${counted(info.num_sentences, "sentence")}`;
    byId("sentence").maxLength = info.limits.sentence_characters;
    limitSigning(info.limits.upload_seconds);
    showFilters(columns, askAgain);
    // Who has typed or searched in the meantime keeps that.
    if (!query && location.search) recall();
  } catch (error) {
    byId("status").textContent = error.message;
    byId("status").classList.add("error");
  }
}

start();
