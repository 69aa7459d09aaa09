/** Lines that say whose words are quoted: `In article <…> someone writes:`. */
const ATTRIBUTION = /^\s*in article\b|\b(?:writes|wrote|says|said)\s*:\s*$/i;

/** Lines of somebody else's message. */
const QUOTED = /^\s*[>|:}]/;

/** What stands above a signature: a line of two or more dashes, or the like, alone. */
const SIGNATURE = /^[-_=*~\s]*[-_=*~]{2,}[-_=*~\s]*$/;

/** A signature is no longer than this, in lines. */
const LONGEST_SIGNATURE = 12;

/**
 * What its author wrote in a newsgroup message: without headers, quoted lines and signature, which name author, group and thread, so that a
 * classifier could tell the groups apart without reading.
 *
 * @example ownWords('From: a@b.c\nSubject: Rockets\n\nBob writes:\n> Where to?\nTo the Moon.\n--\nAlice'); // 'To the Moon.'
 */
export function ownWords(message: string): string {
  const headersEnd = message.search(/\r?\n\r?\n/);
  const lines = (headersEnd === -1 ? message : message.slice(headersEnd)).split(/\r?\n/);
  const own = lines.filter((line) => !QUOTED.test(line) && !ATTRIBUTION.test(line));
  while (own.at(-1)?.trim() === '') own.pop();
  const mark = own.findLastIndex((line) => SIGNATURE.test(line));
  const body = mark > 0 && own.length - mark <= LONGEST_SIGNATURE ? own.slice(0, mark) : own;
  return body.join('\n').trim();
}
