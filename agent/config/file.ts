import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { NetdError } from '#base/errors.ts';
import type { FileEntry } from './resolve.ts';

/**
 * Splits the text of a configuration file into its keys. Values are plain data, not yet checked.
 *
 * @throws NetdError `bad-config` with line and column if the text is not YAML, or not a mapping.
 */
export function parseConfigText(text: string, path: string): readonly FileEntry[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const fault = document.errors[0];
  if (fault) {
    const at = lines.linePos(fault.pos[0]);
    throw new NetdError('bad-config', `${path}:${at.line}:${at.col}: ${fault.message}`, {
      mend: 'The file is YAML: one "key: value" a line.',
    });
  }
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) return []; // empty, or comments only
  if (!isMap(contents)) {
    throw new NetdError('bad-config', `${path}: the file is not a mapping`, {
      mend: 'The file is YAML: one "key: value" a line.',
    });
  }
  return contents.items.map((pair) => {
    const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
    const offset = isScalar(pair.key) ? (pair.key.range?.[0] ?? 0) : 0;
    return { key, value: isNode(pair.value) ? pair.value.toJS(document) : null, line: lines.linePos(offset).line };
  });
}
