import { createHash } from 'node:crypto';

/**
 * One slice of a flush. A Lua script runs alone in Redis, but what it wrote stays when it fails half-way: therefore blobs
 * first, watermark last.
 *
 * KEYS: state record, flush token, note, blobs …
 * ARGV: expected state record ('' = none may exist), new state record, token, step, time to live in ms, note, number of
 * middle slices, blobs …
 * step: `whole` (the only slice), `first`, `middle`, `last`.
 * Returns {0} = written; {1, state record found} = another watermark, fingerprint or format, nothing written;
 * {2} = another flush of the same watermark has begun in between, nothing written; {3} = middle slices are missing.
 *
 * Why the token holds the watermark that will be written: until the flush has ended, histories may be ahead of the position as far as
 * this. State is written behind an acknowledged commit only, so it is also a witness of that commit.
 *
 * Why the token: until the last slice the watermark does not move, so the watermark alone would let the slices of two
 * flushes mix (an old owner that was frozen half-way, a connection whose bytes arrive late). A blob of the older one
 * could then end up below the newer one's watermark: its last events would be lost. The token belongs to the flush whose first slice
 * came last; slices of any other are refused. A refused flush leaves blobs that are ahead of the watermark or at it, never behind it.
 *
 * Why each middle slice adds a dot to the token: a failover may lose slices that the old master has confirmed. The dots
 * are lost with them, so that the last slice, when it comes to the new master, does not move the watermark past them.
 */
export const FLUSH_SCRIPT = `
local call = redis.call
local found = call('GET', KEYS[1]) or ''
if found ~= ARGV[1] then return {1, found} end
local token = ARGV[3]
local step = ARGV[4]
local ttl = ARGV[5]
local seen = ''
if step == 'first' or step == 'whole' then
  call('SET', KEYS[2], token, 'PX', ttl)
else
  seen = call('GET', KEYS[2]) or ''
  if string.sub(seen, 1, #token) ~= token then return {2} end
  if step == 'last' and #seen - #token ~= tonumber(ARGV[7]) then return {3} end
end
for i = 4, #KEYS do
  call('SET', KEYS[i], ARGV[i + 4], 'PX', ttl)
end
if step == 'middle' then
  call('SET', KEYS[2], seen .. '.', 'PX', ttl)
elseif step ~= 'first' then
  call('DEL', KEYS[2])
  call('SET', KEYS[3], ARGV[6], 'PX', ttl)
  call('SET', KEYS[1], ARGV[2], 'PX', ttl)
end
return {0}
`;

export const FLUSH_SCRIPT_SHA1 = createHash('sha1').update(FLUSH_SCRIPT).digest('hex');

/**
 * One step of a removal. KEYS: state record, flush token, note, blobs … ARGV: token, step (`begin`, `more`, `end`), time to
 * live in ms. Returns 0 = done; 1 = a flush or another removal has begun since, nothing removed.
 *
 * Why the token, here too: a step that comes late (its process was frozen, its bytes were on the way) must not remove the
 * blobs of a successor, which has begun from nothing.
 */
export const DROP_SCRIPT = `
local call = redis.call
if ARGV[2] == 'begin' then
  call('DEL', KEYS[1], KEYS[3])
  call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
  return 0
end
if call('GET', KEYS[2]) ~= ARGV[1] then return 1 end
for i = 4, #KEYS do
  call('UNLINK', KEYS[i])
end
if ARGV[2] == 'end' then call('DEL', KEYS[2]) end
return 0
`;

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
