import { destination, pino, type DestinationStream, type Logger } from 'pino';

import type { RequestRecord } from '../requestRecord.ts';

/** From where on lines are written; `silent` is none. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Health and metrics are asked every few seconds by machines; their lines would hide the others. */
const ROUTES_FOR_DEBUGGING: ReadonlySet<string> = new Set(['/health', '/metrics', '/v2/health/live', '/v2/health/ready']);

/** A log of one JSON object a line, on standard error unless told. */
export function createLog(level: LogLevel, stream: DestinationStream = destination({ fd: 2, sync: false })): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    stream,
  );
}

/** One line for a request: what was asked of which model, how it ended and how long it took. Texts, addresses and keys are not in it. */
export function logRequest(log: Logger, record: RequestRecord): void {
  const { requestId, milliseconds, ...rest } = record;
  const line = { requestId, ...rest, milliseconds: Math.round(milliseconds * 10) / 10 };
  if (record.status >= 500) log.error(line, 'request');
  else if (ROUTES_FOR_DEBUGGING.has(record.route)) log.debug(line, 'request');
  else log.info(line, 'request');
}
