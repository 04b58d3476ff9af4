// Catalogues of any size for the growth table, and a model that fits them: the shipped 100 trees behind a layer that
// spreads the N features over their columns. So only the number of features differs between two runs.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { load, ROOT } from './build.mjs';

const WINDOWS = ['1m', '10m', '1h', '1d', '7d', '30d'];
const FIELDS = ['merchant_id', 'mcc', 'country', 'device_id', 'ip'];

/** Features of the usual kinds, in turns, over all windows. At most 120. */
function declarations(count) {
  const kinds = [
    ...['count', 'sum', 'mean', 'max'].map((aggregate) => (window) => ({ aggregate, window })),
    (window, k) => ({ aggregate: 'distinct', of: FIELDS[k % FIELDS.length], window }),
    (window, k) => ({ aggregate: 'is_new', of: FIELDS[k % FIELDS.length], window }),
    ...['zscore', 'ratio_to_mean', 'std', 'min', 'ratio_to_max'].map((aggregate) => (window) => ({
      aggregate,
      window,
    })),
    ...['ECOM', 'POS', 'ATM'].map((channel) => (window) => ({ aggregate: 'count', window, where: { channel } })),
    (window) => ({ aggregate: 'share', window, where: { 'attributes.auth_result': 'declined' } }),
    ...[1, 2, 3, 4].map((next) => (window, k) => ({ aggregate: 'distinct', of: FIELDS[(k + next) % 5], window })),
  ];
  const first = [{ aggregate: 'amount' }, { aggregate: 'time_since_last' }, { aggregate: 'speed_kmh' }];
  const rest = kinds.flatMap((make) => WINDOWS.map((window, k) => make(window, k)));
  return [...first, ...rest].slice(0, count).map((one, k) => ({ name: `f${k}`, ...one }));
}

/** @returns env for `run` with a catalogue of `count` features and a model on all of them */
export async function writeCatalogue(count) {
  if (!(count >= 1 && count <= 120)) throw new Error(`--features must be 1 to 120, not ${count}`);
  const folder = join(ROOT, 'out', 'bench', `features-${count}`);
  mkdirSync(folder, { recursive: true });
  const features = declarations(count);
  // JSON is YAML
  const catalogue = join(folder, 'features.yaml');
  writeFileSync(catalogue, JSON.stringify({ version: 1, features }, null, 1));
  const { parseCatalogue } = await load('features/parse');
  parseCatalogue(readFileSync(catalogue, 'utf8'), catalogue);
  await writeModel(
    folder,
    features.map(({ name }) => name),
  );
  return { env: { FRAUDSTREAM_CATALOGUE_FILE: catalogue, FRAUDSTREAM_MODEL_DIR: folder } };
}

async function writeModel(folder, names) {
  const shipped = join(ROOT, 'models', 'default');
  const manifest = JSON.parse(readFileSync(join(shipped, 'manifest.json'), 'utf8'));
  const width = manifest.features.length;
  const model = spread(readFileSync(join(shipped, 'model.onnx')), names.length, width);
  const sha256 = createHash('sha256').update(model).digest('hex');
  const inputs = names.map((_, k) => k + 0.5);
  const output = await scoreOf(model, inputs, manifest.output);
  const vectors = { format_version: 1, sha256, features: names, vectors: [{ name: 'one', inputs, output }] };
  const own = { ...manifest, name: 'bench', version: `bench-${names.length}`, sha256, features: names };
  writeFileSync(join(folder, 'model.onnx'), model);
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...own, input: { tensor: NARROW } }));
  writeFileSync(join(folder, 'vectors.json'), JSON.stringify(vectors));
}

async function scoreOf(model, inputs, { tensor, column }) {
  const { InferenceSession, Tensor } = createRequire(import.meta.url)('onnxruntime-node');
  const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
  const row = new Tensor('float32', Float32Array.from(inputs), [1, inputs.length]);
  const { data } = (await session.run({ [NARROW]: row }))[tensor];
  await session.release();
  return data[column];
}

const NARROW = 'narrow';
const INDEXES = 'spread_indexes';

/**
 * The model with a Gather in front: column c of its input is column c modulo `from` of the new one. Protocol buffers of
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, written by hand.
 */
function spread(bytes, from, width) {
  const fields = [...fieldsOf(bytes)].map((field) =>
    field.number === 7 ? bytesField(7, graph(field.content, from, width)) : field.whole,
  );
  return Buffer.concat(fields);
}

function graph(bytes, from, width) {
  const fields = [...fieldsOf(bytes)];
  const input = fields.find(({ number }) => number === 11);
  const name = [...fieldsOf(input.content)].find(({ number }) => number === 1).content.toString();
  const gather = [text(1, NARROW), text(1, INDEXES), text(2, name), text(4, 'Gather'), bytesField(5, axis(1))];
  const indexes = Buffer.alloc(width * 8);
  for (let c = 0; c < width; c++) indexes.writeBigInt64LE(BigInt(c % from), c * 8);
  // TensorProto: dims, data_type INT64, name, raw_data
  const constant = [number(1, width), number(2, 7), text(8, INDEXES), bytesField(9, indexes)];
  const dims = [bytesField(1, text(2, 'rows')), bytesField(1, number(1, from))];
  const shape = bytesField(2, Buffer.concat(dims));
  const type = bytesField(1, Buffer.concat([number(1, 1), shape]));
  return Buffer.concat([
    bytesField(1, Buffer.concat(gather)),
    ...fields.filter((field) => field !== input).map(({ whole }) => whole),
    bytesField(5, Buffer.concat(constant)),
    bytesField(11, Buffer.concat([text(1, NARROW), bytesField(2, type)])),
  ]);
}

/** AttributeProto axis = value: name, i, type INT */
function axis(value) {
  return Buffer.concat([text(1, 'axis'), number(3, value), number(20, 2)]);
}

function* fieldsOf(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const start = at;
    const key = varint();
    const wire = key % 8;
    let from = at;
    if (wire === 0) varint();
    else if (wire === 2) {
      const length = varint();
      from = at;
      at += length;
    } else at += wire === 1 ? 8 : 4;
    yield { number: Math.floor(key / 8), content: bytes.subarray(from, at), whole: bytes.subarray(start, at) };
  }
}

function varintBytes(value) {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    bytes.push((rest % 128) + (rest > 127 ? 128 : 0));
    if (rest <= 127) return Buffer.from(bytes);
  }
}

const number = (field, value) => Buffer.concat([varintBytes(field * 8), varintBytes(value)]);
const bytesField = (field, content) =>
  Buffer.concat([varintBytes(field * 8 + 2), varintBytes(content.length), content]);
const text = (field, value) => bytesField(field, Buffer.from(value));
