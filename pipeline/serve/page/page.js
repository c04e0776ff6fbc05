// The page of a run: what the server tells (/events) becomes what is seen; what is clicked is sent back.

import { cards } from "./cards.js";
import { SPAN } from "./plots.js";

const $ = (id) => document.getElementById(id);
const STATES = { connecting: "Connecting", live: "Live", running: "Running", waiting: "Starting", stalled: "Stalled", lost: "Lost", ended: "Ended", away: "Offline" };
const THUMBNAIL_MS = 2000;
const AGAIN_MS = 2000; // what broke off is asked for again
const SILENT_MS = 10_000; // news come each second: a connection that has none for so long is dead, and nobody says so

let told = null; // the newest state
let chosen = 0; // number of the source that is large
let online = false;
const samples = new Map(); // number of a source -> its samples, oldest first
const figures = cards($("figures"));

// What the server tells

function listen() {
  const events = new EventSource("events");
  let silence;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => {
      events.close();
      gone();
    }, SILENT_MS);
  };
  events.onmessage = (event) => {
    heard();
    const news = JSON.parse(event.data);
    const again = told !== null && news.run !== told.run; // another run answers now
    if (again) samples.clear();
    const known = told === null || again ? 0 : told.number; // who comes back is told everything anew
    const was = told && !again && online ? told.sources[chosen]?.state : null;
    told = news;
    if (chosen >= told.sources.length) chosen = 0;
    const is = told.sources[chosen].state;
    if (!was || (was !== is && is === "live")) showPicture(); // while no pictures came its connection may have ended
    online = true;
    for (const sample of news.samples) {
      if (sample.number <= known) continue;
      for (const [source, figure] of Object.entries(sample.sources)) {
        const kept = samples.get(source) ?? [];
        kept.push(figure);
        samples.set(source, kept.slice(-SPAN));
      }
    }
    show();
  };
  const gone = () => {
    online = false;
    show();
    if (events.readyState !== EventSource.CLOSED) return;
    clearTimeout(silence);
    setTimeout(comeBack, AGAIN_MS);
  };
  events.addEventListener("end", gone);
  events.onerror = gone;
  heard();
}

/** A browser does not ask again where something else has answered: a proxy whose run is away, one that wants a token. */
async function comeBack() {
  const answer = await fetch("state", { signal: AbortSignal.timeout(SILENT_MS) }).catch(() => null);
  if (answer?.status === 401) location.reload(); // asks for the token
  else listen();
}

function show() {
  if (!told) {
    setState("connecting", "");
    return;
  }
  const source = told.sources[chosen];
  setState(stateOf(source), source.name);
  $("models").textContent = told.models.map((model) => `${model.name} · ${model.backend}`).join("   ");
  $("models").title = told.models.map((model) => `${model.name}: ${model.detail}`).join("\n");
  document.title = `${STATES[stateOf(source)]} · ${source.name} · dashmask`;
  const facts = source.size ? [`${source.size[0]} × ${source.size[1]}`] : [];
  facts.push(`${source.frames.toLocaleString("en")} frames`);
  if (source.gaps) facts.push(`${source.gaps} gap${source.gaps > 1 ? "s" : ""}`);
  $("facts").textContent = facts.join("  ·  ");
  if (source.size) $("screen").style.aspectRatio = `${source.size[0]} / ${source.size[1]}`;
  showVeil(source);
  showRecording(source.recording);
  showClasses(told.classes);
  showSources();
  figures.show(samples.get(String(chosen)) ?? [], source, told.every_s);
}

/** As the server says, in words that fit a recording too. */
function stateOf(source) {
  if (!online) return "away";
  if (source.state !== "live") return source.state;
  if (!source.frames) return "waiting";
  return source.live ? "live" : "running";
}

function setState(state, name) {
  $("state").dataset.state = state;
  const words = STATES[state] ?? state;
  if ($("state").textContent !== words) $("state").textContent = words; // it is read aloud
  $("name").textContent = name;
}

function showVeil(source) {
  const words = {
    connecting: ["Connecting", "No frame has come yet"],
    waiting: ["Starting", "The first frame is on its way"],
    stalled: ["No frames are coming", `The last one came ${ago(source.since_s)} ago`],
    lost: ["The source is lost", source.attempt ? `Attempt ${source.attempt} to connect again` : "Trying to connect again"],
    ended: ["The source has ended", ""],
    away: ["The run has ended, or cannot be reached", "This page comes back by itself"],
  }[stateOf(source)];
  $("veil").hidden = !words;
  if (words) {
    const reason = online && source.reason && source.state !== "stalled" ? source.reason : words[1];
    $("veil").replaceChildren(make("b", {}, words[0]), make("span", {}, reason));
  }
}

function showRecording(recording) {
  const button = $("record");
  button.disabled = !recording.allowed || !online;
  button.title = recording.allowed ? "" : "Start with --recordings DIR to allow it";
  button.setAttribute("aria-pressed", String(recording.active));
  button.querySelector("span").textContent = recording.active ? "Stop recording" : "Record";
  $("rec").hidden = !recording.active || !online;
  $("rec").textContent = clock(recording.since_s ?? 0);
  $("rec").title = recording.file ?? "";
  if (recording.reason && recording.reason !== showRecording.said) say(`Recording ended: ${recording.reason}`);
  showRecording.said = recording.reason;
}

