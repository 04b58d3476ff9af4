/** Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff and Jitter", 2015). */
export function backoffMs(attempt: number, baseMs: number, msMax: number): number {
  const ceiling = Math.min(msMax, baseMs * 2 ** Math.min(attempt, 20));
  return Math.ceil(ceiling / 2 + (Math.random() * ceiling) / 2);
}

/** Resolves after `ms`, or as soon as the signal is aborted. */
export function pauseFor(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal?.aborted === true) return done();
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end, { once: true });
  });
}

/** Resolves true when the promise settles in time, else false; the promise goes on by itself. */
export async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((done) => {
    timer = setTimeout(() => done(false), ms);
  });
  try {
    return await Promise.race([
      promise.then(
        () => true,
        () => true,
      ),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
