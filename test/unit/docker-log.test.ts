import { expect, test } from 'vitest';
import { withoutInspectionPanics } from '#test/interop/docker-side.ts';

const line = (text: string) => `time="2026-11-21T22:56:11.022058000Z" level=debug msg="${text}"`;
const stack = (goroutine: number, ...frames: readonly string[]) => [
  `goroutine ${goroutine} [running]:`,
  ...frames.flatMap((frame) => [`${frame}(0xc00063ea08?)`, '\tgithub.com/docker/docker/file.go:166 +0x1a3']),
];
const SERVING =
  '2026/11/21 22:56:11 http: panic serving @: runtime error: invalid memory address or nil pointer dereference';
const LB_INDEX = 'github.com/docker/docker/libnetwork.(*Controller).getLBIndex';

test('of the stacks in a log only those of our verbose inspections are passed over', () => {
  const ours = [SERVING, ...stack(416, 'net/http.(*conn).serve.func1', LB_INDEX)];
  const otherRequest = [SERVING, ...stack(7, 'net/http.(*conn).serve.func1', 'daemon.(*Daemon).ContainerStart')];
  const crash = ['panic: runtime error: index out of range', '', ...stack(1, LB_INDEX)];
  const log = [line('before'), ...ours, ...otherRequest, line('between'), ...ours, line('after'), ...crash, ''];
  const left = [line('before'), ...otherRequest, line('between'), line('after'), ...crash, ''];
  expect(withoutInspectionPanics(log.join('\n'))).toBe(left.join('\n'));
});
