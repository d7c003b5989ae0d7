// The analysis: which block of the LoRA does what. Its meters fill beside the sliders, its words stand below.

import { get } from './api.js';
import { ghost, giveSelected, selectedTag, shape } from './banks.js';
import { copy, download, el, fill, id, say } from './dom.js';
import { follow, pictureOf, start } from './job.js';
import { drawing } from './request.js';
import { on, put, set, state } from './state.js';
import { entries, number, written } from './tag.js';
import { t } from './words.js';

/** How far a suggestion is followed: the middle one is what the analysis verified. */
const STRENGTHS = [['gentle', 0.5], ['middle', 1], ['strong', 1.5]];

/** What the report is given away as. */
const FORMS = ['html', 'json', 'txt'];

let work = null;

export function analyze() {
  id('analyze').addEventListener('click', run);
  id('analyze-stop').addEventListener('click', () => {
    work?.cancel();
    work = null;
    draw();
  });
  on('prompt selected language analysis', draw);
  draw();
  // An analysis goes on while the page is reloaded.
  const { running, lora } = state.analysis ?? {};
  if (running) watch((heard) => follow(running, heard), lora);
}

function run() {
  const tag = selectedTag();
  if (!tag) return;
  if (state.settings.seed < 0) put('settings', { seed: crypto.getRandomValues(new Uint32Array(1))[0] });
  const goals = ['colors', 'lines'].filter((goal) => id(`toward-${goal}`).checked).map((goal) => `base-${goal}`);
  const how = { lora: tag.name, quick: id('quick').checked, seeds: Number(id('seeds').value) || 1, toward: goals.join(',') || null };
  set({ analysis: { lora: tag.name, blocks: [], guilty: [], job: null, running: null } });
  watch((heard) => start({ request: drawing(state.prompt), ...how }, heard, 'lbw/v1/analyze'), tag.name);
}

async function watch(begin, lora) {
  const mine = begin((event) => {
    if (work !== mine) return;
    if (event.kind === 'accepted') set({ analysis: { ...state.analysis, running: event.job } });
    if (event.kind === 'step') mine.part = event.step / event.steps;
    if (event.kind === 'block') cell(event);
    drawProgress();
  });
  work = Object.assign(mine, { done: 0, of: 0, part: 0 });
  draw();
  let job = null;
  try {
    job = await mine.ended;
  } catch (error) {
    say(error.message, 'error');
  }
  if (work !== mine) return;
  work = null;
  set({ analysis: job ? { ...slim(job.result.report), lora, job: job.id } : { ...state.analysis, running: null } });
}

/** A picture of the analysis has come: its block's meter fills. */
function cell(event) {
  Object.assign(work, { done: event.done, of: event.of, part: 0, name: event.name });
  if (!event.block || event.block.includes('=')) return;
  const blocks = [...state.analysis.blocks.filter((b) => b.id !== event.block), { id: event.block, percent: event.percent, guilt: event.guilt }];
  set({ analysis: { ...state.analysis, blocks } });
}

/** What the page shows of a report; all of it stays on the server. */
function slim({ prompt, seed, steps, blocks, guilty, suggestion, references, grids }) {
  const of = ({ id: name, modules, percent, spread, guilt, sentence, effect, pictures }) =>
    ({ id: name, modules, percent, spread, guilt, sentence, delta: effect?.delta_e, pictures: pictures?.slice(0, 1) });
  return { prompt, seed, steps, blocks: blocks.map(of), guilty, suggestion, references, grids };
}

