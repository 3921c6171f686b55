/** A moment: ISO 8601 in UTC with milliseconds, as `new Date(ms).toISOString()` writes it. */
export type IsoTime = string;
