// The part of a panel that is text and small drawings: money, generations, accounts, log, tree.
// One message a step; everything is set as text, never as HTML. Built once, then only refilled.

const SVG = 'http://www.w3.org/2000/svg';

function make(tag, attributes, children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  for (const child of children || []) node.append(child);
  return node;
}

function draw(tag, attributes, title) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  if (title) {
    const text = document.createElementNS(SVG, 'title');
    text.textContent = title;
    node.append(text);
  }
  return node;
}

// What JupyterLab must not take for its own keys.
const OWN_KEYS = { 'data-lm-suppress-shortcuts': 'true' };

// A list that is drawn anew keeps the focus: on what has the same key, else in the same place.
function keeping(box, refill) {
  const all = () => [...box.querySelectorAll('[data-key]')];
  const key = document.activeElement?.dataset.key, place = all().indexOf(document.activeElement);
  refill();
  if (place < 0) return;
  const now = all();
  (now.find((node) => node.dataset.key === key) || now[place] || now.at(-1) || box.closest('.oc-root'))?.focus();
}

function section(name, title, body) {
  return make('section', { class: `oc-card oc-${name}`, 'aria-label': title }, [
    make('h4', {}, [title]), body]);
}

function money(el) {
  const rows = [];
  const body = make('div', { class: 'oc-money' });
  for (const [key, label] of [['fund', 'insurance fund'], ['debt', 'bad debt'], ['adl', 'ADL']]) {
    const fill = make('i', { class: `oc-fill oc-fill-${key}` });
    const text = make('b', {});
    body.append(make('span', {}, [label]), make('span', { class: 'oc-bar' }, [fill]), text);
    rows.push([key, fill, text]);
  }
  el.append(section('funds', 'Who pays', body));
  return (view) => {
    for (const [key, fill, text] of rows) {
      fill.style.width = `${100 * view[key][0]}%`;
      text.textContent = view[key][1];
    }
  };
}

const W = 300, H = 96;

function ratios(el) {
  const picture = draw('svg', { viewBox: `0 0 ${W} ${H}`, role: 'img', class: 'oc-drawing' });
  const note = make('p', { class: 'oc-note' });
  const body = make('div', {}, [picture, note]);
  el.append(section('ratios', 'Reproduction ratio R by generation', body));
  return (view) => {
    const most = view.most_ratio, shown = view.ratios.slice(-24);
    const first = view.ratios.length - shown.length;
    const place = (r) => H - 14 - (H - 24) * Math.min(1, r / most);
    picture.replaceChildren(draw('line', {
      x1: 22, x2: W, y1: place(1), y2: place(1), class: 'oc-one' }));
    const label = draw('text', { x: 0, y: place(1) + 4, class: 'oc-label' });
    label.textContent = 'R=1';
    picture.append(label);
    const wide = Math.min(24, (W - 26) / Math.max(1, shown.length));
    shown.forEach((r, i) => {
      if (r === null) return;
      const x = 26 + i * wide, y = place(r);
      picture.append(draw('rect', {
        x, y, width: Math.max(1, wide - 2), height: Math.max(0.5, H - 14 - y),
        class: r >= 1 ? 'oc-r oc-r-high' : 'oc-r',
      }, `generation ${first + i} to ${first + i + 1}: R = ${r.toFixed(3)}`));
      if (wide >= 18 || i % 4 === 0) {
        const text = draw('text', { x: x + wide / 2 - 1, y: H - 3, class: 'oc-label oc-middle' });
        text.textContent = first + i;
        picture.append(text);
      }
    });
    const last = shown.filter((r) => r !== null).at(-1);
    picture.setAttribute('aria-label', shown.length
      ? `R of the newest generation: ${last === undefined ? 'none' : last.toFixed(2)}`
      : 'no generation yet');
    note.textContent = shown.length
      ? `newest R = ${last === undefined ? 'none' : last.toFixed(2)} · ${view.fallen} scope${view.fallen === 1 ? '' : 's'} fell`
      : 'nobody has been liquidated yet';
  };
}

const NUMBERS = new Set([2, 4, 5]);
const MARKS = { now: '▶ now', liquidated: '× fell', below: '! below', near: '~ near', '': '' };

