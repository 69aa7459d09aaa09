import { HTML_ENTITIES } from './htmlEntities.ts';

const REFERENCE = /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu;
const REPLACEMENT = '\ufffd';

/** What the numbers 0x80 to 0x9f mean in a reference: Windows-1252, where it gives them a character. */
const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

let named: Map<string, string> | undefined; // read when first needed: few texts hold references

function namedReferences(): Map<string, string> {
  if (named !== undefined) return named;
  named = new Map();
  for (const entry of HTML_ENTITIES.trim().split(/[ \n]/)) {
    const [name = '', value = ''] = entry.split('=');
    const text = value.replace(/\\u([0-9a-f]{4})/g, (_, unit: string) => String.fromCharCode(parseInt(unit, 16)));
    const needsNoSemicolon = name.endsWith('*');
    const bare = needsNoSemicolon ? name.slice(0, -1) : name;
    named.set(bare + ';', text);
    if (needsNoSemicolon) named.set(bare, text);
  }
  return named;
}

/**
 * Replaces the character references of HTML by their characters, as Python's `html.unescape` does (the rules of the
 * WHATWG HTML standard, section 13.2.5.80, but alike in attributes and text).
 *
 * @example unescapeHtml('fish &amp; chips &#163;5 &lt3') // 'fish & chips £5 <3'
 */
export function unescapeHtml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(REFERENCE, (_, reference: string) =>
    reference.startsWith('#') ? numberedCharacter(reference) : namedCharacter(reference),
  );
}

function numberedCharacter(reference: string): string {
  const digits = reference.replace(/;$/, '').slice(1);
  const number = /^x/i.test(digits) ? parseInt(digits.slice(1), 16) : parseInt(digits, 10);
  if (number === 0 || (number >= 0xd800 && number <= 0xdfff) || number > 0x10ffff) return REPLACEMENT;
  if (number >= 0x80 && number <= 0x9f) return WINDOWS_1252.charAt(number - 0x80);
  return isInvalid(number) ? '' : String.fromCodePoint(number);
}

/** Control characters and noncharacters, which Python drops. */
function isInvalid(number: number): boolean {
  const isControl = number < 0x20 && ![0x09, 0x0a, 0x0c, 0x0d].includes(number);
  return isControl || number === 0x7f || (number >= 0xfdd0 && number <= 0xfdef) || (number & 0xfffe) === 0xfffe;
}

/** The whole name, or else the longest start of it that is a reference that needs no semicolon. */
function namedCharacter(reference: string): string {
  const references = namedReferences();
  const whole = references.get(reference);
  if (whole !== undefined) return whole;
  const points = [...reference];
  for (let length = points.length - 1; length > 1; length--) {
    const start = points.slice(0, length).join('');
    const text = references.get(start);
    if (text !== undefined) return text + reference.slice(start.length);
  }
  return '&' + reference;
}
