import { join } from 'node:path';
import {
  CACHE,
  freePorts,
  removeAtExit,
  removeFolder,
  resolveJars,
  startProcess,
  temporaryFolder,
  waitUntil,
  type ServerProcess,
} from './process.ts';

/** A real schema registry with the Confluent API: Apicurio 2.6, its store in memory. Ready in about six seconds. */

const JAR = join(CACHE, 'registry', 'apicurio-registry-app-2.6.13.Final-runner.jar');
const READY_TIMEOUT_MS = 90_000;

export interface RegistryServer {
  /** base of the Confluent-compatible API, without a slash at the end */
  readonly url: string;
  pid(): number;
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>;
}

export async function startRegistry(): Promise<RegistryServer> {
  resolveJars();
  const folder = temporaryFolder('registry');
  removeAtExit(folder);
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  const jvm = [
    '-Xmx384m',
    '-XX:TieredStopAtLevel=1',
    '-Dquarkus.http.host=127.0.0.1',
    `-Dquarkus.http.port=${port}`,
    '-Dquarkus.log.level=WARN',
  ];
  let server: ServerProcess | undefined;
  const begin = async (): Promise<void> => {
    server = startProcess('java', [...jvm, '-jar', JAR], join(folder, 'registry.log'));
    const answers = async (): Promise<boolean> =>
      (await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(2_000) })).ok;
    await waitUntil(answers, { what: 'the schema registry', timeoutMs: READY_TIMEOUT_MS, server });
  };
  const stop = async (): Promise<void> => {
    await server?.stop();
    removeFolder(folder);
  };
  try {
    await begin();
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, pid: () => server?.pid ?? -1, stop, kill9: async () => server?.kill9(), restart: begin };
}
