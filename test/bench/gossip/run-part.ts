import type { Figure } from '../figures.ts';
import { PARTS } from './parts.ts';

/** What the process of one part says: how far it is, and in the end what it measured. */
export type PartReport =
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'figures'; readonly figures: readonly Figure[] };

const part = PARTS.get(process.argv[2] ?? '');
if (part === undefined) throw new Error(`no part ${process.argv[2]}: one of ${[...PARTS.keys()].join(', ')}`);

const say = (report: PartReport) => new Promise<void>((resolve) => process.send?.(report, () => resolve()));
const figures = await part.measure((text) => void say({ kind: 'progress', text }));
await say({ kind: 'figures', figures });
process.exit(0);
