"use strict";
// The runs of the page: columns by step, a book that can be moved to any step and back.

const LOOKED_AT = 3e6;  // levels, for the height of the depth picture: a tenth of a second
const NEAR = 1.25;  // margin ratio below which an account is said to be near liquidation
const TYPES = { i1: Int8Array, i2: Int16Array, i4: Int32Array, f8: Float64Array };

// Whole numbers as doubles: exact below 2^53.
function unpack(packed) {
  const text = atob(packed.data);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const out = Float64Array.from(new TYPES[packed.type](bytes.buffer));
  if (packed.diff) for (let i = 1; i < out.length; i++) out[i] += out[i - 1];
  return out;
}

// The number of sorted values that are at most k.
function upTo(sorted, k) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= k) low = middle + 1; else high = middle;
  }
  return low;
}

const FORMATS = new Map();
function number(value, places) {
  if (!FORMATS.has(places)) {
    FORMATS.set(places, new Intl.NumberFormat("en-US", { minimumFractionDigits: places, maximumFractionDigits: places }));
  }
  return FORMATS.get(places).format(value);
}

// `count` units of [mantissa, places] each, with `shown` decimals: exact, half to even, as in Python.
function exact(count, [mantissa, places], shown = places) {
  const whole = count * mantissa;
  if (!Number.isSafeInteger(whole)) return number(whole / 10 ** places, shown);
  const size = Math.abs(whole), cut = 10 ** (places - shown);
  let kept = Math.floor(size / cut);
  if (kept * cut > size) kept--;
  const twice = 2 * (size - kept * cut);
  if (twice > cut || (twice === cut && kept % 2 === 1)) kept++;
  const digits = String(kept).padStart(shown + 1, "0"), head = digits.length - shown;
  const grouped = digits.slice(0, head).replace(/\B(?=(\d{3})+$)/g, ",");
  return (whole < 0 ? "-" : "") + grouped + (shown ? `.${digits.slice(head)}` : "");
}

function plural(count, noun) {
  return `${number(count, 0)} ${noun}${count === 1 ? "" : "s"}`;
}

// Position k is 0 at the opening and s after step s; people count steps from 1, and so does the page.
class Run {
  constructor(data) {
    this.data = data;
    this.count = data.count;
    const [mantissa, places] = data.units.cash;
    this.cash = mantissa / 10 ** places;
    const steps = data.steps;
    this.lines = steps.lines;
    for (const name of ["kind", "generation", "parent", "scope", "who", "time", "eaten"]) {
      this[name] = unpack(steps[name]);
    }
    this.marks = unpack(steps.mark);
    this.path = { step: unpack(data.path.step) };
    for (const name of ["mark", "index", "last"]) this.path[name] = unpack(data.path[name]);
    this.fund = unpack(data.money.fund);
    this.debt = unpack(data.money.debt);
    this.adl = unpack(data.money.adl);
    this.due = { price: unpack(data.due[0]), lots: unpack(data.due[1]) };
    this.stops = {};
    for (const word of Object.keys(data.stops)) this.stops[word] = unpack(data.stops[word]);
    this.at = 0;
    this.readLevels(data.levels);
    this.readScopes(data.scopes);
    this.readCascade(data.volumes);
  }

  readLevels(levels) {
    this.bids = levels.bids;
    this.price = unpack(levels.price);
    this.rest = unpack(levels.size);
    this.eatenSoFar = new Float64Array(this.price.length);
    this.eatenNow = new Float64Array(this.price.length);
    const [step, place, after] = levels.changes.map(unpack);
    const size = this.rest.slice();
    const before = new Float64Array(after.length);
    for (let i = 0; i < after.length; i++) {
      before[i] = size[place[i]];
      size[place[i]] = after[i];
    }
    this.changes = { step, place, before, after, done: 0 };
    const [when, where, lots] = levels.trades.map(unpack);
    this.trades = { step: when, place: where, lots, done: 0 };
    this.openingLots = [0, 0];
    for (let i = 0; i < this.price.length; i++) this.openingLots[i < this.bids ? 0 : 1] += this.rest[i];
    this.spacing = [this.gap(0, this.bids), this.gap(this.bids, this.price.length)];
  }

