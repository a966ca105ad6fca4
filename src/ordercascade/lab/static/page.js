// The page: controls, keys, what is where. One owner of the position: show().

const byId = (id) => document.getElementById(id);
const make = (name, text, kind) => {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
};
const ROWS = 12, LINES = 14, CHAIN = 14, INTERVAL_MS = 200;
const payload = JSON.parse(byId("data").textContent);
const runs = payload.runs.map((data) => new Run(data));
const count = Math.max(...runs.map((run) => run.count));
const state = { k: 0, playing: false, cumulative: true, zoom: true, group: 1, detail: 0, chosen: -1 };
const trees = runs.map(layTree);
let views = [], panels = [], span = null, growth = null;

// Scales are shared by the runs, and stay the same from step to step.
function settle() {
  const which = state.zoom ? 0 : 1;
  const low = Math.min(...runs.map((run) => run.data.reach[which][0] * run.data.tick));
  const high = Math.max(...runs.map((run) => run.data.reach[which][1] * run.data.tick));
  views = runs.map((run) => ({
    low: Math.round(low / run.data.tick), high: Math.round(high / run.data.tick), group: state.group, cumulative: state.cumulative,
  }));
  const top = Math.max(...runs.map((run, i) => run.height(views[i]) * run.data.lot)) * 1.06;
  views.forEach((view, i) => { view.top = (top || 1) / runs[i].data.lot; });
  span = span || spanOf();
  growth = growth || growthOf();
}

function spanOf() {
  let low = Infinity, high = -Infinity;
  for (const run of runs) {
    for (const name of ["mark", "index", "last"]) {
      for (const price of run.path[name]) {
        if (!(price > 0)) continue;
        low = Math.min(low, price * run.data.tick);
        high = Math.max(high, price * run.data.tick);
      }
    }
  }
  if (!(low <= high)) [low, high] = [0, 1];
  const room = (high - low) * 0.06 || high * 0.01 || 1;
  return { low: low - room, high: high + room };
}

function growthOf() {
  let most = 1.2, generations = 1;
  for (const run of runs) {
    const back = run.at;
    run.seek(run.count);
    const ratios = run.ratios();
    generations = Math.max(generations, ratios.length);
    for (const ratio of ratios) if (ratio >= 0) most = Math.max(most, ratio * 1.12);
    run.seek(back);
  }
  return { most: Math.min(most, 6), generations };
}

function build() {
  byId("title").textContent = payload.runs.map((run) => run.name).join(" beside ");
  byId("about").textContent = payload.runs[0].about;
  document.title = byId("title").textContent;
  byId("foot").textContent = payload.runs.map((run) => `${run.name}: seed ${run.seed}, tape ${run.hash}`).join(" · ") + ` · made by ordercascade ${payload.version}; needs no network`;
  byId("scrub").max = count;
  byId("panels").classList.toggle("two", runs.length > 1);
  panels = runs.map(buildPanel);
  byId("which").hidden = runs.length < 2;
  runs.forEach((run, i) => {
    const label = make("label"), input = make("input");
    Object.assign(input, { type: "radio", name: "run", checked: i === 0 });
    input.addEventListener("change", () => { Object.assign(state, { detail: i, chosen: -1 }); draw(); });
    label.append(input, run.data.name);
    byId("runs").append(label);
  });
  for (const word of Object.keys(runs[0].stops)) {
    const button = make("button", word), total = runs.reduce((sum, run) => sum + run.stops[word].length, 0);
    button.disabled = total === 0;
    button.title = total ? `Next ${word}; with Shift the last one` : "None in this run";
    button.setAttribute("aria-label", `Jump to the next ${word}`);
    button.addEventListener("click", (event) => { pause(); jump(word, event.shiftKey); });
    byId("jumps").append(button);
  }
  for (const group of [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]) {
    const option = make("option", group === 1 ? "no" : runs[0].priced(group));
    option.value = group;
    byId("group").append(option);
  }
  for (let i = 0; i < ROWS; i++) byId("accounts").append(buildRow());
  for (let i = 0; i < LINES; i++) byId("log").append(buildLine());
  for (let i = 0; i < CHAIN + 2; i++) byId("chain").append(buildLine());
  byId("log").style.minHeight = `${24 * Math.min(LINES, Math.max(...runs.map((run) => run.told.length)))}px`;
}

