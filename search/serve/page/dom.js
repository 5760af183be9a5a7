// Makes elements, and writes numbers as people read them.

/** Returns the element with an id. */
export const byId = (id) => document.getElementById(id);

/**
 * Makes an element. Keys of `properties` that elements have are set as properties, others (aria-*,
 * role) as attributes; `on` holds listeners. Text is never read as HTML.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) {
        element.addEventListener(event, listener);
      }
    } else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Seconds with one digit, such as `1.2`. */
export const seconds = (value) => value.toFixed(1);

/** A span as it is read, such as `1.2–1.8 s`. */
export const spanText = ({ start, end }) => `${seconds(start)}–${seconds(end)} s`;

/** A span as a screen reader should say it. */
export const spanSpoken = ({ start, end }) => `${seconds(start)} to ${seconds(end)} seconds`;

/** A count with its noun. */
export const counted = (number, one, many = `${one}s`) =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
