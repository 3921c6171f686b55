import { main } from '#agent/main.ts';

// netd whose chances all fall the same way: a certificate is renewed at the first moment it may be. With lifetimes of an
// hour that is within a minute, since Docker issues such a certificate as if an hour ago.
await main(() => 0);
