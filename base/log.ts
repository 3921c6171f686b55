import { type Logger as PinoLogger, pino } from 'pino';

/** What the parts of netd log to. Ids travel as fields, the message is a constant sentence. */
export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error' | 'child'>;

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The daemon's logger: one JSON object a line on standard error, where journald and `docker logs` find it. */
export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** A logger that says nothing: for tests and for library use. */
export const silentLogger: Logger = pino({ level: 'silent' });
