import { createPublicKey, type KeyObject } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type ServerErrorResponse, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { newSwarmId } from '#base/ids.ts';
import { certificateFields, swarmSubject } from '#pki/certificate-der.ts';
import { derChildren, derElements, expectTag, TAG } from '#pki/der.ts';
import { decodePem } from '#pki/pem.ts';
import {
  CA,
  type GetRootCACertificateRequest,
  type GetRootCACertificateResponse,
  GetRootCACertificateResponseSchema,
  type IssueNodeCertificateRequest,
  type IssueNodeCertificateResponse,
  IssueNodeCertificateResponseSchema,
  NodeCA,
  type NodeCertificateStatusRequest,
  type NodeCertificateStatusResponse,
  NodeCertificateStatusResponseSchema,
} from '#proto/gen/swarmkit/ca_pb.js';
import {
  IssuanceStatus_State,
  NodeRole,
  type NodeSpec_Availability,
  NodeSpec_Membership,
} from '#proto/gen/swarmkit/types_pb.js';
import type { FakeCa, LeafSpec, Role } from './ca.ts';
import type { FakeService } from './server.ts';

/** A node object as far as certificates go. */
export interface FakeNode {
  readonly id: string;
  role: Role;
  readonly availability: NodeSpec_Availability;
  csr: Uint8Array;
  certificatePem: string;
}

/** What goes wrong on purpose. Change it at any time; it counts for the calls that follow. */
export interface CaFaults {
  /** Served instead of the root bundle. */
  rootBundle?: Uint8Array;
  /** So many polls find the request still waiting to be signed. */
  pendingPolls?: number;
  /** So many polls are answered with the certificate of another request. */
  foreignAnswers?: number;
  /** The CA refuses to sign, with this text. */
  failWith?: string;
  /** So many calls fail with this, before anything else. */
  errors?: { count: number; readonly code: status; readonly details: string };
  /** What is different about the certificates issued. */
  leaf?: Partial<LeafSpec>;
  /** Leave the cross-signed CA out of the payload, as after a rotation the worker has missed. */
  omitIntermediates?: boolean;
}

/** One call as it came in. */
export interface CaCall {
  readonly method: 'root' | 'issue' | 'status';
  /** The token in the request, if any. */
  readonly token?: string;
  /** The node the client certificate speaks of. */
  readonly caller: string | undefined;
}

/** The CA and NodeCA services of a manager (spec swarmkit-worker §2.3, §7.2). Share one among the managers of a swarm. */
export class FakeCaServices {
  readonly ca: FakeCa;
  readonly nodes = new Map<string, FakeNode>();
  readonly removed = new Set<string>();
  readonly calls: CaCall[] = [];
  faults: CaFaults = {};
  /** Called with each call before it is answered. */
  onCall: (call: CaCall) => void = () => {};

  constructor(ca: FakeCa) {
    this.ca = ca;
  }

