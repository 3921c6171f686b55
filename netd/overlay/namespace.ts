import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorText, isErrno } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { callLibc } from '../kernel/libc.ts';
import { watchKernel } from '../kernel/monitor.ts';
import type { KernelEvent } from '../kernel/netlink/event.ts';
import { writeDelLink } from '../kernel/netlink/link.ts';
import { createNamespace, deleteNamespace, inNamespace, isNamespace, namespaceId } from '../kernel/netns.ts';
import { Rtnetlink } from '../kernel/rtnetlink.ts';

/** sys/mount.h */
const MS_BIND = 4096;

/**
 * The namespace of an overlay network, held open: whoever takes its name away does not end it, and it can be given its
 * name again without a packet lost. Its name, a bind mount, in turn outlives this process.
 */
export class Namespace implements Disposable {
  readonly path: string;
  /** For messages that make links in it. */
  readonly fd: number;
  readonly rtnetlink: Rtnetlink;
  #observer: Rtnetlink | undefined;
  readonly #id: string;
  #monitor: Disposable | undefined;

  private constructor(path: string) {
    this.path = path;
    this.fd = openSync(path, 'r');
    try {
      this.rtnetlink = Rtnetlink.open(this.#self);
      this.#id = namespaceId(this.#self);
    } catch (error) {
      closeSync(this.fd);
      throw error;
    }
  }

  /** The namespace of that name, if there is one. @throws KernelError */
  static find(path: string): Namespace | undefined {
    return isNamespace(path) ? new Namespace(path) : undefined;
  }

  /** @throws KernelError */
  static create(path: string): Namespace {
    createNamespace(path);
    return new Namespace(path);
  }

  /** This process's own way to it, whatever its name leads to. */
  get #self(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  /** For long dumps, beside which requests go on. @throws KernelError */
  get observer(): Rtnetlink {
    this.#observer ??= Rtnetlink.open(this.#self);
    return this.#observer;
  }

  /** Runs `f` inside. */
  inside<T>(f: () => T extends PromiseLike<unknown> ? never : T): T {
    return inNamespace(this.#self, f);
  }

  /** Tells of changes of links, addresses and rows in it, until let go of. Asked again it goes on. @throws KernelError */
  listen(told: (event: KernelEvent | 'overrun') => void): void {
    this.#monitor ??= watchKernel(this.#self, ['link', 'address', 'neighbor'], told);
  }

  /** Whether its name leads to it. */
  isNamed(): boolean {
    try {
      return namespaceId(this.path) === this.#id && isNamespace(this.path);
    } catch {
      return false;
    }
  }

  /** Gives it its name again, instead of whatever has it now. @throws KernelError */
  rename(): void {
    deleteNamespace(this.path);
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    closeSync(openSync(this.path, 'a', 0o400));
    const { path } = this;
    // A descriptor can be mounted only by way of a thread that is inside.
    this.inside(() => {
      callLibc(`mount --bind ${path}`, 'mount', '/proc/thread-self/ns/net', path, null, MS_BIND, null);
    });
  }

  /** Takes its name away and lets go of it: it ends with the last socket and process in it. @throws KernelError */
  end(): void {
    deleteNamespace(this.path);
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#monitor?.[Symbol.dispose]();
    this.#monitor = undefined;
    this.rtnetlink[Symbol.dispose]();
    this.#observer?.[Symbol.dispose]();
    try {
      closeSync(this.fd);
    } catch (error) {
      if (!isErrno(error, 'EBADF')) throw error;
    }
  }
}

/** Deletes a link of a namespace; neither the one nor the other need exist. @throws KernelError */
export async function deleteLinkIn(path: string, name: string): Promise<void> {
  using namespace = Namespace.find(path);
  const link = await namespace?.rtnetlink.link(name);
  if (link !== undefined)
    await namespace?.rtnetlink.request(`ip link delete ${name}`, (w) => writeDelLink(w, link.index));
}

/** Ends a network's namespace with all in it. @param held the namespace, if it is held open already */
export async function endNamespace(path: string, held: Namespace | undefined, logger: Logger): Promise<void> {
  const namespace = held ?? Namespace.find(path);
  if (namespace === undefined) return;
  // A namespace ends some time after its last user; the number of a vxlan device must be free at once.
  for (const { name, kind } of await namespace.rtnetlink.links()) {
    if (kind !== 'vxlan' && kind !== 'veth') continue;
    try {
      await namespace.rtnetlink.request(`ip link delete ${name}`, (w) => writeDelLink(w, name));
    } catch (error) {
      logger.debug({ link: name, reason: errorText(error) }, 'link was not deleted');
    }
  }
  namespace.end();
}
