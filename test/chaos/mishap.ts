import { sleep } from '../servers/process.ts';
import { ask, until, type LogLine, type Program } from '../support/e2e-process.ts';
import { settingsOf, type Settings } from '../support/e2e-run.ts';
import { readLog, type Raw } from '../support/e2e-log.ts';
import { decidedAll, TestKafka, type Topics } from '../support/e2e-topics.ts';
import { judge, type Verdict } from './judge.ts';
import { Scene } from './scene.ts';
import type { Stage } from './stage.ts';

/** One mistake of an operator, made on real servers, and what came of it. */

export interface Mishap {
  readonly name: string;
  /** the partitions halt with one of these; none: nothing may halt */
  readonly codes: readonly string[];
  /** what the message must tell */
  readonly says: readonly RegExp[];
  /** which must halt; default all. 'some': those that the new member gets */
  readonly partitions?: readonly number[] | 'some';
  /** the processor from before goes on while it happens */
  readonly live?: boolean;
  /** records are gone: the judge takes the input as it was */
  readonly gone?: boolean;
  happen(scene: Scene): Promise<Afterwards>;
}

/** How the processor is started afterwards, where it is other than before. */
export interface Afterwards {
  readonly kafka?: string;
  readonly redis?: string;
  readonly topics?: Partial<Topics>;
  readonly settings?: Settings;
  /** what was decided before was decided otherwise, and rightly so */
  readonly otherwise?: boolean;
}

export interface MishapOutcome {
  readonly scenario: string;
  /** the code and the words of the halt; '' when nothing halted */
  readonly message: string;
  readonly code: string;
  /** what is wrong, in words; none = as it must be */
  readonly faults: readonly string[];
}

const HALT_MS_MAX = 60_000;
/** wrong outputs would come within it */
const WATCH_MS = 1_500;

export async function make(stage: Stage, mishap: Mishap): Promise<MishapOutcome> {
  const scene = await Scene.make(stage, `mishap-${mishap.name.replaceAll(/\W+/g, '-').slice(0, 30)}`);
  try {
    await scene.decideSome(mishap.live !== true);
    const outputsBefore = await outputCount(scene);
    const after = await mishap.happen(scene);
    // something to be decided, so that there could be a wrong decision
    if (after.kafka === undefined) await scene.pay();
    const topics = { ...scene.place.topics, ...after.topics };
    const place = { kafka: after.kafka ?? scene.broker, redis: after.redis ?? scene.redis.url, topics };
    const program = scene.world.start(after.settings ?? {}, place);
    if (mishap.codes.length === 0) return await mustGoOn(scene, mishap, program, after);
    return await mustHalt(scene, mishap, program, { ...after, place: topics, outputsBefore });
  } finally {
    await scene.close();
  }
}

async function mustHalt(
  scene: Scene,
  mishap: Mishap,
  program: Program,
  after: Afterwards & { place: Topics; outputsBefore: number },
): Promise<MishapOutcome> {
  const expected = mishap.partitions ?? scene.partitions;
  const halted = (): LogLine[] => program.log().filter(({ message }) => message === 'partition halted');
  const all = (): boolean =>
    expected === 'some'
      ? halted().length > 0
      : expected.every((one) => halted().some(({ partition }) => partition === one));
  const faults: string[] = [];
  await until(`${mishap.name}: it halts`, all, { timeoutMs: HALT_MS_MAX, programs: [program] }).catch(
    (error: unknown) => void faults.push(`does not halt: ${String(error).slice(0, 1_500)}`),
  );
  await sleep(WATCH_MS);
  const lines = halted();
  const message = String(lines[0]?.['error'] ?? lines[0]?.['reason'] ?? '');
  for (const { code, partition } of lines) {
    if (!mishap.codes.includes(String(code))) faults.push(`partition ${String(partition)} halts with ${String(code)}`);
  }
  for (const one of mishap.says) if (!one.test(message)) faults.push(`the message does not say ${String(one)}`);
  if (program.running) {
    const ready = await ask(program, '/readyz');
    if (ready.status !== 503) faults.push(`/readyz answers ${ready.status}`);
    if (!ready.body.includes(message.slice(0, 40))) faults.push(`/readyz does not say why: ${ready.body}`);
  } else faults.push('the process has ended');
  await Promise.all(scene.world.running.map((one) => one.kill9()));
  faults.push(...(await wrongOutputs(scene, mishap, after)));
  return { scenario: mishap.name, code: String(lines[0]?.['code'] ?? ''), message, faults };
}

