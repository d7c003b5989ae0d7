// A prompt file: dropped, checked line by line, drawn, and gone on with after whatever stopped it.

import { post } from './api.js';
import { el, fill, id, say } from './dom.js';
import { dropped } from './paste.js';
import { follow, pictureOf, start } from './job.js';
import { on, put, set, state } from './state.js';
import { t } from './words.js';

/** Findings and pictures that are shown at once. */
const SHOWN = 200;
const TYPES = /\.(txt|csv|tsv|jsonl?|toml|ya?ml)$/i;

let checked = null;
let work = null;

export function batch() {
  dropped(id('batch-drop'), takeFile);
  id('batch-open').addEventListener('click', () => id('batch-file').click());
  id('batch-file').addEventListener('change', ({ target }) => {
    if (target.files[0]) takeFile(target.files[0]);
    target.value = '';
  });
  id('batch-start').addEventListener('click', run);
  id('batch-stop').addEventListener('click', () => {
    work?.cancel();
    work = null;
    draw();
  });
  id('batch-close').addEventListener('click', () => {
    work = null;
    checked = null;
    set({ batch: null });
  });
  id('batch-keep-going').addEventListener('change', draw);
  on('batch language', draw);
  draw();
  if (state.batch) check();
  const { running } = state.batch ?? {};
  if (running) watch((heard) => follow(running, heard));
}

async function takeFile(file) {
  if (!TYPES.test(file.name) && !file.type.startsWith('text/')) return say(t('not-a-prompt-file', { name: file.name }), 'error');
  set({ batch: { name: file.name, text: await file.text(), done: 0, of: 0 } });
  return check();
}

async function check() {
  try {
    checked = await post('lbw/v1/batch', { name: state.batch.name, text: state.batch.text });
  } catch (error) {
    checked = null;
    say(error.message, 'error');
  }
  draw();
}

function run() {
  const { name, text } = state.batch;
  watch((heard) => start({ name, text, start: true, keep_going: id('batch-keep-going').checked }, heard, 'lbw/v1/batch'));
}

async function watch(begin) {
  const mine = begin((event) => {
    if (work !== mine) return;
    if (event.kind === 'accepted') put('batch', { running: event.job });
    if (event.kind === 'step') mine.part = event.step / event.steps;
    if (event.kind === 'picture') {
      mine.part = 0;
      if (event.url) mine.pictures.push({ url: pictureOf(event.url), name: event.name });
      put('batch', { done: event.done, of: event.of });
    }
    draw();
  });
  work = Object.assign(mine, { part: 0, pictures: [] });
  draw();
  try {
    if (await mine.ended) say(t('batch-done', { name: state.batch.name }));
  } catch (error) {
    say(error.message, 'error');
  }
  if (work !== mine) return;
  work = null;
  if (state.batch) put('batch', { running: null });
}

function draw() {
  const { batch: it } = state;
  id('batch-card').hidden = !it;
  if (!it) return;
  id('batch-name').textContent = it.name;
  id('batch-summary').textContent = checked ? t('batch-summary', { pictures: checked.pictures, lines: checked.lines, wrong: checked.wrong }) : t('checking');
  const found = checked?.diagnostics ?? [];
  fill(id('batch-findings'), ...found.slice(0, SHOWN).map((finding) => el('li', { class: finding.severity },
    el('span', { class: 'where' }, el('span', { class: 'badge' }, t(finding.severity)), el('span', { class: 'line' }, finding.line ? t('line', { line: finding.line }) : ''),
      el('span', { class: 'message' }, finding.message)),
    finding.help ? el('p', { class: 'help' }, finding.help) : null,
    el('code', {}, finding.code))));
  if (found.length > SHOWN) id('batch-findings').append(el('li', {}, t('more', { count: found.length - SHOWN })));
  id('batch-keep').hidden = !checked?.wrong;
  const mayStart = checked && checked.pictures > 0 && (!checked.wrong || id('batch-keep-going').checked);
  id('batch-start').disabled = Boolean(work) || !mayStart;
  id('batch-start').textContent = it.done > 0 && it.done < it.of ? t('resume', { done: it.done, of: it.of }) : t('start');
  id('batch-stop').hidden = !work;
  const bar = id('batch-progress');
  bar.hidden = !work && !(it.of > 0);
  bar.value = it.of ? (it.done + (work?.part ?? 0)) / it.of : 0;
  id('batch-count').textContent = it.of ? t('pictures-of', { done: it.done, of: it.of }) : '';
  const pictures = work?.pictures.slice(-12) ?? [];
  fill(id('batch-pictures'), ...pictures.map((p) => el('li', {}, el('a', { href: p.url, download: p.name }, el('img', { src: p.url, alt: p.name, loading: 'lazy' })))));
}
