import type { X509Certificate } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { errorText, isErrno } from '#base/errors.ts';
import type { ManagerAddress } from './address.ts';
import { type Cert, MAX_CERTIFICATES, readCertificate } from './chain.ts';

/** What answers at an address. */
export type ProbeResult =
  /** No TCP connection came about; `errno` is the system's name for it, where it has one. */
  | { readonly kind: 'no-connection'; readonly errno: string | undefined; readonly text: string }
  /** Something accepts connections but does not complete a TLS handshake; `text` says what it does instead. */
  | { readonly kind: 'no-tls'; readonly text: string }
  /** A TLS server and what it presented, leaf first. Nothing of it is verified. */
  | { readonly kind: 'tls'; readonly chain: readonly Cert[] };

const ERRNOS = [
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EACCES',
  'EPERM',
];

/**
 * Looks at what a server presents, sending nothing of ours: no client certificate, no request. It believes nothing; it is asked
 * only after a verified connection has failed, to find cross-signed CAs and to tell an operator what is there.
 */
export async function probe(address: ManagerAddress, serverName: string, signal: AbortSignal): Promise<ProbeResult> {
  let tcp: Socket;
  try {
    tcp = await openTcp(address, signal);
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'no-connection', errno: ERRNOS.find((name) => isErrno(error, name)), text: causeText(error) };
  }
  try {
    return { kind: 'tls', chain: await presentedChain(tcp, serverName, signal) };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'no-tls', text: handshakeProblem(error) };
  } finally {
    tcp.destroy();
  }
}

/**
 * What a server did instead of a handshake, in words. OpenSSL's own name source lines of it, and call everything that is not TLS
 * a wrong version; its `reason` is the useful part of what it says.
 */
export function handshakeProblem(error: unknown): string {
  const { code = '', reason } = (error instanceof Error ? error : {}) as { code?: string; reason?: string };
  if (/_ALERT_/.test(code)) return `it refuses the TLS handshake (${reason ?? code})`;
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'it does not speak TLS: it answers with something else';
  if (code.startsWith('ERR_SSL_')) return `it does not speak TLS as it should (${reason ?? code})`;
  return `it does not speak TLS: ${errorText(error)}`;
}

function openTcp({ host, port }: ManagerAddress, signal: AbortSignal): Promise<Socket> {
  return settle(signal, (resolve, reject) => {
    const socket = connectTcp({ host, port });
    socket.once('connect', () => resolve(socket));
    socket.on('error', reject);
    return () => socket.destroy();
  });
}

function presentedChain(socket: Socket, servername: string, signal: AbortSignal): Promise<readonly Cert[]> {
  return settle(signal, (resolve, reject) => {
    const tls = connectTls({ socket, servername, ALPNProtocols: ['h2'], rejectUnauthorized: false });
    tls.once('secureConnect', () => {
      try {
        resolve(certificatesOf(tls.getPeerX509Certificate()));
      } catch (error) {
        reject(error);
      }
    });
    tls.on('error', reject);
    tls.once('close', () => reject(new Error('the connection was closed during the TLS handshake')));
    return () => tls.destroy();
  });
}

/** Node strings the presented certificates together by issuer name; the links may lead in a circle. */
function certificatesOf(leaf: X509Certificate | undefined): Cert[] {
  const chain: Cert[] = [];
  for (let next = leaf; next !== undefined && chain.length < MAX_CERTIFICATES; next = next.issuerCertificate) {
    const { raw } = next;
    if (chain.some((cert) => cert.x509.raw.equals(raw))) break;
    chain.push(readCertificate(raw));
  }
  return chain;
}

/** A promise over events that also ends with the signal. `start` returns what must be undone when the promise rejects. */
function settle<T>(
  signal: AbortSignal,
  start: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => fail(signal.reason);
    const fail = (error: unknown) => {
      signal.removeEventListener('abort', onAbort);
      undo();
      reject(error);
    };
    const undo = start((value) => {
      signal.removeEventListener('abort', onAbort);
      resolve(value);
    }, fail);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** A host name with several addresses fails with one error for each. */
function causeText(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(errorText).join(', ');
  return errorText(error);
}
