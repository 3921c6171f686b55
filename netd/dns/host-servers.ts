import { readFileSync } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import { isSystemdStub, parseResolvConf, type ResolvConf } from './resolv-conf.ts';

const HOST_FILE = '/etc/resolv.conf';
/** The servers behind systemd-resolved's stub (systemd-resolved(8)). */
const SYSTEMD_FILE = '/run/systemd/resolve/resolv.conf';

/**
 * The host's resolv.conf, or the one behind it where that only names systemd-resolved's stub. No file means no servers.
 *
 * @throws Error when a file is there and cannot be read
 */
export function readHostResolvConf(hostFile = HOST_FILE, systemdFile = SYSTEMD_FILE): ResolvConf {
  const host = parseResolvConf(textOf(hostFile));
  if (!isSystemdStub(host)) return host;
  const behind = parseResolvConf(textOf(systemdFile));
  return behind.servers.length > 0 ? behind : host;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return '';
    throw error;
  }
}
