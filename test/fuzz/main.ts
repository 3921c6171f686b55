import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

// npm run fuzz -- --seconds 3600              as long as that, with a seed of its own, which it prints
// npm run fuzz -- --seed 7 --inputs 123457    a finding again: its seed, and one input more than its number

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    inputs: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
const seed = Number(values.seed);
const most = values.inputs === undefined ? Number.POSITIVE_INFINITY : Number(values.inputs);
const seconds = Number(values.seconds ?? (values.inputs === undefined ? 60 : Number.POSITIVE_INFINITY));
const untilMs = performance.now() + seconds * 1000;
console.log(`fuzzing, seed ${seed}`);
const report = fuzz(seed, (inputs) => performance.now() >= untilMs || inputs >= most);
console.log(`${report.inputs} inputs, slowest ${report.slowestMs.toFixed(1)} ms, most held ${report.mostHeld}`);
console.log(`${report.blocks} blocks of code reached, ${report.found} inputs kept for reaching new ones`);
console.log(`checksum of all inputs ${report.digest.toString(16)}`);
