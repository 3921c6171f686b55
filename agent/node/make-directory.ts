import { chmod, mkdir } from 'node:fs/promises';
import { errorText, isErrno, NetdError } from '#base/errors.ts';

const NOT_ONE = 'something on the way is there and is no directory';

/**
 * Makes a directory of netd's own.
 *
 * @param flag names the setting that gives another one
 * @throws NetdError `directory-unusable`
 */
export async function makeDirectory(path: string, mode: number, flag: string): Promise<void> {
  try {
    // Only what netd makes gets its mode: a directory given by mistake must not lose its own.
    if ((await mkdir(path, { recursive: true, mode })) !== undefined) await chmod(path, mode);
  } catch (error) {
    const forbidden = isErrno(error, 'EACCES', 'EPERM');
    const why = forbidden
      ? 'netd may not write there'
      : isErrno(error, 'ENOTDIR', 'EEXIST')
        ? NOT_ONE
        : errorText(error);
    throw new NetdError('directory-unusable', `the directory ${path} cannot be made: ${why}`, {
      cause: error,
      mend: `${forbidden ? 'Run netd as root, or give' : 'Give'} another directory with ${flag}.`,
    });
  }
}
