// What could come next while one types: LoRAs behind `<lora:`, presets behind `lbw=`, embeddings anywhere else.

const MOST = 12;

/**
 * @param {string} text
 * @param {number} caret
 * @param {{loras: {name: string, note?: string}[], presets: {name: string, value: string}[], elements: {name: string}[],
 *   embeddings: {name: string}[]}} names
 * @returns {{text: string, note?: string, insert: string, start: number, end: number, caret?: number}[]}
 */
export function suggestions(text, caret, names) {
  const before = text.slice(0, caret);
  const open = before.lastIndexOf('<');
  const inside = open > before.lastIndexOf('>') ? before.slice(open) : '';
  const of = (list, word, finish) => ranked(list, word).map((item) => finish(item, caret - word.length));

  const name = /^<(?:lora|lyco):([^:>]*)$/.exec(inside);
  if (name) {
    const closed = /^[^<\n]*>/.test(text.slice(caret));
    return of(names.loras, name[1], (lora, start) => (
      { text: lora.name, note: lora.note, insert: closed ? lora.name : `${lora.name}:1>`, start, end: caret }));
  }
  const key = /:(lbwe?)=([^:,>=]*)$/.exec(inside);
  if (key) {
    const list = key[1] === 'lbw' ? names.presets : names.elements;
    return of(list, key[2], (preset, start) => ({ text: preset.name, note: preset.value, insert: preset.name, start, end: caret }));
  }
  const kind = /^<(\w*)$/.exec(inside);
  if (kind && 'lora'.startsWith(kind[1])) {
    return names.loras.slice(0, MOST).map((lora) => (
      { text: lora.name, note: lora.note, insert: `<lora:${lora.name}:1>`, start: open, end: caret }));
  }
  const word = /[^\s,()[\]:<>|]{2,}$/.exec(before)?.[0];
  if (!word || inside) return [];
  return of(names.embeddings, word, (item, start) => ({ text: item.name, insert: item.name, start, end: caret }))
    .filter((option) => option.text !== word);
}

/** Names that begin with the word come first, then those that hold it. */
function ranked(list, word) {
  const wanted = word.toLowerCase();
  const place = (item) => item.name.toLowerCase().indexOf(wanted);
  return list.filter((item) => place(item) >= 0).sort((a, b) => Math.min(place(a), 1) - Math.min(place(b), 1)).slice(0, MOST);
}
