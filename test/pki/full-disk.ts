import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { parseCredentials } from '#pki/credentials.ts';
import { CertificateStore } from '#pki/store.ts';
import { FakeCa } from '#test/fake-manager/ca.ts';

// full-disk.ts STATE_DIR: on a file system of little room, stores an identity, fills the disk to the last byte, and tries every
// kind of write. Prints what came of each as JSON.
const [stateDir = ''] = process.argv.slice(2);
const ca = new FakeCa();
const issue = (nodeId: string) =>
  parseCredentials({ rootBundle: ca.rootBundle, ...ca.issueWithKey(nodeId, 'worker') }, Date.now());
const store = new CertificateStore(stateDir);
const first = issue('node');
await store.install(first);

const filler = `${stateDir}/filler`;
mkdirSync(filler);
let files = 0;
try {
  for (; ; files++) writeFileSync(`${filler}/${files}`, Buffer.alloc(4096));
} catch {
  // full
}

const attempt = async (work: Promise<void>) => {
  const code = await work.then(
    () => 'written',
    (error: { code: string }) => error.code,
  );
  const found = await new CertificateStore(stateDir).load(Date.now());
  return { code, kept: found?.serial === first.serial, files: readdirSync(`${stateDir}/certificates`).length };
};
const renewed = issue('node');
const results = {
  files,
  renewal: await attempt(store.saveRenewed(renewed)),
  root: await attempt(store.saveRoot(renewed)),
  join: await attempt(store.install(issue('other'))),
};
rmSync(filler, { recursive: true });
const after = await attempt(store.saveRenewed(renewed));
console.log(JSON.stringify({ ...results, after }));