  // The usual distance between neighbours: the median.
  gap(from, to) {
    const gaps = [];
    for (let i = from + 1; i < to; i++) gaps.push(this.price[i] - this.price[i - 1]);
    gaps.sort((a, b) => a - b);
    return gaps.length ? Math.max(1, gaps[gaps.length >> 1]) : 1;
  }

  readScopes(scopes) {
    this.scopeId = unpack(scopes.id);
    this.scopeName = scopes.names;
    this.scopeMargin = scopes.margin;
    const step = unpack(scopes.step), place = unpack(scopes.place);
    const previous = new Int32Array(step.length);
    this.record = new Int32Array(this.scopeId.length).fill(-1);
    for (let i = 0; i < step.length; i++) {
      previous[i] = this.record[place[i]];
      this.record[place[i]] = i;
    }
    this.record.fill(-1);
    this.records = { step, place, previous, equity: unpack(scopes.equity), maintenance: unpack(scopes.maintenance), done: 0 };
    this.moveRecords(0);
  }

  readCascade(volumes) {
    this.fell = unpack(volumes.fell);
    this.fellVolume = unpack(volumes.volume);
    this.fellLots = unpack(volumes.lots);
    this.outside = unpack(volumes.outside);
    this.outsideVolume = unpack(volumes.first);
    this.fallen = unpack(volumes.fallen);
    this.firstFall = new Map();
    this.fallsOf = new Map();
    for (const k of this.fell) {
      const scope = this.scope[k - 1];
      if (scope < 0) continue;  // Of another venue.
      if (!this.firstFall.has(scope)) {
        this.firstFall.set(scope, k);
        this.fallsOf.set(scope, []);
      }
      this.fallsOf.get(scope).push(k);
    }
    this.children = new Map();
    for (const k of this.fell) {
      const parent = this.parent[k - 1];
      if (!this.children.has(parent)) this.children.set(parent, []);
      this.children.get(parent).push(k);
    }
    this.told = [];
    for (let k = 1; k <= this.count; k++) if (this.kind[k - 1] !== this.data.steps.quiet) this.told.push(k);
  }

  // Move the book, what was eaten, and the accounts' records to position k.
  seek(k) {
    const { rest, eatenSoFar, eatenNow, changes, trades } = this;
    while (changes.done < changes.step.length && changes.step[changes.done] <= k) {
      rest[changes.place[changes.done]] = changes.after[changes.done];
      changes.done++;
    }
    while (changes.done > 0 && changes.step[changes.done - 1] > k) {
      changes.done--;
      rest[changes.place[changes.done]] = changes.before[changes.done];
    }
    for (let i = trades.done - 1; i >= 0 && trades.step[i] === this.at; i--) eatenNow[trades.place[i]] = 0;
    while (trades.done < trades.step.length && trades.step[trades.done] <= k) {
      eatenSoFar[trades.place[trades.done]] += trades.lots[trades.done];
      trades.done++;
    }
    while (trades.done > 0 && trades.step[trades.done - 1] > k) {
      trades.done--;
      eatenSoFar[trades.place[trades.done]] -= trades.lots[trades.done];
    }
    this.levelsNow = 0;
    for (let i = trades.done - 1; i >= 0 && trades.step[i] === k; i--) {
      eatenNow[trades.place[i]] = trades.lots[i];
      this.levelsNow++;
    }
    this.moveRecords(k);
    this.at = k;
  }

  moveRecords(k) {
    const { records, record } = this;
    while (records.done < records.step.length && records.step[records.done] <= k) {
      record[records.place[records.done]] = records.done;
      records.done++;
    }
    while (records.done > 0 && records.step[records.done - 1] > k) {
      records.done--;
      record[records.place[records.done]] = records.previous[records.done];
    }
  }

