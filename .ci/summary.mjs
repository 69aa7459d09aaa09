// Adds up the test reports in a folder and prints "N passed, N failed, N skipped", the last line of .ci/run.
// usage: node summary.mjs FOLDER STATUS      (STATUS 1: something besides a test failed, which counts as one failure)
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, status] = process.argv.slice(2);
const reports = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
const sum = (field) => reports.reduce((total, report) => total + report[field], 0);
const passed = sum('numPassedTests');
const skipped = sum('numPendingTests') + sum('numTodoTests');
// A suite that fails before its first test has no failed test to count.
const failed = Math.max(sum('numFailedTests'), status === '1' ? 1 : 0);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
