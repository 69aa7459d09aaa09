import { existsSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { UserError } from '../../text/errors.ts';
import { addonsOf, cacheFolder, engineLayout, isInstalled, projectFolder, readMarker, type EngineLayout } from '../engine/cache.ts';
import { cardMissing, queryCard } from '../engine/card.ts';
import { chooseEngine, lookAround, type DeviceChoice, type EngineChoice } from '../engine/device.ts';
import { checkEngine } from '../engine/install.ts';
import { engineBuild, thisMachine } from '../engine/platform.ts';
import type { SelfCheck } from '../engine/selfCheck.ts';
import { COMPILER_MISSING, PIP_MISSING, PYTHON_MISSING, findCompiler, findPip, findPython, type Tool } from '../engine/tools.ts';
import { compareWithProcessor, ON_GPU, type Comparison } from './compareDevices.ts';

/** What the command line can set. */
export interface DoctorOptions {
  /** What training would be asked to compute on. */
  readonly device?: DeviceChoice | undefined;
  /** Print the findings as one JSON object. */
  readonly json?: boolean | undefined;
}

/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  /** Whether training fails without it. */
  readonly needed: boolean;
  readonly detail: string;
  /** What to do; absent where all is well. */
  readonly cure?: string;
}

const OLDEST_NODE = 20;
const MEASURED_SECONDS = 1;
const SETUP = 'Run `npx ulmfit setup`.';

/**
 * `ulmfit doctor`: what works on this machine, and the cure for what does not. Prints a table or, with `json`,
 * `{"works": boolean, "findings": Finding[], "comparisons"?: Comparison[]}`; the exit code is 1 where something needed does not work.
 * Where a GPU is asked for and answers, small models are computed on it and on the processor, and compared value by value.
 */
export async function doctor(options: DoctorOptions = {}): Promise<void> {
  const device = options.device ?? 'auto';
  const examined = await examine(device);
  const answers = device === 'gpu' && examined.every((finding) => finding.ok || !finding.needed);
  const compared = answers ? await examineAgreement() : undefined;
  const findings = [...examined, ...(compared?.findings ?? [])];
  const works = findings.every((finding) => finding.ok || !finding.needed);
  if (options.json) console.log(JSON.stringify({ works, findings, comparisons: compared?.comparisons }, null, 2));
  else console.log(table(findings, works));
  if (!works) process.exitCode = 1;
}

async function examine(device: DeviceChoice): Promise<Finding[]> {
  const system = examineSystem(device);
  const installed = system.layout !== undefined && isInstalled(system.layout);
  return [
    examineNode(),
    system.finding,
    ...(system.layout === undefined ? [] : await examineEngine(system.layout, device)),
    ...(await examineTools(!installed && system.layout !== undefined)),
    examineModels(join(projectFolder(), 'models')),
  ];
}

function examineNode(): Finding {
  const ok = Number.parseInt(process.versions.node) >= OLDEST_NODE;
  const finding = { name: 'Node.js', ok, needed: true, detail: `${process.version} (${process.execPath})` };
  return ok ? finding : { ...finding, cure: `Install Node.js ${OLDEST_NODE} or newer.` };
}

/** @returns the engine that the device needs, installed or not */
function examineSystem(device: DeviceChoice): { finding: Finding; layout?: EngineLayout } {
  const { platform, arch, glibc } = thisMachine();
  const finding = {
    name: 'System',
    needed: true,
    detail: `${platform} ${arch}${glibc === undefined ? '' : `, GNU C library ${glibc}`}`,
  };
  try {
    const layout = engineLayout(cacheFolder(), engineBuild(thisMachine(), device === 'gpu' ? 'gpu' : 'cpu'));
    return { finding: { ...finding, ok: true }, layout };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { finding: { ...finding, ok: false, cure: error.message } };
  }
}

async function examineEngine(usual: EngineLayout, device: DeviceChoice): Promise<Finding[]> {
  const choice = choiceOf(device);
  const missing = device === 'gpu' ? cardMissing() : undefined;
  const noCard: Finding[] = missing === undefined ? [] : [{ name: 'GPU', ok: false, needed: true, detail: 'none', cure: `${missing}.` }];
  if (choice === undefined) {
    if (isInstalled(usual)) return noCard;
    const detail = existsSync(usual.library) ? `incomplete in ${usual.root}` : `not in ${usual.root}`;
    const cure = device === 'gpu' ? 'Run `npx ulmfit setup --gpu`.' : SETUP;
    return [{ name: 'Engine', ok: false, needed: true, detail, cure }, ...noCard];
  }
  const layout = engineLayout(cacheFolder(), engineBuild(thisMachine(), choice.build));
  const detail = `TensorFlow ${layout.build.tensorflow}, ${layout.build.device} build, ${installedMegabytes(layout)} MB in ${layout.root}`;
  const check = await checkEngine(choice, MEASURED_SECONDS);
  if (check instanceof Error) return [{ name: 'Engine', ok: false, needed: true, detail, cure: check.message }];
  return [
    { name: 'Engine', ok: true, needed: true, detail },
    { name: 'Device', ok: true, needed: true, detail: `${check.device}: ${check.device === 'gpu' ? await card() : processors()}` },
    ...gpuFindings(check, choice),
    { name: 'Matrix products', ok: true, needed: true, detail: `${check.gigaflops?.toFixed(0)} GFLOPS in float32` },
  ];
}

