// Numbers and names as a person reads them.

/** A meter or a change of one, in hundredths: 0.745 is 74.5. */
export function hundredths(value) {
  return (100 * value).toFixed(1);
}

/** A change with its sign, a true minus, in hundredths. */
export function change(value) {
  const text = Math.abs(100 * value).toFixed(Math.abs(value) < 0.001 ? 2 : 1);
  return (value < 0 ? "−" : "+") + text;
}

/** A number of any size, short. */
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "none";
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toFixed(digits).replace("-", "−");
}

/** Writes numbers that are `spread` apart, with as many decimals as tell them apart. */
export function decimals(spread) {
  const digits = spread > 0 ? Math.max(0, Math.min(5, 2 - Math.floor(Math.log10(spread)))) : 2;
  return (value) => value.toFixed(digits).replace("-", "−");
}

/** A large count: 1,250,000. */
export function count(value) {
  return Math.round(value).toLocaleString("en");
}

/** An hour of the day. */
export function oClock(hour) {
  return `${String(hour).padStart(2, "0")}:00`;
}

/** Opening hours. */
export function openingHours(hours) {
  return hours ? `open from ${oClock(hours[0])} to ${oClock(hours[1] % 24)}` : "always open";
}

/** What a place adds to needs and takes from them: energy +50, health −2. */
export function effects(amounts) {
  const some = Object.entries(amounts).filter(([, amount]) => amount !== 0);
  return some.map(([meter, amount]) => `${meter} ${amount < 0 ? "−" : "+"}${round(100 * Math.abs(amount))}`).join(", ");
}

/** What a place gives with every step, and what the last step gives besides; all of it at once where one step is enough. */
export function gives(place) {
  if (place.ticks > 1) return [place.effects, place.completion_effects];
  const all = { ...place.effects };
  for (const [meter, amount] of Object.entries(place.completion_effects)) all[meter] = (all[meter] ?? 0) + amount;
  return [all, {}];
}

/** What a place costs, in the numbers of the needs. */
export function price(place) {
  return place.price > 0 ? round(100 * place.price) : "free";
}

/** With at most two decimals, and none that say nothing. */
function round(value) {
  return String(Math.round(100 * value) / 100);
}

/** Which weights: by their steps where that is what they are called, otherwise by their name. */
export function weights({ id, label, steps }) {
  if (steps === 0) return label;
  return id.startsWith("step-") ? `after ${count(steps)} steps` : `${label}, after ${count(steps)} steps`;
}

/** A place's name in words: HomeMeal is Home meal. */
export function words(name) {
  const spaced = name.replace(/([a-z])([A-Z])/g, (_, before, after) => `${before} ${after.toLowerCase()}`);
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
