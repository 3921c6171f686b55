import { createServer } from 'node:https';
import { z } from 'zod';
import type { FakeCa } from '#test/fake-manager/ca.ts';
import { requestedKey } from '#test/fake-manager/ca-services.ts';

/** What managers send to an external CA, as far as it is looked at: CFSSL's "sign" endpoint. */
const signRequest = z.object({
  certificate_request: z.string(),
  subject: z.object({
    CN: z.string(),
    names: z.array(z.object({ O: z.string().optional(), OU: z.string().optional() })),
  }),
});

/** An external CA with the root of `ca`, listening on a unix socket under a certificate for the given name. */
export class FakeCfssl implements AsyncDisposable {
  signed = 0;
  refused = 0;
  /** While false it fails every request, as a CA in trouble does. */
  working = true;
  readonly #server;

  private constructor(ca: FakeCa, name: string) {
    const { certificatePem, keyPem } = ca.issueWithKey(name, 'worker');
    this.#server = createServer({ cert: certificatePem, key: keyPem }, async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      if (!this.working) {
        this.refused += 1;
        response.writeHead(500).end('{"success":false,"errors":[{"code":1,"message":"out of ink"}]}');
        return;
      }
      const { certificate_request, subject } = signRequest.parse(JSON.parse(body));
      const { O: organization = '', OU = '' } = Object.assign({}, ...subject.names);
      const role = OU === 'swarm-manager' ? 'manager' : 'worker';
      const publicKey = requestedKey(Buffer.from(certificate_request));
      const certificate = ca.issue({ publicKey, nodeId: subject.CN, role, organization });
      this.signed += 1;
      response.end(JSON.stringify({ success: true, result: { certificate }, errors: [], messages: [] }));
    });
  }

  static async listen(ca: FakeCa, name: string, socketPath: string): Promise<FakeCfssl> {
    const made = new FakeCfssl(ca, name);
    await new Promise<void>((resolve) => made.#server.listen(socketPath, resolve));
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