function draw() {
  const tag = selectedTag();
  id('analyze').disabled = !tag || Boolean(work);
  id('analyze').textContent = tag ? t('analyze-lora', { name: tag.name }) : t('analyze');
  id('analyze-stop').hidden = !work;
  drawProgress();
  const { analysis } = state;
  const isDone = Boolean(analysis?.job && analysis.lora === tag?.name);
  id('analysis').hidden = !isDone;
  if (!isDone) return;
  drawSuggestion(analysis);
  const order = analysis.guilty.map((name) => analysis.blocks.find((b) => b.id === name)).filter(Boolean);
  fill(id('blocks-found'), ...order.map((block, at) => row(analysis, block, at === 0 && block.guilt > 0.1)));
  id('analysis-of').textContent = t('analysis-of', { lora: analysis.lora, steps: analysis.steps, seed: analysis.seed });
  const grid = analysis.grids?.[0];
  id('grid').hidden = !grid;
  if (grid) fill(id('grid-body'), el('img', { src: pictureOf(grid), alt: t('grid'), loading: 'lazy' }));
  fill(id('export'), ...FORMS.map((form) => el('button', { type: 'button', class: 'quiet', click: () => give(analysis, form) }, form.toUpperCase())));
}

/** The whole report is asked for when somebody wants it. */
async function give({ job, lora }, form) {
  try {
    const { report, table, page } = (await get(`lbw/v1/jobs/${job}`)).result;
    const [content, type] = { html: [page, 'text/html'], json: [JSON.stringify(report, null, 1), 'application/json'], txt: [table, 'text/plain'] }[form];
    download(`lbw-${lora}.${form}`, content, type);
  } catch (error) {
    say(error.message, 'error');
  }
}

function drawProgress() {
  const bar = id('analyze-progress');
  bar.hidden = !work;
  if (!work) {
    id('analyze-status').textContent = '';
    return;
  }
  bar.value = work.of ? (work.done + work.part) / work.of : 0;
  const { done, of, name = '' } = work;
  const phase = name.startsWith('verify') ? 'verifying' : name.includes('=') ? 'trying' : of ? 'pictures-of' : 'drawing';
  id('analyze-status').textContent = t(phase, { done, of, weights: name.replace(/^\d+-/, '') });
}

function row(analysis, block, isGuilty) {
  const files = block.pictures?.[0];
  const open = () => {
    fill(id('viewer-body'), el('div', { class: 'pair three' }, ...[
      [analysis.references?.[0]?.full, t('full')], [files.changed, t('without-block', { name: block.id })], [files.difference, t('difference')],
    ].filter(([file]) => file).map(([file, words]) => el('figure', {}, el('img', { src: pictureOf(file), alt: words }), el('figcaption', {}, words)))),
    el('p', {}, block.sentence));
    id('viewer').showModal();
  };
  return el('li', { class: isGuilty ? 'guilty' : '' },
    el('b', {}, block.id),
    el('span', { class: 'measure' }, el('span', {}, t('changes', { percent: block.percent.toFixed(1) })), el('span', {}, t('guilt', { share: Math.round(block.guilt * 100) }))),
    el('p', {}, block.sentence),
    files?.changed ? el('button', { type: 'button', class: 'quiet', click: open, 'aria-label': `${t('see')}: ${t('pictures-of-block', { name: block.id })}` }, t('see')) : null);
}

/** The suggested vector, and two that go half as far and half as far again. Only the one in the middle was measured. */
function drawSuggestion({ suggestion }) {
  id('suggestion').hidden = !suggestion;
  if (!suggestion) return;
  id('suggestion-words').textContent = suggestion.sentence;
  const { found } = suggestion;
  fill(id('suggested'), ...(found ? STRENGTHS : []).map(([name, by]) => {
    const vector = followed(found.vector, by);
    return el('button', {
      type: 'button', class: `suggestion ${name}`, click: () => giveSelected(vector), title: `lbw=${vector}`,
      pointerenter: () => ghost(vector), pointerleave: () => ghost(null), focus: () => ghost(vector), blur: () => ghost(null),
    }, el('b', {}, t(name)), shape(vector), el('small', {}, by === 1 ? t('measured') : t('not-measured')));
  }));
  id('copy-suggested').hidden = !found;
  if (found) id('copy-suggested').onclick = () => copy(`lbw=${found.vector}`, t('copied'));
}

/** A vector that goes `by` times as far from 1 as this one, and not below 0. */
export function followed(vector, by) {
  return entries(vector).map((entry) => {
    const weight = number(entry.text);
    return weight === null ? entry.text : written(Math.max(0, 1 - (1 - weight) * by));
  }).join(',');
}
