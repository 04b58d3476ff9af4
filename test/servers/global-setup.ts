import type { TestProject } from 'vitest/node';
import { startServers } from './all.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** host:port */
    kafka: string;
    /** redis://host:port */
    redis: string;
    /** base URL of the Confluent-compatible API */
    registry: string;
  }
}

/** Servers for the project `servers`. It throws when one cannot start: tests that need it must fail, never be skipped. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await startServers();
  project.provide('kafka', servers.kafka);
  project.provide('redis', servers.redis);
  project.provide('registry', servers.registry);
  return () => servers.stop();
}