function accounts(el) {
  const heads = ['account', 'state', 'ratio', 'margin', 'equity', 'maintenance']
    .map((name, i) => make('th', { scope: 'col', class: NUMBERS.has(i) ? 'oc-number' : '' }, [name]));
  const head = make('tr', {}, heads);
  const body = make('tbody');
  const table = make('table', {}, [make('thead', {}, [head]), body]);
  const holder = make('div', { class: 'oc-scroll', tabindex: 0, role: 'region',
    'aria-label': 'accounts by margin ratio' }, [table]);
  el.append(section('accounts', 'Accounts by margin ratio', holder));
  let chosen = null;
  const light = () => {
    const root = el.closest('.oc-panel') || el;
    for (const node of root.querySelectorAll('[data-text]')) {
      node.classList.toggle('oc-lit', chosen !== null && node.dataset.text.includes(`${chosen} `));
    }
    for (const node of body.children) {
      const lit = node.dataset.name === chosen;
      node.classList.toggle('oc-lit', lit);
      node.querySelector('button').setAttribute('aria-pressed', String(lit));
    }
  };
  body.addEventListener('click', (event) => {
    const row = event.target.closest('tr');
    if (!row) return;
    chosen = chosen === row.dataset.name ? null : row.dataset.name;
    light();
  });
  const fill = (view) => {
    heads[4].textContent = `equity, ${view.unit}`;
    keeping(body, () => body.replaceChildren(...view.rows.map(([name, margin, equity, need, ratio, state]) => {
      const cells = [MARKS[state], ratio, margin, equity, need]
        .map((text, i) => make('td', NUMBERS.has(i + 1) ? { class: 'oc-number' } : {}, [text]));
      return make('tr', { class: `oc-row-${state || 'well'}`, 'data-name': name },
        [make('th', { scope: 'row' }, [make('button', { type: 'button', 'data-key': name,
          'aria-pressed': 'false', ...OWN_KEYS }, [name])]), ...cells]);
    })));
  };
  return [fill, light];
}

function log(el, go) {
  const list = make('ol', { class: 'oc-lines' });
  const holder = make('div', { class: 'oc-scroll' }, [list]);
  el.append(section('log', 'Event log, newest first (click to jump)', holder));
  return (view) => {
    keeping(list, () => list.replaceChildren(...view.log.map(([step, line]) => {
      const button = make('button', { type: 'button', 'data-text': `${line} `, 'data-key': step, ...OWN_KEYS },
        [make('span', { class: 'oc-at' }, [String(step + 1)]), make('span', {}, [line])]);
      if (step === view.k) button.setAttribute('aria-current', 'step');
      button.addEventListener('click', () => go(step));
      return make('li', {}, [button]);
    })));
  };
}

