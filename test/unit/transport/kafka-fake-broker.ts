import { createServer, type Server, type Socket } from 'node:net';

/** A broker that speaks just enough: ApiVersions, and whatever the test answers. */

/** An answer as it goes over the wire. */
export const frame = (correlationId: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + body.length, 0);
  head.writeInt32BE(correlationId, 4);
  return Buffer.concat([head, body]);
};

/** Answers ApiVersions for all of ours, and gives other requests to `onRequest`. */
export async function fakeBroker(
  onRequest: (apiKey: number, correlationId: number, socket: Socket) => void,
  toClose: (() => void)[],
): Promise<{ port: number; sockets: () => number }> {
  let sockets = 0;
  const server: Server = createServer((socket) => {
    sockets++;
    let buffered = Buffer.alloc(0);
    socket.on('error', () => undefined);
    toClose.push(() => socket.destroy());
    socket.on('data', (data: Buffer) => {
      buffered = Buffer.concat([buffered, data]);
      while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
        const apiKey = buffered.readInt16BE(4);
        const correlationId = buffered.readInt32BE(8);
        buffered = buffered.subarray(4 + buffered.readInt32BE(0));
        if (apiKey !== 18) {
          onRequest(apiKey, correlationId, socket);
          continue;
        }
        const body = Buffer.alloc(2 + 4 + 4 * 6 + 4);
        body.writeInt32BE(4, 2);
        [3, 1, 0, 18].forEach((key, i) => {
          body.writeInt16BE(key, 6 + i * 6);
          body.writeInt16BE(0, 8 + i * 6);
          body.writeInt16BE(key === 3 ? 1 : 11, 10 + i * 6);
        });
        socket.write(frame(correlationId, body));
      }
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  toClose.push(() => server.close());
  return { port: (server.address() as { port: number }).port, sockets: () => sockets };
}

/** Metadata v1: one broker, no topics. */
export function metadata(port: number): Buffer {
  const host = Buffer.from('127.0.0.1');
  const body = Buffer.alloc(4 + 4 + 2 + host.length + 4 + 2 + 4 + 4);
  let at = body.writeInt32BE(1, 0);
  at = body.writeInt32BE(1, at);
  at = body.writeInt16BE(host.length, at);
  at += host.copy(body, at);
  at = body.writeInt32BE(port, at);
  at = body.writeInt16BE(-1, at);
  at = body.writeInt32BE(1, at);
  body.writeInt32BE(0, at);
  return body;
}
