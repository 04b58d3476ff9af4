import { quote } from '../config/values.ts';
import { didYouMean } from '../domain/suggest.ts';
import type { CommandContext } from './command.ts';
import { accept } from './state-accept.ts';
import { inspect } from './state-inspect.ts';
import { rebase } from './state-rebase.ts';
import { drop, rebuild } from './state-rebuild.ts';
import { repartition } from './state-repartition.ts';
import { Report } from './state-report.ts';
import { StateSession } from './state-session.ts';
import { verify } from './state-verify.ts';

const LOOKS: Readonly<Record<string, (session: StateSession) => Promise<number>>> = { inspect, verify };
const CHANGES: Readonly<Record<string, (session: StateSession, report: Report) => Promise<number>>> = {
  rebuild,
  accept,
  rebase,
  repartition,
  drop,
};
const ACTIONS = [...Object.keys(LOOKS), ...Object.keys(CHANGES)];

/** `fraudstream state …`: what an operator looks at and repairs. Members must be stopped for what changes something. */
export async function run(context: CommandContext): Promise<number> {
  const action = context.args[0] ?? '';
  if (!ACTIONS.includes(action)) {
    const problem = action === '' ? 'say what to do' : `unknown action ${quote(action)}`;
    const hint = action === '' ? '' : didYouMean(action, ACTIONS);
    context.stderr.write(`fraudstream state: ${problem}: ${ACTIONS.join(', ')}${hint}\n`);
    return 2;
  }
  const session = await StateSession.open(context);
  try {
    const look = LOOKS[action];
    if (look !== undefined) return await look(session);
    await session.refuseMembers();
    const report = new Report(context, action);
    const exitCode = await CHANGES[action]!(session, report);
    if (exitCode === 0) report.end();
    return exitCode;
  } finally {
    await session.close();
  }
}
