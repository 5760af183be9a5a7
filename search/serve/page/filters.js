// The filters beside the results, made from the columns of the index.

import { byId, counted, make } from "./dom.js";

// Of longer lists a part is shown, which a field narrows.
const SHOWN = 8;
// A column with so many values names videos, it does not group them.
const MAX_VALUES = 500;

let groups = [];

/** Fills the box; `onChange()` is called when the user has chosen otherwise. */
export function showFilters(columns, onChange) {
  groups = Object.entries(columns)
    .filter(([, values]) => values.length > 1 && values.length <= MAX_VALUES)
    .map(([name, values], index) => group(name, values, `filter-${index}`));
  byId("filter-columns").replaceChildren(...groups.map(({ element }) => element));
  byId("filters").addEventListener("change", () => {
    showCount();
    onChange();
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  // Beside the results there is room for them; above, on a phone, they would hide the results.
  byId("filters-box").open = matchMedia("(min-width: 56rem)").matches;
}

/** What was chosen, as the API takes it. */
export function chosenFilters() {
  return groups.flatMap(({ name, boxes }) =>
    boxes.filter((box) => box.checked).map((box) => `${name}=${box.value}`));
}

/** Chooses what an address names. */
export function chooseFilters(filters) {
  const wanted = new Set(filters);
  for (const { name, boxes } of groups) {
    for (const box of boxes) box.checked = wanted.has(`${name}=${box.value}`);
  }
  showCount();
}

function showCount() {
  const number = chosenFilters().length;
  byId("filters-count").textContent = number ? counted(number, "chosen", "chosen") : "";
}

function group(name, values, id) {
  const boxes = values.map((value, index) =>
    make("input", { type: "checkbox", id: `${id}-${index}`, value }));
  const items = boxes.map((box, index) =>
    make("li", {}, box, make("label", { htmlFor: box.id }, values[index])));
  const list = make("ul", {}, ...items);
  const element = make("fieldset", {}, make("legend", {}, name));
  if (values.length > SHOWN) {
    const field = make("input", {
      type: "search", autocomplete: "off", placeholder: `${values.length} values`,
      "aria-label": `Narrow the values of ${name}`,
      on: {
        input: () => {
          const text = field.value.toLowerCase();
          items.forEach((item, index) => {
            item.hidden = !boxes[index].checked && !values[index].toLowerCase().includes(text);
          });
        },
        // Narrowing the list is no choice yet.
        change: (event) => event.stopPropagation(),
      },
    });
    element.append(field);
    list.className = "long";
    list.tabIndex = 0; // scrolls by the keyboard
    list.setAttribute("aria-label", `Values of ${name}`);
  }
  element.append(list);
  return { name, boxes, element };
}
