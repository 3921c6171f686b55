import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readHostResolvConf } from './host-servers.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'netd-resolv-'));
});
afterEach(() => rm(directory, { recursive: true }));

const read = async (host: string | undefined, systemd: string | undefined) => {
  const [hostFile, systemdFile] = [join(directory, 'host'), join(directory, 'systemd')];
  if (host !== undefined) await writeFile(hostFile, host);
  if (systemd !== undefined) await writeFile(systemdFile, systemd);
  return readHostResolvConf(hostFile, systemdFile);
};

describe('the servers of the host', () => {
  const STUB = 'nameserver 127.0.0.53\noptions edns0\n';
  it.each<[string, string | undefined, string | undefined, string[]]>([
    ['are in its resolv.conf', 'nameserver 10.0.0.1\n', 'nameserver 10.0.0.2\n', ['10.0.0.1']],
    [
      'are behind the stub of systemd-resolved',
      STUB,
      'nameserver 10.0.0.2\nnameserver fe80::1%eth0\n',
      ['10.0.0.2', 'fe80::1%eth0'],
    ],
    ['are the stub when there is nothing behind it', STUB, undefined, ['127.0.0.53']],
    ['are the stub when there is nothing of use behind it', STUB, '# none\n', ['127.0.0.53']],
    ['are none without a file', undefined, undefined, []],
  ])('%s', async (_, host, systemd, servers) => {
    expect((await read(host, systemd)).servers).toEqual(servers);
  });

  it('that cannot be read are an error', () => {
    expect(() => readHostResolvConf(directory)).toThrow('EISDIR');
  });
});
