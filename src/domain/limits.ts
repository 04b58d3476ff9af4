/** Every bound of the engine. Units come last in the name. */
export const LIMITS = {
  /** an id (transaction, user, card, merchant, terminal, device) */
  idLengthMax: 128,
  attributesMax: 64,
  attributeKeyLengthMax: 64,
  attributeValueLengthMax: 512,
  /** default of `record.max-bytes` */
  recordBytesMax: 1_048_576,
  /** one decompressed Kafka record batch */
  batchBytesMax: 67_108_864,
  /** array and map items and record fields that one Avro record may hold, skipped ones included */
  avroNodesMax: 250_000,
  /** how deep a value of a recursive Avro schema may nest */
  avroDepthMax: 64,
  /** a writer schema: its JSON text, its nesting, its named types and fields */
  schemaBytesMax: 1_048_576,
  schemaDepthMax: 64,
  schemaNodesMax: 10_000,
  headersMax: 64,
  headerBytesMax: 65_536,
  /** 9999-12-31T23:59:59.999Z */
  eventTimeMsMax: 253_402_300_799_999,
  reasonsMax: 5,
  historyEntriesMax: 10,
  /** rows of a user's log that keep all fields (distinct values of the past, repeats); older ones keep time, amount, filters */
  detailRowsMax: 2_048,
  /** rows of a user's log kept one by one; older ones are compacted into panes */
  rowsMax: 32_768,
  /** the same where filters ask for verdicts, and where rows keep values of features: such rows are larger */
  labelledRowsMax: 16_384,
  keptRowsMax: 12_288,
  /** features whose values rows keep */
  keptFeaturesMax: 4,
  /** rows that one feature looks at one by one, the newest first */
  scannedRowsMax: 4_096,
  /** verdicts per user or entity that wait for their payments */
  pendingLabelsMax: 1_024,
  panesMax: 1_024,
  /** distinct values kept per user, all fields together */
  dictionaryEntriesMax: 32_768,
  /** a stored blob never exceeds this */
  blobBytesMax: 1_572_864,
  catalogueFeaturesMax: 512,
  /** what histories are kept of, the user included */
  catalogueEntitiesMax: 8,
  catalogueWindowsMax: 24,
  catalogueFiltersMax: 32,
  /** an expression: its text in UTF-16 units, its nesting, its parts (literals of a list are bounded by the text alone) */
  expressionLengthMax: 2_000,
  expressionDepthMax: 32,
  expressionNodesMax: 500,
  /** a regular expression: its text, and its program, which bounds the work per character of the value */
  regexLengthMax: 200,
  regexInstructionsMax: 256,
} as const;
