// The pictures. Each is a pure function of run, position and settings: going back shows the same pixels.

const LEFT = 62, RIGHT = 12, TOP = 12, DUE_HIGH = 22;
const FONT = '12px system-ui, "DejaVu Sans", sans-serif';
const colours = {};
let hatch = null;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["card", "ink", "quiet", "edge", "grid", "gone", "now", "hatch", "rest", "due", "mark", "index", "last", "accent", "warn"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  const tile = new OffscreenCanvas(8, 8), pen = tile.getContext("2d");
  pen.fillStyle = colours.now;
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = colours.hatch;
  pen.lineWidth = 1.6;
  pen.beginPath();
  for (const x of [-8, 0, 8]) {
    pen.moveTo(x, 8);
    pen.lineTo(x + 8, 0);
  }
  pen.stroke();
  hatch = tile;
}

// Fit a canvas to its place on the screen; its pen, cleared, in CSS pixels.
function penOf(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const wide = canvas.clientWidth, high = canvas.clientHeight;
  if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(high * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(canvas.width / Math.max(1, wide), 0, 0, canvas.height / Math.max(1, high), 0, 0);
  pen.clearRect(0, 0, wide, high);
  pen.font = FONT;
  return { pen, wide, high };
}

// Round values within [low, high], about `count` of them; multiples of `unit` where there is one.
function ticks(low, high, count, unit = 0) {
  const rough = Math.max((high - low) / count, unit, 1e-12);
  const power = 10 ** Math.floor(Math.log10(rough));
  const lawful = (step) => !unit || Math.abs(Math.round(step / unit) * unit - step) < 1e-6 * step;
  const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= rough * 0.9999 && lawful(s)) || rough;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step + 0);  // Never -0.
  return { step, found };
}

function placesOf(step) {
  let places = 0;
  while (places < 9 && Math.abs(Math.round(step * 10 ** places) - step * 10 ** places) > 1e-6 * 10 ** places * step) places++;
  return places;
}

function axisAcross(pen, found, x, y, wide) {
  const places = placesOf(found.step);
  pen.fillStyle = colours.quiet;
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const value of found.found) {
    const at = x(value), text = number(value, places), half = pen.measureText(text).width / 2;
    if (at - half < 2 || at + half > wide - 2) continue;
    pen.fillText(text, at, y + 5);
  }
}

function axisUp(pen, found, y, wide) {
  const places = placesOf(found.step);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const value of found.found) {
    const at = Math.round(y(value)) + 0.5;
    pen.fillStyle = colours.grid;
    pen.fillRect(LEFT, at - 0.5, wide - LEFT - RIGHT, 1);
    pen.fillStyle = colours.quiet;
    pen.fillText(number(value, places), LEFT - 7, at);
  }
}

// Which bar each column of pixels shows: what is eaten now before all, else the tallest or outermost.
function columns(bars, view, count) {
  const found = new Int32Array(count).fill(-1);
  const scale = count / (view.high - view.low);
  bars.forEach((bar, i) => {
    const low = Math.min(bar.inner, bar.outer), high = Math.max(bar.inner, bar.outer);
    const from = Math.max(0, Math.round((low - view.low) * scale));
    const least = bar.now > 0 ? 3 : 1;  // What happens now must be seen.
    const to = Math.min(count, Math.max(from + least, Math.round((high - view.low) * scale)));
    const lots = bar.gone + bar.now + bar.rest;
    for (let x = from; x < to; x++) {
      const shown = found[x];
      if (shown >= 0 && bars[shown].side === bar.side) {
        const other = bars[shown];
        if (other.now > 0 && bar.now === 0) continue;
        const taller = other.gone + other.now + other.rest > lots;
        if (!view.cumulative && taller && (other.now > 0 || bar.now === 0)) continue;
      }
      found[x] = i;
    }
  });
  return found;
}

function drawDepth(panel, view) {
  const { pen, wide, high } = penOf(panel.depth);
  const run = panel.run, data = run.data;
  const base = high - DUE_HIGH - 24, tall = base - TOP;
  const across = wide - LEFT - RIGHT;
  const x = (ticksOf) => LEFT + ((ticksOf - view.low) / (view.high - view.low)) * across;
  const y = (lots) => base - (lots / view.top) * tall;
  if (across < 20) return;
  axisUp(pen, ticks(0, view.top * data.lot, 5), (size) => y(size / data.lot), wide);
  const bars = run.bars(view);
  const count = Math.max(1, Math.round(across * (panel.depth.width / wide)));
  const shown = columns(bars, view, count);
  panel.shown = { bars, columns: shown, across };
  drawColumns(pen, bars, shown, view, across / count, y, base);
  pen.fillStyle = colours.quiet;
  pen.fillRect(LEFT, base, across, 1);
  drawDue(pen, run, view, x, base, across);
  const wanted = Math.max(3, Math.floor(across / 110));
  axisAcross(pen, ticks(view.low * data.tick, view.high * data.tick, wanted, data.tick), (price) => x(price / data.tick), base + DUE_HIGH, wide);
  pen.textAlign = "left";
  pen.textBaseline = "top";
  pen.fillStyle = colours.quiet;
  pen.fillText(view.cumulative ? `${data.base}, added up from the best price` : `${data.base} at each ${view.group > 1 ? "group of prices" : "price"}`, LEFT + 6, 1);
  drawMark(pen, run, x, base, wide);
}

