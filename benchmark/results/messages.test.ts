import { describe, expect, it } from 'vitest';
import { ownWords } from './messages.ts';

describe('ownWords', () => {
  it('leaves out headers, quotes, who is quoted, and the signature', () => {
    const message = 'From: a@b.c\nSubject: Rockets\n\nIn article <1@x>, bob@x writes:\n> Where to?\n\nTo the Moon.\n\nSoon.\n\n--\nAlice\n';
    expect(ownWords(message)).toBe('To the Moon.\n\nSoon.');
  });

  it('keeps what follows a rule in the middle of a long text', () => {
    const list = Array.from({ length: 20 }, (_, index) => `item ${index}`).join('\n');
    expect(ownWords(`Subject: list\n\nThe list:\n-----\n${list}`)).toBe(`The list:\n-----\n${list}`);
  });

  it('leaves nothing of a message that only quotes', () => {
    expect(ownWords('Subject: x\n\nBob wrote:\n> yes\n> no\n')).toBe('');
  });

  it('takes a text without headers as it is', () => {
    expect(ownWords('Only words.')).toBe('Only words.');
  });
});
