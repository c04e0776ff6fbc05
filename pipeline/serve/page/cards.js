// The figures beside the picture: what they are now, and how they came about.

import { draw, pointed, short } from "./plots.js";

const COLOURS = ["--s1", "--s2", "--s3", "--s4", "--s5", "--s6", "--s7", "--s8"];
const CAUSES = { newest: "too slow", late: "too late", undecodable: "broken" };

/** The cards in an element; `show(samples, source, every_s)` fills them. */
export function cards(parent) {
  const all = [rate, age, drops, stages].map((kind) => new Card(parent, kind));
  return { show: (...what) => all.forEach((card) => card.show(...what)) };
}

class Card {
  constructor(parent, kind) {
    this.kind = kind;
    this.element = document.createElement("section");
    this.element.className = `card ${kind.className ?? ""}`;
    this.element.innerHTML =
      '<header><h2></h2><span class="when"></span></header><div class="now"><span class="value"></span>' +
      '<span class="unit"></span><span class="more"></span></div><canvas></canvas><ul class="keys"></ul>';
    this.part = (name) => this.element.querySelector(name);
    this.part("h2").textContent = kind.title;
    const canvas = this.part("canvas");
    canvas.setAttribute("role", "img");
    this.chosen = null;
    const point = (event) => {
      this.chosen = pointed(canvas, event, this.samples?.length ?? 0);
      this.paint();
    };
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("pointerleave", () => {
      this.chosen = null;
      this.paint();
    });
    parent.append(this.element);
  }

  show(samples, source, every) {
    [this.samples, this.source, this.every] = [samples, source, every];
    if (this.chosen !== null && this.chosen >= samples.length) this.chosen = null;
    this.paint();
  }

  paint() {
    if (!this.samples) return;
    const last = this.samples.length - 1;
    const at = this.chosen ?? last;
    const { value, unit, more = "", series, keys = [], options } = this.kind.read(this.samples, at, this.source, this.every);
    this.part(".value").textContent = value;
    this.part(".unit").textContent = unit;
    this.part(".more").textContent = more;
    this.part(".when").textContent = at === last ? "" : `${Math.round((last - at) * this.every)} s ago`;
    const canvas = this.part("canvas");
    canvas.setAttribute("aria-label", `${this.kind.title}: ${value} ${unit}`);
    draw(canvas, series, { ...options, chosen: this.chosen });
    this.part(".keys").replaceChildren(
      ...keys.map(([name, colour, text]) => {
        const row = document.createElement("li");
        row.innerHTML = "<i></i><span></span><b></b>";
        row.querySelector("i").style.setProperty("--colour", `var(${colour})`);
        row.querySelector("span").textContent = name;
        row.querySelector("b").textContent = text;
        return row;
      }),
    );
  }
}

const rate = {
  title: "Frame rate",
  read: (samples, at) => ({
    value: samples.length ? mean(samples, at, (one) => one.fps).toFixed(1) : "–",
    unit: "fps",
    series: [{ values: samples.map((one) => one.fps), colour: "--s1" }],
    options: { least: 10 },
  }),
};

const age = {
  title: "Frame age",
  read: (samples, at) => ({
    value: samples[at]?.age_ms == null ? "–" : short(mean(samples, at, (one) => one.age_ms)),
    unit: "ms",
    more: samples[at]?.age_p95_ms == null ? "" : `p95 ${short(mean(samples, at, (one) => one.age_p95_ms))}`,
    series: [
      { values: samples.map((one) => one.age_ms), colour: "--s1" },
      { values: samples.map((one) => one.age_p95_ms), colour: "--s1" },
    ],
    options: { least: 20 },
  }),
};

const drops = {
  title: "Dropped",
  className: "wide",
  read: (samples, at, source, every) => {
    const causes = Object.keys(samples[samples.length - 1]?.dropped ?? {});
    const total = (one) => Object.values(one?.dropped ?? {}).reduce((a, b) => a + b, 0);
    const series = causes.map((cause, number) => ({
      colour: COLOURS[(number + 2) % COLOURS.length],
      values: samples.map((one, i) => (i ? ((one.dropped[cause] ?? 0) - (samples[i - 1].dropped[cause] ?? 0)) / every : 0)),
    }));
    const share = source.frames + total(samples[at]) ? total(samples[at]) / (source.frames + total(samples[at])) : 0;
    return {
      value: samples.length ? total(samples[at]).toLocaleString("en") : "–",
      unit: "frames",
      more: share ? `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %` : "",
      series,
      keys: causes.map((cause, i) => [CAUSES[cause] ?? cause, series[i].colour, `${short(series[i].values[at] ?? 0)}/s`]),
      options: { kind: "bar", least: 5 },
    };
  },
};

const stages = {
  title: "Work on a frame",
  className: "tall",
  read: (samples, at) => {
    const lately = samples.slice(-30);
    const names = [...new Set(lately.flatMap((one) => Object.keys(one.stages_ms)))].filter((name) =>
      lately.some((one) => one.stages_ms[name] >= 0.05), // a sink that takes pictures and does nothing is no news
    );
    const sum = names.reduce((whole, name) => whole + mean(samples, at, (one) => one.stages_ms[name]), 0);
    const series = names.map((name, number) => ({
      colour: COLOURS[number % COLOURS.length],
      values: samples.map((one) => one.stages_ms[name] ?? 0),
    }));
    return {
      value: sum ? sum.toFixed(sum < 10 ? 1 : 0) : "–",
      unit: "ms in all stages",
      series,
      keys: names.map((name, i) => [name, series[i].colour, ms(mean(samples, at, (one) => one.stages_ms[name]))]),
      options: { kind: "area", least: 5 },
    };
  },
};

/** Over the last few samples up to one: what is read as a number should not flicker. */
function mean(samples, at, read) {
  const values = samples.slice(Math.max(0, at - 4), at + 1).map(read).filter((value) => value != null);
  return values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
}

const ms = (value) => value.toFixed(value < 10 ? 1 : 0);
