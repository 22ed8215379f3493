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
  return hours ? `${hours[0]} to ${hours[1]} h` : "always open";
}

/** A place's name in words: HomeMeal is Home meal. */
export function words(name) {
  const spaced = name.replace(/([a-z])([A-Z])/g, (_, before, after) => `${before} ${after.toLowerCase()}`);
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
