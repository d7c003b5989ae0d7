// A text field that shows what is in its text: tags in their colour, findings underlined where they are, names completed as one
// types. The field itself is an ordinary textarea; what is shown lies behind it, letter for letter.

import { el, fill } from './dom.js';
import { tags } from './tag.js';
import { suggestions } from './complete.js';

let count = 0;

/**
 * @param {HTMLTextAreaElement} field
 * @param {{changed: (text: string) => void, names: () => object}} options
 */
export function editor(field, { changed, names }) {
  const marks = el('div', { class: 'marks', 'aria-hidden': 'true' });
  const list = el('ul', { class: 'completions', id: `completions-${(count += 1)}`, role: 'listbox', hidden: true });
  const frame = el('div', { class: 'editor' });
  field.replaceWith(frame);
  frame.append(marks, field, list);
  for (const [name, value] of [['role', 'combobox'], ['aria-autocomplete', 'list'], ['aria-controls', list.id], ['aria-expanded', 'false'],
    ['spellcheck', 'false'], ['autocomplete', 'off'], ['autocapitalize', 'off']]) field.setAttribute(name, value);

  let findings = [];
  let offered = [];
  let chosen = 0;

  const paint = () => fill(marks, ...painted(field.value, findings), '\u200b');
  const input = () => {
    // Underlines of an older text would stand in the wrong places.
    findings = [];
    paint();
    changed(field.value);
    offer();
  };

  function offer() {
    const { selectionStart: caret, selectionEnd: end } = field;
    offered = caret === end && document.activeElement === field ? suggestions(field.value, caret, names()) : [];
    chosen = 0;
    show();
  }

  function show() {
    list.hidden = offered.length === 0;
    field.setAttribute('aria-expanded', String(!list.hidden));
    field.removeAttribute('aria-activedescendant');
    if (list.hidden) return;
    fill(list, ...offered.map((option, at) => el('li', {
      id: `${list.id}-${at}`, role: 'option', 'aria-selected': String(at === chosen),
      // The field must not lose the focus before the choice is made.
      mousedown: (event) => event.preventDefault(),
      click: () => take(option),
    }, el('span', {}, option.text), el('small', {}, option.note ?? ''))));
    field.setAttribute('aria-activedescendant', `${list.id}-${chosen}`);
    list.children[chosen]?.scrollIntoView({ block: 'nearest' });
    place();
  }

  /** The list hangs under the word that is typed. */
  function place() {
    const [before] = [field.value.slice(0, offered[0].start)];
    const mark = el('span', {}, '\u200b');
    fill(marks, before, mark);
    const [left, top] = [mark.offsetLeft, mark.offsetTop + mark.offsetHeight];
    paint();
    list.style.left = `${Math.max(0, Math.min(left, frame.clientWidth - list.offsetWidth))}px`;
    list.style.top = `${top + 4}px`;
  }

  function take(option) {
    field.setSelectionRange(option.start, option.end);
    insert(option.insert);
    if (option.caret) field.setSelectionRange(field.selectionStart + option.caret, field.selectionStart + option.caret);
    offer();
  }

  /** Writes over the selection in a way that the browser can undo. */
  function insert(text) {
    field.focus();
    if (!document.execCommand('insertText', false, text)) {
      field.setRangeText(text, field.selectionStart, field.selectionEnd, 'end');
      input();
    }
  }

  const close = () => {
    offered = [];
    show();
  };

  field.addEventListener('input', input);
  field.addEventListener('blur', close);
  field.addEventListener('click', offer);
  field.addEventListener('keydown', (event) => {
    if (list.hidden || event.isComposing) return;
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) {
      chosen = (chosen + moves[event.key] + offered.length) % offered.length;
      show();
    } else if ((event.key === 'Enter' && !event.ctrlKey && !event.metaKey) || event.key === 'Tab') take(offered[chosen]);
    else if (event.key === 'Escape') close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  paint();

  return {
    /** Shows another text, without touching the caret where it is the same. */
    set(text) {
      if (field.value === text) return;
      const focused = document.activeElement === field;
      const [start, end] = [field.selectionStart, field.selectionEnd];
      field.value = text;
      if (focused) field.setSelectionRange(Math.min(start, text.length), Math.min(end, text.length));
      findings = [];
      paint();
    },
    /** Underlines `found`: objects with `start`, `end` and `severity`. */
    underline(found) {
      findings = found;
      paint();
    },
    /** Shows where a finding is. */
    select(start, end) {
      field.focus();
      field.setSelectionRange(start, end);
    },
    insert,
  };
}

/** The text in pieces, each with the classes of what covers it. */
function painted(text, findings) {
  const layers = tags(text).flatMap((tag) => [
    { start: tag.start, end: tag.end, class: 'tag' },
    ...(tag.weights ? [{ start: tag.weights.start, end: tag.weights.end, class: 'weights' }] : []),
  ]);
  for (const { start, end, severity } of findings) {
    // A finding between two letters is shown at the one before it.
    layers.push({ start: start === end ? Math.max(0, start - 1) : start, end: Math.max(end, 1), class: `found ${severity}` });
  }
  const cuts = [...new Set([0, text.length, ...layers.flatMap((l) => [l.start, l.end])])];
  cuts.sort((a, b) => a - b);
  const nodes = [];
  for (let at = 0; at + 1 < cuts.length; at += 1) {
    const [start, end] = [cuts[at], cuts[at + 1]];
    const classes = layers.filter((l) => l.start < end && l.end > start).map((l) => l.class).join(' ');
    const piece = text.slice(start, end);
    nodes.push(classes ? el('span', { class: classes }, piece) : piece);
  }
  return nodes;
}
