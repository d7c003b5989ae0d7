// The blocks of a weight vector, by its length, in the order of the network; and the groups that people move together.

const SDXL = ['IN04', 'IN05', 'IN07', 'IN08', 'M00', 'OUT00', 'OUT01', 'OUT02', 'OUT03', 'OUT04', 'OUT05'];
const numbered = (prefix, from, to) =>
  Array.from({ length: to - from + 1 }, (_, at) => prefix + String(from + at).padStart(2, '0'));

/** Names of the entries of a vector, by its length. */
export const LAYOUTS = {
  12: ['BASE', ...SDXL],
  17: ['BASE', 'IN01', 'IN02', 'IN04', 'IN05', 'IN07', 'IN08', 'M00', ...numbered('OUT', 3, 11)],
  20: ['BASE', ...numbered('IN', 0, 8), 'M00', ...numbered('OUT', 0, 8)],
  26: ['BASE', ...numbered('IN', 0, 11), 'M00', ...numbered('OUT', 0, 11)],
};

// Where a block stands in the U: `half` and `quarter` are SDXL's two resolutions with attention, `full` is the latent's own.
// A group is what lies between two changes of resolution; each level has one colour on the page.
const GROUPS = {
  12: [[1, 'text'], [2, 'half'], [2, 'quarter'], [1, 'middle'], [3, 'quarter'], [3, 'half']],
  17: [[1, 'text'], [2, 'full'], [2, 'half'], [2, 'quarter'], [1, 'middle'], [3, 'quarter'], [3, 'half'], [3, 'full']],
  20: [[1, 'text'], [3, 'full'], [3, 'half'], [3, 'quarter'], [1, 'middle'], [3, 'quarter'], [3, 'half'], [3, 'full']],
  26: [[1, 'text'], [3, 'full'], [3, 'half'], [3, 'quarter'], [3, 'deep'], [1, 'middle'], [3, 'deep'], [3, 'quarter'],
    [3, 'half'], [3, 'full']],
};

/**
 * The groups of the layout of `length` entries.
 * @returns {{level: string, entries: number[]}[]}
 */
export function groups(length) {
  let next = 0;
  return (GROUPS[length] ?? []).map(([count, level]) => ({ level, entries: Array.from({ length: count }, () => next++) }));
}

/** How many entries the vector of a family has where the text says nothing. */
export const lengthOf = (family) => (family === 'sd1' || family === 'sd2' ? 17 : 12);

/** `IN04` as its two parts: the half of the U, and the number; `BASE` has no number. */
export function parts(name) {
  const found = /^(IN|M|OUT)(\d+)$/.exec(name);
  return found ? { half: found[1], number: found[2] } : { half: name, number: '' };
}