function buildPanel(run, i) {
  byId("panels").append(byId("panel").content.cloneNode(true));
  const node = byId("panels").lastElementChild;
  const title = runs.length > 1 ? `${run.data.name}: ${run.data.market}` : run.data.market;
  node.querySelector("h2").textContent = `${title}: the book, the price, who paid`;
  for (const name of ["mark", "index", "last"]) node.querySelector(`.of-${name}`).hidden = !run.path[name].some((price) => price > 0);
  node.querySelector(".of-fell").hidden = run.fell.length === 0;
  node.querySelector(".of-adl").hidden = run.stops.ADL.length === 0;
  const panel = { run, i, node, depth: node.querySelector(".depth"), path: node.querySelector(".path"), meters: {} };
  for (const [name, word] of [["fund", "insurance fund"], ["debt", "bad debt"], ["adl", "ADL"]]) {
    const meter = make("div", undefined, `meter ${name}`), bar = make("i"), text = make("output");
    meter.setAttribute("role", "meter");
    meter.setAttribute("aria-label", word);
    meter.setAttribute("aria-valuemin", "0");
    meter.append(bar);
    node.querySelector(".meters").append(make("span", word), meter, text);
    // One scale for all runs, so that bars can be compared.
    const money = (each, value) => value * (name === "adl" ? each.data.lot : each.cash);
    const most = Math.max(...runs.map((each) => money(each, each[name].reduce((a, b) => Math.max(a, b), 0)))) / money(run, 1);
    meter.setAttribute("aria-valuemax", String(most || 1));
    panel.meters[name] = { meter, bar, text, most };
  }
  panel.depth.addEventListener("pointermove", (event) => tipDepth(panel, event));
  panel.path.addEventListener("pointermove", (event) => tipPath(panel, event));
  for (const canvas of [panel.depth, panel.path]) canvas.addEventListener("pointerleave", hideTip);
  panel.path.addEventListener("click", (event) => { pause(); show(stepUnder(panel, event)); });
  return panel;
}

function buildRow() {
  const row = make("tr"), cells = [];
  for (let i = 0; i < 6; i++) {
    const cell = make("td", undefined, i > 1 && i < 5 ? "number" : "");
    cells.push(cell);
    row.append(cell);
  }
  const button = make("button");
  button.addEventListener("click", () => {
    state.chosen = state.chosen === row.scope ? -1 : row.scope;
    draw();
  });
  cells[0].append(button);
  Object.assign(row, { button, parts: cells });
  return row;
}

function buildLine() {
  const line = make("li"), button = make("button"), step = make("b"), text = make("span");
  button.append(step, text);
  button.addEventListener("click", () => { pause(); show(line.k); });
  line.append(button);
  Object.assign(line, { button, step, text, k: 0 });
  return line;
}

// What is shown.

function show(k) {
  state.k = Math.min(count, Math.max(0, Math.round(k)));
  draw();
}

function draw() {
  for (const panel of panels) {
    panel.run.seek(Math.min(state.k, panel.run.count));
    const view = views[panel.i], tick = panel.run.data.tick;
    drawDepth(panel, view);
    drawPath(panel, { low: span.low / tick, high: span.high / tick, count }, panel.i === state.detail ? state.chosen : -1);
    fillMeters(panel);
  }
  const run = runs[state.detail];
  drawTree(byId("tree"), run, trees[state.detail], state.chosen);
  drawGrowth(byId("growth"), run, growth.most, growth.generations);
  fillAccounts(run);
  fillLog(run);
  fillChain(run);
  fillWords(run);
}

