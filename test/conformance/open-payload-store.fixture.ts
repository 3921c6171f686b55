import { PayloadStore } from '#agent/payload/store.ts';
import { isErrno, NetdError } from '#base/errors.ts';

// Opens the store of secrets at the directory given and writes one, as the agent would; says what came of it.
const [root = ''] = process.argv.slice(2);
try {
  const store = await PayloadStore.open(root);
  await store.write('task1', [{ fileName: 'secret-a', bytes: Buffer.from('hunter2'), mode: 0o400, uid: 0, gid: 0 }]);
  console.log('written');
} catch (error) {
  if (!(error instanceof NetdError) && !isErrno(error)) throw error;
  console.log(error instanceof NetdError ? error.code : String(error));
}
