/**
 * An image as the engine names it: by id, or by repository with a tag, a digest or both (the grammar of
 * distribution/reference, which engine and managers use).
 */
export type ImageReference =
  | { readonly kind: 'id'; readonly id: string }
  | {
      readonly kind: 'named';
      /** Registry, such as `docker.io` or `localhost:5000`. */
      readonly domain: string;
      /** Repository within it, such as `library/nginx`. */
      readonly path: string;
      readonly tag: string | undefined;
      readonly digest: string | undefined;
    }
  /** Left to the engine, which refuses it in words users know. */
  | { readonly kind: 'unreadable'; readonly text: string };

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DEFAULT_DOMAIN = 'index.docker.io';
const OFFICIAL_PREFIX = 'library/';

const ID = /^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$/;
const BARE_HEX_ID = /^[a-f0-9]{64}$/;

const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const DOMAIN = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const REMOTE = new RegExp(
  `^(?<path>${COMPONENT}(?:/${COMPONENT})*)` +
    '(?::(?<tag>\\w[\\w.-]{0,127}))?' +
    '(?:@(?<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$',
);

/** A repository name, registry included, is at most this long in every registry and engine. */
const MAX_NAME_LENGTH = 255;
/** Longest text worth looking at: a name, a tag and a digest, with room. Keeps a hostile text from costing time. */
const MAX_REFERENCE_LENGTH = 1024;

export function parseImageReference(text: string): ImageReference {
  if (ID.test(text)) return { kind: 'id', id: text };
  if (text.length > MAX_REFERENCE_LENGTH || BARE_HEX_ID.test(text)) return { kind: 'unreadable', text };
  const { domain, remote } = splitDomain(text);
  const groups = DOMAIN.test(domain) ? REMOTE.exec(remote)?.groups : undefined;
  const path = groups?.path;
  if (path === undefined || `${domain}/${path}`.length > MAX_NAME_LENGTH) return { kind: 'unreadable', text };
  return { kind: 'named', domain, path, tag: groups?.tag, digest: groups?.digest };
}

/** The first component is a registry if it looks like a host, else the image is Docker Hub's. */
function splitDomain(text: string): { domain: string; remote: string } {
  const slash = text.indexOf('/');
  const first = slash < 0 ? '' : text.slice(0, slash);
  const isDomain = first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first;
  const domain = !isDomain || first === LEGACY_DEFAULT_DOMAIN ? DEFAULT_DOMAIN : first;
  const remote = isDomain ? text.slice(slash + 1) : text;
  return { domain, remote: domain === DEFAULT_DOMAIN && !remote.includes('/') ? OFFICIAL_PREFIX + remote : remote };
}

/**
 * The form shown to users and given to the engine: without Docker Hub's registry and `library/`, with `:latest` when
 * there is neither tag nor digest (spec swarmkit-worker §4.9). What cannot be read stays as it is.
 */
export function familiarImage(reference: ImageReference): string {
  switch (reference.kind) {
    case 'id':
      return reference.id;
    case 'unreadable':
      return reference.text;
    case 'named': {
      const tag = reference.tag ?? (reference.digest === undefined ? 'latest' : undefined);
      return familiarName(reference.domain, reference.path) + (tag ? `:${tag}` : '') + digestSuffix(reference.digest);
    }
  }
}

function familiarName(domain: string, path: string): string {
  if (domain !== DEFAULT_DOMAIN) return `${domain}/${path}`;
  const official = path.startsWith(OFFICIAL_PREFIX) && !path.slice(OFFICIAL_PREFIX.length).includes('/');
  return official ? path.slice(OFFICIAL_PREFIX.length) : path;
}

function digestSuffix(digest: string | undefined): string {
  return digest === undefined ? '' : `@${digest}`;
}
