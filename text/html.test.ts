import { expect, it } from 'vitest';
import { unescapeHtml } from './html.ts';

// The right-hand sides are what Python 3.11's html.unescape returns.
it.each([
  ['&amp;', '&'],
  ['fish &amp chips', 'fish & chips'],
  ['&ampamp;', '&amp;'],
  ['&notit;', '¬it;'],
  ['&NotEqualTilde;', '≂̸'],
  ['&Afr;', '𝔄'],
  ['&Tab;|&nbsp;|&bsol;', '\t|\u00a0|\\'],
  ['&AMPx', '&x'],
  ['&lt3', '<3'],
  ['&frac12;', '½'],
  ['&#65;;', 'A;'],
  ['&#x41', 'A'],
  ['&#X1F600;', '😀'],
  ['&#128;', '€'],
  ['&#129;', '\x81'],
  ['&#159;', 'Ÿ'],
  ['&#0;', '\ufffd'],
  ['&#xD800;', '\ufffd'],
  ['&#1114112;', '\ufffd'],
  ['&#99999999999999999999;', '\ufffd'],
  ['&#11;', ''],
  ['&#xFFFF;', ''],
  ['&#127;', ''],
  ['&#13;', '\r'],
  ['&bogus;', '&bogus;'],
  ['&; & amp; &#; &#x; &', '&; & amp; &#; &#x; &'],
  ['no reference', 'no reference'],
])('unescapes %j', (text, expected) => {
  expect(unescapeHtml(text)).toBe(expected);
});
