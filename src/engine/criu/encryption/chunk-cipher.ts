import { createCipheriv, createDecipheriv } from 'node:crypto';

/** Of plain bytes in each chunk but the last, which has fewer or as many; an empty file is one empty chunk. */
export const chunkBytes = 1024 * 1024;
export const tagBytes = 16;
/** At the beginning of each file: random, the first part of the nonces of its chunks. */
export const prefixBytes = 8;

const nonceBytes = 12;
const algorithm = 'aes-256-gcm';

/** What a file is authenticated as: decrypted as anything else, it is refused. */
export interface FileIdentity {
  readonly golden: string;
  /** In the golden. */
  readonly path: string;
}

/**
 * AES-256-GCM over one file in chunks. Each chunk is bound to golden, path, index and whether it is the last, so that none can be altered, left
 * out, moved or exchanged, in a file, between files or between goldens. A chunk takes half a millisecond; WebCrypto, which works in the
 * thread pool, took twice the CPU time for the copies it makes.
 */
export interface ChunkCipher {
  encrypt(plain: Uint8Array, index: number, isLast: boolean): { readonly sealed: Buffer; readonly tag: Buffer };
  /** `sealed`: with its tag at the end. Throws when it is not what was encrypted there. */
  decrypt(sealed: Buffer, index: number, isLast: boolean): Buffer;
}

export function openChunkCipher(key: Buffer, { golden, path }: FileIdentity, prefix: Uint8Array): ChunkCipher {
  const nonce = (index: number) => {
    const bytes = Buffer.alloc(nonceBytes);
    bytes.set(prefix);
    bytes.writeUInt32BE(index, prefixBytes); // throws beyond 2³² chunks, which is 4 PB
    return bytes;
  };
  const boundTo = (index: number, isLast: boolean) => Buffer.from(JSON.stringify(['thaw golden chunk', golden, path, index, isLast]));
  return {
    encrypt: (plain, index, isLast) => {
      const cipher = createCipheriv(algorithm, key, nonce(index)).setAAD(boundTo(index, isLast));
      const sealed = cipher.update(plain);
      cipher.final(); // holds nothing: GCM is a stream
      return { sealed, tag: cipher.getAuthTag() };
    },
    decrypt: (sealed, index, isLast) => {
      const decipher = createDecipheriv(algorithm, key, nonce(index), { authTagLength: tagBytes });
      decipher.setAAD(boundTo(index, isLast)).setAuthTag(sealed.subarray(-tagBytes));
      const plain = decipher.update(sealed.subarray(0, -tagBytes));
      decipher.final();
      return plain;
    },
  };
}
