/**
 * The shortest path that names the same thing by its text alone: no empty parts, no `.`, no `..` after a name
 * (as Go's path.Clean, which decides where Docker puts secrets and configs).
 */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  const absolute = path.startsWith('/');
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (!absolute) parts.push(part);
  }
  return (absolute ? '/' : '') + parts.join('/') || '.';
}
