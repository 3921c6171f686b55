import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

// npm run fuzz -- --seconds 3600 --seed 7

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
const seed = Number(values.seed);
const untilMs = performance.now() + Number(values.seconds) * 1000;
console.log(`fuzzing for ${values.seconds} s, seed ${seed}`);
globalThis.gc?.();
const before = process.memoryUsage().heapUsed;
const report = fuzz(seed, () => performance.now() >= untilMs);
globalThis.gc?.();
const grownMb = (process.memoryUsage().heapUsed - before) / 2 ** 20;
console.log(`${report.inputs} inputs, slowest ${report.slowestMs.toFixed(1)} ms, most held ${report.mostHeld}`);
console.log(`heap grown by ${grownMb.toFixed(1)} MB`);
