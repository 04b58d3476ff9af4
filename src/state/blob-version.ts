/** Of the layout of a stored history, see `blob.ts`. Goes into the layout fingerprint. */
export const BLOB_VERSION = 1;