  // Where the depth picture's bars stand, innermost first on each side. `view`: low, high, group.
  bars(view) {
    const found = [];
    for (const side of [0, 1]) {
      const cell = view.group > 1 ? view.group : this.spacing[side];
      let bar = null, total = 0, worth = 0;
      const from = side ? this.bids : this.bids - 1, to = side ? this.price.length : -1, way = side ? 1 : -1;
      for (let i = from; i !== to; i += way) {
        const price = this.price[i];
        if (price < view.low || price >= view.high) continue;
        const now = this.eatenNow[i], gone = this.eatenSoFar[i] - now, rest = this.rest[i];
        const lots = now + gone + rest;
        if (lots === 0) continue;
        // Neither side is moved towards the other: bids are rounded down, asks up.
        const place = view.group > 1 ? Math[side ? "ceil" : "floor"](price / view.group) * view.group : price;
        total += lots;
        worth += lots * place;
        if (bar === null || bar.price !== place) {
          // A bar reaches to the next one further out, so that the curve has no holes.
          const inner = view.group > 1 ? place - way * view.group : place;
          if (bar !== null && view.cumulative) bar.outer = inner;
          bar = { side, price: place, inner, outer: inner + way * cell, gone: 0, now: 0, rest: 0, total: 0, worth: 0 };
          if (!view.cumulative && view.group === 1) {
            bar.inner = place - way * cell / 2;
            bar.outer = place + way * cell / 2;
          }
          found.push(bar);
        }
        bar.gone += gone;
        bar.now += now;
        bar.rest += rest;
        bar.total = total;
        bar.worth = worth;
      }
    }
    return found;
  }

  // The height that the depth picture needs over the whole run; a long one is looked at in places.
  height(view) {
    const places = Math.max(64, Math.floor(LOOKED_AT / (this.price.length + 1)));
    const back = this.at, jump = Math.max(1, Math.ceil(this.count / places));
    let most = 0;
    for (let k = 0; ; k = Math.min(this.count, k + jump)) {
      this.seek(k);
      for (const bar of this.bars(view)) {
        most = Math.max(most, view.cumulative ? bar.total : bar.gone + bar.now + bar.rest);
      }
      if (k === this.count) break;
    }
    this.seek(back);
    return most;
  }

  // The accounts nearest to liquidation at the position, the one of the step always among them.
  nearest(most) {
    const own = this.at > 0 ? this.scope[this.at - 1] : -1;
    const found = [];
    for (let i = 0; i < this.record.length; i++) {
      const row = this.record[i], mine = this.scopeId[i] === own;
      if (row < 0 || (this.records.maintenance[row] === 0 && !mine)) continue;
      const maintenance = this.records.maintenance[row];
      found.push({ place: i, row, mine, ratio: maintenance ? this.records.equity[row] / maintenance : -Infinity });
    }
    found.sort((a, b) => b.mine - a.mine || a.ratio - b.ratio || a.place - b.place);
    found.length = Math.min(found.length, most);
    // A sort keeps the order of equals; two of -Infinity differ by NaN, which counts as equal.
    return found.sort((a, b) => a.ratio - b.ratio);
  }

  // The same as what stands in the table.
  rows(most) {
    return this.nearest(most).map((each) => ({
      scope: this.scopeId[each.place],
      name: this.scopeName[each.place],
      margin: this.scopeMargin[each.place],
      equity: this.paid(this.records.equity[each.row], false),
      maintenance: this.paid(this.records.maintenance[each.row], false),
      ratio: each.ratio,
      state: this.state(each),
    }));
  }

  state(found) {
    if (found.mine) return "now";
    if (this.firstFall.get(this.scopeId[found.place]) <= this.at) return "liquidated";
    return found.ratio < 1 ? "below" : found.ratio < NEAR ? "near" : "";
  }

  // The newest steps with a line, newest first.
  newest(most) {
    const end = upTo(this.told, this.at);
    return this.told.slice(Math.max(0, end - most), end).reverse();
  }

  // The steps that led to the position's, nearest first.
  ancestors(most = Infinity) {
    const found = [];
    for (let k = this.at && this.parent[this.at - 1]; k > 0 && found.length < most; k = this.parent[k - 1]) found.push(k);
    return found;
  }

