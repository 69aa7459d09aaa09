import { existsSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { UserError } from '../../text/errors.ts';
import { addonsOf, engineLayout, isInstalled, projectFolder, readMarker, type EngineLayout } from '../engine/cache.ts';
import { checkEngine } from '../engine/install.ts';
import { thisMachine } from '../engine/platform.ts';
import { COMPILER_MISSING, PIP_MISSING, PYTHON_MISSING, findCompiler, findPip, findPython, type Tool } from '../engine/tools.ts';

/** What the command line can set. */
export interface DoctorOptions {
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
 * `{"works": boolean, "findings": Finding[]}`; the exit code is 1 where something needed does not work.
 */
export async function doctor(options: DoctorOptions = {}): Promise<void> {
  const findings = await examine();
  const works = findings.every((finding) => finding.ok || !finding.needed);
  if (options.json) console.log(JSON.stringify({ works, findings }, null, 2));
  else console.log(table(findings, works));
  if (!works) process.exitCode = 1;
}

async function examine(): Promise<Finding[]> {
  const system = examineSystem();
  const installed = system.layout !== undefined && isInstalled(system.layout);
  return [
    examineNode(),
    system.finding,
    ...(system.layout === undefined ? [] : await examineEngine(system.layout)),
    ...(await examineTools(!installed && system.layout !== undefined)),
    examineModels(join(projectFolder(), 'models')),
  ];
}

function examineNode(): Finding {
  const ok = Number.parseInt(process.versions.node) >= OLDEST_NODE;
  const finding = { name: 'Node.js', ok, needed: true, detail: `${process.version} (${process.execPath})` };
  return ok ? finding : { ...finding, cure: `Install Node.js ${OLDEST_NODE} or newer.` };
}

function examineSystem(): { finding: Finding; layout?: EngineLayout } {
  const { platform, arch, glibc } = thisMachine();
  const finding = {
    name: 'System',
    needed: true,
    detail: `${platform} ${arch}${glibc === undefined ? '' : `, GNU C library ${glibc}`}`,
  };
  try {
    const layout = engineLayout();
    return { finding: { ...finding, ok: true }, layout };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { finding: { ...finding, ok: false, cure: error.message } };
  }
}

async function examineEngine(layout: EngineLayout): Promise<Finding[]> {
  if (!isInstalled(layout)) {
    const detail = existsSync(layout.root) ? `incomplete in ${layout.root}` : `not in ${layout.root}`;
    return [{ name: 'Engine', ok: false, needed: true, detail, cure: SETUP }];
  }
  const detail = `TensorFlow ${layout.build.tensorflow}, ${layout.build.device} build, ${installedMegabytes(layout)} MB in ${layout.root}`;
  const check = await checkEngine(MEASURED_SECONDS);
  if (check instanceof Error) return [{ name: 'Engine', ok: false, needed: true, detail, cure: check.message }];
  return [
    { name: 'Engine', ok: true, needed: true, detail },
    { name: 'Device', ok: true, needed: true, detail: `${check.device}: ${processors()}` },
    { name: 'Matrix products', ok: true, needed: true, detail: `${check.gigaflops?.toFixed(0)} GFLOPS in float32` },
  ];
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
  const library = Object.values(readMarker(layout.library)?.files ?? {});
  const addons = addonsOf(layout).map((addon) => statSync(addon.path).size);
  return Math.round([...library, ...addons].reduce((sum, bytes) => sum + bytes, 0) / 1e6);
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
