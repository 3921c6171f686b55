import { readlinkSync } from 'node:fs';
import { createBed } from '#test/hosts/bed.ts';
import { BUSYBOX } from '#test/hosts/image.ts';

// A process that makes a bed with an engine and a container, says the bed's id and the host's process namespace, and would then wait for ever.
const bed = await createBed();
const host = await bed.host('a');
await host.engine.start();
await host.engine.load();
await host.docker('run', '--detach', BUSYBOX, 'sleep', '1000');
console.log(`${bed.id} ${readlinkSync(`/proc/${host.pid}/ns/pid`)}`);
setInterval(() => {}, 60_000);