function showClasses(classes) {
  const chips = $("chips");
  if (changed(chips, classes)) {
    chips.replaceChildren(
      ...classes.map((one) => {
        const swatch = make("i");
        swatch.style.setProperty("--colour", one.colour);
        const chip = make("button", { type: "button", className: "chip" }, swatch, one.name);
        chip.setAttribute("role", "switch");
        chip.onclick = () => toggle(one.name);
        return chip;
      }),
    );
  }
  classes.forEach((one, i) => chips.children[i].setAttribute("aria-checked", String(one.shown)));
  $("all").disabled = classes.every((one) => one.shown);
}

function showSources() {
  const list = $("sources");
  list.hidden = told.sources.length < 2;
  if (list.hidden) return;
  if (changed(list, told.sources)) {
    list.replaceChildren(
      ...told.sources.map((source) => {
        const button = make("button", { type: "button" }, make("img", { alt: "" }), make("span", {}, source.name), make("span", { className: "pill" }));
        button.onclick = () => {
          chosen = source.id;
          showPicture();
          show();
        };
        return make("li", {}, button);
      }),
    );
  }
  told.sources.forEach((source, i) => {
    const button = list.children[i].firstElementChild;
    button.setAttribute("aria-pressed", String(i === chosen));
    const pill = button.lastElementChild;
    pill.dataset.state = stateOf(source);
    pill.textContent = STATES[stateOf(source)];
  });
}

// Pictures

function showPicture() {
  // A new element each time: removing the old one is what ends its connection.
  const picture = make("img", { alt: "The live picture" });
  picture.onerror = () => setTimeout(() => picture.isConnected && online && showPicture(), AGAIN_MS);
  if (!document.hidden) picture.src = `sources/${chosen}/stream.mjpg?${Date.now()}`;
  $("picture").replaceChildren(picture);
}

function thumbnails() {
  if (!document.hidden && online) {
    document.querySelectorAll("#sources img").forEach((picture, i) => {
      const source = told.sources[i];
      if (source.state === "live") picture.src = `sources/${source.id}/picture.jpg?${Date.now()}`;
    });
  }
  setTimeout(thumbnails, THUMBNAIL_MS);
}

// What is clicked

async function send(method, path, body) {
  try {
    const answer = await fetch(path, { method, body: JSON.stringify(body) });
    if (answer.ok) return;
    const { what, hint } = await answer.json();
    say(hint ? `${what}: ${hint}` : what);
  } catch {
    say("The run cannot be reached");
  }
}

function toggle(name) {
  const hidden = told.classes.filter((one) => (one.name === name ? one.shown : !one.shown)).map((one) => one.name);
  send("PUT", "classes", { hidden });
}

$("all").onclick = () => send("PUT", "classes", { hidden: [] });
$("record").onclick = () =>
  send("POST", `sources/${chosen}/recording`, { on: !told.sources[chosen].recording.active });
$("full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : $("screen").requestFullscreen?.());
$("snapshot").onclick = async () => {
  $("snapshot").disabled = true;
  try {
    const answer = await fetch(`sources/${chosen}/snapshot.png`);
    if (!answer.ok) throw new Error((await answer.json()).what);
    const name = /filename="(.*)"/.exec(answer.headers.get("content-disposition"))?.[1] ?? "snapshot.png";
    const link = make("a", { href: URL.createObjectURL(await answer.blob()), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    say(`No snapshot: ${error.message}`);
  }
  $("snapshot").disabled = false;
};

// Light and dark

const dark = matchMedia("(prefers-color-scheme: dark)");
let theme = remembered(); // light or dark where that was chosen, null: as the system has it
function setTheme() {
  document.documentElement.dataset.theme = theme ?? (dark.matches ? "dark" : "light");
  if (told) show();
}
/** What was chosen before; keeps it anew where told so. A browser that keeps nothing for anybody throws. */
function remembered(keep) {
  try {
    if (keep === null) localStorage.removeItem("theme");
    else if (keep) localStorage.setItem("theme", keep);
    return localStorage.getItem("theme");
  } catch {
    return keep ?? null;
  }
}
$("theme").onclick = () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  theme = remembered(next === (dark.matches ? "dark" : "light") ? null : next);
  setTheme();
};
dark.onchange = setTheme;

// Small things

/** Whether a list shows other names than these. */
function changed(list, named) {
  const names = JSON.stringify(named.map((one) => one.name));
  const other = list.dataset.names !== names;
  list.dataset.names = names;
  return other;
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function say(words) {
  $("toast").textContent = words;
  $("toast").classList.add("on");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => $("toast").classList.remove("on"), 6000);
}

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const ago = (seconds) => (seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);

document.addEventListener("visibilitychange", showPicture); // nobody looks: nothing is drawn for this page
addEventListener("resize", () => told && show());
setTheme();
show();
listen();
thumbnails();