function fillWords(run) {
  const status = byId("status");
  setText(status, runs.length < 2 ? run.status(run.at).join(" · ") : runs.map((each) => `${each.data.name}: ${each.status(each.at).join(" · ")}`).join("\n"));
  status.dataset.step = state.k;
  byId("scrub").value = state.k;
  byId("scrub").setAttribute("aria-valuetext", `step ${state.k} of ${count}`);
  setText(byId("count"), `${number(state.k, 0)} / ${number(count, 0)}`);
  for (const name of ["first", "back"]) document.querySelector(`[data-go=${name}]`).disabled = state.k === 0;
  for (const name of ["step", "last"]) document.querySelector(`[data-go=${name}]`).disabled = state.k === count;
  if (state.playing) return;
  for (const panel of panels) {
    const each = panel.run, mark = each.marks[each.at] > 0 ? each.priced(each.marks[each.at]) : "none";
    panel.depth.setAttribute("aria-label", `Depth of ${each.data.market}: ${plural(each.levelsNow, "level")} eaten now; mark ${mark}`);
    panel.path.setAttribute("aria-label", `Price by step of ${each.data.market}: mark ${mark} at step ${each.at}`);
  }
  const fallen = upTo(run.fell, run.at), ratios = run.ratios();
  byId("tree").setAttribute("aria-label", `Cascade tree: ${plural(fallen, "liquidation")} so far`);
  byId("growth").setAttribute("aria-label", `R by generation so far: ${ratios.map((r) => (r >= 0 ? number(r, 2) : "none")).join(", ") || "none yet"}`);
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function fillMeters(panel) {
  const run = panel.run;
  for (const [name, { meter, bar, text, most }] of Object.entries(panel.meters)) {
    const value = run[name][run.at];
    bar.style.width = `${most ? Math.max(value > 0 ? 1 : 0, (100 * value) / most) : 0}%`;
    meter.setAttribute("aria-valuenow", String(Math.max(0, value)));
    const shown = name === "adl" ? run.sized(value) : run.paid(value);
    meter.setAttribute("aria-valuetext", shown);
    setText(text, shown);
  }
}

function fillAccounts(run) {
  const found = run.rows(ROWS);
  for (const node of document.querySelectorAll(".unit")) setText(node, `, ${run.data.settle}`);
  [...byId("accounts").rows].forEach((row, i) => {
    const each = found[i];
    row.hidden = !each;
    if (!each) return;
    row.scope = each.scope;
    const kind = [each.state, row.scope === state.chosen ? "chosen" : ""].join(" ").trim();
    if (row.className !== kind) row.className = kind;
    setText(row.button, each.name);
    row.button.setAttribute("aria-pressed", String(row.scope === state.chosen));
    const ratio = each.ratio === -Infinity ? "flat" : number(each.ratio, 3);
    [each.margin, each.equity, each.maintenance, ratio, each.state].forEach((text, at) => setText(row.parts[at + 1], text));
  });
}

function fillLog(run) {
  const newest = run.newest(LINES);
  [...byId("log").children].forEach((line, i) => {
    const k = newest[i];
    line.hidden = k === undefined;
    if (line.hidden) return;
    line.k = k;
    line.classList.toggle("now", k === run.at);
    line.classList.toggle("chosen", state.chosen >= 0 && run.scope[k - 1] === state.chosen);
    setText(line.step, number(k, 0));
    setText(line.text, ` ${run.lines[k - 1]}`);
    if (!state.playing) line.button.title = run.lines[k - 1];
  });
}

// The way from the outside to the step, as buttons: the tree for a keyboard.
function fillChain(run) {
  const steps = run.ancestors(CHAIN).reverse();
  if (run.at > 0) steps.push(run.at);
  const child = run.children.get(run.at)?.[0];
  if (child) steps.push(child);
  [...byId("chain").children].forEach((line, i) => {
    const k = steps[i];
    line.hidden = k === undefined;
    if (line.hidden) return;
    line.k = k;
    line.className = k === run.at ? "now" : k > run.at ? "next" : "";
    if (k === run.at) line.button.setAttribute("aria-current", "step"); else line.button.removeAttribute("aria-current");
    setText(line.step, number(k, 0));
    setText(line.text, ` ${run.isFall(k) ? run.whoOf(k) : run.data.steps.kinds[run.kind[k - 1]]}`);
  });
}

// Going through it.

function pause() {
  if (!state.playing) return;
  state.playing = false;
  byId("play").classList.remove("playing");
  byId("play").setAttribute("aria-label", "Play");
  byId("status").setAttribute("aria-live", "polite");
  draw();
}

// Steps that a slow screen has no time for are skipped, never queued.
function play() {
  if (state.playing) {
    pause();
    return;
  }
  if (state.k === count) show(0);
  state.playing = true;
  byId("play").classList.add("playing");
  byId("play").setAttribute("aria-label", "Pause");
  byId("status").setAttribute("aria-live", "off");
  let last = performance.now(), owed = 0;
  const beat = (now) => {
    if (!state.playing) return;
    owed += Math.max(0, now - last) * byId("speed").value / INTERVAL_MS;
    last = now;
    const steps = Math.floor(owed);
    owed -= steps;
    if (steps) show(state.k + steps);
    if (state.k === count) pause(); else requestAnimationFrame(beat);
  };
  requestAnimationFrame(beat);
}

function jump(word, back) {
  const found = runs.map((run) => run.jump(word, back)).filter((k) => (back ? k < state.k : k > state.k));
  if (found.length) show(back ? Math.max(...found) : Math.min(...found));
}

function faster(by) {
  const speed = byId("speed");
  speed.selectedIndex = Math.min(speed.options.length - 1, Math.max(0, speed.selectedIndex + by));
}

const GO = { first: () => show(0), back: () => show(state.k - 1), step: () => show(state.k + 1), last: () => show(count) };

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const on = event.target.closest?.("button, select, input") || null;
  // A control keeps the keys that it needs itself.
  if (on?.matches("select, input[type=radio]") && !["[", "]", "?"].includes(event.key)) return;
  if (on?.matches("button") && event.key === " ") return;
  const far = event.shiftKey ? 10 : 1;
  const does = {
    ArrowRight: () => show(state.k + far), ArrowLeft: () => show(state.k - far), Home: GO.first, End: GO.last,
    " ": play, "[": () => faster(-1), "]": () => faster(1), "?": () => byId("help").showModal(),
  }[event.key];
  if (!does) return;
  event.preventDefault();
  if (event.key.length > 1) pause();
  does();
}

