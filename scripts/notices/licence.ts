/**
 * Licences netd can be given away with: they ask for their notices to travel along (the build sees to that), and no more. A package
 * under another one is a question for a person.
 */
const ALLOWED: ReadonlySet<string> = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT']);

/**
 * Whether an SPDX licence expression is met by licences of that list: one of those joined by OR, all of those joined by AND. What
 * mixes the two is left to a person.
 */
export function isAllowed(expression: string): boolean {
  const words = expression.replace(/^\((.*)\)$/, '$1').split(' ');
  const licences = words.filter((_, i) => i % 2 === 0);
  const joints = new Set(words.filter((_, i) => i % 2 === 1));
  if (joints.size === 0 || (joints.size === 1 && joints.has('AND'))) return licences.every((name) => ALLOWED.has(name));
  return joints.size === 1 && joints.has('OR') && licences.some((name) => ALLOWED.has(name));
}

/** The comments of a source file that speak of copyright, without their marks: where a package has no other notice. */
export function copyrightComments(source: string): readonly string[] {
  const comments = source.match(/^[ \t]*\/\*[\s\S]*?\*\/|(?:^[ \t]*\/\/.*\n?)+/gm) ?? [];
  return comments
    .map((comment) =>
      comment
        .replace(/^[ \t]*(\/\*+|\*+\/|\*|\/\/) ?/gm, '')
        .replace(/\s*\*\/\s*$/, '')
        .trim(),
    )
    .filter((text) => /copyright/i.test(text));
}
