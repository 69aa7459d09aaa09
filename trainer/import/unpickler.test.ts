import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../text/errors.ts';
import { DATA_NAMES } from './dataNames.ts';
import { PythonObject } from './pythonName.ts';
import { bytesOf, int, pickle, text, tuple, wholeNumber } from './testSupport.ts';
import { TORCH_NAMES } from './torchNames.ts';
import { unpickle } from './unpickler.ts';

const read = (bytes: Uint8Array): unknown => unpickle('file.pkl', bytes, { content: 'weights', names: DATA_NAMES }).value;
const base64 = (code: string): Uint8Array => new Uint8Array(Buffer.from(code, 'base64'));

/**
 * Python 3.11's `pickle.dumps(v, protocol)` of {'numbers': [0, -2, 255, 70000, 2**40, -2**70, 1.5, inf], 'none': [None, True, False],
 * 'tuple': ('x', ('y',), ()), 'bytes': b'\0\xff', 'text': 'café 世😀 \\ \n', 'again': the list of numbers, 'set': {7}, 'frozen': frozenset([8])}
 */
const WRITTEN_BY_PYTHON = {
  0: 'KGRwMApWbnVtYmVycwpwMQoobHAyCkkwCmFJLTIKYUkyNTUKYUk3MDAwMAphTDEwOTk1MTE2Mjc3NzZMCmFMLTExODA1OTE2MjA3MTc0MTEzMDM0MjRMCmFGMS41CmFGaW5mCmFzVm5vbmUKcDMKKGxwNApOYUkwMQphSTAwCmFzVnR1cGxlCnA1CihWeApwNgooVnkKcDcKdHA4Cih0dHA5CnNWYnl0ZXMKcDEwCmNfY29kZWNzCmVuY29kZQpwMTEKKFZcdTAwMDD/CnAxMgpWbGF0aW4xCnAxMwp0cDE0ClJwMTUKc1Z0ZXh0CnAxNgpWY2Fm6SBcdTRlMTZcVTAwMDFmNjAwIFx1MDA1YyBcdTAwMGEKcDE3CnNWYWdhaW4KcDE4CmcyCnNWc2V0CnAxOQpjX19idWlsdGluX18Kc2V0CnAyMAooKGxwMjEKSTcKYXRwMjIKUnAyMwpzVmZyb3plbgpwMjQKY19fYnVpbHRpbl9fCmZyb3plbnNldApwMjUKKChscDI2Ckk4CmF0cDI3ClJwMjgKcy4=',
  1: 'fXEAKFgHAAAAbnVtYmVyc3EBXXECKEsASv7///9L/0pwEQEATDEwOTk1MTE2Mjc3NzZMCkwtMTE4MDU5MTYyMDcxNzQxMTMwMzQyNEwKRz/4AAAAAAAAR3/wAAAAAAAAZVgEAAAAbm9uZXEDXXEEKE5JMDEKSTAwCmVYBQAAAHR1cGxlcQUoWAEAAAB4cQYoWAEAAAB5cQd0cQgpdHEJWAUAAABieXRlc3EKY19jb2RlY3MKZW5jb2RlCnELKFgDAAAAAMO/cQxYBgAAAGxhdGluMXENdHEOUnEPWAQAAAB0ZXh0cRBYEQAAAGNhZsOpIOS4lvCfmIAgXCAKcRFYBQAAAGFnYWlucRJoAlgDAAAAc2V0cRNjX19idWlsdGluX18Kc2V0CnEUKF1xFUsHYXRxFlJxF1gGAAAAZnJvemVucRhjX19idWlsdGluX18KZnJvemVuc2V0CnEZKF1xGksIYXRxG1JxHHUu',
  2: 'gAJ9cQAoWAcAAABudW1iZXJzcQFdcQIoSwBK/v///0v/SnARAQCKBgAAAAAAAYoJAAAAAAAAAADARz/4AAAAAAAAR3/wAAAAAAAAZVgEAAAAbm9uZXEDXXEEKE6IiWVYBQAAAHR1cGxlcQVYAQAAAHhxBlgBAAAAeXEHhXEIKYdxCVgFAAAAYnl0ZXNxCmNfY29kZWNzCmVuY29kZQpxC1gDAAAAAMO/cQxYBgAAAGxhdGluMXENhnEOUnEPWAQAAAB0ZXh0cRBYEQAAAGNhZsOpIOS4lvCfmIAgXCAKcRFYBQAAAGFnYWlucRJoAlgDAAAAc2V0cRNjX19idWlsdGluX18Kc2V0CnEUXXEVSwdhhXEWUnEXWAYAAABmcm96ZW5xGGNfX2J1aWx0aW5fXwpmcm96ZW5zZXQKcRldcRpLCGGFcRtScRx1Lg==',
  3: 'gAN9cQAoWAcAAABudW1iZXJzcQFdcQIoSwBK/v///0v/SnARAQCKBgAAAAAAAYoJAAAAAAAAAADARz/4AAAAAAAAR3/wAAAAAAAAZVgEAAAAbm9uZXEDXXEEKE6IiWVYBQAAAHR1cGxlcQVYAQAAAHhxBlgBAAAAeXEHhXEIKYdxCVgFAAAAYnl0ZXNxCkMCAP9xC1gEAAAAdGV4dHEMWBEAAABjYWbDqSDkuJbwn5iAIFwgCnENWAUAAABhZ2FpbnEOaAJYAwAAAHNldHEPY2J1aWx0aW5zCnNldApxEF1xEUsHYYVxElJxE1gGAAAAZnJvemVucRRjYnVpbHRpbnMKZnJvemVuc2V0CnEVXXEWSwhhhXEXUnEYdS4=',
  4: 'gASVtQAAAAAAAAB9lCiMB251bWJlcnOUXZQoSwBK/v///0v/SnARAQCKBgAAAAAAAYoJAAAAAAAAAADARz/4AAAAAAAAR3/wAAAAAAAAZYwEbm9uZZRdlChOiIlljAV0dXBsZZSMAXiUjAF5lIWUKYeUjAVieXRlc5RDAgD/lIwEdGV4dJSMEWNhZsOpIOS4lvCfmIAgXCAKlIwFYWdhaW6UaAKMA3NldJSPlChLB5CMBmZyb3plbpQoSwiRlHUu',
  5: 'gAWVtQAAAAAAAAB9lCiMB251bWJlcnOUXZQoSwBK/v///0v/SnARAQCKBgAAAAAAAYoJAAAAAAAAAADARz/4AAAAAAAAR3/wAAAAAAAAZYwEbm9uZZRdlChOiIlljAV0dXBsZZSMAXiUjAF5lIWUKYeUjAVieXRlc5RDAgD/lIwEdGV4dJSMEWNhZsOpIOS4lvCfmIAgXCAKlIwFYWdhaW6UaAKMA3NldJSPlChLB5CMBmZyb3plbpQoSwiRlHUu',
};

