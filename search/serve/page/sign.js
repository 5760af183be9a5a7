// Searching by signing: record or choose a video, trim it, search with it.

import { byId, seconds } from "./dom.js";

const COUNTDOWN = 3; // seconds to get the hands from the keyboard into the picture
const SHORTEST = 0.3; // seconds

const state = { stream: null, recorder: null, video: null, limit: 60, length: 0, timer: 0 };

/** Sets the panel up; `onSearch(video, trim)` and `onSentences(video, trim)` do the work. */
export function setUpSigning({ onSearch, onSentences }) {
  byId("sign-toggle").addEventListener("click", () => togglePanel());
  byId("camera").addEventListener("click", useCamera);
  byId("record").addEventListener("click", record);
  byId("again").addEventListener("click", useCamera);
  byId("stop").addEventListener("click", stopRecording);
  byId("file").addEventListener("change", chooseFile);
  byId("trim-start").addEventListener("input", () => trimmed("start"));
  byId("trim-end").addEventListener("input", () => trimmed("end"));
  byId("sign-search").addEventListener("click", () => onSearch(state.video, trim()));
  byId("sign-sentences").addEventListener("click", () => onSentences(state.video, trim()));
  byId("sign-video").addEventListener("timeupdate", loopWithinTrim);
  addEventListener("pagehide", stopCamera);
}

/** Tells the panel how long a video may be, in seconds. */
export function limitSigning(limit) {
  state.limit = limit;
}

/** Says something in the panel. */
export function tell(sentence, isError = false) {
  const status = byId("sign-status");
  status.textContent = sentence;
  status.classList.toggle("error", isError);
}

/** Closes the panel's camera; a recording that was made stays until the page is left. */
export function stopCamera() {
  for (const track of state.stream?.getTracks() ?? []) track.stop();
  state.stream = null;
}

function togglePanel() {
  const toggle = byId("sign-toggle");
  const opens = toggle.getAttribute("aria-expanded") === "false";
  toggle.setAttribute("aria-expanded", String(opens));
  byId("sign").hidden = !opens;
  if (opens) byId("camera").focus();
  else {
    cancelRecording();
    stopCamera();
    if (!state.video) showStep("empty");
  }
}

/** Shows what fits the step: `empty`, `live`, `recording` or `review`. */
function showStep(step) {
  const video = byId("sign-video");
  video.classList.toggle("mirrored", step === "live" || step === "recording");
  const shown = {
    camera: step === "empty", record: step === "live", stop: step === "recording",
    again: step === "review", "sign-actions": step === "review",
    trim: step === "review" && state.length > 0, "sign-empty": step === "empty",
  };
  for (const [id, isShown] of Object.entries(shown)) byId(id).hidden = !isShown;
  byId("sign-countdown").hidden = true;
}

async function useCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    tell("Browsers lend the camera to localhost and https pages only. Choose a file instead.", true);
    return;
  }
  try {
    state.stream = await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 640 }, frameRate: { ideal: 25 } },
      audio: false,
    });
  } catch (error) {
    const reasons = {
      NotAllowedError: "The camera was not allowed.", NotFoundError: "There is no camera.",
      NotReadableError: "Another program has the camera.",
    };
    tell(`${reasons[error.name] ?? "The camera cannot be used."} Choose a file instead.`, true);
    return;
  }
  forgetVideo();
  const video = byId("sign-video");
  video.srcObject = state.stream;
  await video.play().catch(() => {});
  showStep("live");
  byId("record").focus();
  tell("The camera is on. Nothing is recorded yet.");
}

function record() {
  byId("record").hidden = true;
  byId("stop").hidden = false;
  byId("stop").focus();
  let left = COUNTDOWN;
  const countdown = byId("sign-countdown");
  const tick = () => {
    if (left === 0) {
      countdown.hidden = true;
      startRecording();
      return;
    }
    countdown.textContent = String(left);
    countdown.hidden = false;
    tell(`Recording begins in ${left} …`);
    left -= 1;
    state.timer = setTimeout(tick, 1000);
  };
  tick();
}

