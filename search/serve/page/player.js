// Plays the moment of a video, over and over, while it can be seen.

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const players = new Map();
let allPaused = calm.matches;

/** Whether videos wait until they are asked to play. */
export const arePaused = () => allPaused;

/** Pauses or plays all videos that can be seen. */
export function pauseAll(paused) {
  allPaused = paused;
  for (const player of players.values()) {
    player.chosen = null;
    player.follow();
  }
}

// Videos are asked for when they come near, and play when half of them can be seen.
const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) players.get(target)?.load();
    }
  },
  { rootMargin: "300px" },
);
const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, intersectionRatio } of entries) {
      const player = players.get(target);
      if (!player) continue;
      player.isSeen = intersectionRatio >= 0.5;
      player.follow();
    }
  },
  { threshold: [0, 0.5] },
);

/** Forgets all players: their videos leave the page. */
export function forgetAll() {
  for (const player of players.values()) player.end();
  players.clear();
}

/** One video that loops within a span of seconds. */
export class Player {
  /** `onTime` is called with the seconds at every frame, `onState` when it plays or pauses. */
  constructor(video, source, span, { onTime, onState, onProblem }) {
    Object.assign(this, { video, source, span, onTime, onState, onProblem });
    this.isSeen = false;
    this.chosen = null; // true or false once the user has chosen for this video
    this.part = null; // the span of a word, while it is the one that plays
    video.addEventListener("play", () => {
      onState(true);
      this.watch();
    });
    video.addEventListener("pause", () => onState(false));
    video.addEventListener("ended", () => this.restart());
    video.addEventListener("loadedmetadata", () => this.seek(this.current().start));
    video.addEventListener("error", () => onProblem());
    players.set(video, this);
    near.observe(video);
    seen.observe(video);
  }

  load() {
    if (this.video.getAttribute("src")) return;
    this.video.src = this.source;
  }

  /** Asks for the video again, after what kept it from playing is over. */
  reload() {
    this.video.src = this.source;
    this.video.load();
    this.follow();
  }

  /** Plays or pauses as the user has chosen, here or for all videos. */
  follow() {
    const should = this.chosen ?? (this.isSeen && !allPaused);
    if (should) {
      this.load();
      this.video.play().catch(() => {}); // paused again before it began, or cannot be played
    } else this.video.pause();
  }

  toggle() {
    this.chosen = this.video.paused;
    this.follow();
  }

  /** Plays only a part, such as the span of a word; `null` plays the whole moment again. */
  show(part) {
    this.part = part;
    this.load();
    this.seek(this.current().start);
    if (part && !calm.matches) {
      this.chosen = true;
      this.follow();
    }
  }

  seek(second) {
    if (this.video.readyState > 0) this.video.currentTime = second;
    this.onTime(second);
  }

  current() {
    const length = this.video.duration;
    const { start, end } = this.part ?? this.span ?? { start: 0, end: length };
    return { start, end: Number.isFinite(length) ? Math.min(end, length) : end };
  }

  restart() {
    this.seek(this.current().start);
    if (this.chosen ?? !allPaused) this.video.play().catch(() => {});
  }

  watch() {
    const { start, end } = this.current();
    const now = this.video.currentTime;
    // Half a frame of slack at the start: seeking lands on a frame, not on a number.
    if (now >= end || now < start - 0.05) this.seek(start);
    else this.onTime(now);
    if (!this.video.paused) requestAnimationFrame(() => this.watch());
  }

  end() {
    near.unobserve(this.video);
    seen.unobserve(this.video);
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load(); // gives the connection back
  }
}
