// The prompt panel: text, what was found in it, and where.

import { post } from './api.js';
import { el, fill, id, later } from './dom.js';
import { editor } from './editor.js';
import { names, planned } from './names.js';
import { forget, isInfotext, take, takeFile } from './read.js';
import { checking } from './request.js';
import { on, pause, set, state, undo, write } from './state.js';
import { t } from './words.js';

/** Long enough for a word, short enough to feel at once. */
const WAIT = 120;

let fields = {};
let asked = null;
/** Whether there has been a prompt: until then the empty field is no mistake of anybody's. */
let begun = false;

export function paste() {
  fields = {
    prompt: editor(id('prompt'), { changed: (text) => write(text, 'typed'), names }),
    negative: editor(id('negative'), { changed: (text) => set({ negative: text }, 'typed'), names }),
  };
  const soon = later(WAIT, checkNow);
  const check = () => {
    id('findings').ariaBusy = 'true';
    soon();
  };
  on('prompt', (origin) => {
    if (origin !== 'typed') fields.prompt.set(state.prompt);
    check();
  });
  on('negative', (origin) => {
    if (origin !== 'typed') fields.negative.set(state.negative);
    check();
  });
  on('settings presets names rest language', check);
  on('rest language', drawRest);
  fields.prompt.set(state.prompt);
  fields.negative.set(state.negative);
  drawRest();

  const prompt = id('prompt');
  prompt.addEventListener('blur', pause);
  prompt.addEventListener('paste', (event) => {
    const picture = [...event.clipboardData.files].find((file) => file.type.startsWith('image/'));
    const text = event.clipboardData.getData('text/plain');
    if (picture) takeFile(picture);
    else if (isInfotext(text)) take(text);
    else return;
    event.preventDefault();
  });
  id('open-file').addEventListener('click', () => id('file').click());
  id('file').addEventListener('change', ({ target }) => {
    if (target.files[0]) takeFile(target.files[0]);
    target.value = '';
  });
  dropped(document.documentElement, takeFile);
  addEventListener('keydown', (event) => {
    const writes = event.target.closest('textarea, input, select, dialog');
    if (writes || !(event.ctrlKey || event.metaKey)) return;
    const key = event.key.toLowerCase();
    if (key === 'z' || key === 'y') {
      undo(key === 'y' || event.shiftKey);
      event.preventDefault();
    }
  });
  checkNow();
}

/** Files that are dropped on an element, unless something inside of it takes them itself. */
export function dropped(target, take) {
  let over = 0;
  const holds = (event) => [...event.dataTransfer.types].includes('Files');
  const mark = (by) => (event) => {
    if (!holds(event)) return;
    over += by;
    target.classList.toggle('dropping', over > 0);
  };
  target.addEventListener('dragenter', mark(1));
  target.addEventListener('dragleave', mark(-1));
  target.addEventListener('dragover', (event) => holds(event) && event.preventDefault());
  target.addEventListener('drop', (event) => {
    over = 0;
    target.classList.remove('dropping');
    if (!holds(event) || event.defaultPrevented) return;
    event.preventDefault();
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
}

async function checkNow() {
  asked?.abort();
  asked = new AbortController();
  const text = { prompt: state.prompt, negative: state.negative };
  let answer;
  try {
    answer = await post('lbw/v1/check', checking(state.prompt), asked.signal);
  } catch (error) {
    if (error.name === 'AbortError') return;
    answer = { diagnostics: [{ severity: 'error', code: '', message: error.message }] };
  }
  // Meanwhile somebody may have typed on: what was found then belongs to another text.
  if (text.prompt !== state.prompt || text.negative !== state.negative) return;
  planned(answer);
  show(answer.diagnostics ?? []);
  id('findings').ariaBusy = 'false';
}

const ORDER = { error: 0, warning: 1, note: 2 };

const EMPTY = 'W0128';

function show(all) {
  begun ||= state.prompt.trim() !== '';
  const found = begun ? all : all.filter(({ code }) => code !== EMPTY);
  const placed = found.map((finding) => ({ ...finding, field: fieldOf(finding.from) }));
  for (const [name, field] of Object.entries(fields)) {
    field.underline(placed.filter((f) => f.field === name && f.start !== null && f.start !== undefined));
  }
  placed.sort((a, b) => (ORDER[a.severity] ?? 3) - (ORDER[b.severity] ?? 3));
  fill(id('findings'), ...placed.map(item));
  const errors = placed.filter((f) => f.severity === 'error').length;
  id('findings-count').textContent = placed.length === 0 ? (begun ? t('nothing-found') : '') : t('found', { errors, others: placed.length - errors });
}

const fieldOf = (from) => ({ prompt: 'prompt', negative_prompt: 'negative' })[from] ?? null;

function item(finding) {
  const { severity, code, message, help, field, start, end } = finding;
  const place = field && start !== null && start !== undefined;
  const words = [el('span', { class: 'badge' }, t(severity)), el('span', { class: 'message' }, message)];
  return el('li', { class: severity },
    place ? el('button', { type: 'button', class: 'where', title: t('show-place'), click: () => fields[field].select(start, end) }, ...words) : el('span', { class: 'where' }, ...words),
    help ? el('p', { class: 'help' }, help) : null,
    code ? el('code', {}, code) : null);
}

/** Settings that an infotext brought and that have no field here: they act, so they are shown. */
function drawRest() {
  const all = ['fields', 'options'].flatMap((part) => Object.entries(state.rest?.[part] ?? {}).map(([name, value]) => [part, name, value]));
  id('rest').hidden = all.length === 0;
  fill(id('rest-list'), ...all.map(([part, name, value]) => el('li', {}, el('code', {}, `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`),
    el('button', { type: 'button', class: 'quiet', 'aria-label': t('forget', { name }), click: () => forget(part, name) }, '×'))));
}