// Columns that show the same become one rectangle; one path for each of the three fates.
function drawColumns(pen, bars, shown, view, each, y, base) {
  const paths = [new Path2D(), new Path2D(), new Path2D()];
  const line = new Path2D();
  pen.save();
  pen.beginPath();
  pen.rect(LEFT, TOP, shown.length * each, base - TOP);
  pen.clip();
  let last = base;
  for (let from = 0; from < shown.length;) {
    let to = from + 1;
    while (to < shown.length && shown[to] === shown[from]) to++;
    const bar = shown[from] < 0 ? null : bars[shown[from]];
    const left = LEFT + from * each;
    // A hair between wide bars shows where one level ends.
    const width = (to - from) * each - (!view.cumulative && (to - from) * each > 4 ? 1 : 0);
    if (bar !== null && view.cumulative) {
      const fate = bar.now > 0 ? 1 : bar.rest > 0 ? 2 : 0;
      paths[fate].rect(left, y(bar.total), width, base - y(bar.total));
      line.moveTo(left, last);
      line.lineTo(left, y(bar.total));
      line.lineTo(left + width, y(bar.total));
    } else if (bar !== null) {
      let below = 0;
      for (const [fate, lots] of [[0, bar.gone], [1, bar.now], [2, bar.rest]]) {
        if (lots > 0) paths[fate].rect(left, y(below + lots), width, y(below) - y(below + lots));
        below += lots;
      }
    }
    last = bar === null ? base : y(bar.total);
    from = to;
  }
  pen.fillStyle = colours.gone;
  pen.fill(paths[0]);
  pen.fillStyle = colours.rest;
  pen.fill(paths[2]);
  pen.fillStyle = pen.createPattern(hatch, "repeat");
  pen.fill(paths[1]);
  if (view.cumulative) {
    pen.strokeStyle = colours.quiet;
    pen.lineWidth = 1;
    pen.stroke(line);
  }
  pen.restore();
}

// Liquidation prices hang under the axis: the longer, the more lots.
function drawDue(pen, run, view, x, base, across) {
  const { price, lots } = run.due;
  const sums = new Map();
  for (let i = 0; i < price.length; i++) {
    if (price[i] < view.low || price[i] >= view.high) continue;
    const at = Math.round(x(price[i]) - 0.5);
    sums.set(at, (sums.get(at) || 0) + lots[i]);
  }
  let most = 0;
  for (const sum of sums.values()) most = Math.max(most, sum);
  pen.fillStyle = colours.due;
  for (const [at, sum] of sums) pen.fillRect(at, base + 3, 1, 4 + (DUE_HIGH - 6) * Math.sqrt(sum / most));
}

function drawMark(pen, run, x, base, wide) {
  const mark = run.marks[run.at];
  if (!(mark > 0)) return;
  const at = Math.round(x(mark)) + 0.5;
  if (at < LEFT || at > wide - RIGHT) return;
  pen.strokeStyle = colours.mark;
  pen.lineWidth = 1.5;
  pen.setLineDash([5, 3]);
  pen.beginPath();
  pen.moveTo(at, TOP);
  pen.lineTo(at, base);
  pen.stroke();
  pen.setLineDash([]);
  const text = `mark ${run.priced(mark)}`, half = pen.measureText(text).width + 8;
  const right = at + half < wide - RIGHT;
  pen.fillStyle = colours.card;
  pen.fillRect(right ? at + 3 : at - half, TOP + 6, half - 3, 16);
  pen.fillStyle = colours.mark;
  pen.textAlign = right ? "left" : "right";
  pen.textBaseline = "middle";
  pen.fillText(text, right ? at + 5 : at - 5, TOP + 14.5);
}

