// Moving plots on canvases: lines, bars, stacked areas. No state but what is handed in.

export const SPAN = 180; // samples across
const BRIDGED = 4; // so many samples without a value break a line

const read = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A round number at or above the largest value. */
export function ceiling(largest, least) {
  const wanted = Math.max(largest * 1.08, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= wanted);
}

/**
 * Draw series over each other (lines), or on top of each other (areas, bars).
 * series: [{values: [number|null, ...] oldest first, colour: "--s1"}]; kind: "line", "area" or "bar".
 * chosen: index of a sample that is pointed at, or null.
 */
export function draw(canvas, series, { kind = "line", least = 1, chosen = null } = {}) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width || !height) return;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const count = Math.max(0, ...series.map((one) => one.values.length));
  const stacked = kind !== "line";
  const sums = Array.from({ length: count }, (_, i) => {
    const at = series.map((one) => one.values[i] ?? 0);
    return stacked ? at.reduce((a, b) => a + b, 0) : Math.max(0, ...at);
  });
  const top = ceiling(Math.max(0, ...sums), least);
  const right = 34;
  const [above, below] = [7, 4];
  const x = (i) => (width - right) * (1 - (count - 1 - i) / (SPAN - 1));
  const y = (value) => above + (height - above - below) * (1 - value / top);

  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  pen.lineWidth = 1;
  for (const share of [0, 0.5, 1]) {
    const at = Math.round(y(top * share)) + 0.5;
    pen.strokeStyle = read("--line");
    pen.beginPath();
    pen.moveTo(0, at);
    pen.lineTo(width - right + 4, at);
    pen.stroke();
    if (share) {
      pen.fillStyle = read("--soft");
      pen.fillText(short(top * share), width, at);
    }
  }
  if (kind === "bar") bars(pen, series, count, x, y, (width - right) / SPAN);
  else if (kind === "area") areas(pen, series, count, x, y);
  else series.forEach((one, number) => line(pen, one, x, y, number === 0));
  if (chosen !== null && chosen >= 0 && chosen < count) {
    pen.strokeStyle = read("--soft");
    pen.beginPath();
    pen.moveTo(Math.round(x(chosen)) + 0.5, above);
    pen.lineTo(Math.round(x(chosen)) + 0.5, height - below);
    pen.stroke();
  }
}

/** The index of the sample under a pointer, or null. */
export function pointed(canvas, event, count) {
  const box = canvas.getBoundingClientRect();
  const share = (event.clientX - box.left) / (box.width - 34);
  const index = Math.round(count - 1 - (1 - share) * (SPAN - 1));
  return index >= 0 && index < count ? index : null;
}

export const short = (value) => {
  if (value >= 10000) return `${Math.round(value / 1000)}k`;
  return value >= 10 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
};

function line(pen, one, x, y, filled) {
  const points = one.values.map((value, i) => (value == null ? null : [x(i), y(value)]));
  pen.strokeStyle = read(one.colour);
  pen.lineWidth = filled ? 1.8 : 1.2;
  pen.lineJoin = "round";
  if (!filled) pen.globalAlpha = 0.65;
  let run = [];
  const flush = () => {
    if (run.length) {
      pen.beginPath();
      run.forEach(([px, py], i) => (i ? pen.lineTo(px, py) : pen.moveTo(px, py)));
      if (run.length === 1) pen.lineTo(run[0][0] + 0.5, run[0][1]);
      pen.stroke();
      if (filled) {
        pen.lineTo(run[run.length - 1][0], y(0));
        pen.lineTo(run[0][0], y(0));
        pen.globalAlpha = 0.12;
        pen.fillStyle = read(one.colour);
        pen.fill();
        pen.globalAlpha = 1;
      }
    }
    run = [];
  };
  let missing = 0;
  for (const point of points) {
    missing = point ? 0 : missing + 1;
    if (point) run.push(point);
    else if (missing === BRIDGED) flush();
  }
  flush();
  pen.globalAlpha = 1;
}

function areas(pen, series, count, x, y) {
  const floor = new Array(count).fill(0);
  for (const one of series) {
    const roof = floor.map((below, i) => below + (one.values[i] ?? 0));
    pen.fillStyle = read(one.colour);
    pen.beginPath();
    roof.forEach((value, i) => (i ? pen.lineTo(x(i), y(value)) : pen.moveTo(x(i), y(value))));
    for (let i = count - 1; i >= 0; i--) pen.lineTo(x(i), y(floor[i]));
    pen.globalAlpha = 0.88;
    pen.fill();
    pen.globalAlpha = 1;
    roof.forEach((value, i) => (floor[i] = value));
  }
}

function bars(pen, series, count, x, y, step) {
  const width = Math.max(1, step * 0.7);
  for (let i = 0; i < count; i++) {
    let below = 0;
    for (const one of series) {
      const value = one.values[i] ?? 0;
      if (!value) continue;
      pen.fillStyle = read(one.colour);
      pen.fillRect(x(i) - width, y(below + value), width, y(below) - y(below + value));
      below += value;
    }
  }
}
