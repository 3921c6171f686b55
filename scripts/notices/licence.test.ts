import { expect, it } from 'vitest';
import { copyrightComments, isAllowed } from './licence.ts';

it.each([
  ['MIT', true],
  ['(Apache-2.0 AND BSD-3-Clause)', true],
  ['(BSD-3-Clause OR GPL-2.0)', true],
  ['GPL-2.0 OR MIT', true],
  ['MIT AND GPL-2.0', false],
  ['GPL-3.0-only OR AGPL-3.0-only', false],
  ['MIT AND ISC OR GPL-2.0', false],
  ['(MIT AND ISC) OR GPL-2.0', false],
  ['MIT WITH Some-exception', false],
  ['mit', false],
  ['UNLICENSED', false],
  ['', false],
])('takes %j: %s', (expression, allowed) => {
  expect(isAllowed(expression)).toBe(allowed);
});

it('reads notices out of the comments of a source', () => {
  const source = `// Copyright 2021 A
// All of it.
import x from 'y';
/*
 * (c) nobody
 */
/**
 * Copyright 2008 B
 *
 * Rest.
 */
const text = 'Copyright 1 C'; // no comment of its own: Copyright 2 D
`;
  expect(copyrightComments(source)).toEqual(['Copyright 2021 A\nAll of it.', 'Copyright 2008 B\n\nRest.']);
});