describe('plain data', () => {
  it.each(Object.entries(WRITTEN_BY_PYTHON))("Python's protocol %s", (protocol, code) => {
    const value = read(base64(code)) as Map<string, unknown>;
    const numbers = [0, -2, 255, 70_000, 2 ** 40, -(2n ** 70n), 1.5, Infinity];
    expect(value.get('numbers')).toEqual(numbers);
    expect(value.get('again')).toBe(value.get('numbers'));
    expect(value.get('none')).toEqual([null, true, false]);
    expect(value.get('tuple')).toEqual(['x', ['y'], []]);
    expect(value.get('text')).toBe('café 世😀 \\ \n');
    const isOld = Number(protocol) < 4; // which write a set, and the oldest bytes too, as a call
    expect(value.get('set')).toEqual(isOld ? new PythonObject(protocol === '3' ? 'builtins.set' : '__builtin__.set', [[7]]) : new Set([7]));
    expect(value.get('bytes')).toEqual(
      Number(protocol) < 3 ? new PythonObject('_codecs.encode', ['\0ÿ', 'latin1']) : new Uint8Array([0, 255]),
    );
    expect(value.size).toBe(8);
  });

  it('what Python 2 wrote', () => {
    expect(read(bytesOf("(lp0\nS'it\\'s\\x0a\\\\'\np1\naS\"b\"\np2\naI01\na."))).toEqual(["it's\n\\", 'b', true]);
  });

  it('a character of Latin-1 that Windows has elsewhere', () => {
    expect(read(bytesOf('V\x80\x85é\n.'))).toBe('\u0080\u0085é');
  });

  it('says where it ends, so that another pickle may follow', () => {
    const bytes = bytesOf(pickle(int(7)), pickle(text('next')));
    const rules = { content: 'weights', names: DATA_NAMES } as const;
    const first = unpickle('file.pkl', bytes, rules);
    expect(first).toEqual({ value: 7, end: 8 });
    expect(unpickle('file.pkl', bytes, rules, first.end).value).toBe('next');
  });

  it('describes an object, and calls nothing of it', () => {
    const object = read(pickle('cfastcore.foundation\nL\n)\x81}X\x05\0\0\0items](K\x01K\x02esb'));
    expect(object).toEqual(Object.assign(new PythonObject('fastcore.foundation.L', []), { state: new Map([['items', [1, 2]]]) }));
  });
});

