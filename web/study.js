// A study of a LoRA: a job of many pictures that outlives a reload and leaves its result in the state.

import { get } from './api.js';
import { download, el, say } from './dom.js';
import { follow, start } from './job.js';
import { put, set, state } from './state.js';
import { t } from './words.js';

/** What a report is given away as. */
const FORMS = ['html', 'json', 'txt'];

/** `key` is where its result lies in the state, `path` what takes it. `slim` gives what is shown of a result: all of it stays on the server. */
export function study(key, path, { heard, slim, draw }) {
  let work = null;

  async function watch(begin) {
    const mine = begin((event) => {
      if (work !== mine) return;
      if (event.kind === 'accepted') put(key, { running: event.job });
      if (event.kind === 'step') mine.part = event.step / event.steps;
      heard(event, mine);
      draw(mine);
    });
    work = Object.assign(mine, { done: 0, of: 0, part: 0 });
    put(key, {});
    let job = null;
    try {
      job = await mine.ended;
    } catch (error) {
      say(error.message, 'error');
    }
    if (work !== mine) return;
    work = null;
    if (job) set({ [key]: { ...slim(job.result), lora: state[key].lora, job: job.id } });
    else put(key, { running: null });
  }

  return {
    /** Asks for it; `empty` is what there is before the first picture. */
    start(body, empty) {
      set({ [key]: { ...empty, job: null, running: null } });
      watch((hear) => start(body, hear, path));
    },
    /** Watches one that goes on from before the page was loaded. */
    resume() {
      const { running } = state[key] ?? {};
      if (running) watch((hear) => follow(running, hear));
    },
    stop() {
      work?.cancel();
      work = null;
      put(key, { running: null });
    },
    work: () => work,
    isRunning: () => Boolean(work),
  };
}

/** Buttons that give the report of a finished study away. */
export const exports = ({ job, lora }) => FORMS.map((form) =>
  el('button', { type: 'button', class: 'quiet', click: () => give(job, lora, form) }, form.toUpperCase()));

async function give(job, lora, form) {
  try {
    const { report, table, page } = (await get(`lbw/v1/jobs/${job}`)).result;
    const [content, type] = { html: [page, 'text/html'], json: [JSON.stringify(report, null, 1), 'application/json'], txt: [table, 'text/plain'] }[form];
    download(`lbw-${lora}.${form}`, content, type);
  } catch (error) {
    say(error.message, 'error');
  }
}