function tree(el, go) {
  const picture = draw('svg', { class: 'oc-drawing', role: 'group' });
  const note = make('p', { class: 'oc-note' });
  // One stop for the tab key; up and down go through the steps, Enter or space goes there.
  const rove = (from, by) => {
    const dots = [...picture.querySelectorAll('circle')];
    const to = dots[dots.indexOf(from) + by];
    if (!to) return;
    from.setAttribute('tabindex', '-1');
    to.setAttribute('tabindex', '0');
    to.focus();
  };
  picture.addEventListener('keydown', (event) => {
    const dot = event.target.closest('circle');
    if (!dot || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'ArrowUp' || event.key === 'ArrowDown') rove(dot, event.key === 'ArrowUp' ? -1 : 1);
    else if (event.key === 'Enter' || event.key === ' ') go(Number(dot.dataset.key));
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  el.append(section('tree', 'Cascade tree: who set off whom', make('div', {}, [picture, note])));
  return (view) => {
    const nodes = view.tree, at = new Map(), line = new Set(view.ancestors);
    if (!nodes.length) {
      picture.setAttribute('viewBox', '0 0 300 24');
      picture.replaceChildren();
      picture.setAttribute('aria-label', 'no liquidation yet');
      note.textContent = 'no liquidation yet';
      return;
    }
    const low = Math.min(...nodes.map((n) => n[2])), high = Math.max(...nodes.map((n) => n[2]));
    const rows = Math.max(...nodes.map((n) => n[3])) + 1;
    const dx = Math.min(60, 276 / Math.max(1, high - low)), tall = Math.max(48, Math.min(150, rows * 14));
    const dy = (tall - 24) / Math.max(1, rows - 1);
    const most = Math.max(...nodes.map((n) => n[4])) || 1;
    const edges = [], dots = [];
    for (const [step, parent, generation, place, size, label] of nodes) {
      const x = 12 + (generation - low) * dx, y = rows === 1 ? tall / 2 - 6 : 8 + place * dy;
      at.set(step, [x, y]);
      if (at.has(parent)) {
        const [px, py] = at.get(parent);
        const own = step === view.k || line.has(step);
        edges.push(draw('line', { x1: px, y1: py, x2: x, y2: y,
          class: own ? 'oc-edge oc-own' : 'oc-edge' }));
      }
      const kind = step === view.k ? 'oc-dot oc-now' : line.has(step) ? 'oc-dot oc-own' : 'oc-dot';
      const said = `${label} · generation ${generation}`;
      const dot = draw('circle', { cx: x, cy: y, r: 2 + 4 * Math.sqrt(size / most), class: kind,
        role: 'button', tabindex: '-1', 'aria-label': said, 'data-key': step, ...OWN_KEYS }, said);
      if (step === view.k) dot.setAttribute('aria-current', 'step');
      dot.addEventListener('click', () => go(step));
      dots.push(dot);
    }
    picture.setAttribute('viewBox', `0 0 300 ${tall}`);
    (dots.find((dot) => dot.dataset.key === String(view.k)) || dots.at(-1)).setAttribute('tabindex', '0');
    keeping(picture, () => picture.replaceChildren(...edges, ...dots));
    note.textContent = `generation ${low} (left) to ${high} (right); size = lots filled`;
    picture.setAttribute('aria-label', `${nodes.length} newest steps, generations ${low} to ${high}`);
  };
}

// The pointer over the depth picture asks Python what stands there; one question at a time.
function hover(el, model, tip) {
  let waiting = false, next = null;
  const ask = (message) => {
    if (waiting) { next = message; return; }
    waiting = true;
    model.send(message);
  };
  const share = (figure, event) => {
    const box = figure.querySelector('svg')?.getBoundingClientRect();
    const chart = model.get('chart');
    if (!box) return null;
    return (event.clientX - box.left - chart.left) / (box.width - chart.left - chart.right);
  };
  const panel = el.closest('.oc-panel');
  if (!panel) { requestAnimationFrame(() => hover(el, model, tip)); return; }
  const depth = panel.querySelector('.oc-depth'), path = panel.querySelector('.oc-path');
  if (!depth || !path) { requestAnimationFrame(() => hover(el, model, tip)); return; }
  panel.append(tip);
  depth.addEventListener('mousemove', (event) => {
    const at = share(depth, event), box = panel.getBoundingClientRect();
    tip.style.left = `${Math.min(event.clientX - box.left + 14, box.width - 240)}px`;
    tip.style.top = `${event.clientY - box.top + 14}px`;
    if (at === null || at < 0 || at > 1) { tip.hidden = true; return; }
    ask({ hover: at });
  });
  depth.addEventListener('mouseleave', () => { next = null; tip.hidden = true; });
  path.addEventListener('click', (event) => {
    const at = share(path, event);
    if (at !== null && at >= 0 && at <= 1) model.send({ walk: at });
  });
  model.on('msg:custom', (message) => {
    if (message.tip === undefined) return;
    waiting = false;
    tip.textContent = message.tip;
    tip.hidden = !message.tip || !depth.matches(':hover');
    if (next) { const again = next; next = null; ask(again); }
  });
}

export default {
  render({ model, el }) {
    el.classList.add('oc-facts');
    const go = (step) => model.send({ goto: step + 1 });
    const grid = make('div', { class: 'oc-grid' });
    el.append(grid);
    const [rows, relight] = accounts(grid);
    const fill = [money(grid), ratios(grid), rows, log(grid, go), tree(grid, go)];
    const tip = make('div', { class: 'oc-tip', role: 'tooltip' });
    tip.hidden = true;
    const show = () => {
      const view = model.get('view');
      if (view.k === undefined) return;
      for (const each of fill) each(view);
      relight();
    };
    model.on('change:view', show);
    show();
    hover(el, model, tip);
  },
};