describe('names', () => {
  const command = text('echo');
  const FORMS: readonly [string, string][] = [
    ['GLOBAL', 'cos\nsystem\n'],
    ['GLOBAL and REDUCE', `cos\nsystem\n${tuple(command)}R`],
    ['INST', `(${command}ios\nsystem\n`],
    ['OBJ', `(cos\nsystem\n${command}o`],
    ['NEWOBJ', `cos\nsystem\n${tuple(command)}\x81`],
    ['NEWOBJ_EX', `cos\nsystem\n${tuple(command)}}\x92`],
    ['STACK_GLOBAL', `${text('os')}${text('system')}\x93${tuple(command)}R`],
    ['BUILD', `cos\nsystem\n)\x81}b`],
    ['deep in a list that nobody looks at', `](](cos\nsystem\n${tuple(command)}Reee0N`],
  ];
  it.each(FORMS)('%s of another name is refused', (_, program) => {
    expect(() => read(pickle(program))).toThrow(
      new UserError('file.pkl names os.system: a file of weights has no business with it. Nothing in the file was run.'),
    );
  });

  it.each([
    ['builtins', 'eval'],
    ['builtins', 'getattr'],
    ['__builtin__', 'exec'],
    ['functools', 'partial'],
    ['operator', 'attrgetter'],
    ['importlib', 'import_module'],
    ['numpy.testing._private.utils', 'runstring'],
    ['torch', 'load'],
    ['torch.jit', 'load'],
    ['torch.utils.collect_env', 'run'],
    ['torch._utils', '_rebuild_wrapper_subclass'],
    ['fastcore.xtras', 'run'],
    ['collections', 'OrderedDict.fromkeys'],
    ['constructor', 'constructor'],
    ['', '__proto__'],
  ])('%s.%s is refused in every file', (module, name) => {
    for (const names of [DATA_NAMES, TORCH_NAMES]) {
      const reading = () => unpickle('file.pkl', pickle(`c${module}\n${name}\n`), { content: 'weights', names });
      expect(reading).toThrow(`file.pkl names ${module}.${name}: `);
      expect(reading).toThrow('Nothing in the file was run.');
    }
  });

  it('a file of a whole learner says how to save its weights alone', () => {
    expect(() => read(pickle('cfastai.text.learner\nLMLearner\n'))).toThrow(/it holds whole Python objects.*learn\.save\(name\)/);
  });

  it('a name cannot write to the terminal, nor fill it', () => {
    expect(() => read(pickle('c\x1b[2Jos\nsys\rtem\n'))).toThrow('file.pkl names \\u001b[2Jos.sys\\u000dtem: ');
    expect(() => read(pickle(`c${'a'.repeat(5000)}\nb\n`))).toThrow(/^file\.pkl names a{100}…: /);
  });

  it.each([
    ['an extension code', '\x82\x01', 'uses an extension code'],
    ['a text that is called', `${text('os.system')}${tuple(command)}R`, 'calls what is no name'],
    ['a number type that is called', `ctorch\nfloat32\n)R`, 'makes something of torch.float32'],
    ['arguments that are none', 'ccollections\nOrderedDict\nNR', 'calls without a list of arguments'],
    ['named arguments', 'ccollections\nOrderedDict\n)}X\x01\0\0\0aNs\x92', 'with named arguments'],
    ['attributes of a text', `${text('a')}}b`, 'gives attributes to what has none'],
    ['a persistent id', `${text('a')}Q`, 'outside of the file'],
    ['a persistent name', 'Pa\n', 'outside of the file'],
    ['a buffer', '\x97', 'outside of the file'],
  ])('%s is refused', (_, program, message) => {
    expect(() => unpickle('file.pkl', pickle(program), { content: 'weights', names: TORCH_NAMES })).toThrow(message);
  });
});

