import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FraudstreamError, toFraudstreamError } from '../domain/errors.ts';
import type { NewSnapshot, SnapshotInfo, SnapshotStore } from '../state/snapshot-store.ts';
import type { PartitionId, StoredBlob } from '../state/store.ts';
import { readBlobs, readFooter, writeSnapshotFile } from './snapshot-file.ts';

const KEPT = 2;
/** a temporary file that is older than this was left by a process that died */
const LEFT_BEHIND_MS = 86_400_000;
const SUFFIX = '.fssnap';
const TEMPORARY = '.tmp';
/** users' ids and histories are in it */
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/**
 * Snapshots as files, `<folder>/<app>/<topic>/<partition>/<time>-<watermark>.fssnap`. A file has its name only when it is whole
 * and on the disk. The folder may be shared by all instances of an application.
 */
export class FileSnapshots implements SnapshotStore {
  private readonly folder: string;
  private readonly onUnreadable: (path: string, error: FraudstreamError) => void;

  /** @param onUnreadable told of files that cannot be used; they are passed over */
  constructor(folder: string, app: string, onUnreadable: (path: string, error: FraudstreamError) => void) {
    this.folder = join(folder, encodeURIComponent(app));
    this.onUnreadable = onUnreadable;
  }

  async list(partition: PartitionId): Promise<readonly SnapshotInfo[]> {
    const folder = this.folderOf(partition);
    const names = (await this.guard(`read ${folder}`, namesIn(folder))).filter((name) => name.endsWith(SUFFIX));
    const found: SnapshotInfo[] = [];
    for (const name of names) {
      const path = join(folder, name);
      try {
        found.push({ ...(await readFooter(path)), name: path });
      } catch (thrown) {
        this.onUnreadable(path, toFraudstreamError(thrown, 'FS_FILE_INVALID'));
      }
    }
    return found.sort((a, b) => b.createdMs - a.createdMs || b.watermark - a.watermark);
  }

  async write(partition: PartitionId, snapshot: NewSnapshot): Promise<SnapshotInfo> {
    const folder = this.folderOf(partition);
    const name = `${String(snapshot.createdMs).padStart(15, '0')}-${snapshot.watermark}${SUFFIX}`;
    const temporary = join(folder, `${name}.${randomBytes(6).toString('hex')}${TEMPORARY}`);
    await this.guard(`make ${folder}`, mkdir(folder, { recursive: true, mode: FOLDER_MODE }));
    const file = await this.guard(`write ${temporary}`, open(temporary, 'wx', FILE_MODE));
    try {
      const footer = await writeSnapshotFile(file, snapshot);
      await file.close();
      await rename(temporary, join(folder, name));
      await syncFolder(folder);
      await this.removeOld(folder, snapshot.createdMs);
      return { ...footer, name: join(folder, name) };
    } catch (thrown) {
      await file.close().catch(() => undefined);
      await rm(temporary, { force: true }).catch(() => undefined);
      throw failureOf(`write ${temporary}`, thrown);
    }
  }

  async *read({ name }: SnapshotInfo): AsyncGenerator<readonly StoredBlob[]> {
    try {
      yield* readBlobs(name);
    } catch (thrown) {
      throw failureOf(`read ${name}`, thrown);
    }
  }

  private folderOf({ topic, partition }: PartitionId): string {
    return join(this.folder, encodeURIComponent(topic), String(partition));
  }

  private async removeOld(folder: string, nowMs: number): Promise<void> {
    const names = await namesIn(folder);
    // the time comes first in the name, with leading zeros
    const whole = names.filter((name) => name.endsWith(SUFFIX)).sort();
    const left = names.filter((name) => name.endsWith(TEMPORARY) && nowMs - Number.parseInt(name, 10) > LEFT_BEHIND_MS);
    for (const name of [...whole.slice(0, -KEPT), ...left]) await rm(join(folder, name), { force: true });
  }

  private async guard<T>(doing: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (thrown) {
      throw failureOf(doing, thrown);
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** A rename is on the disk when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function failureOf(doing: string, thrown: unknown): FraudstreamError {
  if (thrown instanceof FraudstreamError) return thrown;
  const code = (thrown as NodeJS.ErrnoException).code ?? 'failed';
  return new FraudstreamError('FS_FILE_INVALID', `cannot ${doing} (${code})`, {}, { cause: thrown });
}
