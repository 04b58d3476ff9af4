// Deliberate errors in the protocol, each a small change of text: what is searched for stands exactly once in its file.

const worker = 'src/pipeline/partition-worker.ts';
const takeover = 'src/pipeline/takeover.ts';
const checkpoint = 'src/pipeline/checkpoint.ts';
const attempts = 'src/pipeline/attempts.ts';
const engine = 'src/pipeline/engine.ts';
const measurer = 'src/pipeline/event-measurer.ts';
const deciding = 'src/pipeline/deciding.ts';
const kinds = 'src/pipeline/event-kind.ts';
const producer = 'src/delivery/transactional-producer.ts';
const publisher = 'src/delivery/publisher.ts';
const acquisition = 'src/delivery/acquisition.ts';
const facts = 'src/delivery/facts.ts';
const position = 'src/delivery/position.ts';
const histories = 'src/state/partition-histories.ts';
const cache = 'src/state/cache.ts';
const filter = 'src/transport/kafka/read-committed.ts';
const redis = 'test/simulation/model-redis-store.ts';

const mutation = (name, ...patches) => ({
  name,
  patches: patches.map(([file, search, replace]) => ({ file, search, replace })),
});

const EXACTLY_ONCE = '    await producer.commit(records, offsetOf(key, position), signal);\n';
const AT_LEAST_ONCE = '    if (outputs.length > 0) await this.write(outputs, signal);\n    await producer.commit([], offsetOf(key, position), signal);\n'; // prettier-ignore