// The prices by step: drawn once strong and once pale, then cut at the cursor.
function drawPath(panel, span, chosen) {
  const { pen, wide, high } = penOf(panel.path);
  const across = wide - LEFT - RIGHT, base = high - 34, run = panel.run;
  if (across < 20) return;
  const x = (k) => LEFT + (k / Math.max(1, span.count)) * across;
  const y = (price) => base - ((price - span.low) / (span.high - span.low)) * (base - TOP);
  axisUp(pen, ticks(span.low * run.data.tick, span.high * run.data.tick, 4), (price) => y(price / run.data.tick), wide);
  axisAcross(pen, ticks(0, span.count, Math.max(3, Math.floor(across / 90)), 1), x, base + 12, wide);
  const key = [panel.path.width, panel.path.height, span.low, span.high, span.count, colours.mark, colours.card].join();
  if (panel.kept?.key !== key) panel.kept = { key, strong: walked(panel.path, run, x, y, base) };
  const scale = panel.path.width / wide, at = x(run.at);
  const cut = Math.min(panel.path.width, Math.max(0, Math.round(at * scale)));
  pen.save();
  pen.setTransform(1, 0, 0, 1, 0, 0);
  if (cut > 0) pen.drawImage(panel.kept.strong, 0, 0, cut, panel.path.height, 0, 0, cut, panel.path.height);
  pen.globalAlpha = 0.32;
  const left = panel.path.width - cut;
  if (left > 0) pen.drawImage(panel.kept.strong, cut, 0, left, panel.path.height, cut, 0, left, panel.path.height);
  pen.restore();
  pen.fillStyle = colours.quiet;
  pen.fillRect(LEFT, base, across, 1);
  pen.fillStyle = colours.accent;
  for (const k of run.fallsOf.get(chosen) || []) triangle(pen, x(k), y(run.marks[k] || span.low), 6);
  pen.fillStyle = colours.ink;
  pen.fillRect(Math.round(at) - 0.5, TOP - 4, 1.5, base - TOP + 4);
  triangle(pen, at, TOP - 4, 5, -1);
  panel.walk = { x, across, count: span.count };
}

function triangle(pen, x, y, size, way = 1) {
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(x - size, y - way * -size * 0.1 - way * size * 1.6);
  pen.lineTo(x + size, y - way * -size * 0.1 - way * size * 1.6);
  pen.closePath();
  pen.fill();
}

function walked(canvas, run, x, y, base) {
  const kept = new OffscreenCanvas(Math.max(1, canvas.width), Math.max(1, canvas.height));
  const pen = kept.getContext("2d");
  pen.setTransform(canvas.width / canvas.clientWidth, 0, 0, canvas.height / canvas.clientHeight, 0, 0);
  pen.lineJoin = "round";
  const style = { last: [colours.last, 1.4, [1.5, 3]], index: [colours.index, 1.6, [6, 4]], mark: [colours.mark, 2.2, []] };
  for (const [name, [colour, width, dash]] of Object.entries(style)) {
    const prices = run.path[name], step = run.path.step;
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.beginPath();
    let before = 0;
    for (let i = 0; i < prices.length; i++) {
      if (prices[i] > 0) {
        if (before > 0) pen.lineTo(x(step[i]), y(before));
        pen[before > 0 ? "lineTo" : "moveTo"](x(step[i]), y(prices[i]));
      }
      before = prices[i];
    }
    if (before > 0) pen.lineTo(x(run.count), y(before));
    pen.stroke();
  }
  pen.setLineDash([]);
  pen.fillStyle = colours.now;
  for (const k of run.fell) pen.fillRect(x(k) - 0.5, base + 2, 1.2, 8);
  pen.fillStyle = colours.due;
  for (const k of run.stops.ADL) {
    pen.beginPath();
    for (const [dx, dy] of [[0, -4], [4, 0], [0, 4], [-4, 0]]) pen.lineTo(x(k) + dx, base - 6 + dy);
    pen.fill();
  }
  return kept;
}

// Where each liquidation stands in the tree: once for the run, children beside their parents.
function layTree(run) {
  const place = new Map(), rows = [];
  const steps = [...run.fell].filter((k, i, all) => i === 0 || all[i - 1] !== k);
  const roots = new Set(steps.map((k) => run.parent[k - 1]).filter((p) => p > 0 && run.kind[p - 1] !== 2));
  for (const k of [...roots, ...steps]) {
    const generation = roots.has(k) ? 0 : Math.max(1, run.generation[k - 1]);
    (rows[generation] ||= []).push(k);
  }
  rows.forEach((row, generation) => {
    const of = (k) => place.get(run.parent[k - 1])?.y ?? 0.5;
    row.sort((a, b) => of(a) - of(b) || a - b);
    row.forEach((k, i) => place.set(k, { k, generation, y: (i + 0.5) / row.length }));
  });
  const lots = new Map();
  run.fell.forEach((k, i) => lots.set(k, run.fellLots[i]));
  let most = 1;
  for (const size of lots.values()) most = Math.max(most, size);
  const ordered = [...place.values()].sort((a, b) => a.k - b.k);
  for (const node of ordered) node.size = roots.has(node.k) ? 5 : 1.6 + 5 * Math.sqrt((lots.get(node.k) || 0) / most);
  return { nodes: ordered, steps: ordered.map((node) => node.k), place, depth: Math.max(1, rows.length - 1), roots };
}

