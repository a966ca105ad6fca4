// The status line, and what belongs to the whole stepper: keys, names for what has none, downloads.
// `data-lm-suppress-shortcuts` must sit on every focusable element: JupyterLab looks at the focused
// element before its ancestors, and a key such as x would cut the notebook's cell.

const FOCUSABLE = 'button,select,input,a,[tabindex],[contenteditable]';
const OWN = 'input,textarea,select,[contenteditable=true]';

function named(root) {
  root.querySelectorAll(FOCUSABLE).forEach((node) => {
    if (!node.hasAttribute('data-lm-suppress-shortcuts')) {
      node.setAttribute('data-lm-suppress-shortcuts', 'true');
    }
  });
  root.querySelectorAll('.widget-play button, .jupyter-widget-play button').forEach((node, i) => {
    const name = ['Play or pause', 'Stop and go to the opening'][i];
    if (name && node.getAttribute('aria-label') !== name) node.setAttribute('aria-label', name);
  });
  root.querySelectorAll('[role=slider]').forEach((node) => {
    if (!node.getAttribute('aria-label')) node.setAttribute('aria-label', 'step');
  });
  // A title alone is no name for a control without a visible label.
  root.querySelectorAll('button,select,input').forEach((node) => {
    const title = node.title || node.closest('[title]')?.title;
    if (title && !node.getAttribute('aria-label') && !node.labels?.[0]?.textContent.trim()) {
      node.setAttribute('aria-label', title);
    }
  });
}

// Copies what the style sheets give each element, so that the drawing looks the same alone.
const STYLES = ['fill', 'fill-opacity', 'stroke', 'stroke-width', 'stroke-opacity', 'opacity',
  'font-family', 'font-size', 'font-weight', 'text-anchor', 'display', 'visibility'];

function copied(svg) {
  const copy = svg.cloneNode(true);
  const from = [svg, ...svg.querySelectorAll('*')], to = [copy, ...copy.querySelectorAll('*')];
  from.forEach((node, i) => {
    const style = getComputedStyle(node);
    for (const name of STYLES) to[i].style?.setProperty(name, style.getPropertyValue(name));
  });
  const box = svg.getBoundingClientRect();
  copy.setAttribute('width', box.width);
  copy.setAttribute('height', box.height);
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return [new XMLSerializer().serializeToString(copy), box];
}

function image(text) {
  return new Promise((done, failed) => {
    const picture = new Image();
    picture.onload = () => done(picture);
    picture.onerror = failed;
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  });
}

function lines(pen, text, width) {
  const found = [''];
  for (const word of text.split(' ')) {
    const longer = `${found.at(-1)} ${word}`.trim();
    if (pen.measureText(longer).width > width && found.at(-1)) found.push(word);
    else found[found.length - 1] = longer;
  }
  return found;
}

// A picture's title with its legend: words, and the colours before them.
function title(pen, node, x, y, ink, font) {
  const content = node.querySelector('b')?.parentElement || node;
  const parts = [...content.childNodes].flatMap((node) =>
    (node.classList?.contains('oc-entry') ? [...node.childNodes] : [node]));
  for (const each of parts) {
    if (each.nodeType === 1 && each.classList.contains('oc-key')) {
      const thin = each.classList.contains('oc-key-line'), narrow = each.classList.contains('oc-key-tick');
      pen.fillStyle = getComputedStyle(each).backgroundColor;
      pen.fillRect(x + 10, y - (thin ? 6 : 10), narrow ? 3 : 12, thin ? 3 : 11);
      x += narrow ? 18 : 27;
      continue;
    }
    pen.fillStyle = ink;
    pen.font = each.nodeName === 'B' ? `bold ${font}` : font;
    pen.fillText(each.textContent, x, y);
    x += pen.measureText(each.textContent).width;
  }
  pen.font = font;
}

