declare const NETD_VERSION: string | undefined;

/** The version of this build; a run from the sources says so. */
export const VERSION: string = typeof NETD_VERSION === 'string' ? NETD_VERSION : '0.1.0-source';
