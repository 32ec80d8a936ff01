import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { ThawError } from '#src/platform/errors.ts';
import type { WrappingKeySource } from '#src/platform/golden-key-settings.ts';
import { readPrivateFile, unusable } from '#src/platform/private-file.ts';
import { openCommandKey } from './command-key.ts';

/** Wraps the data key of each golden; `context` is bound to it: what was wrapped for one golden unwraps for no other. */
export interface WrappingKey {
  /** Kept on the golden, so that a wrong key is told from a changed file. */
  readonly keyId: string;
  /** In words, for messages: `the key in /etc/thaw/goldens.key`. */
  readonly name: string;
  wrap(dataKey: Buffer, context: string): Promise<Buffer>;
  /** Throws encryption_key_wrong when this key, or this context, is not the one that it was wrapped with; encryption_key_missing when a command fails. */
  unwrap(wrapped: Buffer, context: string): Promise<Buffer>;
}

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** Throws node_unfit when the file can not be used. A command is not run yet. */
export function openWrappingKey(source: WrappingKeySource): WrappingKey {
  if (source.kind === 'command') return openCommandKey(source.argv);
  if (source.kind === 'environment') return localKey(decodeKey(source.text) ?? refuseText(), 'the key in THAW_ENCRYPTION_KEY');
  const { path } = source;
  const content = readPrivateFile('THAW_ENCRYPTION_KEY_FILE', path);
  const key = content.length === keyBytes ? content : decodeKey(content.toString('latin1').trim());
  if (key) return localKey(key, `the key in ${path}`);
  const what = `holds ${content.length} bytes, not a key of 32 (raw, as hex or as base64)`;
  throw unusable('THAW_ENCRYPTION_KEY_FILE', path, what, `Make a key: (umask 077; openssl rand -hex 32 > ${path})`);
}

/** 32 bytes written as hex or base64; undefined when the text is neither. */
function decodeKey(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}

function localKey(key: Buffer, name: string): WrappingKey {
  const keyId = createHash('sha256').update('thaw wrapping key\n').update(key).digest('hex').slice(0, 16);
  return {
    keyId,
    name,
    wrap: async (dataKey, context) => {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
      return Buffer.concat([nonce, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]);
    },
    unwrap: async (wrapped, context) => {
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, wrapped.subarray(0, nonceBytes), { authTagLength: tagBytes });
        decipher.setAAD(Buffer.from(context)).setAuthTag(wrapped.subarray(-tagBytes));
        return Buffer.concat([decipher.update(wrapped.subarray(nonceBytes, -tagBytes)), decipher.final()]);
      } catch (error) {
        throw new ThawError('encryption_key_wrong', `${name} (${keyId}) does not open ${context}`, {
          fix: 'Set the key that the golden was captured with.',
          cause: error,
        });
      }
    },
  };
}

function refuseText(): never {
  throw new ThawError('node_unfit', 'THAW_ENCRYPTION_KEY holds no 32 bytes as hex or base64', { fix: 'Make a key: openssl rand -hex 32' });
}
