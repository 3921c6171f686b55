import { VERSION } from '#agent/version.ts';
import { manualPage } from './manual/page.ts';

/** Prints the manual page as it is now: `node scripts/manual.ts | man -l -`. The build writes it beside the executable. */

process.stdout.write(manualPage(VERSION));
