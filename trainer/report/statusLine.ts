import { styleText } from 'node:util';

/** Where progress is shown; `process.stderr` is one. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  /** Width of the terminal in characters. */
  readonly columns?: number | undefined;
}

export interface StatusLineOptions {
  /** What is going on, such as `pretraining`. */
  readonly label: string;
  /** Default: standard error. */
  readonly stream?: ProgressStream | undefined;
  /** The clock, in milliseconds. */
  readonly now?: (() => number) | undefined;
  /** Whether the label is shown in bold on a terminal. Default: unless NO_COLOR is set. */
  readonly colour?: boolean | undefined;
}

/** A line that says how a long command goes on. */
export interface StatusLine {
  /** Shows what `text` says now, where it is time to. It is asked again for the notes and the end; undefined shows nothing. */
  readonly update: (text: () => string | undefined) => void;
  /** Prints a line of its own that stays. */
  readonly note: (text: string) => void;
  /** Shows the last state once more, for good. */
  readonly done: () => void;
}

const REDRAW_MILLISECONDS = 100;
const PLAIN_LINE_MILLISECONDS = 5000;

/**
 * On a terminal one line, drawn anew; elsewhere a line every five seconds.
 *
 * @example
 * const line = createStatusLine({ label: 'reading' });
 * line.update(() => '12 of 40');
 * line.done();
 */
export function createStatusLine(options: StatusLineOptions): StatusLine {
  const { label, stream = process.stderr, now = Date.now } = options;
  const isTerminal = stream.isTTY === true;
  const bold = isTerminal && (options.colour ?? !process.env['NO_COLOR']);
  const shownLabel = bold ? styleText('bold', label, { validateStream: false }) : label;
  const interval = isTerminal ? REDRAW_MILLISECONDS : PLAIN_LINE_MILLISECONDS;
  let latest: () => string | undefined = () => undefined;
  let lastShown = Number.NEGATIVE_INFINITY;
  let isDrawn = false;
  let isShown = false;

  const show = () => {
    const text = latest();
    if (text === undefined) return;
    if (isTerminal) {
      const room = (stream.columns ?? 80) - label.length - 3;
      stream.write(`\r\u001b[2K${shownLabel}  ${text.slice(0, Math.max(0, room))}`);
      isDrawn = true;
    } else {
      stream.write(`${label}  ${text}\n`);
    }
    lastShown = now();
    isShown = true;
  };

  return {
    update(text) {
      latest = text;
      isShown = false;
      if (now() - lastShown >= interval) show();
    },
    note(text) {
      if (isDrawn) stream.write('\r\u001b[2K');
      isDrawn = false;
      stream.write(`${text}\n`);
      if (isTerminal) show();
    },
    done() {
      if (isTerminal || !isShown) show();
      if (isDrawn) stream.write('\n');
      isDrawn = false;
      latest = () => undefined;
    },
  };
}
