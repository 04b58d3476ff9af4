import { open } from 'node:fs/promises';

import { FraudstreamError } from '../domain/errors.ts';

export const MODEL_BYTES_MAX = 64 * 1_048_576;
export const MODEL_TEXT_BYTES_MAX = 16 * 1_048_576;

/** @throws FraudstreamError FS_MODEL_INVALID */
export async function readModelText(path: string, bytesMax: number): Promise<string> {
  const bytes = await readModelFile(path, bytesMax);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FraudstreamError('FS_MODEL_INVALID', `${path} is not UTF-8`, {}, { cause });
  }
}

/** @throws FraudstreamError FS_MODEL_INVALID */
export async function readModelFile(path: string, bytesMax: number): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (size > bytesMax) throw new FraudstreamError('FS_MODEL_INVALID', `${path} is larger than ${bytesMax} bytes`);
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (thrown) {
    if (thrown instanceof FraudstreamError) throw thrown;
    const reason = (thrown as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new FraudstreamError('FS_MODEL_INVALID', `cannot read ${path} (${reason})`, {}, { cause: thrown });
  }
}
