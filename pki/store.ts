import { getFips, X509Certificate } from 'node:crypto';
import { dirname, join } from 'node:path';
import { errorText, isErrno, isNetdError, NetdError } from '#base/errors.ts';
import { sha256Hex } from './chain.ts';
import { aliveMomentMs, type Credentials, parseCredentials, readPrivateKey } from './credentials.ts';
import { clusterMandatesFips, refuseMissingFips } from './fips.ts';
import { decodePem } from './pem.ts';
import { diskFiles, type StoreFiles } from './store-files.ts';
import type { JoinToken } from './token.ts';

/** File names as Docker has them in its swarm directory (spec swarmkit-worker §1.5). */
const ROOT = 'swarm-root-ca.crt';
const CERTIFICATE = 'swarm-node.crt';
const KEY = 'swarm-node.key';
/** The certificate of a renewal until its key is in place. */
const NEW_CERTIFICATE = '.swarm-node.crt';

/** Not `netd leave`: no agent starts on a damaged identity that could be asked to leave. */
const REJOIN = 'Restore the directory from a backup, or remove it, start netd and join again.';

/**
 * The node's certificate, key and trusted root on disk, below `<state dir>/certificates`. Whatever step a crash or a full
 * disk interrupts, the next load finds the identity from before or the one from after, whole.
 */
export class CertificateStore {
  readonly directory: string;
  readonly #files: StoreFiles;

  constructor(stateDir: string, files: StoreFiles = diskFiles) {
    this.directory = join(stateDir, 'certificates');
    this.#files = files;
  }

  /**
   * Reads the identity, after finishing or undoing what an interrupted write has left. Undefined when this host has none. A
   * certificate out of its lifetime is returned all the same: the clock may be what is wrong.
   *
   * @throws NetdError `state-unreadable`, `state-damaged` or `fips-required`
   */
  async load(nowMs: number): Promise<Credentials | undefined> {
    try {
      await this.#settle();
      const credentials = await this.#read(nowMs);
      if (credentials) refuseMissingFips(clusterMandatesFips(credentials.clusterId), getFips() === 1);
      return credentials;
    } catch (error) {
      if (error instanceof NetdError) throw error;
      throw new NetdError('state-unreadable', `cannot read ${this.directory}: ${errorText(error)}`, {
        mend: 'Run netd as root, and check the state directory and its disk.',
        cause: error,
      });
    }
  }