/** What training would load; undefined where it would refuse. */
function choiceOf(device: DeviceChoice): EngineChoice | undefined {
  try {
    return chooseEngine(device, lookAround());
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** That a GPU seems to be there and does not answer. */
function gpuFindings({ withoutGpu }: SelfCheck, { card: wanted }: EngineChoice): Finding[] {
  if (withoutGpu === undefined) return [];
  return [{ name: 'GPU', ok: false, needed: wanted === 'required', detail: 'does not answer', cure: `${withoutGpu}.` }];
}

/** The GPU beside the processor, value by value. */
async function examineAgreement(): Promise<{ findings: Finding[]; comparisons: Comparison[] }> {
  try {
    const comparisons = await compareWithProcessor(ON_GPU);
    return { findings: comparisons.map(agreementFinding), comparisons };
  } catch (error) {
    const cure = error instanceof Error ? error.message : String(error);
    return { findings: [{ name: 'Agreement', ok: false, needed: true, detail: 'could not be compared', cure }], comparisons: [] };
  }
}

function agreementFinding({ compared, reference, tolerance, agrees, differences }: Comparison): Finding {
  const worst = differences.reduce((a, b) => (b.difference > a.difference ? b : a));
  const detail = `${differences.length} values, largest relative difference ${worst.difference.toExponential(1)} (${worst.value}), at most ${tolerance}`;
  const finding = { name: compared, ok: agrees, needed: true, detail };
  return agrees
    ? finding
    : { ...finding, cure: `It computes otherwise than ${reference}: please report this with \`ulmfit doctor --device gpu --json\`.` };
}

async function card(): Promise<string> {
  const found = await queryCard();
  return found === undefined ? 'unknown GPU' : `${found.name}, ${(found.memoryBytes / 1e9).toFixed(0)} GB, driver ${found.driver}`;
}

/** @param needed false once the engine is installed: these tools only install it */
async function examineTools(needed: boolean): Promise<Finding[]> {
  const python = await findPython();
  return [
    toolFinding('Python', python, needed, PYTHON_MISSING),
    ...(python === undefined ? [] : [toolFinding('pip', await findPip(python), needed, PIP_MISSING)]),
    toolFinding('C++ compiler', await findCompiler(), needed, COMPILER_MISSING),
  ];
}

function toolFinding(name: string, tool: Tool | undefined, needed: boolean, cure: string): Finding {
  if (tool !== undefined) return { name, ok: true, needed, detail: `${tool.version} (${tool.command.join(' ')})` };
  return { name, ok: false, needed, detail: needed ? 'not found' : 'not found; only `ulmfit setup` uses it', cure };
}

function examineModels(folder: string): Finding {
  const models = existsSync(folder)
    ? readdirSync(folder).filter((name) => ['model.json', 'bundle.json'].some((file) => existsSync(join(folder, name, file))))
    : [];
  const finding = { name: 'Models', needed: false, ok: models.length > 0 };
  if (finding.ok) return { ...finding, detail: models.join(', ') };
  return {
    ...finding,
    detail: `none in ${folder}`,
    cure: 'Name your own model folder with `--from`, or make one with `npx ulmfit pretrain`.',
  };
}

function processors(): string {
  return `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}`;
}

function installedMegabytes(layout: EngineLayout): number {
  const libraries = layout.parts.flatMap(({ folder }) => Object.values(readMarker(folder)?.files ?? {}));
  const addons = addonsOf(layout).map((addon) => statSync(addon.path, { throwIfNoEntry: false })?.size ?? 0);
  return Math.round([...libraries, ...addons].reduce((sum, bytes) => sum + bytes, 0) / 1e6);
}

function table(findings: readonly Finding[], works: boolean): string {
  const width = Math.max(...findings.map((finding) => finding.name.length));
  const lines = findings.map((finding) => `${sign(finding)}  ${finding.name.padEnd(width)}  ${finding.detail}`);
  const cures = findings.filter((finding) => finding.cure !== undefined).map(({ name, cure }) => `${name}: ${cure}`);
  const verdict = works ? 'Training works on this machine.' : 'Training does not work on this machine yet.';
  return [...lines, '', verdict, ...cures].join('\n');
}

function sign({ ok, needed }: Finding): string {
  if (ok) return colour('green', 'ok     ');
  return needed ? colour('red', 'missing') : colour('yellow', 'missing');
}

/** NO_COLOR: https://no-color.org */
function colour(name: 'green' | 'red' | 'yellow', text: string): string {
  return process.stdout.isTTY && !process.env['NO_COLOR'] ? styleText(name, text, { validateStream: false }) : text;
}