// Under the pointer.

function tip(event, text) {
  const node = byId("tip");
  node.hidden = false;
  setText(node, text);
  const right = event.clientX + node.offsetWidth + 24 < window.innerWidth;
  node.style.left = `${right ? event.clientX + 14 : Math.max(4, event.clientX - node.offsetWidth - 14)}px`;
  node.style.top = `${Math.min(event.clientY + 14, window.innerHeight - node.offsetHeight - 6)}px`;
}

function hideTip() {
  byId("tip").hidden = true;
}

function tipDepth(panel, event) {
  const { bars, columns: shown, across } = panel.shown || {};
  const at = shown ? Math.floor(((event.offsetX - LEFT) / across) * shown.length) : -1;
  if (!(at >= 0 && at < shown.length) || shown[at] < 0) {
    hideTip();
    return;
  }
  tip(event, panel.run.tip(bars[shown[at]], views[panel.i].group));
}

function stepUnder(panel, event) {
  return panel.walk ? ((event.offsetX - LEFT) / panel.walk.across) * panel.walk.count : state.k;
}

function tipPath(panel, event) {
  const run = panel.run, k = Math.min(run.count, Math.max(0, Math.round(stepUnder(panel, event))));
  const row = upTo(run.path.step, k) - 1, parts = [k ? `step ${number(k, 0)}: ${run.lines[k - 1]}` : "the opening"];
  for (const [name, word] of [["mark", "mark"], ["index", "index"], ["last", "last trade"]]) {
    if (row >= 0 && run.path[name][row] > 0) parts.push(`${word} ${run.priced(run.path[name][row])}`);
  }
  tip(event, parts.join("\n"));
}

function nodeUnder(event) {
  const tree = trees[state.detail];
  let best = null, near = 14;
  for (const node of tree.nodes) {
    const far = Math.hypot(tree.x(node.generation) - event.offsetX, tree.y(node.y) - event.offsetY);
    if (far < near) [best, near] = [node, far];
  }
  return best;
}

function wire() {
  document.querySelectorAll("[data-go]").forEach((button) => button.addEventListener("click", () => { pause(); GO[button.dataset.go](); }));
  byId("play").addEventListener("click", play);
  byId("scrub").addEventListener("input", (event) => { pause(); show(Number(event.target.value)); });
  byId("group").addEventListener("change", (event) => { state.group = Number(event.target.value); settle(); draw(); });
  document.querySelectorAll("[name=depth]").forEach((input) => input.addEventListener("change", () => { state.cumulative = input.value === "cumulative"; settle(); draw(); }));
  document.querySelectorAll("[name=zoom]").forEach((input) => input.addEventListener("change", () => { state.zoom = input.value === "touched"; settle(); draw(); }));
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  byId("theme").addEventListener("click", () => {
    const names = ["auto", "light", "dark"], root = document.documentElement.dataset;
    root.theme = names[(names.indexOf(root.theme) + 1) % 3];
    byId("theme").textContent = `Theme: ${root.theme}`;
    recolour();
  });
  byId("tree").addEventListener("click", (event) => { const node = nodeUnder(event); if (node) { pause(); show(node.k); } });
  byId("tree").addEventListener("pointermove", (event) => {
    const node = nodeUnder(event);
    if (node) tip(event, `step ${number(node.k, 0)}: ${runs[state.detail].lines[node.k - 1]}`); else hideTip();
  });
  byId("tree").addEventListener("pointerleave", hideTip);
  document.addEventListener("keydown", press);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  new ResizeObserver(draw).observe(byId("panels"));
}

function recolour() {
  readColours();
  draw();
}

build();
readColours();
settle();
wire();
show(Number(location.hash.slice(1)) || 0);
window.ordercascade = { show, state, count, runs };
