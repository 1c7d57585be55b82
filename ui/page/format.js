// Numbers, times and names as people read them. What is not known is a dash, never a zero.

const DASH = "–";

/** 0.25, 9.8, 123, 1.2 k, 45 k, 1.3 M */
export function count(value) {
  if (value === null || value === undefined) return DASH;
  if (value < 1000) return value < 10 && value % 1 !== 0 ? value.toFixed(1) : Math.round(value).toString();
  const units = ["k", "M", "G", "T"];
  let scaled = value;
  let unit = -1;
  do {
    scaled /= 1000;
    unit += 1;
  } while (scaled >= 999.5 && unit < units.length - 1);
  return `${scaled < 9.95 ? scaled.toFixed(1) : Math.round(scaled)} ${units[unit]}`;
}

export const rate = (value) => (value === null || value === undefined ? DASH : `${count(value)}/s`);

/** 12,345 */
export const whole = (value) => (value ?? 0).toLocaleString("en-US");

/** 250 µs, 1.2 ms, 35 ms, 1.50 s, 2 min */
export function time(seconds) {
  if (seconds === null || seconds === undefined) return DASH;
  if (seconds < 1e-6) return `${Math.round(seconds * 1e9)} ns`;
  if (seconds < 1e-3) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1e-2) return `${(seconds * 1e3).toFixed(1)} ms`;
  if (seconds < 1) return `${Math.round(seconds * 1e3)} ms`;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

export const share = (value) => (value === null || value === undefined ? DASH : `${Math.round(value * 100)} %`);

export function bytes(value) {
  if (value === null || value === undefined) return DASH;
  if (value < 1024) return `${Math.round(value)} B`;
  if (value < 1 << 20) return `${(value / 1024).toFixed(value < 10240 ? 1 : 0)} KiB`;
  if (value < 1 << 30) return `${(value / (1 << 20)).toFixed(1)} MiB`;
  return `${(value / (1 << 30)).toFixed(1)} GiB`;
}

/** The time of day of something that is shown with milliseconds. */
export function clock(milliseconds) {
  const at = new Date(milliseconds);
  const two = (value) => String(value).padStart(2, "0");
  const parts = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  return `${parts}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** Day and time of something that may be long ago. */
export function moment(milliseconds) {
  const at = new Date(milliseconds);
  const two = (value) => String(value).padStart(2, "0");
  const day = [at.getFullYear(), at.getMonth() + 1, at.getDate()].map(two).join("-");
  return `${day} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":")}`;
}

export const taskName = (task) => `${task.component}[${task.index}]`;

/** The name of a task by its id, as far as it is known. */
export function nameOf(snapshot, id) {
  const task = snapshot.tasks.find((task) => task.id === id);
  return task ? taskName(task) : `task ${id}`;
}
