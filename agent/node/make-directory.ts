import { chmod, mkdir } from 'node:fs/promises';
import { errorText, isErrno, NetdError } from '#base/errors.ts';

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
    const why = isErrno(error, 'EACCES', 'EPERM') ? 'netd may not write there' : errorText(error);
    throw new NetdError('directory-unusable', `the directory ${path} cannot be made: ${why}`, {
      cause: error,
      mend: `run netd as root, or give another directory with ${flag}`,
    });
  }
}