describe('damage', () => {
  it.each([
    ['no value', '', 'takes a value that is not there'],
    ['a value below a mark', 'N(a', 'takes a value that is not there'],
    ['no mark', 'Nt', 'takes a mark that is not there'],
    ['a memo that is not there', 'h\x07', 'refers to value 7'],
    ['an unknown operation', '\xff', 'unknown operation 255'],
    ['a new protocol', '\x80\x06', 'protocol 6'],
    ['a key without a value', '}(Nu', 'a key without a value'],
    ['items of a list', ']NNs', 'no dictionary'],
    ['a list that is none', 'NNa', 'no list'],
    ['a set that is none', ']\x28N\x90', 'no set'],
    ['a number in letters', 'Inine\n', 'a whole number that is none'],
    ['a float in letters', 'F1.2.3\n', 'a number that is none'],
    ['a line without an end', `c${'a'.repeat(70_000)}`, 'a line without an end'],
    ['a text without quotes', 'Sabc\n', 'a text without quotes'],
    ['a character beyond Unicode', 'V\\UFFFFFFFF\n', 'a character that is none'],
  ])('%s', (_, program, message) => {
    expect(() => read(pickle(program))).toThrow(message);
    expect(() => read(pickle(program))).toThrow(UserError);
  });

  it.each([
    ['a text', `X${wholeNumber(0xffff_fff0, 4)}`],
    ['a long text', `\x8d${wholeNumber(2 ** 52, 8)}`],
    ['a text of 2^64 bytes', `\x8d${'\xff'.repeat(8)}`],
    ['bytes', `\x8e${wholeNumber(2 ** 40, 8)}`],
    ['a byte array', `\x96${wholeNumber(2 ** 40, 8)}`],
    ['a number', `\x8b${wholeNumber(2 ** 31, 4)}`],
  ])('%s that declares more than there is allocates nothing', (_, program) => {
    const before = process.memoryUsage().rss;
    expect(() => read(pickle(program))).toThrow(UserError);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  });

  it('a long list named many times is one list', () => {
    const list = `](${'N'.repeat(100_000)}eq\x01`;
    const uses = 'cbuiltins\nset\nh\x01\x85R0ccollections\ndefaultdict\nNh\x01\x86R0cbuiltins\nlist\nh\x01\x85R0'.repeat(20_000);
    const start = performance.now();
    read(pickle(list + uses));
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('nesting costs no stack', () => {
    const depth = 300_000;
    expect(Array.isArray(read(pickle(`${']'.repeat(depth)}${'a'.repeat(depth - 1)}`)))).toBe(true);
  });

  it('more operations than a file of weights has are refused', () => {
    expect(() => read(pickle('N0'.repeat(1_100_000)))).toThrow(/more than 2000000 operations/);
  });
});

/** Operations and what may follow them, so that random programs get further than random bytes do. */
const OPERATION = fc.oneof(
  fc.constantFrom(...'(.012]latedsu}N)q\x01h\x01RbQo\x81\x85\x86\x87\x8f\x90\x91\x92\x93\x94'),
  fc.constantFrom(
    'ccollections\nOrderedDict\n',
    'ctorch._utils\n_rebuild_tensor_v2\n',
    'ctorch\nFloatStorage\n',
    'cfastcore.foundation\nL\n',
  ),
  fc.constantFrom('ctorch._tensor\n_rebuild_from_type_v2\n', text('storage'), text('cpu'), int(3), 'cos\nsystem\n', '](NN'),
  fc.nat(255).map((code) => String.fromCharCode(code)),
);

describe('anything at all', () => {
  const endsWell = (bytes: Uint8Array, names: typeof DATA_NAMES): void => {
    try {
      unpickle('file.pkl', bytes, { content: 'weights', names, persistent: (id) => id });
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
    }
  };

  it('random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => endsWell(bytesOf('\x80\x02', bytes), DATA_NAMES)),
      { numRuns: 3000 },
    );
  });

  it('random programs', () => {
    fc.assert(
      fc.property(fc.array(OPERATION, { maxLength: 60 }), (program) => endsWell(pickle(program.join('')), TORCH_NAMES)),
      { numRuns: 5000 },
    );
  });
});