  services(): FakeService[] {
    return [
      [CA, { getRootCACertificate: this.#rootHandler }],
      [NodeCA, { issueNodeCertificate: this.#issueHandler, nodeCertificateStatus: this.#statusHandler }],
    ];
  }

  readonly #rootHandler = (
    call: ServerUnaryCall<GetRootCACertificateRequest, GetRootCACertificateResponse>,
    reply: sendUnaryData<GetRootCACertificateResponse>,
  ) => {
    this.#note({ method: 'root', caller: callerOf(call) });
    const certificate = this.faults.rootBundle ?? this.ca.rootBundle;
    answer(reply, () => create(GetRootCACertificateResponseSchema, { certificate }));
  };

  readonly #issueHandler = (
    call: ServerUnaryCall<IssueNodeCertificateRequest, IssueNodeCertificateResponse>,
    reply: sendUnaryData<IssueNodeCertificateResponse>,
  ) => {
    const { csr, token, availability } = call.request;
    const caller = callerOf(call);
    this.#note({ method: 'issue', token, caller });
    answer(reply, () => {
      this.#throwFault();
      if (csr.length === 0) throw refusal(status.INVALID_ARGUMENT, 'invalid argument');
      const node = this.#knownNode(caller) ?? this.#newNode(token, availability);
      node.csr = csr;
      node.certificatePem = this.#issue(node);
      return create(IssueNodeCertificateResponseSchema, {
        nodeId: node.id,
        nodeMembership: NodeSpec_Membership.ACCEPTED,
      });
    });
  };

  readonly #statusHandler = (
    call: ServerUnaryCall<NodeCertificateStatusRequest, NodeCertificateStatusResponse>,
    reply: sendUnaryData<NodeCertificateStatusResponse>,
  ) => {
    this.#note({ method: 'status', caller: callerOf(call) });
    answer(reply, () => {
      this.#throwFault();
      const node = this.nodes.get(call.request.nodeId);
      if (!node) throw refusal(status.NOT_FOUND, `node ${call.request.nodeId} not found`);
      return create(NodeCertificateStatusResponseSchema, this.#status(node));
    });
  };

  #status(node: FakeNode): MessageInitShape<typeof NodeCertificateStatusResponseSchema> {
    if (take(this.faults, 'pendingPolls')) return { status: { state: IssuanceStatus_State.PENDING } };
    const { failWith } = this.faults;
    const state = failWith === undefined ? IssuanceStatus_State.ISSUED : IssuanceStatus_State.FAILED;
    const issuance = { state, err: failWith ?? '' };
    const csr = take(this.faults, 'foreignAnswers') ? Buffer.from('another request') : node.csr;
    return {
      status: issuance,
      certificate: {
        role: node.role === 'manager' ? NodeRole.MANAGER : NodeRole.WORKER,
        csr,
        status: issuance,
        certificate: Buffer.from(node.certificatePem),
        cn: node.id,
      },
    };
  }

  #issue(node: FakeNode): string {
    const { leaf, omitIntermediates } = this.faults;
    const pem = this.ca.issue({ publicKey: requestedKey(node.csr), nodeId: node.id, role: node.role, ...leaf });
    return omitIntermediates ? pem.slice(0, pem.indexOf('-----END CERTIFICATE-----') + 26) : pem;
  }

  #knownNode(caller: string | undefined): FakeNode | undefined {
    if (caller === undefined || this.removed.has(caller)) return undefined; // as anybody without a certificate
    const node = this.nodes.get(caller);
    if (!node) throw refusal(status.NOT_FOUND, `node ${caller} not found`);
    return node;
  }

  #newNode(token: string, availability: NodeSpec_Availability): FakeNode {
    const role = this.ca.roleOfToken(token);
    if (!role) throw refusal(status.INVALID_ARGUMENT, 'A valid join token is necessary to join this cluster');
    const node = { id: newSwarmId(), role, availability, csr: new Uint8Array(), certificatePem: '' };
    this.nodes.set(node.id, node);
    return node;
  }

  #note(call: CaCall): void {
    this.calls.push(call);
    this.onCall(call);
  }

  #throwFault(): void {
    const { errors } = this.faults;
    if (!errors || errors.count === 0) return;
    errors.count -= 1;
    throw refusal(errors.code, errors.details);
  }
}

/** The node a verified client certificate names. */
export function callerOf(call: ServerUnaryCall<unknown, unknown>): string | undefined {
  const certificate = call.getAuthContext().sslPeerCertificate;
  return certificate && swarmSubject(certificateFields(certificate.raw).subjectDer).commonName;
}

/** The public key of a PKCS#10 request: SEQUENCE { SEQUENCE { version, subject, spki, … }, … }. */
export function requestedKey(csrPem: Uint8Array): KeyObject {
  const [der] = decodePem(Buffer.from(csrPem).toString(), 'CERTIFICATE REQUEST');
  if (!der) throw refusal(status.INVALID_ARGUMENT, 'not a certificate request');
  const [info] = derChildren(der, TAG.sequence);
  const [, , spki] = derElements(expectTag(info, TAG.sequence).content);
  return createPublicKey({ key: expectTag(spki, TAG.sequence).whole, format: 'der', type: 'spki' });
}

function answer<T>(reply: sendUnaryData<T>, make: () => T): void {
  try {
    reply(null, make());
  } catch (error) {
    reply(isRefusal(error) ? error : { code: status.INTERNAL, details: String(error) });
  }
}

function refusal(code: status, details: string): ServerErrorResponse {
  return Object.assign(new Error(details), { code, details });
}

function isRefusal(error: unknown): error is ServerErrorResponse {
  return error instanceof Error && 'code' in error && 'details' in error;
}

/** Counts a fault down; true while it lasts. */
function take(faults: CaFaults, key: 'pendingPolls' | 'foreignAnswers'): boolean {
  const left = faults[key] ?? 0;
  if (left > 0) faults[key] = left - 1;
  return left > 0;
}