function startRecording() {
  const type = ["video/webm;codecs=vp8", "video/webm", "video/mp4"].find((name) =>
    MediaRecorder.isTypeSupported(name));
  const recorder = new MediaRecorder(state.stream, { mimeType: type, videoBitsPerSecond: 1.5e6 });
  const chunks = [];
  const began = performance.now();
  recorder.addEventListener("dataavailable", ({ data }) => chunks.push(data));
  recorder.addEventListener("stop", () => {
    clearInterval(state.timer);
    stopCamera();
    state.recorder = null;
    if (recorder.isCancelled) return;
    const length = (performance.now() - began) / 1000;
    review(new Blob(chunks, { type: recorder.mimeType }), length);
  });
  state.recorder = recorder;
  recorder.start();
  showStep("recording");
  const show = () => {
    const now = (performance.now() - began) / 1000;
    if (now >= state.limit) stopRecording();
    else tell(`● Recording: ${seconds(now)} s. Sign now, then stop.`);
  };
  show();
  state.timer = setInterval(show, 500);
}

function stopRecording() {
  if (state.recorder) {
    state.recorder.stop();
    return;
  }
  // Stopped during the countdown: there is nothing to review.
  clearTimeout(state.timer);
  showStep("live");
  byId("record").focus();
  tell("The camera is on. Nothing is recorded yet.");
}

function cancelRecording() {
  clearTimeout(state.timer);
  if (!state.recorder) return;
  state.recorder.isCancelled = true;
  state.recorder.stop();
}

function chooseFile() {
  const [file] = byId("file").files;
  if (!file) return;
  cancelRecording();
  stopCamera();
  review(file, null);
}

/** Shows a video for trimming; `length` in seconds where it is known. */
function review(blob, length) {
  forgetVideo();
  const video = byId("sign-video");
  state.video = blob;
  state.length = 0;
  video.srcObject = null;
  video.src = URL.createObjectURL(blob);
  video.addEventListener("loadedmetadata", () => measured(length), { once: true });
  video.addEventListener("error", () => {
    if (!video.getAttribute("src")) return;
    showStep("review");
    tell("This browser cannot show the file; it can be searched with all the same.");
  }, { once: true });
  const save = byId("sign-save");
  save.hidden = blob instanceof File;
  save.href = video.src;
  save.download = `signing.${blob.type.includes("mp4") ? "mp4" : "webm"}`;
}

function measured(length) {
  const video = byId("sign-video");
  // What was just recorded does not say how long it is.
  state.length = length ?? (Number.isFinite(video.duration) ? video.duration : 0);
  for (const [id, value] of [["trim-start", 0], ["trim-end", state.length]]) {
    byId(id).max = state.length.toFixed(2);
    byId(id).value = value;
  }
  showStep("review");
  trimmed(null);
  byId("sign-search").focus();
  tell(
    state.length > state.limit
      ? `It has ${seconds(state.length)} s; trim it to ${state.limit} s or less.`
      : "Trim it if you like, then search with it.",
    state.length > state.limit,
  );
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) video.play().catch(() => {});
  video.controls = true;
}

function trimmed(moved) {
  const [start, end] = [byId("trim-start"), byId("trim-end")];
  if (moved === "start" && start.value > end.value - SHORTEST) start.value = end.value - SHORTEST;
  if (moved === "end" && end.value < +start.value + SHORTEST) end.value = +start.value + SHORTEST;
  for (const input of [start, end]) {
    const text = `${seconds(Number(input.value))} s`;
    byId(`${input.id}-text`).value = text;
    input.setAttribute("aria-valuetext", text);
  }
  const video = byId("sign-video");
  if (moved) video.currentTime = Number(byId(`trim-${moved}`).value);
}

/** What was trimmed to, as the API takes it; empty where nothing was cut off. */
function trim() {
  const [start, end] = [Number(byId("trim-start").value), Number(byId("trim-end").value)];
  const isWhole = !state.length || (start < 0.05 && end > state.length - 0.1);
  return isWhole ? {} : { start, end };
}

function loopWithinTrim() {
  const video = byId("sign-video");
  const { start, end } = trim();
  if (end !== undefined && !video.paused && (video.currentTime > end || video.currentTime < start)) {
    video.currentTime = start;
  }
}

function forgetVideo() {
  const video = byId("sign-video");
  video.controls = false;
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  state.video = null;
}
