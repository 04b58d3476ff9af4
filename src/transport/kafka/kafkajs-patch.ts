import { createRequire } from 'node:module';
import { FraudstreamError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { CODEC_NUMBERS, compressorOf, decompress, type CodecName } from './compression.ts';

/** What we repair inside KafkaJS, at load, once. Only the version that it was written for is accepted. */

const KAFKAJS_VERSION = '2.2.4';

const require = createRequire(import.meta.url);
const found = (require('kafkajs/package.json') as { version: string }).version;
if (found !== KAFKAJS_VERSION) {
  throw new FraudstreamError(
    'FS_INTERNAL',
    `kafkajs ${found} is installed, but src/transport/kafka is written for ${KAFKAJS_VERSION} exactly; install that one`,
  );
}

interface RequestQueuePrototype {
  pending: unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}

// The original starts a timer after every answer, with a negative delay when nothing is throttled: each is a needless
// wake-up, and Node 24 warns about it. A timer is only needed while something waits.
const requestQueue = (require('kafkajs/src/network/requestQueue') as { prototype: RequestQueuePrototype }).prototype;
requestQueue.scheduleCheckPendingRequests = function (this: RequestQueuePrototype): void {
  if (this.pending.length === 0 || this.throttleCheckTimeoutId !== null) return;
  const delayMs = Math.max(10, this.throttledUntil - Date.now());
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null;
    this.checkPendingRequests();
  }, delayMs);
};

interface ConnectionPrototype {
  socket?: { removeAllListeners(): void; on(event: 'error', listener: () => void): void; destroy(): void };
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  isConnected(): boolean;
  connect(): Promise<boolean>;
}

// Three faults of the original, each seen when a broker is killed. It opens one more socket for every caller that comes
// while it connects, and forgets all but the last. Late events of a lost socket disconnect its successor. And what had
// been read of an answer when the socket was lost stays in front of the first answer of the next one.
const connection = (require('kafkajs/src/network/connection') as { prototype: ConnectionPrototype }).prototype;
const connectOnce = connection.connect;
const connecting = new WeakMap<ConnectionPrototype, Promise<boolean>>();
connection.connect = function (this: ConnectionPrototype): Promise<boolean> {
  if (this.isConnected()) return Promise.resolve(true);
  const known = connecting.get(this);
  if (known !== undefined) return known;
  if (this.socket !== undefined) {
    this.socket.removeAllListeners();
    this.socket.on('error', () => undefined);
    this.socket.destroy();
  }
  this.chunks = [];
  this.bytesBuffered = 0;
  this.bytesNeeded = 4;
  const attempt = connectOnce.call(this).finally(() => connecting.delete(this));
  connecting.set(this, attempt);
  return attempt;
};

// KafkaJS has gzip only, without a limit on its output. Ours replace it wherever KafkaJS still decodes by itself.
const compression = require('kafkajs/src/protocol/message/compression') as { Codecs: Record<number, () => object> };
for (const name of Object.keys(CODEC_NUMBERS) as CodecName[]) {
  const number = CODEC_NUMBERS[name];
  if (number === 0) continue;
  compression.Codecs[number] = () => ({
    compress: (encoder: { buffer: Buffer }) => Promise.resolve(compressorOf(name)?.(encoder.buffer)),
    // a rejection, not an exception: KafkaJS awaits it
    decompress: (bytes: Buffer) => Promise.resolve(bytes).then((all) => decompress(number, all, LIMITS.batchBytesMax)),
  });
}
