// A small drawing for each place, on a square of 24 by 24.

import { svg } from "./dom.js";

const PICTURES = {
  Bed: "M3 19V6M3 16h18v3M21 16v-3a3 3 0 0 0-3-3h-7v6M7 11.5a1.5 1.5 0 1 0 .01 0",
  LuxuryBed: "M3 20V9M3 17h18v3M21 17v-3a3 3 0 0 0-3-3h-7v6M7 12.5a1.5 1.5 0 1 0 .01 0M8 5l2 2 2-4 2 4 2-2v4H8z",
  Shower: "M5 21V6a3 3 0 0 1 6 0M8 9h6l-1-3h-4zM9 12v2M12 12v2M8 16v2M11 16v2M14 14v2M14 18v2",
  HomeMeal: "M4 12h16a8 8 0 0 1-16 0M9 8c0-2 2-2 2-4M14 8c0-2 2-2 2-4",
  FastFood: "M4 10a8 6 0 0 1 16 0zM4 14h16M5 18h14a1 1 0 0 0 1-1H4a1 1 0 0 0 1 1",
  Job: "M3 8h18v12H3zM9 8V5h6v3M3 13h18M12 12v3",
  Labor: "M5 21 14 12M12 6l6 6M10 8l4-5 7 7-5 4z",
  Gym: "M2 10v4M5 7v10M5 12h14M19 7v10M22 10v4",
  Bar: "M4 4h16l-8 9zM12 13v7M8 20h8M8 8h8",
  Park: "M12 22v-7M12 15a6 6 0 0 1-3-11 5 5 0 0 1 7 1 5.500 5.500 0 0 1-4 10M12 12l3-2",
  Recreation: "M12 3a9 9 0 1 0 .01 0M12 3c-4 5-4 13 0 18M12 3c4 5 4 13 0 18M3.500 9h17M3.500 15h17",
  Therapist: "M4 5h16v10h-8l-5 5v-5H4zM8 9h8M8 12h5",
  Doctor: "M7 3v6a4 4 0 0 0 8 0V3M11 13v3a4 4 0 0 0 8 0v-2M19 11a1.500 1.500 0 1 0 .01 0",
  Hospital: "M4 21V4h16v17zM12 7v8M8 11h8M10 21v-3h4v3",
};

/** The picture of a place; its first letters where there is none. */
export function picture(name, x, y, size) {
  const path = PICTURES[name];
  if (path) {
    const transform = `translate(${x} ${y}) scale(${size / 24})`;
    return svg("path", { class: "picture", d: path, transform });
  }
  return svg(
    "text",
    { class: "initials", x: x + size / 2, y: y + size * 0.7, "font-size": size * 0.6 },
    name.slice(0, 2),
  );
}