async function photograph(root, status, name) {
  const frame = root.getBoundingClientRect();
  const drawings = [...root.querySelectorAll('.oc-depth svg, .oc-path svg')]
    .filter((svg) => !svg.parentElement.closest('svg') && svg.getBoundingClientRect().width > 0
      && !svg.closest('.bqplot-toolbar'));
  const parts = await Promise.all(drawings.map(async (svg) => {
    const [text, box] = copied(svg);
    return [await image(text), box];
  }));
  const titles = [...root.querySelectorAll('.oc-title')].map((node) =>
    [node, node.getBoundingClientRect()]);
  const boxes = [...parts.map((part) => part[1]), ...titles.map((title) => title[1])]
    .filter((box) => box.width > 0);
  const top = Math.min(...boxes.map((box) => box.top));
  const bottom = Math.max(...boxes.map((box) => box.bottom));
  const scale = 2, style = getComputedStyle(root);
  const canvas = document.createElement('canvas');
  const pen = canvas.getContext('2d');
  const font = `13px ${style.fontFamily || 'sans-serif'}`;
  pen.font = font;
  const said = lines(pen, status, frame.width - 24), head = 16 + 18 * said.length;
  canvas.width = scale * frame.width;
  canvas.height = scale * (bottom - top + head);
  pen.scale(scale, scale);
  let back = style.backgroundColor;
  for (let node = root; node && /rgba\(.*, 0\)|transparent/.test(back); node = node.parentElement) {
    back = getComputedStyle(node).backgroundColor;
  }
  pen.fillStyle = /rgba\(.*, 0\)|transparent/.test(back) ? '#ffffff' : back;
  pen.fillRect(0, 0, frame.width, canvas.height);
  pen.fillStyle = style.color;
  pen.font = font;
  said.forEach((line, i) => pen.fillText(line, 12, 20 + 18 * i));
  for (const [node, box] of titles) {
    title(pen, node, box.left - frame.left + 4, box.top - top + head + 15, style.color, font);
  }
  for (const [picture, box] of parts) {
    pen.drawImage(picture, box.left - frame.left, box.top - top + head, box.width, box.height);
  }
  canvas.toBlob((blob) => save(blob, name), 'image/png');
}

function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const KEYS = { ArrowRight: 'oc-next', ArrowLeft: 'oc-back', Home: 'oc-first', End: 'oc-last',
  '[': 'slower', ']': 'faster', '?': 'help' };

function keys(root, model) {
  root.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches(OWN)) return;
    const slider = event.target.matches('[role=slider]');
    if (slider && event.key.startsWith('Arrow')) return;
    if (event.key === ' ') {
      // On a button a space presses it; anywhere else it plays.
      if (event.target.closest('button')) return;
      root.querySelector('.widget-play button, .jupyter-widget-play button')?.click();
    } else if (event.shiftKey && event.key in { ArrowLeft: 1, ArrowRight: 1 }) {
      model.send({ by: event.key === 'ArrowRight' ? 10 : -10 });
    } else if (KEYS[event.key]?.startsWith('oc-')) {
      root.querySelector(`.${KEYS[event.key]}`)?.click();
    } else if (event.key in KEYS) {
      model.send({ key: KEYS[event.key] });
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
}

export default {
  render({ model, el }) {
    const line = document.createElement('div');
    line.className = 'oc-status';
    const status = document.createElement('span');
    status.setAttribute('role', 'status');
    status.setAttribute('aria-live', 'polite');
    line.append(status);
    el.append(line);
    const show = () => {
      status.textContent = model.get('text');
      status.dataset.step = model.get('step');
      status.dataset.state = model.get('state');
    };
    model.on('change:text change:step change:state', show);
    show();
    const find = () => {
      const root = el.closest('.oc-root');
      if (!root) { requestAnimationFrame(find); return; }
      root.tabIndex = 0;
      root.setAttribute('role', 'region');
      root.setAttribute('aria-label', 'Liquidation stepper');
      root.setAttribute('data-lm-suppress-shortcuts', 'true');
      named(root);
      // New controls only; the drawings change with each step and have none.
      new MutationObserver((records) => {
        if (records.some((record) => record.addedNodes.length && record.target instanceof HTMLElement)) {
          named(root);
        }
      }).observe(root, { childList: true, subtree: true });
      keys(root, model);
      model.on('msg:custom', (message, buffers) => {
        if (message.picture) photograph(root, status.textContent, message.picture);
        if (message.save) save(new Blob([buffers[0]], { type: message.type }), message.save);
      });
      root.dataset.ready = 'true';
    };
    find();
  },
};
