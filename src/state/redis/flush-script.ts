import { createHash } from 'node:crypto';

/**
 * One slice of a flush. A Lua script runs alone in Redis, but what it wrote stays when it fails half-way: therefore blobs
 * first, watermark last.
 *
 * KEYS: state record, flush token, note, blobs …
 * ARGV: expected state record ('' = none may exist), new state record, token, step, time to live in ms, note, blobs …
 * step: `whole` (the only slice), `first`, `middle`, `last`.
 * Returns {0} = written; {1, state record found} = another watermark, fingerprint or format, nothing written;
 * {2} = another flush of the same watermark has begun in between, nothing written.
 *
 * Why the token: until the last slice the watermark does not move, so the watermark alone would let the slices of two
 * flushes mix (an old owner that was frozen half-way, a connection whose bytes arrive late). A blob of the older one
 * could then end up below the newer one's watermark: its last events would be lost. The token belongs to the flush whose first slice
 * came last; slices of any other are refused. A refused flush leaves blobs that are ahead of the watermark or at it, never behind it.
 */
export const FLUSH_SCRIPT = `
local call = redis.call
local found = call('GET', KEYS[1]) or ''
if found ~= ARGV[1] then return {1, found} end
local step = ARGV[4]
local ttl = ARGV[5]
if step == 'first' then
  call('SET', KEYS[2], ARGV[3], 'PX', ttl)
elseif step ~= 'whole' and call('GET', KEYS[2]) ~= ARGV[3] then
  return {2}
end
for i = 4, #KEYS do
  call('SET', KEYS[i], ARGV[i + 3], 'PX', ttl)
end
if step == 'whole' or step == 'last' then
  call('DEL', KEYS[2])
  call('SET', KEYS[3], ARGV[6], 'PX', ttl)
  call('SET', KEYS[1], ARGV[2], 'PX', ttl)
end
return {0}
`;

export const FLUSH_SCRIPT_SHA1 = createHash('sha1').update(FLUSH_SCRIPT).digest('hex');

export type FlushStep = 'whole' | 'first' | 'middle' | 'last';

/**
 * Bounds of one script call, which blocks Redis for all others: less than 5 ms. As Redis measured them when nothing took
 * its core away: 1.9 ms for 500 blobs of 1 KiB on average (3.3 ms at most, with blobs of 1.5 MiB among them), 1.3 ms for
 * 256 blobs of 2 KiB (2.3 ms at most); see `bench/redis-store.ts`.
 */
const SLICE_KEYS_MAX = 500;
const SLICE_BYTES_MAX = 1 << 19;

export interface Slice {
  readonly start: number;
  /** exclusive */
  readonly end: number;
}

/** Cuts a flush; always at least one slice, of any size when a single blob is beyond the bound. */
export function slicesOf(blobs: readonly Uint8Array[]): Slice[] {
  const slices: Slice[] = [];
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < blobs.length; i++) {
    const size = (blobs[i] as Uint8Array).length;
    if (i > start && (i - start >= SLICE_KEYS_MAX || bytes + size > SLICE_BYTES_MAX)) {
      slices.push({ start, end: i });
      start = i;
      bytes = 0;
    }
    bytes += size;
  }
  slices.push({ start, end: blobs.length });
  return slices;
}
