// The calls of the server's API.

/** An answer that is an error; its message is the server's sentence. */
export class ApiError extends Error {
  constructor(message, status, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

async function answerOf(response) {
  if (response.ok) return response.json();
  const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
  const retryAfter = Number(response.headers.get("retry-after")) || null;
  throw new ApiError(detail, response.status, retryAfter);
}

/** Adds parameters; lists give one each, and what is null or undefined none. */
function address(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined) query.append(name, one);
    }
  }
  return `/api/${path}?${query}`;
}

async function request(path, parameters = {}, options = {}) {
  let response;
  try {
    response = await fetch(address(path, parameters), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer. Is it still running?", 0, null);
  }
  return answerOf(response);
}

function send(path, parameters, video, signal) {
  // A recording says its codecs, which the server finds out by itself.
  const type = video.type.split(";")[0] || "application/octet-stream";
  const headers = { "content-type": type.startsWith("video/") ? type : "application/octet-stream" };
  return request(path, parameters, { method: "POST", headers, body: video, signal });
}

export const getInfo = () => request("info");
export const getFilters = () => request("filters");
export const search = (q, options, signal) => request("search", { q, ...options }, { signal });
export const like = (id, options, signal) => request("like", { id, ...options }, { signal });
export const explain = (id, q, span) => request("explain", { id, q, ...span });
export const sentencesOf = (id, span) => request("sentences", { id, k: 5, ...span });
export const searchByVideo = (video, options, signal) => send("video", options, video, signal);
export const sentencesOfVideo = (video, trim, signal) =>
  send("sentences", { k: 10, ...trim }, video, signal);

/** Throws why a video cannot be had; returns where it can, and only the browser cannot play it. */
export async function checkMedia(media) {
  const response = await fetch(media, { headers: { range: "bytes=0-0" } });
  if (!response.ok) await answerOf(response);
}