  // Mark, index and last trade in ticks; 0 where there is none.
  prices() {
    const row = upTo(this.path.step, this.at) - 1;
    return ["mark", "index", "last"].map((name) => (row >= 0 ? Math.max(0, this.path[name][row]) : 0));
  }

  // The realised reproduction ratio by generation up to the position.
  ratios() {
    const volume = [0];
    const falls = upTo(this.fell, this.at), outside = upTo(this.outside, this.at);
    for (let i = 0; i < outside; i++) volume[0] += this.outsideVolume[i];
    for (let i = 0; i < falls; i++) {
      const generation = this.generation[this.fell[i] - 1];
      while (volume.length <= generation) volume.push(0);
      volume[generation] += this.fellVolume[i];
    }
    while (volume.at(-1) === 0) volume.pop();
    return volume.slice(1).map((after, i) => (volume[i] > 0 ? after / volume[i] : NaN));
  }

  jump(word, back) {
    const stops = this.stops[word];
    if (back) {
      const before = upTo(stops, this.at - 1);
      return before ? stops[before - 1] : this.at;
    }
    const next = upTo(stops, this.at);
    return next < stops.length ? stops[next] : this.at;
  }

  // Words.

  whoOf(k) {
    const place = k > 0 ? this.who[k - 1] : -1;
    return place < 0 ? "" : this.data.steps.names[place];
  }

  // What stands at a bar of the depth picture, as in lab/hover.py.
  tip(bar, group) {
    const name = bar.side ? "ask" : "bid", opening = this.openingLots[bar.side];
    const fates = [["eaten earlier", bar.gone], ["eaten now", bar.now], ["resting", bar.rest]];
    const lines = [
      `${name} ${this.priced(bar.price)}${group > 1 ? ` (levels of ${group} ticks)` : ""}`,
      fates.filter(([, lots]) => lots > 0).map(([word, lots]) => `${this.sized(lots)} ${word}`).join(", "),
      `cumulative ${this.sized(bar.total)}, ${this.paid(bar.worth * this.data.multiplier)}`,
    ];
    const tenths = Math.floor((2000 * bar.total + opening) / (2 * opening));
    if (opening) lines.push(`${Math.floor(tenths / 10)}.${tenths % 10} % of the opening ${name}s`);
    return lines.join("\n");
  }

  isFall(k) {
    return this.kind[k - 1] === this.data.steps.falls;
  }

  cause(k) {
    const parent = this.parent[k - 1];
    if (parent === 0) return "no step before it set it off";
    if (this.isFall(parent)) return `set off by ${this.whoOf(parent)} (step ${parent})`;
    return `set off by the ${this.data.steps.kinds[this.kind[parent - 1]]} of step ${parent}`;
  }

  status(k) {
    const head = `step ${number(k, 0)} of ${number(this.count, 0)}`;
    const mark = this.marks[k] > 0 ? [`mark ${this.priced(this.marks[k])}`] : [];
    if (k === 0) return [head, "the opening", ...mark];
    const steps = this.data.steps, line = this.lines[k - 1], parts = [head, `t = ${steps.times[this.time[k - 1]]}`];
    if (!this.isFall(k)) return [...parts, line, ...mark];
    const margin = `${steps.margins[this.who[k - 1]]} scope`, eaten = `${plural(this.eaten[k - 1], "level")} eaten`;
    return [...parts, `generation ${this.generation[k - 1]}`, line, margin, eaten, this.cause(k), ...mark];
  }

  priced(ticks) {
    return exact(ticks, this.data.units.tick);
  }

  sized(lots) {
    return `${exact(Math.abs(lots), this.data.units.lot)} ${this.data.base}`;
  }

  // Two decimals; more only where two would show nothing.
  paid(amount, unit = true) {
    const cash = this.data.units.cash, [mantissa, places] = cash;
    const tiny = amount !== 0 && Math.abs(amount * mantissa) < 10 ** (places - 2);
    const text = exact(amount, cash, tiny ? places : Math.min(2, places));
    return unit ? `${text} ${this.data.settle}` : text;
  }
}