  /**
   * Stores the identity of a node that has just joined, in place of any other: the directory is made beside the old one and
   * swapped in whole.
   *
   * @throws NetdError `state-unwritable`; what a full disk stops leaves the old identity standing, if there was one
   */
  async install(credentials: Credentials): Promise<void> {
    const { incoming, outgoing } = this.#paths;
    await this.#writing(async (files) => {
      await files.remove(incoming);
      await files.makeDirectory(incoming);
      await files.write(join(incoming, ROOT), credentials.rootBundle);
      await files.write(join(incoming, KEY), credentials.keyPem);
      await files.write(join(incoming, CERTIFICATE), credentials.certificatePem);
      if ((await files.list(this.directory)).length > 0) await files.rename(this.directory, outgoing);
      await files.rename(incoming, this.directory);
      await files.sync(dirname(this.directory));
      await files.remove(outgoing);
    });
  }

  /** Stores a renewed certificate with its key, under the root that is stored. @throws NetdError `state-unwritable` */
  async saveRenewed({ certificatePem, keyPem }: Credentials): Promise<void> {
    const { certificate, key, newCertificate } = this.#paths;
    await this.#writing(async (files) => {
      await files.write(newCertificate, certificatePem);
      await files.write(key, keyPem);
      await files.rename(newCertificate, certificate);
      await files.sync(this.directory);
    });
  }

  /** Stores another root for the same certificate. @throws NetdError `state-unwritable` */
  async saveRoot({ rootBundle }: Credentials): Promise<void> {
    await this.#writing((files) => files.write(this.#paths.root, rootBundle));
  }

  /** Forgets the identity. @throws NetdError `state-unwritable` */
  async wipe(): Promise<void> {
    const { incoming, outgoing } = this.#paths;
    await this.#writing(async (files) => {
      await files.remove(incoming);
      if ((await files.list(this.directory)).length === 0) return files.remove(this.directory);
      await files.remove(outgoing);
      await files.rename(this.directory, outgoing); // from here on there is no identity, however the rest goes
      await files.sync(dirname(this.directory));
      await files.remove(outgoing);
    });
  }

  /** Completes or undoes an interrupted install, renewal or wipe. */
  async #settle(): Promise<void> {
    const { incoming, outgoing, certificate, key, newCertificate } = this.#paths;
    const files = this.#files;
    const present = (await files.list(this.directory)).length > 0;
    // The old identity goes only when the new one is whole, so then the new one counts.
    const swapping = (await files.list(outgoing)).length > 0 && (await files.list(incoming)).length > 0;
    if (!present && swapping) await files.rename(incoming, this.directory);
    await files.remove(incoming);
    await files.remove(outgoing);

    for (const name of await files.list(this.directory)) {
      if (name.endsWith('.tmp')) await files.remove(join(this.directory, name)); // of a write cut short
    }
    const pending = await files.read(newCertificate);
    if (pending === undefined) return;
    // The key is replaced between the two certificate steps: it tells which side of it the crash was on.
    const keyPem = (await files.read(key))?.toString() ?? '';
    if (belongsTogether(pending.toString(), keyPem)) await files.rename(newCertificate, certificate);
    else await files.remove(newCertificate);
  }

  async #read(nowMs: number): Promise<Credentials | undefined> {
    const { root, certificate, key } = this.#paths;
    const [rootBundle, certificatePem, keyPem] = await Promise.all([root, certificate, key].map(this.#files.read));
    if (!rootBundle && !certificatePem && !keyPem) return undefined;
    if (!rootBundle || !certificatePem || !keyPem) {
      const missing = [!rootBundle && ROOT, !certificatePem && CERTIFICATE, !keyPem && KEY].filter(Boolean);
      throw this.#damaged(`${missing.join(' and ')} missing`);
    }
    const parts = { rootBundle, certificatePem: certificatePem.toString(), keyPem: keyPem.toString() };
    try {
      return parseCredentials(parts, aliveMomentMs(parts, nowMs));
    } catch (error) {
      if (!(error instanceof NetdError)) throw error;
      const foreign = isNetdError(error, 'unknown-authority') ? `${ROOT} may be of another swarm: ` : '';
      throw this.#damaged(`${foreign}${error.message}`, error);
    }
  }

  #damaged(problem: string, cause?: unknown): NetdError {
    return new NetdError('state-damaged', `the identity in ${this.directory} is damaged: ${problem}`, {
      mend: REJOIN,
      cause,
    });
  }

  async #writing(work: (files: StoreFiles) => Promise<void>): Promise<void> {
    try {
      await work(this.#files);
    } catch (error) {
      const full = isErrno(error, 'ENOSPC', 'EDQUOT');
      throw new NetdError('state-unwritable', `cannot write ${this.directory}: ${errorText(error)}`, {
        mend: full
          ? 'Make room on the disk of the state directory.'
          : 'Run netd as root, and check the state directory and its disk.',
        cause: error,
      });
    }
  }

  get #paths() {
    const { directory } = this;
    return {
      root: join(directory, ROOT),
      certificate: join(directory, CERTIFICATE),
      key: join(directory, KEY),
      newCertificate: join(directory, NEW_CERTIFICATE),
      incoming: `${directory}.new`,
      outgoing: `${directory}.old`,
    };
  }
}

/** Why a host that has an identity cannot join with this token: it is of that swarm already, or of another one. */
export function joinConflict(existing: Credentials, token: JoinToken): NetdError {
  const { clusterId, nodeId, rootBundle } = existing;
  if (sha256Hex(rootBundle) === token.digestHex) {
    return new NetdError('already-joined', `this host is node ${nodeId} of that swarm already`, {
      mend: 'Nothing needs to be done. To come back as a new node, run `netd leave` first, or join with --force.',
    });
  }
  return new NetdError(
    'other-cluster',
    `this host is node ${nodeId} of swarm ${clusterId}, and the token is of another one`,
    {
      mend: 'Run `netd leave` first, or join with --force to give the present identity up.',
    },
  );
}

function belongsTogether(certificatePem: string, keyPem: string): boolean {
  try {
    const [der] = decodePem(certificatePem, 'CERTIFICATE');
    return der !== undefined && new X509Certificate(der).checkPrivateKey(readPrivateKey(keyPem));
  } catch {
    return false; // what cannot be read fits nothing
  }
}
