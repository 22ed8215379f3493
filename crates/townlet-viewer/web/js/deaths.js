// How episodes ended: certificates.

import { html } from "./dom.js";
import { hundredths, short, words } from "./format.js";
import { panel } from "./panel.js";

/** The last certificates, newest first. */
export function deathsPanel() {
  const list = html("ol", { class: "certificates", "aria-live": "off" });
  const explanation = [
    "An episode ends when a need with a cross reaches 0, or after so many steps as the level allows. Each end gets a certificate: how long " +
      "the agent lived, what it died of, and its last twenty steps.",
    "Look at what it did while the need that killed it was falling. Which other needs were at 0, and pulled it down? Had the agent seen a place that would have helped?",
  ];
  const element = panel("deaths", "Certificates", explanation, list);
  let shown = "";
  return {
    element,
    certificates(certificates) {
      // A certificate that is open stays open.
      const key = JSON.stringify(certificates.map((it) => [it.episode, it.lane, it.steps]));
      if (key === shown) return;
      shown = key;
      const newest = [...certificates].reverse();
      list.replaceChildren(...(newest.length > 0 ? newest.map(certificate) : [html("li", { class: "none" }, "No episode has ended yet.")]));
    },
  };
}

function certificate(it) {
  const what = it.died ? `Died of ${it.causes.join(" and ")}` : "Lived to the step limit";
  const columns = ["step", "action", "cell", "used", "deadliest need", "needs at 0", "reward"];
  const rows = it.last_steps.map((step) =>
    html(
      "tr",
      {},
      ...[
        step.step,
        step.action,
        step.cell.join(", "),
        step.used ? words(step.used) : "",
        step.lowest ? `${step.lowest[0]} ${hundredths(step.lowest[1])}` : "",
        step.at_zero.join(", "),
        short(step.reward),
      ].map((text) => html("td", {}, String(text))),
    ),
  );
  const table = html(
    "table",
    {},
    html("caption", {}, `The last ${it.last_steps.length} steps`),
    html("thead", {}, html("tr", {}, ...columns.map((column) => html("th", { scope: "col" }, column)))),
    html("tbody", {}, ...rows),
  );
  return html(
    "li",
    { class: it.died ? "certificate died" : "certificate" },
    html("p", {}, html("strong", {}, what), ` after ${it.steps} steps`),
    html("p", { class: "note" }, `${it.title}, episode ${it.episode + 1}, rewards ${short(it.total_reward)}`),
    html("details", {}, html("summary", {}, "Its last steps"), html("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "The last steps" }, table)),
  );
}
