import { inspect } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ContainerSpecSchema } from '#proto/gen/swarmkit/types_pb.js';
import { planPull } from './pull.ts';

const digest = `sha256:${'ab'.repeat(32)}`;

describe('pulling', () => {
  it.each([
    ['a tag may have moved', 'nginx:1', { kind: 'always', reference: 'nginx:1' }],
    ['no tag means latest', 'nginx', { kind: 'always', reference: 'nginx:latest' }],
    ['a digest is what it is', `nginx@${digest}`, { kind: 'if-absent', reference: `nginx@${digest}` }],
    ['so with a tag besides', `nginx:1@${digest}`, { kind: 'if-absent', reference: `nginx:1@${digest}` }],
    ['an id is not in any registry', digest, { kind: 'never' }],
    ['nor is what cannot be read', 'Not An Image', { kind: 'never' }],
  ])('%s', (_, image, expected) => {
    expect(planPull(create(ContainerSpecSchema, { image }))).toMatchObject(expected);
  });
});

describe('registry credentials', () => {
  const credentials = { username: 'u', password: 'sécrét?>~', serveraddress: 'r.example' };

  function pullWith(registryAuth: string) {
    const plan = planPull(create(ContainerSpecSchema, { image: 'a', pullOptions: { registryAuth } }));
    if (plan.kind === 'never') throw new Error('not pulled');
    return plan;
  }

  it.each([
    ['URL-safe with padding', (json: string) => urlSafe(json)],
    ['URL-safe without padding', (json: string) => Buffer.from(json).toString('base64url')],
    ['the ordinary alphabet', (json: string) => Buffer.from(json).toString('base64')],
  ])('in %s reach the engine in the form it reads', (_, encode) => {
    const plan = pullWith(encode(JSON.stringify(credentials)));
    const header = plan.auth?.reveal() ?? '';
    expect(header).toMatch(/^[A-Za-z0-9_-]+=*$/);
    expect(header.length % 4).toBe(0);
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual(credentials);
    expect(plan.authUnreadable).toBe(false);
  });

  it.each(['!!!', 'bm90IGpzb24=', urlSafe('[1]'), urlSafe('null'), urlSafe('"text"')])(
    'that cannot be read are worth a warning: %s',
    (text) => {
      expect(pullWith(text)).toMatchObject({ auth: undefined, authUnreadable: true });
    },
  );

  it('are absent when none are given', () => {
    expect(pullWith('')).toMatchObject({ auth: undefined, authUnreadable: false });
  });

  it('cannot be printed by accident', () => {
    const plan = pullWith(urlSafe(JSON.stringify({ password: 'hunter2' })));
    const shown = [JSON.stringify(plan), String(plan.auth), inspect(plan, { depth: 9, showHidden: true })].join();
    expect(shown).not.toContain('hunter2');
    expect(shown).not.toContain(plan.auth?.reveal());
  });

  function urlSafe(json: string): string {
    return Buffer.from(json).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  }
});
