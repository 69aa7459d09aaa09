import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { PlainRuntime, plainBundle } from '../test/fixtures/plainRuntime.ts';
import { tokenize } from '../text/tokenizer.ts';
import { Vocabulary } from '../text/vocabulary.ts';
import { answerOf } from './answers.ts';
import type { PartialDocument } from './partialDocument.ts';
import type { LabelScore } from './schema.ts';
import { StateTokens } from './stateToken.ts';
import { appOn, errorOf, expectScores, SIZES, TOKENS } from './testSupport.ts';

const SECRET = 'sixteen letters!';
const row = (length: number) => fc.float32Array({ minLength: length, maxLength: length, noNaN: true });
const documents: fc.Arbitrary<PartialDocument> = fc.record(
  {
    model: fc.string(),
    version: fc.string(),
    fingerprint: fc.string(),
    rest: fc.string({ unit: 'binary' }),
    states: fc.array(
      fc.record({
        hidden: fc.tuple(row(3), row(2)),
        cell: fc.tuple(row(3), row(2)),
        pooledMax: row(2),
        pooledSum: row(2),
        count: fc.nat(),
      }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: ['model', 'version', 'fingerprint', 'rest'] },
);

describe('StateTokens', () => {
  it('gives every document back as it was', async () => {
    const tokens = new StateTokens({ secret: SECRET });
    await fc.assert(
      fc.asyncProperty(documents, async (document) => {
        const { token } = await tokens.seal(document);
        expect(token).toMatch(/^u1\.[\w-]+\.[\w-]{43}$/);
        // Another server with the same secret.
        expect(await new StateTokens({ secret: SECRET }).open(token)).toEqual(document);
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it('refuses a token with any character changed, cut off or added, and one of another secret', async () => {
    const tokens = new StateTokens({ secret: SECRET });
    const { token } = await tokens.seal({ model: 'm', version: '1', fingerprint: '', rest: 'x' });
    const changed = [...token].map((character, index) => token.slice(0, index) + (character === 'A' ? 'B' : 'A') + token.slice(index + 1));
    const others = [
      token.slice(0, -1),
      `${token}A`,
      `${token}.`,
      token.replace('u1', 'u2'),
      '',
      '.',
      'u1..',
      'nonsense',
      `${token}=`,
      ` ${token}`,
    ];
    for (const wrong of [...changed, ...others])
      await expect(tokens.open(wrong)).rejects.toMatchObject({ status: 400, code: 'invalid_state' });
    for (const other of [new StateTokens({ secret: `${SECRET}!` }), new StateTokens()]) {
      await expect(other.open(token)).rejects.toMatchObject({ status: 400, code: 'invalid_state' });
    }
  });

  it('refuses a token whose time is over, and a secret that is short', async () => {
    let now = 0;
    const tokens = new StateTokens({ lifeMilliseconds: 1000, now: () => now });
    const { token, expires } = await tokens.seal({ model: 'm', version: '1', fingerprint: '', rest: '' });
    expect(expires).toBe(1000);
    now = 999;
    await tokens.open(token);
    now = 1000;
    await expect(tokens.open(token)).rejects.toMatchObject({ status: 409, code: 'state_expired' });
    expect(() => new StateTokens({ secret: 'short' })).toThrow('has 5 characters; it needs at least 16');
  });
});

describe('POST /v1/classify/continue', () => {
  const runtime = new PlainRuntime({ sizes: SIZES });
  const loaded = plainBundle([{ runtime, vocabulary: TOKENS }]);
  const app = appOn(loaded, [], { stateSecret: SECRET });
  const send = async (body: unknown, path = '/v1/classify/continue', to = app) =>
    to.request(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const whole = (text: string) =>
    answerOf(loaded.bundle, [runtime.alone(Vocabulary.fromTokens(TOKENS).encode(tokenize(text)))]) as LabelScore[];

  it('answers what all text so far gets at once, on any server with the secret, and keeps nothing', async () => {
    const text = 'The film was not very good, but I like the plot. It is fine, is it not? this that it';
    let state: string | undefined;
    for (let start = 0; start < text.length; start += 7) {
      const other = appOn(loaded, [], { stateSecret: SECRET });
      const answered = (await (await send({ text: text.slice(start, start + 7), state }, undefined, other)).json()) as {
        answer: LabelScore[];
        state: string;
      };
      expectScores(answered.answer, whole(text.slice(0, start + 7)));
      ({ state } = answered);
    }
    expect(state).toMatch(/^u1\./);
    // From one state, two ways on.
    for (const more of [' good', ' bad']) {
      expectScores(((await (await send({ text: more, state })).json()) as { answer: LabelScore[] }).answer, whole(text + more));
    }
  });

  it('refuses a state that was changed, and one for another address', async () => {
    const { state } = (await (await send({ text: 'good' })).json()) as { state: string };
    expect(await errorOf(await send({ text: 'x', state: state.replace('u1.', 'u1.A') }))).toMatchObject({
      status: 400,
      code: 'invalid_state',
    });
    expect(await errorOf(await send({ text: 'x', state: 3 }))).toMatchObject({
      status: 422,
      message: expect.stringContaining('state must be'),
    });
    expect((await send({ text: 'x', state }, '/v1/models/plain/versions/1/classify/continue')).status).toBe(200);
    expect((await send({ text: 'x', state }, '/v1/models/plain/versions/2/classify/continue')).status).toBe(404);
  });
});
