/** What jobs need in the account besides the Worker: a bucket and two queues. */
import { jobResources } from './workerConfig.ts';
import type { Wrangler } from './wrangler.ts';

/** Jobs are forgotten after so many days. */
const JOB_DAYS = 30;

/** Makes the bucket and the queues of a Worker where they are missing. */
export async function requireJobResources(wrangler: Wrangler, name: string, log: (line: string) => void): Promise<void> {
  const { bucket, queue, deadLetters } = jobResources(name);
  if ((await wrangler.run(['r2', 'bucket', 'info', bucket])).code !== 0) {
    await wrangler.must(`make the bucket ${bucket}`, ['r2', 'bucket', 'create', bucket]);
    const rule = ['jobs', 'jobs/', '--expire-days', String(JOB_DAYS), '--abort-multipart-days', '1', '--force'];
    await wrangler.must('let old jobs expire', ['r2', 'bucket', 'lifecycle', 'add', bucket, ...rule]);
    log(`made the bucket ${bucket}, where jobs are kept for ${JOB_DAYS} days`);
  }
  for (const each of [queue, deadLetters]) {
    if ((await wrangler.run(['queues', 'info', each])).code === 0) continue;
    await wrangler.must(`make the queue ${each}`, ['queues', 'create', each]);
    log(`made the queue ${each}`);
  }
}
