/** Bodies of every kind, made up: each gets an answer or a refusal in one shape, none a fault, and the server goes on. */
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { PlainRuntime, plainBundle } from '../test/fixtures/plainRuntime.ts';
import { appOn, classify, errorOf, post, SIZES, TOKENS } from './testSupport.ts';

const faults: unknown[] = [];
const app = appOn(plainBundle([{ runtime: new PlainRuntime({ sizes: SIZES }), vocabulary: TOKENS }]), faults, {
  maxTexts: 8,
  maxQueue: 16,
});

async function expectAnswerOrRefusal(response: Response): Promise<void> {
  if (response.status === 200) expect(await response.json()).toBeInstanceOf(Array);
  else expect([400, 413, 422]).toContain((await errorOf(response)).status);
  expect(faults).toEqual([]);
}

/** Any text: NULs, halves of surrogate pairs, control characters and all scripts. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)), maxLength: 60 }),
);

it('answers or refuses any JSON', async () => {
  await fc.assert(
    fc.asyncProperty(fc.json({ maxDepth: 6 }), async (json) => expectAnswerOrRefusal(await post(app, json))),
    { numRuns: 300 },
  );
});

it('answers or refuses any bytes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => expectAnswerOrRefusal(await post(app, Uint8Array.from(bytes)))),
    { numRuns: 300 },
  );
});

it('answers or refuses a request with something else in the place of anything', async () => {
  const wrong = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.double(), fc.constantFrom(1e308, -0, Number.MAX_SAFE_INTEGER + 1));
  const request = fc.record(
    {
      inputs: fc.oneof(anyText, fc.array(fc.oneof({ weight: 4, arbitrary: anyText }, wrong), { maxLength: 10 }), wrong),
      parameters: fc.oneof(
        fc.record(
          {
            top_k: fc.oneof(fc.nat({ max: 5 }), wrong),
            function_to_apply: fc.oneof(fc.constantFrom('softmax', 'sigmoid', 'none'), wrong),
          },
          { requiredKeys: [] },
        ),
        wrong,
      ),
    },
    { requiredKeys: ['inputs'] },
  );
  await fc.assert(
    fc.asyncProperty(request, async (body) => expectAnswerOrRefusal(await classify(app, body))),
    { numRuns: 500 },
  );
});

it('answers or refuses a request that was cut off, or has one byte changed', async () => {
  const whole = new TextEncoder().encode(
    '{"inputs": ["good film", "b\\u0000d \\ud83d plot"], "parameters": {"top_k": 12345678901234567890}}',
  );
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 }), fc.boolean(), async (place, byte, cut) => {
      const body = cut ? whole.slice(0, place) : whole.with(place, byte);
      await expectAnswerOrRefusal(await post(app, Uint8Array.from(body)));
    }),
    { numRuns: 300 },
  );
});

it('answers every text it takes with scores that are probabilities', async () => {
  const readable = anyText.filter((text) => text.trim() !== '');
  await fc.assert(
    fc.asyncProperty(fc.array(readable, { minLength: 1, maxLength: 8 }), async (inputs) => {
      const response = await classify(app, { inputs });
      expect(response.status).toBe(200);
      const answers = (await response.json()) as { label: string; score: number }[][];
      expect(answers).toHaveLength(inputs.length);
      for (const scores of answers) expect(scores.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 6);
    }),
    { numRuns: 200 },
  );
});
