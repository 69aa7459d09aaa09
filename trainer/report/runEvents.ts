import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

import { writeFileAtomically } from '../checkpoint/atomicFile.ts';
import type { MetricsLine } from './runMetrics.ts';
import { frameRecord, readRecords } from './tfRecords.ts';

/** What TensorBoard is told of a run at one moment. */
export interface RunEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  /** Numbers by name; undefined where the event is that a process began to train, at its first step. */
  readonly scalars: Readonly<Record<string, number>> | undefined;
}

const FILE_NAME = /^events\.out\.tfevents\.\d+\.ulmfit$/;

/** TensorBoard's version of the format: steps need not rise, and the beginning of a session says from where on events are void. */
const FILE_VERSION = 'brain.Event:2';

/* Numbers of the fields (tensorflow/core/util/event.proto and framework/summary.proto). */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const SUMMARY = { value: 1 } as const;
const VALUE = { tag: 1, simpleValue: 2 } as const;
const SESSION_LOG = { status: 1 } as const;
const SESSION_START = 1;

/** One event as bytes of an events file. */
export function encodeEvent({ wallTime, step, scalars }: RunEvent): Uint8Array {
  const writer = eventWriter(wallTime);
  writer.tag(EVENT.step, WireType.Varint).int64(step);
  if (scalars === undefined) {
    writer.tag(EVENT.sessionLog, WireType.LengthDelimited).fork();
    writer.tag(SESSION_LOG.status, WireType.Varint).int32(SESSION_START).join();
  } else {
    writer.tag(EVENT.summary, WireType.LengthDelimited).fork();
    for (const [name, value] of Object.entries(scalars)) {
      writer.tag(SUMMARY.value, WireType.LengthDelimited).fork();
      writer.tag(VALUE.tag, WireType.LengthDelimited).string(name);
      writer.tag(VALUE.simpleValue, WireType.Bit32).float(value).join();
    }
    writer.join();
  }
  return frameRecord(writer.finish());
}

function eventWriter(wallTime: number): BinaryWriter {
  return new BinaryWriter().tag(EVENT.wallTime, WireType.Bit64).double(wallTime);
}

function encodeVersion(wallTime: number): Uint8Array {
  return frameRecord(eventWriter(wallTime).tag(EVENT.fileVersion, WireType.LengthDelimited).string(FILE_VERSION).finish());
}

/** The events in an events file's bytes, up to the first that is cut short. */
export function decodeEvents(bytes: Uint8Array): RunEvent[] {
  return Array.from(readRecords(bytes), decodeEvent).filter((event) => event !== undefined);
}

/** Nothing for what tells neither numbers nor a beginning, such as the file's version. */
function decodeEvent(data: Uint8Array): RunEvent | undefined {
  let wallTime = 0;
  let step = 0;
  let scalars: Record<string, number> | undefined;
  let isStart = false;
  forEachField(data, (field, reader) => {
    if (field === EVENT.wallTime) wallTime = reader.double();
    else if (field === EVENT.step) step = Number(reader.int64());
    else if (field === EVENT.summary) scalars = decodeSummary(reader.bytes());
    else if (field === EVENT.sessionLog) isStart = decodeStatus(reader.bytes()) === SESSION_START;
    else return false;
    return true;
  });
  return scalars === undefined && !isStart ? undefined : { wallTime, step, scalars };
}

function decodeSummary(data: Uint8Array): Record<string, number> {
  const values: [string, number][] = [];
  forEachField(data, (field, reader) => {
    if (field !== SUMMARY.value) return false;
    let name = '';
    let number = Number.NaN;
    forEachField(reader.bytes(), (inner, value) => {
      if (inner === VALUE.tag) name = value.string();
      else if (inner === VALUE.simpleValue) number = value.float();
      else return false;
      return true;
    });
    values.push([name, number]);
    return true;
  });
  return Object.fromEntries(values);
}

function decodeStatus(data: Uint8Array): number {
  let status = 0;
  forEachField(data, (field, reader) => {
    if (field !== SESSION_LOG.status) return false;
    status = reader.int32();
    return true;
  });
  return status;
}

/** @param take reads a field's value; false where it leaves it to be skipped */
function forEachField(data: Uint8Array, take: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(data);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (!take(field, reader)) reader.skip(type, field);
  }
}

/** The names of a folder's events files, the oldest first; there is one, unless somebody has put others beside it. */
async function eventsFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => FILE_NAME.test(name)).toSorted();
}

/** All events of a run folder in their order; none where there is no events file. */
export async function readEvents(folder: string): Promise<RunEvent[]> {
  const files = await eventsFiles(folder);
  const events = await Promise.all(files.map(async (name) => decodeEvents(await readFile(join(folder, name)))));
  return events.flat();
}

/**
 * Begins a run folder's events file anew, for a process that begins to train or goes on: with the lines of metrics that are kept, at the
 * times at which they happened, and nothing of those that are not. The earlier file goes away, and the new one has another name: a
 * TensorBoard that is looking on takes it up (unless it was started with `--load_fast false`, which needs to be started anew).
 *
 * @param lines what has been recorded so far and still holds
 * @param now milliseconds since 1970
 * @returns the file's path
 */
export async function beginEvents(folder: string, lines: readonly MetricsLine[], now: number): Promise<string> {
  const earlier = await eventsFiles(folder);
  const events = continued(await readEvents(folder), lines, now / 1000);
  const path = join(folder, `events.out.tfevents.${Math.floor(now / 1000)}.ulmfit`);
  await writeFileAtomically(path, [encodeVersion(events[0]?.wallTime ?? 0), ...events.map(encodeEvent)]);
  for (const name of earlier) if (join(folder, name) !== path) await rm(join(folder, name), { force: true });
  return path;
}

/** All numbers of a line but the step. */
export function scalarsOf(line: MetricsLine): Record<string, number> {
  const numbers = Object.entries(line).filter((entry): entry is [string, number] => Number.isFinite(entry[1]));
  return Object.fromEntries(numbers.filter(([name]) => name !== 'step'));
}

/** The events of the lines, those of earlier sessions' beginnings between them, and the new session's beginning at the end. */
function continued(earlier: readonly RunEvent[], lines: readonly MetricsLine[], now: number): RunEvent[] {
  const times = new Map(
    earlier.flatMap((event) => (event.scalars ? [[identity(event.step, event.scalars), event.wallTime] as const] : [])),
  );
  const kept = lines.map((line): RunEvent => {
    const scalars = scalarsOf(line);
    return { wallTime: times.get(identity(line.step, scalars)) ?? now, step: line.step, scalars };
  });
  const last = kept.at(-1);
  const starts = earlier.filter(({ step, scalars }) => scalars === undefined && step <= (last?.step ?? -1));
  const first = starts.length === 0 ? [{ wallTime: kept[0]?.wallTime ?? now, step: 0, scalars: undefined }] : [];
  const resumed = last === undefined ? [] : [{ wallTime: now, step: last.step + 1, scalars: undefined }];
  const merged = [...starts, ...first, ...kept].toSorted((a, b) => a.step - b.step); // stable: a beginning comes before its lines
  return [...merged, ...resumed];
}

/** Tells a line apart from the others of its run. */
function identity(step: number, scalars: Readonly<Record<string, number>>): string {
  return `${step} ${Object.keys(scalars).join(' ')}`;
}
