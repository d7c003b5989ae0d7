// A job of the server, from its request to its picture.

import { ask, at, get, listen, missed, post } from './api.js';
import { t } from './words.js';

const OVER = ['done', 'failed', 'cancelled'];

/** Where a picture of a job lies. The server tells it from its root; the page may lie below that. */
export const pictureOf = (url) => at(url.replace(/^\//, ''));

/**
 * Puts a job into the queue.
 * @param {object} body  what `path` takes
 * @param {(event: {kind: string, [key: string]: any}) => void} [heard]  `accepted` comes first
 * @returns {{ended: Promise<object>, cancel: () => void}}  `ended` gives the finished job, and null where it was cancelled
 */
export function start(body, heard = () => {}, path = 'lbw/v1/jobs') {
  return watched(post(path, body).then(numberOf), heard);
}

/** Instead of a job there may be what is wrong with it. */
function numberOf({ id, diagnostics }) {
  if (id) return id;
  throw new Error(diagnostics?.[0]?.message ?? t('failed', { status: 200 }));
}

/** Watches a job that is there already. */
export const follow = (id, heard = () => {}) => watched(Promise.resolve(id), heard);

function watched(accepted, heard) {
  let isCancelled = false;
  const remove = (id) => ask('DELETE', `lbw/v1/jobs/${id}`).catch(() => {});
  const cancel = () => {
    if (isCancelled) return;
    isCancelled = true;
    // Whoever waits for a job that was refused hears of it; whoever cancels it need not.
    accepted.then(remove, () => {});
  };
  const run = async () => {
    const id = await accepted;
    if (isCancelled) return null;
    heard({ kind: 'accepted', job: id });
    await over(id, heard);
    const finished = isCancelled ? null : await get(`lbw/v1/jobs/${id}`);
    if (finished?.status === 'failed') throw new Error(finished.error);
    return finished?.status === 'done' ? finished : null;
  };
  return { ended: run(), cancel };
}

/** Waits until a job is over. A stream that broke off may have lost its last event, so the job itself is asked now and then. */
function over(id, heard) {
  return new Promise((resolve) => {
    let stop = () => {};
    let timer = 0;
    const finish = () => {
      stop();
      clearInterval(timer);
      resolve();
    };
    const hear = (event) => {
      if (event.job !== id) return;
      heard(event);
      if (OVER.includes(event.kind)) finish();
    };
    stop = listen(hear);
    const look = async () => {
      try {
        const job = await get(`lbw/v1/jobs/${id}`);
        if (OVER.includes(job.status)) finish();
      } catch (error) {
        // A job that is no longer known will not end.
        if (error.status === 404) finish();
      }
    };
    timer = setInterval(look, 4000);
    missed(id).forEach(hear);
    look();
  });
}