export const MUTATIONS = [
  // Fencing
  mutation('a transactional id per process: zombies are not fenced', [
    producer,
    '    this.options = options;\n',
    '    this.options = { ...options, transactionalId: `${options.transactionalId}-${ports.clock.monotonicMs()}` };\n',
  ]),
  mutation(
    'position, output and state are read before the fence',
    [takeover, '  await publisher.fence(input.signal);\n', '  const early = await gatherFacts({ ...ports, input });\n  await publisher.fence(input.signal);\n'], // prettier-ignore
    [takeover, '    planAcquisition(await gatherFacts({ ...ports, input }), {', '    planAcquisition(early, {'],
  ),
  mutation(
    'abort and reuse: after an error the producer goes on, with its sequence rolled back',
    [
      producer,
      '    await this.beginSteadily(transaction, (rounds',
      '    try {\n    await this.beginSteadily(transaction, (rounds',
    ],
    [producer, '    if (this.settled !== null) this.settled.commit = true;\n    this.identity = identity;\n', '    if (this.settled !== null) this.settled.commit = true;\n    this.identity = identity;\n    } catch (thrown) {\n      await requests.end(transaction, false);\n      for (const one of rounds.flat().reverse()) this.sequences.set(`${one.topic}/${one.partition}`, one.sequence);\n      this.identity = identity;\n      throw thrown;\n    }\n'], // prettier-ignore
    [
      producer,
      '    this.identity = null;\n    this.settled = null;\n    const deadlineMs',
      '    if (this.identity !== null) return;\n    const deadlineMs',
    ],
  ),
  mutation('what earlier owners left open is not ended', [takeover, '  await publisher.settle(false, signal);\n', '']),
  mutation('a commit whose markers were forgotten is aborted', [
    takeover,
    '    await publisher.settle(true, signal);',
    '    await publisher.settle(false, signal);',
  ]),
  mutation('output that has no end marker is no witness', [
    acquisition,
    'output.firstOpen < offset',
    'output.firstOpen < 0',
  ]),
  mutation('a broken connection to the coordinator is not noticed', [
    producer,
    'return this.settled === null || this.ports.requests.isSteady(this.options.transactionalId);',
    'return this.settled === null || this.options.transactionalId.length > 0;',
  ]),
  mutation('flagged payments are no witness', [acquisition, ', output.lastFlagged ?? -1)', ')']),
  mutation('sequences are not counted anew after a fence', [producer, '        this.sequences.clear();\n', '']),
  // The transaction
  mutation('the position is committed before the output', [
    publisher,
    EXACTLY_ONCE,
    `    if (records.length > 0) await producer.commit([], offsetOf(key, position), signal);\n${EXACTLY_ONCE}`,
  ]),
  mutation('the position is committed outside the transaction of the output', [
    publisher,
    EXACTLY_ONCE,
    '    const before = (this as { before?: Position }).before ?? position;\n    if (records.length > 0) await producer.commit(records, offsetOf(key, before), signal);\n    await producer.commit([], offsetOf(key, position), signal);\n    (this as { before?: Position }).before = position;\n', // prettier-ignore
  ]),
  mutation('at least once: the position is committed before the output', [
    publisher,
    AT_LEAST_ONCE,
    '    await producer.commit([], offsetOf(key, position), signal);\n    if (outputs.length > 0) await this.write(outputs, signal);\n', // prettier-ignore
  ]),
  mutation('at least once: an output that is not written is swallowed', [
    publisher,
    '        if (!error.retriable || signal.aborted) throw error;\n        await this.pause(waitMs, signal);\n',
    '        if (waitMs > 0 || error.retriable) return;\n        await this.pause(waitMs, signal);\n',
  ]),
  mutation('an unanswered commit is taken for a success', [
    producer,
    '    await requests.end(transaction, true);\n',
    '    await requests.end(transaction, true).catch(() => undefined);\n',
  ]),
  mutation('a commit is not waited for', [
    producer,
    '    await requests.end(transaction, true);\n',
    '    requests.end(transaction, true).catch(() => undefined);\n',
  ]),
  mutation('an error of a produce is swallowed', [
    producer,
    'await requests.produce(transaction, batches);',
    'await requests.produce(transaction, batches).catch(() => undefined);',
  ]),
  mutation('an error of the offset commit is swallowed', [
    producer,
    '    await this.unlessBusy(() => requests.commitOffset(transaction, group, position), signal);\n',
    '    await this.unlessBusy(() => requests.commitOffset(transaction, group, position), signal).catch(() => undefined);\n',
  ]),
  mutation('dead letters are left out of the transaction', [
    publisher,
    'const records: RecordTo[] = outputs.map(',
    "const records: RecordTo[] = outputs.filter(({ stream }) => stream !== 'dead-letter').map(",
  ]),
  // What the position says
  mutation('a foreign position is accepted: the checksum is not compared', [
    position,
    "  if (words[13] !== checksum(key, metadata.slice(0, metadata.lastIndexOf(' ')))) return 'foreign';\n",
    '',
  ]),
  mutation('a moved offset is accepted: the text does not hold it', [
    position,
    '    offsetOf(words[12]!) === offset &&\n',
    '',
  ]),
  mutation('a position of a newer version is taken for none', [
    facts,
    '  return found === null ? null : {',
    "  return found === null || decodePosition(key, found) === 'newer' ? null : {",
  ]),
  mutation('no position means new, whatever was put out', [
    acquisition,
    'if (folded >= 0 || decided >= 0 || !output.untouched) {',
    'if (folded >= 0) {',
  ]),
  mutation('an added partition is taken for a new one', [
    facts,
    'const sibling = committed === null && partition > 0 ?',
    'const sibling = committed === null && partition < 0 ?',
  ]),
  mutation('added partitions are ignored', [
    acquisition,
    "return mark.partitions === log.partitions ? null : 'partitions';",
    'return null;',
  ]),
  mutation('another cluster is not noticed', [
    acquisition,
    'if (mark.clusterId !== log.clusterId) return',
    'if (mark.clusterId === "") return',
  ]),
  mutation('a topic that was made anew is not noticed', [
    acquisition,
    'mark.topicId !== log.topicId) {',
    'mark.topicId === log.clusterId) {',
  ]),
  mutation('hashes of records are not compared', [
    acquisition,
    "|| mark.lastHash === '' || found === mark.lastHash) return;",
    "|| mark.lastHash !== '-' || found === mark.lastHash) return;",
  ]),
  mutation('the delivery mode is not compared', [
    acquisition,
    '  if (mark.delivery === delivery) return;\n',
    '  if (mark.delivery === delivery || facts.committed !== null) return;\n',
  ]),
  mutation(
    'the output is not asked as a witness',
    [
      acquisition,
      '    checkOutputReach(facts, position, options.delivery);\n',
      '    if (position.offset < 0) checkOutputReach(facts, position, options.delivery);\n',
    ],
    [
      acquisition,
      '    checkOutputEnd(facts, position, warnings);\n',
      '    if (position.offset < 0) checkOutputEnd(facts, position, warnings);\n',
    ],
  ),
  mutation('lost output is not noticed', [
    acquisition,
    '  if (output.lastDecision < lastDecision) {',
    '  if (output.lastDecision < lastDecision && lastDecision < 0) {',
  ]),
  mutation('output that was made anew is not noticed', [
    acquisition,
    '    if (lastDecision < 0) return;\n',
    '    if (lastDecision < 0 || offset >= 0) return;\n',
  ]),
  mutation('records that retention took before they were decided are jumped', [
    acquisition,
    'if (offset >= start && offset <= end) return;',
    'if (offset <= end) return;',
  ]),
  mutation('a truncated log is not noticed', [
    acquisition,
    'if (offset >= start && offset <= end) return;',
    'if (offset >= start) return;',
  ]),
  mutation('a compacted input is accepted', [
    acquisition,
    'if (facts.log.compacted) {',
    'if (facts.log.compacted && facts.range.end < 0) {',
  ]),
  mutation('state ahead of the position is accepted', [
    acquisition,
    '  if (reach <= offset) return;',
    '  if (reach <= offset || offset >= 0) return;',
  ]),
  mutation('how far a flush goes that has begun is not asked', [
    acquisition,
    '  return Math.max(watermark ?? -1, flushing ?? -1);',
    '  return Math.max(watermark ?? -1, Math.min(flushing ?? -1, -1));',
  ]),
  // The silent fold
  mutation('the silent fold is missing', [
    acquisition,
    'return { watermark, readFrom: watermark, knownSinceMs: note.knownSinceMs',
    'return { watermark, readFrom: position.offset, knownSinceMs: note.knownSinceMs',
  ]),
  mutation('state that is lost is not rebuilt', [
    acquisition,
    'const readFrom = Math.min(position.offset, Math.max(position.origin, range.start));',
    'const readFrom = position.offset;',
  ]),
  mutation('the tail is decided again instead of folded', [
    worker,
    'while (silent < records.length && records[silent]!.offset < decideFrom) silent++;',
    'while (silent < records.length && records[silent]!.offset < decideFrom - 3) silent++;',
  ]),
  mutation('the first record behind the position is only folded', [
    worker,
    'while (silent < records.length && records[silent]!.offset < decideFrom) silent++;',
    'while (silent < records.length && records[silent]!.offset <= decideFrom) silent++;',
  ]),
  mutation('late and repeated payments are folded in the silent fold', [
    measurer,
    '    if (!isFolded(one.kind) && !again) return;\n',
    '    if (again && plan.kept.length > 1_000) return;\n',
  ]),
  mutation('the record behind the last one that a history holds is taken for known', [
    kinds,
    '  if (event.offset <= history.lastOffset) {',
    '  if (event.offset <= history.lastOffset + 1) {',
  ]),
  mutation('incomplete histories are taken for complete after retention', [
    acquisition,
    'return { watermark: null, readFrom, knownSinceMs: readFrom === 0 && position.origin === 0 ? 0 : null, rebuilt };',
    'return { watermark: null, readFrom, knownSinceMs: 0, rebuilt };',
  ]),
  // State in memory and in the store
  mutation('state is flushed before the commit', [
    worker,
    '    const before = clock.monotonicMs();\n',
    '    const before = clock.monotonicMs();\n    histories.position = nextOffset;\n    if (!histories.isFlushing) void histories.flush().catch(() => undefined);\n', // prettier-ignore
  ]),
  mutation('state is flushed in the middle of a batch', [
    worker,
    'if (!this.holdsState || this.busy || this.absence.lasts) return;',
    'if (!this.holdsState || this.absence.lasts) return;',
  ]),
  mutation(
    'what a failed batch has folded is kept',
    [worker, '    } catch (thrown) {\n      this.holdsState = false;\n      this.position = null;\n', '    } catch (thrown) {\n      this.position = null;\n'], // prettier-ignore
    [histories, '  restart(watermark: number | null, knownSinceMs = 0): void {\n    this.cache.clear();\n', '  restart(watermark: number | null, knownSinceMs = 0): void {\n'], // prettier-ignore
  ),
  mutation('the watermark is not compared when histories are loaded', [
    histories,
    'if (!legal.includes(watermark) && (watermark === null || watermark !== this.flyingWatermark)) {',
    'if (legal.length === 0) {',
  ]),
  mutation('a flush is not compared and set', [
    redis,
    'if (found.watermark !== expected || (expected !== null && found.fingerprint !== fingerprint)) {',
    'if (found.fingerprint !== null && found.fingerprint !== fingerprint) {',
  ]),
  mutation('the watermark is written with the first slice', [
    redis,
    "    if (step === 'whole' || step === 'last') {",
    "    if (step === 'whole' || step === 'first') {",
  ]),
  mutation(
    'slices of two flushes may mix',
    [redis, 'if (!seen.startsWith(token))', 'if (slice < 0 && !seen.startsWith(token))'],
    [redis, "if (step === 'last' && seen.length", "if (step === 'last' && slice < 0 && seen.length"],
  ),
  mutation('lost slices of a flush are not missed', [
    redis,
    "if (step === 'last' && seen.length - token.length !== slice - 1)",
    "if (step === 'last' && slice < 0)",
  ]),
  mutation('a late removal is not stopped', [redis, 'if (node.get(this.keys.token) !== token)', 'if (token === "")']),
  mutation('whatever became of an unanswered flush is accepted', [
    histories,
    '    if (watermark !== attempted) {',
    '    if (watermark !== attempted && attempted < 0) {',
  ]),
  mutation('what a failed flush should have written is not written by the next', [
    histories,
    '      for (const entry of entries) this.cache.markDirty(entry);\n',
    '',
  ]),
  mutation('unwritten histories are evicted', [
    cache,
    'if (entry.dirty || entry.flushing || entry.referenced) {',
    'if (entry.referenced) {',
  ]),
  mutation('histories whose flush is under way are evicted', [
    cache,
    'if (entry.dirty || entry.flushing || entry.referenced) {',
    'if (entry.dirty || entry.referenced) {',
  ]),
  mutation('a refused flush is swallowed', [checkpoint, '    } else this.broken = error;\n', '    }\n']),
  mutation('decisions are made without history while the store is away', [
    deciding,
    "!== 'FS_STATE_UNAVAILABLE' || this.isStopped) throw thrown;",
    "!== 'FS_STATE_UNAVAILABLE') throw thrown;",
  ]),
  // The input
  mutation(
    'a stale batch is published',
    [
      worker,
      '    if (first !== undefined && first.offset < this.expected) {',
      '    if (first !== undefined && first.offset < 0) {',
    ],
    [
      worker,
      'while (silent < records.length && records[silent]!.offset < decideFrom) silent++;',
      'while (this.expected < decideFrom && silent < records.length && records[silent]!.offset < decideFrom) silent++;',
    ],
  ),
  mutation('the filter leaks: one aborted transaction is begun per batch', [
    filter,
    '      this.next++;\n',
    '      this.next++;\n      return;\n',
  ]),
  mutation('the filter leaks: transactions are taken in the order in which they ended', [
    filter,
    '[...transactions].sort((a, b) => a.firstOffset - b.firstOffset)',
    '[...transactions]',
  ]),
  mutation('the filter hides: an abort marker does not end its transaction', [
    filter,
    'if (isCommit === false) this.aborting.delete(batch.producerId);',
    'if (isCommit === null) this.aborting.delete(batch.producerId);',
  ]),
  mutation('a registry that is away makes dead letters', [engine, '        if (error.retriable) throw error;\n', '']),
  mutation('records are tried singly beside others', [
    worker,
    'await this.turns.run(true, ',
    'await this.turns.run(false, ',
  ]),
  mutation('a record that was survived is blamed', [
    deciding,
    '    this.attempts.outlived().catch(() => undefined);\n',
    '',
  ]),
  mutation('deaths at a position are not counted', [
    attempts,
    '[...(last.offset === offset ? last.deaths : []), ...ended]',
    '(last.offset === offset ? last.deaths : [])',
  ]),
  mutation('a record in hand at one death is put aside', [
    attempts,
    'inHand >= 0 && inHand === before?.record && deaths.length >= DEATHS_OF_POISON',
    'inHand >= 0',
  ]),
  mutation('the wrong record is put aside', [attempts, '        poison = inHand;\n', '        poison = inHand + 1;\n']),
  mutation('a record that was put aside is forgotten', [
    worker,
    'await this.publish([], { ...start.position, poison: this.poison });',
    'await this.publish([], start.position);',
  ]),
];