const EDGES = 400;

function drawTree(canvas, run, tree, chosen) {
  const { pen, wide, high } = penOf(canvas);
  const x = (generation) => 22 + (generation / tree.depth) * (wide - 44);
  const y = (share) => 8 + share * (high - 34);
  tree.x = x;
  tree.y = y;
  pen.fillStyle = colours.quiet;
  pen.textBaseline = "bottom";
  pen.textAlign = "center";
  const skip = Math.ceil(tree.depth / Math.max(1, Math.floor(wide / 44)));
  for (let g = 0; g <= tree.depth; g += skip) pen.fillText(g ? String(g) : "outside", Math.max(x(g), g ? 0 : 26), high - 4);
  if (!tree.nodes.length) {
    pen.fillText("nobody is liquidated in this run", wide / 2, high / 2);
    return;
  }
  const end = upTo(tree.steps, run.at);
  pen.fillStyle = colours.edge;
  for (let i = end; i < tree.nodes.length; i++) pen.fillRect(x(tree.nodes[i].generation) - 1, y(tree.nodes[i].y) - 1, 2, 2);
  pen.strokeStyle = colours.edge;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let i = Math.max(0, end - EDGES); i < end; i++) edge(pen, run, tree, tree.nodes[i]);
  pen.stroke();
  const ancestors = [];
  for (let k = run.at; k > 0; k = run.parent[k - 1]) if (tree.place.has(k)) ancestors.push(tree.place.get(k));
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 1.8;
  pen.beginPath();
  for (const node of ancestors) edge(pen, run, tree, node);
  pen.stroke();
  for (let i = 0; i < end; i++) dot(pen, run, tree, tree.nodes[i], chosen);
  for (const node of ancestors) dot(pen, run, tree, node, chosen, true);
}

function edge(pen, run, tree, node) {
  const parent = tree.place.get(run.parent[node.k - 1]);
  if (!parent) return;
  const from = tree.x(parent.generation), to = tree.x(node.generation), middle = (from + to) / 2;
  pen.moveTo(from, tree.y(parent.y));
  pen.bezierCurveTo(middle, tree.y(parent.y), middle, tree.y(node.y), to, tree.y(node.y));
}

function dot(pen, run, tree, node, chosen, strong = false) {
  const x = tree.x(node.generation), y = tree.y(node.y), now = node.k === run.at;
  pen.fillStyle = now ? colours.now : run.scope[node.k - 1] === chosen && chosen >= 0 ? colours.accent : colours.rest;
  pen.beginPath();
  if (tree.roots.has(node.k)) pen.rect(x - 5, y - 5, 10, 10);
  else pen.arc(x, y, Math.max(node.size, now ? 4 : 0), 0, 7);
  pen.fill();
  if (!strong) return;
  pen.strokeStyle = colours.ink;
  pen.lineWidth = now ? 2 : 1.2;
  pen.stroke();
}

function drawGrowth(canvas, run, most, generations) {
  const { pen, wide, high } = penOf(canvas);
  const ratios = run.ratios(), base = high - 24, left = 40;
  const each = (wide - left - 8) / Math.max(1, generations);
  const y = (ratio) => base - (Math.min(ratio, most) / most) * (base - 16);
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const value of ticks(0, most, 4).found) {
    pen.fillStyle = colours.grid;
    pen.fillRect(left, Math.round(y(value)), wide - left - 8, 1);
    pen.fillStyle = colours.quiet;
    pen.fillText(number(value, 1), left - 6, y(value));
  }
  const skip = Math.ceil(30 / each);
  ratios.forEach((ratio, i) => {
    const x = left + i * each;
    if (ratio >= 0) {
      pen.fillStyle = ratio >= 1 ? colours.last : colours.rest;
      pen.fillRect(x + each * 0.14, y(ratio), Math.max(1, each * 0.72), base - y(ratio));
      if (each > 30) {
        pen.fillStyle = colours.ink;
        pen.textAlign = "center";
        pen.textBaseline = "bottom";
        pen.fillText(number(ratio, 2), x + each / 2, y(ratio) - 2);
      }
    }
    if (i % skip === 0) {
      pen.fillStyle = colours.quiet;
      pen.textAlign = "center";
      pen.textBaseline = "top";
      pen.fillText(String(i + 1), x + each / 2, base + 5);
    }
  });
  pen.fillStyle = colours.quiet;
  pen.fillRect(left, base, wide - left - 8, 1);
  pen.strokeStyle = colours.ink;
  pen.setLineDash([6, 4]);
  pen.beginPath();
  pen.moveTo(left, Math.round(y(1)) + 0.5);
  pen.lineTo(wide - 8, Math.round(y(1)) + 0.5);
  pen.stroke();
  pen.setLineDash([]);
}
