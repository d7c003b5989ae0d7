// One slider of the bank. It looks like a fader of a mixing desk and is a slider to keyboards and screen readers.

import { el } from './dom.js';
import { number, written } from './tag.js';

const STEP = 0.05;
const FINE = 0.01;
const PAGE = 0.25;

/**
 * @param {{
 *   name: string, label: () => string,
 *   get: () => number, range: () => [number, number],
 *   moved: (weight: number, gesture: string) => void, released: () => void,
 *   command?: (key: string) => boolean,
 *   coarse?: boolean
 * }} options  `moved` hears every weight on the way, `released` when a gesture has ended
 * @param {HTMLElement} handle  what is dragged and focused
 * @param {HTMLElement} track   what gives the scale
 */
export function fader(options, handle, track) {
  const { get, range, moved, released, command } = options;
  let gesture = 0;
  let resting = 0;
  handle.tabIndex = 0;
  for (const [name, value] of [['role', 'slider'], ['aria-orientation', 'vertical']]) handle.setAttribute(name, value);

  const snapped = (weight, step) => {
    const [low, high] = range();
    return Math.min(high, Math.max(low, Math.round(weight / step) * step));
  };
  const move = (weight, fine) => moved(snapped(weight, fine ? FINE : STEP), `${options.name}-${gesture}`);

  /** Keys come in runs: what was moved by them is let go when they have ended. */
  const rest = () => {
    clearTimeout(resting);
    resting = setTimeout(() => {
      gesture += 1;
      released();
    }, 400);
  };

  handle.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    handle.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    const box = track.getBoundingClientRect();
    const [low, high] = range();
    const perPixel = (high - low) / box.height;
    let [y, weight] = [event.clientY, get()];
    let travelled = 0;
    const jumps = !options.coarse && event.pointerType !== 'touch';
    // Behind the cap the fader jumps to the pointer; at the cap, and under a finger, it is taken where it is.
    const atPointer = low + (box.bottom - event.clientY) * perPixel;
    let hasMoved = false;
    if (jumps && Math.abs(atPointer - weight) > 10 * perPixel) {
      weight = atPointer;
      hasMoved = true;
      move(weight, event.shiftKey);
    }
    const drag = (next) => {
      travelled += Math.abs(next.clientY - y);
      weight += (y - next.clientY) * perPixel * (next.shiftKey ? 0.2 : 1);
      y = next.clientY;
      if (travelled < 3 && !hasMoved) return;
      hasMoved = true;
      move(weight, next.shiftKey);
    };
    const drop = () => {
      handle.removeEventListener('pointermove', drag);
      handle.classList.remove('held');
      if (hasMoved) {
        gesture += 1;
        released();
      }
    };
    handle.classList.add('held');
    handle.addEventListener('pointermove', drag);
    handle.addEventListener('lostpointercapture', drop, { once: true });
  });

  handle.addEventListener('dblclick', () => {
    move(1);
    gesture += 1;
    released();
  });

  handle.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? FINE : STEP;
    const [low, high] = range();
    const moves = {
      ArrowUp: get() + step, ArrowRight: get() + step, ArrowDown: get() - step, ArrowLeft: get() - step,
      PageUp: get() + PAGE, PageDown: get() - PAGE, Home: low, End: high,
    };
    if (event.key in moves) move(moves[event.key], event.shiftKey);
    else if (command?.(event.key)) return event.preventDefault();
    else return undefined;
    event.preventDefault();
    return rest();
  });

  return {
    /** Tells keyboards and screen readers how it stands. */
    tell(text = '') {
      const [low, high] = range();
      handle.setAttribute('aria-label', options.label());
      handle.setAttribute('aria-valuemin', low);
      handle.setAttribute('aria-valuemax', high);
      handle.setAttribute('aria-valuenow', written(get()));
      if (text) handle.setAttribute('aria-valuetext', text);
      else handle.removeAttribute('aria-valuetext');
    },
  };
}

/** A field for one number that opens in the place of `shown` and closes with Enter, Escape or when it is left. */
export function typeNumber(shown, { label, start, selected, done }) {
  const field = el('input', { class: 'type-number', inputMode: 'decimal', value: start, 'aria-label': label, autocomplete: 'off' });
  let open = true;
  const close = (take) => {
    if (!open) return;
    open = false;
    const weight = number(field.value.trim().replace(',', '.'));
    field.replaceWith(shown);
    done(take && weight !== null ? weight : null);
  };
  field.addEventListener('keydown', (event) => {
    event.stopPropagation();
    if (event.key === 'Enter') close(true);
    if (event.key === 'Escape') close(false);
  });
  field.addEventListener('blur', () => close(true));
  shown.replaceWith(field);
  field.focus();
  if (selected) field.select();
}
