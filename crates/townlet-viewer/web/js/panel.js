// The frame of a panel: a title, what is in it, and an explanation for whoever asks.

import { html, uniqueId } from "./dom.js";

/** A panel with an explanation behind its question mark. */
export function panel(name, title, explanation, ...content) {
  const id = uniqueId("panel");
  const help = html(
    "details",
    { class: "help" },
    html("summary", { "aria-label": `What is this: ${title}` }, "?"),
    html("div", { class: "explanation" }, ...explanation.map((text) => html("p", {}, text))),
  );
  // Escape closes an explanation, wherever in it the focus is.
  help.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && help.open) {
      help.open = false;
      help.querySelector("summary").focus();
    }
  });
  return html(
    "section",
    { class: `panel ${name}`, "aria-labelledby": id },
    html("div", { class: "title" }, html("h3", { id }, title), help),
    ...content,
  );
}