/** What is in the topics after all: right as far as it goes, and nothing new where all has stopped. */
async function wrongOutputs(
  scene: Scene,
  mishap: Mishap,
  { kafka, topics, place, outputsBefore }: Afterwards & { place: Topics; outputsBefore: number },
): Promise<string[]> {
  const faults: string[] = [];
  const everywhere = mishap.partitions === undefined;
  if (kafka !== undefined || topics !== undefined) {
    const there = await readLog(kafka ?? scene.broker, place.decisions);
    const count = there.reduce((sum, { records }) => sum + records.length, 0);
    const known = mishap.name.startsWith('Redis') ? outputsBefore : 0;
    if (count !== known) faults.push(`${count} decisions where there should be ${known}`);
  }
  const intact = !mishap.gone || mishap.partitions !== undefined;
  if (everywhere && intact && (await outputCount(scene)) !== outputsBefore) faults.push('decisions were made');
  if (mishap.gone && everywhere) {
    const now = await outputCount(scene);
    if (now !== outputsBefore && now !== 0) faults.push(`${now} decisions, before ${outputsBefore}`);
    return faults;
  }
  const verdict = await judgeOf(scene, mishap.gone ? await joined(scene) : undefined);
  return [...faults, ...wrong(verdict)];
}

/** The input as it was, and what came behind it. */
async function joined(scene: Scene): Promise<ReadonlyMap<number, readonly Raw[]>> {
  const now = await scene.inputNow();
  return new Map(
    scene.partitions.map((partition) => {
      const before = scene.inputs.get(partition) ?? [];
      const last = before.at(-1)?.offset ?? -1;
      return [partition, [...before, ...(now.get(partition) ?? []).filter(({ offset }) => offset > last)]];
    }),
  );
}

async function mustGoOn(scene: Scene, mishap: Mishap, program: Program, after: Afterwards): Promise<MishapOutcome> {
  const faults: string[] = [];
  const from = new Map(
    [...scene.inputs].map(([partition, records]) => [partition, (records.at(-1)?.offset ?? -1) + 1]),
  );
  const all = [scene.place.topics, ...(after.topics === undefined ? [] : [{ ...scene.place.topics, ...after.topics }])];
  for (const topics of all) {
    await decidedAll(scene.world.kafka, topics, [program]).catch(
      (error: unknown) => void faults.push(String(error).slice(0, 1_500)),
    );
  }
  for (const one of scene.world.running) {
    const code = await one.stop();
    if (code !== 0) faults.push(`ended with ${code}`);
  }
  for (const topics of all) {
    const place = { ...scene.place, topics };
    const settings = settingsOf(place, { ...scene.world.settings, ...after.settings });
    const verdict = await judge({ bootstrap: scene.broker, topics, settings, ...(after.otherwise ? { from } : {}) });
    faults.push(...wrong(verdict));
    if (verdict.missing > 0) faults.push(`${verdict.missing} missing`);
  }
  return { scenario: mishap.name, code: '', message: '', faults };
}

function judgeOf(scene: Scene, inputs?: ReadonlyMap<number, readonly Raw[]>): Promise<Verdict> {
  return judge({
    bootstrap: scene.broker,
    topics: scene.place.topics,
    settings: settingsOf(scene.place, scene.world.settings),
    ...(inputs === undefined ? {} : { inputs }),
  });
}

function wrong({ duplicates, differing, problems }: Verdict): string[] {
  return duplicates + differing === 0
    ? []
    : [`${duplicates} duplicates, ${differing} differing`, ...problems.filter((text) => !text.endsWith('missing'))];
}

async function outputCount(scene: Scene): Promise<number> {
  const logs = await readLog(scene.broker, scene.place.topics.decisions);
  return logs.reduce((sum, { records }) => sum + records.length, 0);
}

/** For another cluster than the scene's; to be closed. */
export function kafkaOf(broker: string): TestKafka {
  return new TestKafka(broker);
}
