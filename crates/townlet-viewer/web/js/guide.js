// For whoever plays: what the places cost and do, without saying where they are.

import { html } from "./dom.js";
import { effects, gives, price, words } from "./format.js";
import { panel } from "./panel.js";

/** Prices, hours and effects of the places. */
export function guidePanel(scene) {
  const { level } = scene;
  const rows = level.places.map((place) => {
    const each = place.ticks > 1 ? " a step" : "";
    const costs = [
      place.price > 0 ? `${price(place)}${each}` : "free",
      place.ticks > 1 && `${place.ticks} steps`,
      place.hours && `${place.hours[0]}–${place.hours[1]} h`,
    ].filter(Boolean);
    const [now, done] = gives(place).map(effects);
    const does = [now && `${now}${each}`, done && `${done} when done`].filter(Boolean);
    return html(
      "li",
      {},
      html("strong", {}, words(place.name)),
      html("span", { class: "costs" }, costs.join(", ")),
      html("span", { class: "effects" }, does.join("; ")),
    );
  });
  const explanation = [
    "What each place costs and does, in the numbers of the needs. Where it stands, you find out by walking." +
      (level.places.some((place) => place.ticks > 1)
        ? " Some places have to be used several steps in a row; the last one gives something extra."
        : ""),
  ];
  const list = html("ul", { "aria-label": "Prices and effects" }, ...rows);
  return { element: panel("guide", "Prices and effects", explanation, list), frame() {} };
}
