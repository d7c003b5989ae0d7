// The analysis: which block of the LoRA does what. Its meters fill beside the sliders, its words stand below.

import { selectedTag } from './banks.js';
import { el, fill, id } from './dom.js';
import { pictureOf } from './job.js';
import { drawing } from './request.js';
import { on, pinSeed, set, state } from './state.js';
import { exports, study } from './study.js';
import { t } from './words.js';

const analysis = study('analysis', 'lbw/v1/analyze', { heard: cell, slim: ({ report }) => slim(report), draw: drawProgress });

export function analyze() {
  id('analyze').addEventListener('click', run);
  id('analyze-stop').addEventListener('click', analysis.stop);
  on('prompt selected language analysis', draw);
  draw();
  analysis.resume();
}

function run() {
  const tag = selectedTag();
  if (!tag) return;
  pinSeed();
  const how = { lora: tag.name, quick: id('quick').checked, seeds: Number(id('seeds').value) || 1 };
  analysis.start({ request: drawing(state.prompt), ...how }, { lora: tag.name, blocks: [], guilty: [] });
}

/** A picture of the analysis has come: its block's meter fills. */
function cell(event, work) {
  if (event.kind !== 'block') return;
  Object.assign(work, { done: event.done, of: event.of, part: 0 });
  if (!event.block) return;
  const blocks = [...state.analysis.blocks.filter((b) => b.id !== event.block), { id: event.block, percent: event.percent, guilt: event.guilt }];
  set({ analysis: { ...state.analysis, blocks } });
}

function slim({ seed, steps, blocks, guilty, references, grids }) {
  const of = ({ pictures, effect, left, ...block }) => ({ ...block, pictures: pictures?.slice(0, 1) });
  return { seed, steps, blocks: blocks.map(of), guilty, references, grids };
}

function draw() {
  const tag = selectedTag();
  id('analyze').disabled = !tag || analysis.isRunning();
  id('analyze').textContent = tag ? t('analyze-lora', { name: tag.name }) : t('analyze');
  id('analyze-stop').hidden = !analysis.isRunning();
  drawProgress(analysis.work());
  const found = state.analysis;
  const isDone = Boolean(found?.job && found.lora === tag?.name);
  id('analysis').hidden = !isDone;
  if (!isDone) return;
  const order = found.guilty.map((name) => found.blocks.find((b) => b.id === name)).filter(Boolean);
  fill(id('blocks-found'), ...order.map((block, at) => row(found, block, at === 0 && block.guilt > 0.1)));
  id('analysis-of').textContent = t('analysis-of', { lora: found.lora, steps: found.steps, seed: found.seed });
  const grid = found.grids?.[0];
  id('grid').hidden = !grid;
  if (grid) fill(id('grid-body'), el('img', { src: pictureOf(grid), alt: t('grid'), loading: 'lazy' }));
  fill(id('export'), ...exports(found));
}

function drawProgress(work) {
  const { done = 0, of = 0, part } = work ?? {};
  id('analyze-progress').hidden = !work;
  id('analyze-progress').value = of ? (done + part) / of : 0;
  id('analyze-status').textContent = work ? t(of ? 'pictures-of' : 'drawing', { done, of }) : '';
}

function row({ references }, block, isGuilty) {
  const files = block.pictures?.[0];
  const open = () => {
    fill(id('viewer-body'), el('div', { class: 'pair three' }, ...[
      [references?.[0]?.full, t('full')], [files.changed, t('without-block', { name: block.id })], [files.difference, t('difference')],
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
